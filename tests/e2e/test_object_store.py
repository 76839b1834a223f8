"""The whole DAG on a store in S3 that falters all the time, with credentials from an Airflow connection."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.config import RunConfig
from pipeline.sources.demo import write_demo_dump
from pipeline.steps import Run
from pipeline.store import ArtifactStore, Manifest
from pipeline.workflow import run_stages
from tests.s3_server import ACCESS_KEY, SECRET_KEY, S3Server, only_these_credentials

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.sdk import DAG

CHECKOUT = Path(__file__).resolve().parents[2]
CONNECTION = "review_store"
TOLD = {
    "epochs": 2, "directions": ["uni"], "units": [4], "layers": [1], "embedding_dim": [8], "bootstrap_samples": 100,
    "num_workers": 1, "device": "cpu", "force_promotion_reason": "whatever the figures say",
}  # fmt: skip
ONE_FAULT_IN = 5
"""Requests. Every fifth fails, so that each of the six faults comes dozens of times."""


@pytest.fixture
def dag(airflow_home: Path) -> DAG:
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(CHECKOUT / "dags" / "train_review_sentiment.py")).dags["train_review_sentiment"]


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "Reviews.csv"
    write_demo_dump(path, rows=1_200, seed=1)
    return path


def connect(monkeypatch: pytest.MonkeyPatch, s3: S3Server, bucket: str, *, key: str = ACCESS_KEY) -> ArtifactStore:
    """Let an Airflow connection, and nothing else, hold the credentials of the store."""
    extra = {"endpoint_url": s3.url, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": key, "password": SECRET_KEY, "extra": extra}
    only_these_credentials(monkeypatch, {})
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(connection))
    monkeypatch.setenv("REVIEW_SENTIMENT_STORE_CONN", CONNECTION)
    store = ArtifactStore(f"s3://{bucket}/reviews")
    monkeypatch.setenv("REVIEW_SENTIMENT_STORE", store.url)
    return store


@pytest.mark.slow
def test_a_run_ends_in_a_faltering_object_store_as_in_a_folder(
    dag: DAG, s3: S3Server, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.make_bucket()
    connect(monkeypatch, s3, bucket)
    s3.fault_every = ONE_FAULT_IN
    # The worst that can befall a conditional write: it is carried out, and nobody hears of it.
    s3.faulty = re.compile(r"PUT /.*/champions/000001\.json")
    run = dag.test(run_conf={**TOLD, "dumps": [str(dump)]})

    assert str(run.state) == "success", states(run)
    assert states(run)["promote"] == "success"
    assert len({request.fault for request in s3.requests}) == 7, "each fault, and none"
    objects = {key.removeprefix("reviews/"): value for key, value in s3.objects(bucket).items()}
    manifests = require_whole_artifacts(s3, objects)
    assert [key for key in objects if key.startswith("champions/")] == ["champions/000001.json"]
    assert all(request.conditional for request in s3.requests if re.match(r"PUT .*/champions/", asked(request)))
    assert any(re.match("PUT .*/resumable/train/.*/checkpoint.npz", asked(request)) for request in s3.requests)
    assert not [key for key in objects if key.startswith(("resumable/", "in_progress/"))]
    assert not [key for key, value in objects.items() if SECRET_KEY.encode() in value or ACCESS_KEY.encode() in value]
    assert SECRET_KEY not in str(
        [instance.xcom_pull(task_ids=instance.task_id) for instance in run.get_task_instances()]
    )

    folder = ArtifactStore(str(tmp_path / "folder"))
    list(run_stages(Run(RunConfig.from_flat({**TOLD, "dumps": [str(dump)]}), folder, run.run_id), until="encode"))
    assert len(folder.artifacts()) >= 10
    for reference in folder.artifacts():
        here, there = folder.manifest(reference), manifests[f"artifacts/{reference.stage}/{reference.key}"]
        assert outputs(here) == outputs(there), reference


def test_a_refused_login_ends_the_run_with_what_to_do(dag, s3, monkeypatch, caplog, capfd) -> None:
    bucket = s3.make_bucket()
    connect(monkeypatch, s3, bucket, key="AKIASTRANGER")
    caplog.set_level(logging.DEBUG)
    run = dag.test(run_conf={**TOLD, "dumps": ["demo"]})
    first = next(instance for instance in run.get_task_instances() if instance.task_id == "fetch")
    assert (str(run.state), str(first.state), first.try_number) == ("failed", "failed", 1)
    log = caplog.text + "".join(capfd.readouterr())
    assert f"'s3://{bucket}' refuses the login of the Airflow connection {CONNECTION}" in log
    assert "AccessDenied" in log
    assert "login is the access key, password the secret key" in log
    assert SECRET_KEY not in log
    assert s3.objects(bucket) == {}


def require_whole_artifacts(s3: S3Server, objects: dict[str, bytes]) -> dict[str, Manifest]:
    """Check every artifact against its manifest, and that the manifest came last; return the manifests by folder."""
    written = [request.path for request in s3.requests if request.method == "PUT" and request.status == 200]
    manifests = {}
    for key, value in objects.items():
        if not re.fullmatch(r"artifacts/[^/]+/[^/]+/manifest\.json", key):
            continue
        home = key.rpartition("/")[0]
        manifests[home] = manifest = Manifest.model_validate_json(value)
        for file, record in manifest.files.items():
            assert hashlib.sha256(objects[f"{home}/{file}"]).hexdigest() == record.sha256, file
        first = next(place for place, path in enumerate(written) if path.endswith(key))
        after = {path.rpartition("/")[2] for path in written[first:] if f"/{home}/" in path}
        assert after <= {"manifest.json", ".used"}, f"{home} could be seen before it was whole"
    artifacts = {"/".join(key.split("/")[:3]) for key in objects if key.startswith("artifacts/")}
    assert artifacts == manifests.keys(), "a part of an artifact is left"
    return manifests


def outputs(manifest: Manifest) -> dict[str, str]:
    """Return the digests of a manifest's files."""
    return {name: record.sha256 for name, record in manifest.files.items()}


def states(run: DagRun) -> dict[str, str]:
    return {instance.task_id: str(instance.state) for instance in run.get_task_instances()}


def asked(request: object) -> str:
    return f"{request.method} {request.path}"
