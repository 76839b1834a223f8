"""How fast review text becomes words, against the article's own way, in one run.

Named alternative: ``tests.reference.article_cleaning``: BeautifulSoup over lxml, then one regular expression after
another, stop words in a set, one loop. The texts are asserted to be identical. Reviews are resampled from the real
ones, and a share of their words is misspelt at random, so that remembering tokens gets no unfair help.

The reference, one process and all processes take turns over the same parts of the reviews, because the machine may
be shared. ``CPU`` is processor time, all processes together: of use where others disturb the wall clock. Divided by
the number of processes it is what the wall clock would show on as many idle cores.
"""

from __future__ import annotations

import argparse
import random
import shutil
import string
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from bench._shared import DATA, in_new_process, peak_megabytes, processor_seconds, real_records
from pipeline.cleaning import clean
from pipeline.cleaning.parallel import words_in_order
from pipeline.cleaning.rules import NORMALIZATIONS, apply_normalization
from pipeline.cleaning.words import normalizer
from pipeline.config import TextConfig
from pipeline.store import ArtifactReference, ArtifactStore
from tests.reference.article_cleaning import article_words_of_all
from tests.unit.cleaning.factories import SCHEMA, reviews, validated

BATCH_ROWS = 16_384


@dataclass
class Clock:
    """Seconds spent in one way of cleaning."""

    wall: float = 0.0
    cpu: float = 0.0
    outputs: list[str] = field(default_factory=list)

    def run(self, work: Callable[[], list[str]]) -> None:
        """Time a piece of work and keep what it returns."""
        wall, cpu = time.perf_counter(), processor_seconds()
        outputs = work()
        self.wall += time.perf_counter() - wall
        self.cpu += processor_seconds() - cpu
        self.outputs += outputs


def resampled(texts: list[str], rows: int, misspelt: float, seed: int) -> list[str]:
    """Draw reviews with replacement and change one letter in a share of their words."""
    dice = random.Random(seed)  # noqa: S311 - no secret.

    def changed(word: str) -> str:
        if not word.isalpha() or dice.random() >= misspelt:
            return word
        place = dice.randrange(len(word))
        return word[:place] + dice.choice(string.ascii_lowercase) + word[place + 1 :]

    return [" ".join(map(changed, dice.choice(texts).split(" "))) for _ in range(rows)]


def measure(name: str, texts: list[str], parts: int, processes: int) -> None:
    """Print one table of the three ways over the same texts."""
    reference, single, several = Clock(), Clock(), Clock()
    normalizer.cache_clear()
    one = normalizer("article")
    size = -(-len(texts) // parts)
    for start in range(0, len(texts), size):
        part = texts[start : start + size]
        single.run(lambda part=part: one.many(part))
        reference.run(lambda part=part: article_words_of_all(part))
    assert single.outputs == reference.outputs, "the fast way gives other words than the reference"  # noqa: S101

    column = pa.array(texts)
    batches = [pa.record_batch({"text": column.slice(i, BATCH_ROWS)}) for i in range(0, len(texts), BATCH_ROWS)]
    several.run(lambda: [words for out in words_in_order(batches, "article", processes) for words in out.to_pylist()])
    assert several.outputs == reference.outputs, "several processes give other words than the reference"  # noqa: S101

    print(f"\n{name}: {len(texts):,} reviews, {sum(map(len, texts)) / len(texts):.0f} characters on average")
    print(f"{'way':<44}{'reviews/s':>10}{'ratio, wall':>13}{'ratio, CPU':>12}{'× processes':>13}")
    ways = (
        ("article's own, 1 process", reference, 1),
        ("ours, 1 process", single, 1),
        (f"ours, {processes} processes, their start included", several, processes),
    )
    for way, clock, count in ways:
        ratio = reference.cpu / clock.cpu
        print(
            f"{way:<44}{len(texts) / clock.wall:>10,.0f}{reference.wall / clock.wall:>13.1f}{ratio:>12.1f}"
            f"{ratio * count:>13.1f}"
        )


def default_against_rules(texts: list[str]) -> None:
    """Print what remembering tokens gains for ``default``, whose plain way is its rules one by one."""
    for normalization in NORMALIZATIONS:
        plain, fast = Clock(), Clock()
        normalizer.cache_clear()
        plain.run(lambda name=normalization: [apply_normalization(text, name) for text in texts])
        fast.run(lambda name=normalization: normalizer(name).many(texts))
        same = sum(map(str.__eq__, plain.outputs, fast.outputs))
        print(
            f"{normalization}: rules one by one {len(texts) / plain.cpu:,.0f} reviews/s, ours "
            f"{len(texts) / fast.cpu:,.0f} ({plain.cpu / fast.cpu:.1f} times); same words in {same:,} of {len(texts):,}"
        )


def run_stage(folder: str, key: str, processes: int) -> tuple[float, float, float]:
    """Run the stage once: seconds, MiB resident after the imports, and at most."""
    store = ArtifactStore(folder)
    before, start = peak_megabytes(), time.perf_counter()
    done = clean(ArtifactReference(stage="validate_raw", key=key), TextConfig(), store, processes)
    seconds, peak = time.perf_counter() - start, peak_megabytes()
    shutil.rmtree(store.folder(done))
    return seconds, before, peak


def whole_stage(texts: list[str], processes: int) -> None:
    """Print time and peak memory of the stage ``clean`` over a dump of these texts, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        store = ArtifactStore(folder)
        dice = random.Random(1)  # noqa: S311 - no secret.
        rows = [
            {"product_id": f"B{dice.randrange(len(texts) // 8 + 1):08}", "score": dice.choice((1, 4, 5))} for _ in texts
        ]
        table = reviews(rows).set_column(SCHEMA.get_field_index("text"), "text", pa.array(texts))
        given = validated(store, table)
        read = (store.folder(given) / "reviews.parquet").stat().st_size
        for count in (1, processes):
            seconds, before, peak = in_new_process(run_stage, folder, given.key, count)
            print(
                f"whole stage, {len(texts):,} reviews ({read / 2**20:.0f} MiB of Parquet, "
                f"{sum(map(len, texts)) / 2**20:.0f} MiB of text), {count} processes: {seconds:.1f} s, "
                f"{peak:.0f} MiB resident at most, {before:.0f} of them imports"
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the real dumps")
    parser.add_argument("--rows", type=int, default=200_000, help="reviews to resample")
    parser.add_argument("--misspelt", type=float, default=0.02, help="share of words changed at random")
    parser.add_argument("--parts", type=int, default=8, help="turns that the ways take")
    parser.add_argument("--processes", type=int, default=2, help="of the third way")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"no real reviews in {arguments.data}; name their folder with --data")

    real = [record["Text"] or "" for record in real_records(arguments.data)]
    texts = resampled(real, arguments.rows, arguments.misspelt, arguments.seed)
    measure(f"fine foods, resampled, {arguments.misspelt:.0%} misspelt", texts, arguments.parts, arguments.processes)
    short = [record["Summary"] or "" for record in real_records(arguments.data, ["flipkart_reviews.csv.gz"])]
    measure("flipkart, as it is", short, arguments.parts, arguments.processes)
    print()
    whole_stage(texts, arguments.processes)
    print("\nfine foods, as they are:")
    default_against_rules(real)


if __name__ == "__main__":
    main()
