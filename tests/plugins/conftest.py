"""Airflow's API server with this project's pages, in this process, and a store for them to read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pipeline.dataset import DumpBatch
from pipeline.dataset.records import ClaimedFile
from pipeline.promotion.champions import ChampionChange, ChampionModel
from pipeline.reporting.history import PublishedRun
from pipeline.statistics import Interval
from pipeline.store import ArtifactReference, ArtifactStore

USER, PASSWORD = "analyst", "a password of the tests alone"


@pytest.fixture(scope="session")
def server(airflow_home: Path) -> FastAPI:
    """The whole API server, with every plugin of the project."""
    passwords = airflow_home / "passwords.json"
    passwords.write_text(json.dumps({USER: PASSWORD}), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        # Airflow puts it there when it is first imported, which another test may have done with a path of its own.
        patch.syspath_prepend(Path(__file__).resolve().parents[2] / "plugins")
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", f"{USER}:admin")
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(passwords))
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "a secret of the tests alone" * 4)
        from airflow.api_fastapi.app import create_app

        yield create_app()


@pytest.fixture
def anonymous(server: FastAPI) -> Iterator[TestClient]:
    """A visitor who has not logged in."""
    with TestClient(server, base_url="http://localhost") as client:
        yield client


@pytest.fixture
def analyst(server: FastAPI, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A visitor who may read the DAG; the pages read the test's own store."""
    monkeypatch.setenv("REVIEW_SENTIMENT_STORE", store.url)
    monkeypatch.delenv("REVIEW_SENTIMENT_INBOX", raising=False)
    with TestClient(server, base_url="http://localhost") as client:
        token = client.post("/auth/token", json={"username": USER, "password": PASSWORD}).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def published(
    store: ArtifactStore, name: str, *, report: str = "<p>the report</p>", day: int = 0, **changes: Any
) -> None:
    """Put a published run into the store, as ``publish`` leaves it."""
    figure = Interval(value=0.9, low=0.88, high=0.92)
    run = PublishedRun(
        run_name=name,
        made_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day),
        profile="default",
        demo=False,
        outcome="accepted",
        headline="May be used.",
        dumps=("Reviews.csv",),
        rows_read=1000,
        quarantined_rows=3,
        test_rows=100,
        best_model="bi-seed1",
        best_title="Bidirectional LSTM, seed 1",
        balanced_accuracy=figure,
        accuracy=figure,
        roc_auc=figure,
        negative_recall=figure,
        serious_warnings=0,
        warnings=1,
        validated_raw=None,
        exported=None,
    ).model_copy(update=changes)
    folder = Path(store.url) / "reports" / name
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(run.model_dump_json(), encoding="utf-8")
    (folder / "report.html").write_text(report, encoding="utf-8")
    (folder / "report.json").write_text("{}", encoding="utf-8")


def served(
    store: ArtifactStore, number: int, run_name: str, exported: ArtifactReference | None = None, **changes: Any
) -> None:
    """Put a change of champion into the store, as ``change_champion`` leaves it."""
    exported = exported or nowhere("export", number)
    model = ChampionModel(
        name="bi-seed1",
        title=f"Bidirectional LSTM of {run_name}",
        run_name=run_name,
        demo=False,
        exported=exported,
        evaluated=nowhere("evaluate"),
        behavioral_tests=nowhere("run_behavioral_tests"),
        cleaned=nowhere("clean"),
        parts=nowhere("split"),
        fetched=nowhere("fetch"),
        validated_raw=nowhere("validate_raw"),
    )
    change = ChampionChange(
        number=number,
        kind="promote",
        model=model,
        who="the gate",
        why=f"Better by 0.0{number}.",
        run_name=run_name,
        changed_at=datetime(2026, 2, 1, tzinfo=UTC) + timedelta(days=number),
    ).model_copy(update=changes)
    folder = Path(store.url) / "champions"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number:06}.json").write_text(change.model_dump_json(), encoding="utf-8")


def took(store: ArtifactStore, number: int, name: str, **changes: Any) -> None:
    """Put an batch into the store, as ``record_batch`` leaves it."""
    batch = DumpBatch(
        run_name=f"run-{number}",
        received_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number),
        outcome="accepted",
        files=(ClaimedFile(name=name, sha256=f"{number:064x}", bytes=4),),
        demo=False,
        rows=1000 + number,
        fetched=nowhere("fetch", number),
    ).model_copy(update=changes)
    folder = Path(store.url) / "collection" / "batches"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{batch.key}.json").write_text(batch.model_dump_json(), encoding="utf-8")


def nowhere(stage: str, number: int = 0) -> ArtifactReference:
    """Return a reference to an artifact that no store holds."""
    return ArtifactReference(stage=stage, key=f"{number:032x}")
