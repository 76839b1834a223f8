"""Fixtures for every test."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from sqlalchemy import Engine, event

from pipeline.store import ArtifactStore
from tests.factories import SHARED_DATA
from tests.s3_server import ACCESS_KEY, SECRET_KEY, S3Server, only_these_credentials

SLOW = (
    # They start servers, browsers or whole runs.
    "tests/browser/",
    "tests/deployment/",
    "tests/e2e/",
    "tests/dags/test_clean_up_artifacts.py",
    "tests/dags/test_score_reviews.py",
    "tests/unit/retention/test_any_store.py",
    "tests/unit/retention/test_kills.py",
    "tests/unit/retention/test_s3.py",
    "tests/unit/sources/test_kaggle.py",
    "tests/unit/tracking/",
    # They train or load networks.
    "tests/unit/scoring/test_dump.py",
    "tests/unit/scoring/test_export.py",
    "tests/unit/scoring/test_exports.py",
    "tests/unit/scoring/test_scorer.py",
    "tests/unit/scoring/test_text_rules.py",
    "tests/unit/training/test_backends.py",
    "tests/unit/training/test_model.py",
    "tests/unit/training/test_replicas.py",
    "tests/unit/training/test_train.py",
    # They simulate, or read all real reviews.
    "tests/unit/cleaning/test_words.py::test_every_real_review",
    "tests/unit/evaluation/test_metrics.py::test_nineteen_of_twenty_intervals_hold_the_truth",
)
"""Tests that are marked ``slow``, by folder, file or name."""
LONGEST_FIRST = (
    "tests/e2e/test_season.py",
    "tests/browser/test_airflow.py",
    "tests/e2e/test_celery.py",
    "tests/e2e/test_edge.py",
    "tests/e2e/test_object_store.py",
    "tests/e2e/test_command_line.py",
    "tests/e2e/test_kills.py",
    "tests/dags/test_train_review_sentiment.py",
    "tests/browser/test_report_page.py",
)
"""The longest files. Started last, one of them would keep one process busy while the others are idle."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the slow tests where they are not wanted: they load TensorFlow and a browser's driver."""
    place = collection_path.relative_to(config.rootpath).as_posix() + "/" * collection_path.is_dir()
    return True if config.option.markexpr == "not slow" and place in SLOW else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests, and start the longest files first: xdist hands files out in this order."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _nothing_outlives_a_power_failure() -> Iterator[None]:
    """Do not wait for the disk: a store syncs each file of an artifact, a database each of its transactions."""
    event.listen(Engine, "connect", _without_syncing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        yield
    event.remove(Engine, "connect", _without_syncing)


def _without_syncing(connection: object, _: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """An empty store in a folder of this test alone."""
    return ArtifactStore(str(tmp_path / "store"))


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[S3Server]:
    """An S3 server of this test alone, to which this process's own AWS settings lead."""
    for needed in ("moto.server", "s3fs"):
        pytest.importorskip(needed)
    from pipeline.store.s3 import ObjectStore

    with S3Server() as server:
        login = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        address = {"AWS_ENDPOINT_URL": server.url, "AWS_DEFAULT_REGION": "us-east-1"}
        only_these_credentials(monkeypatch, {**login, **address})
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        # Who repeats a request waits a second and more; nobody waits here.
        monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.01)
        # A connection that an earlier test has left leads to its own server.
        ObjectStore.clear_instance_cache()
        yield server
        ObjectStore.clear_instance_cache()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real reviews; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real reviews at {SHARED_DATA.parent.name}/{SHARED_DATA.name} beside the checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory, testrun_uid: str) -> Iterator[Path]:
    """Home of a migrated Airflow; must be asked for before anything imports Airflow."""
    from scripts import airflow_environment

    before = dict(os.environ)
    # The processes of one pytest-xdist run share the migration, which takes seconds.
    migrated = tmp_path_factory.getbasetemp().parent / f"airflow-{testrun_uid}"
    with FileLock(f"{migrated}.lock"):
        airflow_environment.prepare(migrated)
    home = tmp_path_factory.mktemp("airflow") / "home"
    shutil.copytree(migrated, home)
    airflow_environment.prepare(home)
    os.environ["REVIEW_SENTIMENT_STORE"] = str(home / "store")
    yield home
    os.environ.clear()
    os.environ.update(before)
