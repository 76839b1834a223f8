"""Files of the inbox and runs for the tests of the dataset."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pipeline.config import RunConfig
from pipeline.run_state import RunState
from pipeline.steps import Run, fetch
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.workflow import run_stages

SETTLED_SECONDS = 3_600
"""Age of a file that is complete at the first scan."""


def settle(path: Path) -> Path:
    """Set the time of a file back, so that it is complete at the first scan."""
    settled = time.time() - SETTLED_SECONDS
    os.utime(path, (settled, settled))
    return path


def run(store: ArtifactStore, name: str, **values: object) -> Run:
    """Return a run over the inbox and all batches."""
    parameters = {"profile": "demo", "dumps": ["inbox"], "window": "all", "num_workers": 1, **values}
    return Run(RunConfig.from_flat(parameters), store, name)


def collected(run: Run) -> RunState:
    """Return the run's state after its dataset was built."""
    *_, state = run_stages(run, until="build_dataset")
    return state


def fetched(run: Run) -> ArtifactReference:
    """Return the raw files that the run claims."""
    return fetch(run, RunState())
