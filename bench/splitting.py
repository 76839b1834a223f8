"""Benchmark of the near-duplicate search, the vocabulary and the encoding, against simple implementations.

Near-duplicates: the exact search of the split (prefix join) and the search of the leakage check (MinHash) against
comparing all pairs, which is timed on a few thousand texts and extrapolated quadratically. Vocabulary and encoding:
against ``collections.Counter`` and a dictionary look-up per word; the ids must be equal.

Texts are resampled from real reviews with a share of their words replaced, and with near-duplicates at a known rate.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa

from bench._shared import DATA, peak_megabytes, real_records
from pipeline.config import EncodingConfig, VocabularyConfig
from pipeline.encoding import VOCABULARY_FILE, Vocabulary, encode, fit_vocabulary, load_sequences
from pipeline.splitting.minhash import duplicates_of_known
from pipeline.splitting.near_duplicates import cluster_texts
from pipeline.splitting.shingles import shingle_sets
from pipeline.splitting.texts import distinct_texts
from pipeline.store import ArtifactStore
from tests.unit.splitting.factories import cleaned_table, place_cleaned, place_splits

Result = TypeVar("Result")
WORD = re.compile("[a-z]{3,}")
PLANTED_SHARE = 0.05
REPLACED_SHARE = 0.25
MEAN_WORDS = 37
"""Words of a cleaned review on average (full data set)."""
ALL_PAIRS_TEXTS = 2_000


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """Return what the work returns, and the seconds that it took."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def line(name: str, rows: int, seconds: float, reference: float | None = None) -> None:
    """Print one line of the table."""
    ratio = "" if reference is None else f"{reference / seconds:>12,.1f}"
    print(f"{name:<48}{seconds:>9.1f} s{rows / seconds:>12,.0f} rows/s{ratio}")


def resampled(texts: list[list[str]], rows: int) -> list[str]:
    """Return texts of real length; one in twenty differs from an earlier one by one word."""
    generator = np.random.default_rng(1)
    pool = np.array([word for text in texts for word in text])
    scale = MEAN_WORDS / np.mean([len(text) for text in texts])
    made: list[str] = []
    for number, planted in enumerate(generator.random(rows) < PLANTED_SHARE):
        if planted and made:
            words = made[int(generator.integers(len(made)))].split()
            changed = generator.integers(len(words), size=1)
        else:
            source = texts[number % len(texts)]
            words = source[: max(3, int(len(source) * scale))] or ["nothing"]
            changed = np.flatnonzero(generator.random(len(words)) < REPLACED_SHARE)
        words = list(words)
        for place, word in zip(changed.tolist(), generator.choice(pool, len(changed)).tolist(), strict=True):
            words[place] = word
        made.append(" ".join(words))
    return made


def bench_near_duplicates(texts: list[str], similarity: float) -> None:
    """Time both searches against comparing all pairs."""
    rows = len(texts)
    distinct, folding = timed(lambda: distinct_texts(pa.chunked_array([texts])))
    sets, cutting = timed(lambda: shingle_sets(distinct.texts))
    few = np.arange(min(ALL_PAIRS_TEXTS, len(sets)))
    left, right = (index.astype(np.int64) for index in np.triu_indices(len(few), 1))
    _, few_seconds = timed(lambda: sets.similar(left, right, similarity))
    every_pair = few_seconds * (len(sets) / len(few)) ** 2
    (cluster, uncompared), joining = timed(lambda: cluster_texts(sets, similarity))
    queries = np.random.default_rng(2).random(len(sets)) < 0.1
    found, hashing = timed(lambda: duplicates_of_known(sets, queries, ~queries, similarity))
    print(f"\nNear-duplicates among {rows:,} rows at {similarity}, speed-up over all pairs")
    line("merge identical texts", rows, folding)
    line("make shingles", rows, cutting)
    line("all pairs (extrapolated)", rows, every_pair, every_pair)
    line("prefix join, exact, all against all", rows, joining, every_pair)
    line("MinHash in bands, a tenth against the rest", rows, hashing, every_pair)
    known = np.isin(cluster, cluster[~queries])
    print(
        f"{len(sets) - len(np.unique(cluster)):,} texts are near-duplicates of others ({uncompared} uncompared). Of a "
        f"tenth of the texts, {int(found.sum()):,} are near-duplicates of the rest directly, "
        f"{int((known & queries).sum()):,} directly or through others."
    )


def bench_words(texts: list[str]) -> None:
    """Time vocabulary and encoding against a simple implementation."""
    rows = len(texts)
    counter, counting = timed(lambda: Counter(word for text in texts for word in text.split()))
    ids = {word: number for number, (word, _) in enumerate(counter.most_common(30_000), start=2)}
    plain, looking_up = timed(lambda: [[ids.get(word, 1) for word in text.split()][-150:] for text in texts])
    with tempfile.TemporaryDirectory() as folder:
        store = ArtifactStore(folder)
        cleaned = place_cleaned(store, cleaned_table(texts))
        splits = place_splits(store, dict.fromkeys(range(rows), "train"))
        config = VocabularyConfig(min_frequency=1)
        vocabulary, fitting = timed(lambda: fit_vocabulary(cleaned, splits, config, store))
        encoded, encoding = timed(lambda: encode(cleaned, splits, vocabulary, EncodingConfig(), store))
        words = Vocabulary.load(store.folder(vocabulary) / VOCABULARY_FILE)
        if words.id_of_word != ids:
            raise SystemExit("the vocabularies differ")
        sequences = load_sequences(store, encoded, "train")
        if sequences.ids.tolist() != [number for text in plain for number in text]:
            raise SystemExit("the ids differ")
    print(f"\nWords of {rows:,} rows; the stages also read and write Parquet; speed-up")
    line("Counter", rows, counting, counting)
    line("fit_vocabulary", rows, fitting, counting)
    line("dictionary look-ups", rows, looking_up, looking_up)
    line("encode", rows, encoding, looking_up)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000, help="reviews to resample (default: %(default)s)")
    parser.add_argument("--similarity", type=float, default=0.8, help="of near-duplicates (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of real reviews")
    arguments = parser.parse_args()
    texts = resampled([WORD.findall(record["Text"].lower()) for record in real_records(arguments.data)], arguments.rows)
    bench_near_duplicates(texts, arguments.similarity)
    bench_words(texts)
    print(f"\nPeak memory {peak_megabytes() / 1024:.1f} GiB, simple implementations included.")


if __name__ == "__main__":
    main()
