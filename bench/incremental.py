"""What the next dump costs: taking one more into a collection, against reading everything again in one dump.

Prints, for a collection that grows dump by dump, the processor seconds of taking the newest (fetch to merged reviews),
those of a run over all dumps at once, each in a store of its own, and the seconds that merging takes.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import tempfile
import time
from pathlib import Path

from pipeline.config import RunConfig
from pipeline.sources.demo import write_demo_dump
from pipeline.steps import Run
from pipeline.store import ArtifactStore
from pipeline.workflow import run_stages

ROWS = 20_000
DUMPS = 6


def seconds() -> float:
    """Return the processor seconds of this process and its ended children."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def taken(store: ArtifactStore, name: str, **told: object) -> tuple[float, float]:
    """Run the steps up to the window's reviews; return their processor seconds and the merge's seconds by the clock."""
    config = RunConfig.from_flat({"profile": "demo", "num_workers": 1, **told})
    before = seconds()
    *_, state = run_stages(Run(config, store, name), until="build_dataset")
    spent = seconds() - before
    return spent, store.manifest(state["build_dataset"]).seconds if state.is_merged else 0.0


def write_numbered(path: Path, rows: int, number: int) -> None:
    """Write a dump whose ids no other dump has: every generated one counts from 1."""
    aside = path.with_suffix(".part")
    write_demo_dump(aside, rows=rows, seed=number)
    with aside.open(newline="", encoding="utf-8") as source, path.open("w", newline="", encoding="utf-8") as sink:
        header, *reviews = csv.reader(source)
        place = header.index("Id")
        for review in reviews:
            review[place] = str(int(review[place]) + number * 10_000_000)
        csv.writer(sink).writerows([header, *reviews])
    aside.unlink()


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of a dump")
    parser.add_argument("--dumps", type=int, default=DUMPS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        inbox = home / "inbox"
        inbox.mkdir()
        os.environ["REVIEW_SENTIMENT_INBOX"] = str(inbox)
        # Everything heavy is imported and warm before anything is timed.
        write_demo_dump(home / "warm.csv", rows=2_000, seed=99)
        taken(ArtifactStore(str(home / "warm")), "warm", dumps=[str(home / "warm.csv")])
        store = ArtifactStore(str(home / "store"))
        print(f"{options.rows:,} rows a dump; processor seconds")
        print(f"{'dumps':>5} {'the next one':>13} {'all again':>10} {'ratio':>6} {'of it merge':>12}")
        for number in range(1, options.dumps + 1):
            path = inbox / f"{number:02}.csv"
            write_numbered(path, options.rows, number)
            settled = time.time() - 3_600
            os.utime(path, (settled, settled))
            spent, merging = taken(store, f"run-{number}", dumps=["inbox"], window="all")
            # An address of its own each time, so that nothing is reused.
            again, _ = taken(
                ArtifactStore(str(home / f"again-{number}")), "again", dumps=sorted(map(str, inbox.iterdir()))
            )
            print(f"{number:>5} {spent:>13.2f} {again:>10.2f} {spent / again:>6.2f} {merging:>12.2f}", flush=True)


if __name__ == "__main__":
    main()
