"""Measures the cost of one more dump compared with reading all dumps again.

Prints, for a batch registry that grows dump by dump, the processor seconds of adding the newest dump (from fetch to
merge), those of a run over all dumps at once in a new store, and the seconds of the merge.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from bench._shared import processor_seconds
from pipeline.config import RunConfig
from pipeline.sources.demo import write_demo_dump
from pipeline.steps import Run
from pipeline.store import ArtifactStore
from pipeline.workflow import run_stages

ROWS = 20_000
DUMPS = 6


def build_dataset(store: ArtifactStore, name: str, **parameters: object) -> tuple[float, float]:
    """Run the stages up to the merge; return their processor seconds and the wall-clock seconds of the merge."""
    config = RunConfig.from_flat({"profile": "demo", "num_workers": 1, **parameters})
    before = processor_seconds()
    *_, state = run_stages(Run(config, store, name), until="build_dataset")
    spent = processor_seconds() - before
    return spent, store.manifest(state["build_dataset"]).seconds if state.is_merged else 0.0


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
        # Import and initialize heavy libraries before the first measurement.
        write_demo_dump(home / "warm.csv", rows=2_000, seed=99)
        build_dataset(ArtifactStore(str(home / "warm")), "warm", dumps=[str(home / "warm.csv")])
        store = ArtifactStore(str(home / "store"))
        print(f"{options.rows:,} rows a dump; processor seconds")
        print(f"{'dumps':>5} {'newest':>13} {'all':>10} {'ratio':>6} {'merge':>12}")
        for number in range(1, options.dumps + 1):
            path = inbox / f"{number:02}.csv"
            write_demo_dump(path, rows=options.rows, seed=number)
            settled = time.time() - 3_600
            os.utime(path, (settled, settled))
            spent, merging = build_dataset(store, f"run-{number}", dumps=["inbox"], window="all")
            # A new store each time, so that no artifact is reused.
            again, _ = build_dataset(
                ArtifactStore(str(home / f"again-{number}")), "again", dumps=sorted(map(str, inbox.iterdir()))
            )
            print(f"{number:>5} {spent:>13.2f} {again:>10.2f} {spent / again:>6.2f} {merging:>12.2f}", flush=True)


if __name__ == "__main__":
    main()
