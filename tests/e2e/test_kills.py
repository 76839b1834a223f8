"""A retrain that is killed after each change that it makes ends where an undisturbed one ends."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.dataset import batches
from pipeline.promotion import champion_changes
from pipeline.sources.demo import write_demo_dump
from pipeline.store import ArtifactStore
from tests.unit.dataset.factories import settle

CHECKOUT = Path(__file__).resolve().parents[2]
TOLD = {
    "profile": "demo", "dumps": ["inbox"], "window": "all", "epochs": 1, "directions": ["uni"], "units": [8],
    "bootstrap_samples": 100, "num_workers": 1, "force_promotion_reason": "whatever the figures say",
}  # fmt: skip
TIMES = {"manifest.json", "window.json", "epochs.jsonl", "run.json", "report.json", "report.html", "report.md"}
"""Files that say when something was made, or how fast."""
TIMED = {"baselines", "train", "predict"}
"""Stages whose summary does."""
NOT_REPEATABLE = {"saved_model", "tensorboard"}
"""TensorFlow writes a SavedModel and its event files with names and times of their own."""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that runs the workflow in processes of its own, over the inbox of this test."""
    environment = {**os.environ, "REVIEW_SENTIMENT_INBOX": str(tmp_path / "inbox")}
    program = [sys.executable, str(CHECKOUT / "tests" / "e2e" / "dying_run.py"), json.dumps(TOLD)]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        process.stdin.close()


def run(runs: subprocess.Popen[str], store: Path, name: str, *, killed: bool = False) -> int:
    """Run the workflow; return how many of its processes were killed."""
    runs.stdin.write(json.dumps({"store": str(store), "name": name, "killed": killed}) + "\n")
    runs.stdin.flush()
    # Libraries may print, too.
    answer = next(line for line in runs.stdout if line.startswith('{"killed"'))
    result = json.loads(answer)
    assert result["status"] == 0
    return int(result["killed"])


def state(store: Path) -> dict[str, str]:
    """Return the digest of every artifact's file that does not say when it was made."""
    found = {}
    for path in sorted((store / "artifacts").rglob("*")):
        name = path.relative_to(store).as_posix()
        timed = path.name in {*TIMES, "model_card.md"} or (path.name == "summary.json" and path.parts[-3] in TIMED)
        # A Keras file says when it was saved; model.onnx in the export holds the same weights.
        if path.is_file() and not timed and path.suffix != ".keras" and NOT_REPEATABLE.isdisjoint(path.parts):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.mark.slow
def test_a_retrain_killed_at_every_step_ends_like_an_undisturbed_one(
    tmp_path: Path, runs: subprocess.Popen[str]
) -> None:
    inbox, calm, killed = tmp_path / "inbox", tmp_path / "calm", tmp_path / "killed"
    inbox.mkdir()
    for number, name in enumerate("ab", start=1):
        write_demo_dump(inbox / f"{name}.csv", rows=1_500, seed=number)
        settle(inbox / f"{name}.csv")
        if name == "a":
            assert run(runs, calm, "first") == 0
            shutil.copytree(calm, killed)
    assert run(runs, calm, "second") == 0
    assert run(runs, killed, "second", killed=True) >= 25
    assert state(killed) == state(calm)
    of = {store: ArtifactStore(str(store)) for store in (calm, killed)}
    for told in (champion_changes, batches):
        once, again = (
            [record.model_dump(exclude={"changed_at", "received_at"}) for record in told(store)]
            for store in of.values()
        )
        assert once == again
        assert len(once) == 2
    assert not list((killed / "resumable").rglob("*.keras"))
