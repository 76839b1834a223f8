"""The workflow with its GPU tasks on a worker that shares no disk with Airflow and reaches it by HTTP alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.sources.demo import write_demo_dump
from pipeline.stages import STAGES
from scripts.airflow_environment import CHECKOUT
from tests.e2e.deployment import HOST, TRAIN, free_port, standalone, until
from tests.s3_server import S3Server

ON_GPU = {spec.name for spec in STAGES if spec.on_gpu}
SIGNING_KEY = "AIRFLOW__API_AUTH__JWT_SECRET"


@pytest.mark.slow
def test_gpu_tasks_run_on_a_worker_elsewhere(tmp_path: Path, s3: S3Server) -> None:
    write_demo_dump(tmp_path / "reviews.csv", rows=1_500, seed=1)
    told = {
        "dumps": [str(tmp_path / "reviews.csv")], "profile": "demo", "epochs": 1, "directions": ["uni"],
        "units": [8], "bootstrap_samples": 100, "num_workers": 1, "approval": "auto",
    }  # fmt: skip
    port = free_port()
    both = {
        "AIRFLOW__EDGE__API_URL": f"http://{HOST}:{port}/edge_worker/v1/rpcapi",
        "REVIEW_SENTIMENT_STORE": f"s3://{s3.make_bucket()}/reviews",
    }
    settings = {
        **both,
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor,airflow.providers.edge3.executors.EdgeExecutor",
        "AIRFLOW__EDGE__API_ENABLED": "True",
        "REVIEW_SENTIMENT_GPU_EXECUTOR": "EdgeExecutor",
        "REVIEW_SENTIMENT_GPU_QUEUE": "gpu",
        "REVIEW_SENTIMENT_SCHEDULE": "none",
    }
    with standalone(tmp_path, settings, port=port) as airflow:
        # All that docs/how-to/use_a_remote_gpu.md asks for, and a look for work every second.
        environment = {
            **both,
            **{name: value for name, value in os.environ.items() if name.startswith("AWS_")},
            # It signs its requests itself. The database and the other keys it need not know.
            SIGNING_KEY: airflow.secrets.pop(SIGNING_KEY),
            "AIRFLOW__CORE__DAGS_FOLDER": str(CHECKOUT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(CHECKOUT / "plugins"),
            "AIRFLOW__EDGE__JOB_POLL_INTERVAL": "1",
        }
        run = airflow.trigger(TRAIN, told)
        # While no worker is there, what wants a GPU waits and the rest goes on.
        until(lambda: airflow.task_instances(TRAIN, run)["preflight"]["state"] == "queued", "task for the worker")
        command = ["edge", "worker", "-q", "gpu", "-c", "1", "-H", "gpu-box"]
        with airflow.worker("gpu-box", command, environment) as worker:
            state = airflow.finished(TRAIN, run)
            airflow.assert_knows_no_secret(worker)
            assert worker.addresses() == set()
        tasks = airflow.task_instances(TRAIN, run)
        assert state == "success", {name: task["state"] for name, task in tasks.items()}
        assert {name for name, task in tasks.items() if task["hostname"] == "gpu-box"} == ON_GPU
        # It wrote its log on its own disk, and pushed it.
        assert "epoch 1 of 1" in airflow.log(TRAIN, run, "train", map_index=0)
