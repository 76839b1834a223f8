"""The workflow with Celery on two workers, one of which dies while it trains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.reporting.history import read_history
from pipeline.sources.demo import write_demo_dump
from pipeline.stages import STAGES
from pipeline.store import ArtifactStore
from pipeline.training.training_log import EPOCHS_FILE
from tests.e2e.deployment import HOST, TRAIN, celery_deployment, until

ON_GPU = {spec.name for spec in STAGES if spec.on_gpu}
BEFORE_THE_DEATH = {"preflight"}
EPOCHS = 100
SETTINGS = {
    "REVIEW_SENTIMENT_GPU_QUEUE": "gpu",
    # Short, so that a dead worker is noticed soon. The workers read it too: a task tells more often that it lives.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    # Long, for a GPU task that waits for its turn: so long it may lie in the queue, and its token is good.
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "86400",
}


@pytest.mark.slow
def test_a_training_outlives_its_worker(tmp_path: Path) -> None:
    dump, store = tmp_path / "reviews.csv", tmp_path / "store"
    write_demo_dump(dump, rows=1_500, seed=1)
    told = {
        "dumps": [str(dump)], "profile": "demo", "epochs": EPOCHS, "patience": EPOCHS, "directions": ["uni"],
        "units": [8], "bootstrap_samples": 100, "num_workers": 1, "approval": "auto",
    }  # fmt: skip
    with celery_deployment(tmp_path, SETTINGS) as airflow, airflow.celery_worker("cpu", "default") as cpu:
        with airflow.celery_worker("gpu-that-dies", "gpu") as gpu:
            run = airflow.trigger(TRAIN, told)
            finished = until(lambda: finished_epochs(store), "finished epoch", every=0.05)
            airflow.assert_knows_no_secret(cpu, gpu)
            assert set.union(*(part.addresses() for part in (*airflow.parts, cpu, gpu))) == {HOST}
            gpu.kill()
        with airflow.celery_worker("gpu-that-comes", "gpu"):
            state = airflow.finished(TRAIN, run)
        tasks = airflow.task_instances(TRAIN, run)
        assert state == "success", {name: task["state"] for name, task in tasks.items()}

        # Each worker did the work of its own queue, and the training went on where the first one left it.
        hosts = {name: task["hostname"] for name, task in tasks.items() if task["hostname"]}
        assert {name for name, host in hosts.items() if host == "gpu-that-dies"} == BEFORE_THE_DEATH
        assert {name for name, host in hosts.items() if host == "gpu-that-comes"} == ON_GPU - BEFORE_THE_DEATH
        assert {host for name, host in hosts.items() if name not in ON_GPU} == {"cpu"}
        assert tasks["train"]["try_number"] == 2
        [trained] = trainings(store)
        assert finished <= (trained["resumed_from_epoch"] or 0) < EPOCHS
        assert len(trained["epochs"]) == EPOCHS

        [published] = read_history(ArtifactStore(str(store))).runs
        page = airflow.client.get(f"/review-sentiment/runs/{published.folder}/").raise_for_status().text
        assert f"resumed from {trained['resumed_from_epoch']}" in page


def finished_epochs(store: Path) -> int:
    """Return how many epochs the training at work has finished."""
    return sum(len(path.read_text().splitlines()) for path in (store / "resumable").rglob(EPOCHS_FILE))


def trainings(store: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (store / "artifacts" / "train").glob("*/summary.json")]
