"""Credentials of the object store from an Airflow connection: which fields count, and what is said of a wrong one."""

from __future__ import annotations

import asyncio
import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

from pipeline.errors import ConfigurationError
from pipeline.sources.s3 import open_object_store
from pipeline.store.login import ObjectStoreLogin
from tests.s3_server import ACCESS_KEY, SECRET_KEY, S3Server, only_these_credentials
from tests.unit.sources.factories import csv_text

TOKEN = "a-token/of+the-tests"  # noqa: S105 - opens nothing


@pytest.fixture
def plugin(airflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported by its name as Airflow's processes do; nothing of the environment counts but the test's."""
    monkeypatch.setattr("pipeline.store.login._providers", [ObjectStoreLogin])
    monkeypatch.setenv("REVIEW_SENTIMENT_STORE_CONN", "review_store")
    return importlib.import_module("pipeline.airflow.store_login")


def connect(monkeypatch: pytest.MonkeyPatch, **fields: object) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_REVIEW_STORE", json.dumps({"conn_type": "aws", **fields}))


def test_every_field_of_the_connection_counts(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"aws_session_token": TOKEN, "endpoint_url": "https://minio:9000", "region_name": "eu-west-3"}
    connect(monkeypatch, login=ACCESS_KEY, password=SECRET_KEY, extra=extra)
    login = plugin.store_login()
    assert (login.access_key, login.secret_key, login.session_token) == (ACCESS_KEY, SECRET_KEY, TOKEN)
    assert (login.endpoint_url, login.region) == ("https://minio:9000", "eu-west-3")
    assert not [secret for secret in (ACCESS_KEY, SECRET_KEY, TOKEN) if secret in repr(login)]
    connect(monkeypatch, extra={"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY})
    assert plugin.store_login().secret_key == SECRET_KEY, "a changed connection counts at once, in extra as well"
    monkeypatch.setenv("REVIEW_SENTIMENT_STORE_CONN", "")
    assert plugin.store_login() == ObjectStoreLogin()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"conn_type": "postgres"}, "of the type 'postgres'; the store needs the type aws"),
        ({"extra": {"role_arn": "arn:aws:iam::1:role/x"}}, "has role_arn, which the store does not support"),
        ({"extra": SECRET_KEY}, "is not a JSON object"),
    ],
)
def test_a_connection_that_cannot_be_used_is_told_without_its_secrets(plugin, monkeypatch, fields, told) -> None:
    connect(monkeypatch, login=ACCESS_KEY, password=SECRET_KEY, **fields)
    with pytest.raises(ConfigurationError, match=told) as error:
        plugin.store_login()
    assert SECRET_KEY not in str(error.value)


def test_a_connection_that_is_not_there_is_told(plugin, monkeypatch) -> None:
    monkeypatch.setenv("REVIEW_SENTIMENT_STORE_CONN", "nobody")
    with pytest.raises(ConfigurationError, match="names the Airflow connection 'nobody', which cannot be read"):
        plugin.store_login()


def test_a_server_finds_the_connection_in_airflows_database(plugin, monkeypatch) -> None:
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    with create_session() as session:
        session.add(Connection(conn_id="review_store", conn_type="aws", login=ACCESS_KEY, password=SECRET_KEY))
    try:
        assert plugin.store_login().secret_key == SECRET_KEY
    finally:
        with create_session() as session:
            session.query(Connection).filter(Connection.conn_id == "review_store").delete()


def test_the_watcher_looks_into_an_inbox_with_the_connection(plugin, s3: S3Server, monkeypatch) -> None:
    bucket = s3.make_bucket()
    open_object_store().pipe(f"{bucket}/new/Reviews.csv", csv_text().encode())
    open_object_store().pipe(f"{bucket}/new/Reviews.csv.done", b"")
    only_these_credentials(monkeypatch, {})
    connect(monkeypatch, login=ACCESS_KEY, password=SECRET_KEY, extra={"endpoint_url": s3.url})
    watcher = importlib.import_module("pipeline.airflow.dump_watcher").DumpWatcher(
        f"s3://{bucket}/new/", f"s3://{bucket}/store", 30.0
    )

    payload = asyncio.run(asyncio.wait_for(anext(watcher.run()), timeout=60)).payload
    assert [file["name"] for file in payload["files"]] == ["Reviews.csv"]
    assert SECRET_KEY not in str(watcher.serialize())
