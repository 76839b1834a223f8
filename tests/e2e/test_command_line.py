"""The whole workflow from the shell: a run, a run again, a run with another epoch count, a kill in between."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.factories import reviews, write_csv

CHECKOUT = Path(__file__).resolve().parents[2]
TINY = [
    "--units",
    "4",
    "--layers",
    "1",
    "--embedding-dim",
    "8",
    "--batch-size",
    "64",
    "--bootstrap-samples",
    "100",
    "--num-workers",
    "1",
    "--device",
    "cpu",
    "--directions",
    "bi",
    "--profile",
    "default",
]
PROGRAM = (str(Path(sys.executable).with_name("review-sentiment")),)
TIME_TO_CHECKPOINT_SECONDS = 180
"""How long a loaded machine may take to load TensorFlow and train one tiny epoch."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command line")
    write_csv(folder / "Reviews.csv", reviews(600))
    return folder


def command(folder: Path, *arguments: str) -> list[str]:
    dump, store = str(folder / "Reviews.csv"), str(folder / "store")
    return [*PROGRAM, "run", "--dumps", dump, "--store", store, *TINY, *arguments]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *arguments), cwd=CHECKOUT, capture_output=True, text=True, check=False, env={**os.environ}
    )


def computed(log: str) -> list[str]:
    """Return the stages that were computed, not reused, in order."""
    return re.findall(r"(\w+)/[0-9a-f]{12}: done", log)


def reused(log: str) -> list[str]:
    return re.findall(r"(\w+)/[0-9a-f]{12}: reused", log)


DATA_STAGES = [
    "fetch",
    "ingest",
    "validate_raw",
    "clean",
    "validate_clean",
    "profile",
    "split",
    "check_leakage",
    "fit_vocabulary",
    "encode",
    "baselines",
    "run_behavioral_tests",
]
MODEL_STAGES = ["train", "predict", "evaluate", "export", "run_behavioral_tests", "compare", "check_acceptance"]


def test_what_a_second_run_reuses(folder: Path) -> None:
    first = run(folder, "--epochs", "2", "--run-name", "first")
    assert first.returncode == 0, first.stderr
    assert computed(first.stderr) == [*DATA_STAGES, *MODEL_STAGES, "gate", "report"]
    assert "Balanced accuracy" in first.stdout
    assert f"Report: {folder / 'store' / 'reports' / 'first' / 'report.html'}" in first.stdout

    again = run(folder, "--epochs", "2", "--run-name", "again")
    assert again.returncode == 0, again.stderr
    # The gate is asked about a run's own model.
    assert computed(again.stderr) == ["gate", "report"]
    assert reused(again.stderr) == [*DATA_STAGES, *MODEL_STAGES]

    longer = run(folder, "--epochs", "3", "--run-name", "longer")
    assert longer.returncode == 0, longer.stderr
    assert reused(longer.stderr) == DATA_STAGES
    assert computed(longer.stderr) == [*MODEL_STAGES, "gate", "report"]

    scored = subprocess.run(
        [*PROGRAM, "score", "delicious, perfect tea", "--model", "latest", "--store", str(folder / "store")],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    probability, word, text = scored.stdout.strip().split(maxsplit=2)
    assert 0 <= float(probability) <= 1
    assert word in {"positive", "negative", "unsure"}
    assert text == "delicious, perfect tea"


def test_a_killed_training_goes_on_where_it_was(folder: Path) -> None:
    options = ["--epochs", "40", "--patience", "40", "--seeds", "9"]
    process = subprocess.Popen(
        command(folder, *options, "--run-name", "killed"),
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    deadline = time.monotonic() + TIME_TO_CHECKPOINT_SECONDS
    for line in process.stderr:
        if "epoch 2 of 40" in line or time.monotonic() > deadline:
            break
    process.send_signal(signal.SIGKILL)
    process.stderr.close()
    process.wait()
    resumed = run(folder, *options, "--run-name", "resumed")
    assert resumed.returncode == 0, resumed.stderr
    went_on = re.search(r"epoch (\d+) of 40", resumed.stderr)
    assert went_on
    assert int(went_on[1]) >= 2
    assert "train" not in {path.name for path in (folder / "store" / "resumable").glob("*/*")}
