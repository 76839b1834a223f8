"""An inbox, and runs that take from it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pipeline.config import RunConfig
from pipeline.run_state import RunState
from pipeline.steps import Run
from pipeline.store import ArtifactStore
from pipeline.workflow import run_stages

LONG_AGO = 3_600
"""Seconds: a file so old is complete at the first look."""


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty inbox."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", str(folder))
    return folder


def settle(path: Path) -> Path:
    """Make a file look as if it had been complete for long."""
    then = time.time() - LONG_AGO
    os.utime(path, (then, then))
    return path


def run(store: ArtifactStore, name: str, **values: object) -> Run:
    """Return a run over the inbox and the whole collection."""
    told = {"profile": "demo", "dumps": ["inbox"], "window": "all", "num_workers": 1, **values}
    return Run(RunConfig.from_flat(told), store, name)


def collected(run: Run) -> RunState:
    """Return the run's state after its dataset was built."""
    *_, state = run_stages(run, until="build_dataset")
    return state
