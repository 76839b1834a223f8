"""A tracking server that responds, is unreachable, is broken or refuses the login."""

from __future__ import annotations

import http.server
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ArtifactError, ConfigurationError, SourceUnavailableError
from pipeline.sources.naming import without_secrets
from pipeline.store import ArtifactStore
from pipeline.tracking import mirror_champion, track_run
from pipeline.tracking.address import redact_logins, tracking_uri
from pipeline.tracking.records import TrackingError, TrackingUnavailableError
from tests.unit.tracking.factories import BEST, RUN_NAME, Example

LOGIN = "anna:s3cret"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mlflow_server(home: Path, database: Path) -> Iterator[int]:
    """Run MLflow's own server with the database; yields its port."""
    shutil.copyfile(database, home / "server.db")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"],
        cwd=home,
        env=os.environ
        | {
            "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{home}/server.db",
            "MLFLOW_ARTIFACTS_DESTINATION": str(home / "artifacts"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    output = []
    try:
        for line in process.stdout:
            output.append(line)
            if "Application startup complete" in line:
                break
        else:
            pytest.fail("MLflow's server did not start:\n" + "".join(output))
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=60)


@contextmanager
def answering(status: int) -> Iterator[int]:
    """Answer every request with a status; yields the port."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Retry-After", "3600")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
def test_a_real_server_and_its_absence(
    plain: Example, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with mlflow_server(tmp_path, database) as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{LOGIN}@127.0.0.1:{port}")
        tracked = track_run(plain.state, plain.config, RUN_NAME, plain.store)
        plain.promote()
        mirrored = mirror_champion(plain.store)
        again = track_run(plain.state, plain.config, RUN_NAME, plain.store)

    assert tracked.address == f"http://127.0.0.1:{port}"
    assert (tracked.best, tracked.logged, again.logged) == (BEST, 4, 0)
    assert again.variants == tracked.variants
    assert (mirrored.number, mirrored.version, mirrored.registered) == (1, 1, (1,))
    assert list((tmp_path / "artifacts").rglob("saved_model.pb"))
    assert list((tmp_path / "artifacts").rglob("report.html"))
    assert not (plain.store.root / "mlflow.db").exists()

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingUnavailableError, match="repeat this step when MLflow is back") as raised:
        mirror_champion(plain.store)
    assert raised.value.__suppress_context__
    assert isinstance(raised.value, SourceUnavailableError)
    assert f"'http://127.0.0.1:{port}'" in str(raised.value)
    assert "s3cret" not in str(raised.value) + caplog.text


def test_an_unreachable_server_is_updated_later(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    example.promote()
    with monkeypatch.context() as away:
        away.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
        away.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        for step in (
            lambda: track_run(example.state, example.config, RUN_NAME, example.store),
            lambda: mirror_champion(example.store),
        ):
            with pytest.raises(TrackingUnavailableError):
                step()

    assert track_run(example.state, example.config, RUN_NAME, example.store).logged == 4
    assert mirror_champion(example.store).version == 1


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (500, TrackingUnavailableError, "repeat this step"),
        (503, TrackingUnavailableError, "repeat this step"),
        (429, TrackingUnavailableError, "repeat this step"),
        (401, TrackingError, "MLFLOW_TRACKING_USERNAME"),
        (403, TrackingError, "MLFLOW_TRACKING_USERNAME"),
        (404, TrackingError, "requirements.txt"),
    ],
)
def test_every_error_status_has_its_error(
    plain: Example, monkeypatch: pytest.MonkeyPatch, status: int, kind: type[Exception], advice: str
) -> None:
    plain.promote()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with answering(status) as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{LOGIN}@127.0.0.1:{port}")
        with pytest.raises(kind, match=advice) as raised:
            mirror_champion(plain.store)
    assert "s3cret" not in str(raised.value)


def test_an_error_in_the_store_is_not_a_tracking_error(example: Example) -> None:
    example.promote()
    (example.store.root / "artifacts" / "export" / example.exports[0].key / "summary.json").unlink()

    with pytest.raises(ArtifactError, match=r"summary\.json"):
        mirror_champion(example.store)


def test_the_address_of_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, bucket = ArtifactStore(str(tmp_path)), ArtifactStore("memory://bucket/store")
    assert tracking_uri(folder) == f"sqlite:///{tmp_path}/mlflow.db"
    assert tracking_uri(bucket) is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert tracking_uri(folder) == tracking_uri(bucket) == "http://mlflow:5000"
    monkeypatch.setenv("REVIEW_SENTIMENT_TRACKING", "off")
    assert tracking_uri(folder) is None
    monkeypatch.setenv("REVIEW_SENTIMENT_TRACKING", "perhaps")
    with pytest.raises(ConfigurationError, match="perhaps"):
        tracking_uri(folder)


def test_a_store_that_sqlite_cannot_open_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="question mark"):
        tracking_uri(ArtifactStore(str(tmp_path / "what?")))


@pytest.mark.parametrize(
    ("uri", "public"),
    [
        ("http://anna:s3cret@host:5000/prefix?token=abc#x", "http://host:5000/prefix"),
        ("postgresql://anna:p@ss:w@db/mlflow?password=x", "postgresql://db/mlflow"),
        ("sqlite:////data/store/mlflow.db", "sqlite:////data/store/mlflow.db"),
        ("http://anna:s3cret@[bad", "http://…"),
        ("databricks", "databricks"),
    ],
)
def test_public_addresses_have_no_login(uri: str, public: str) -> None:
    assert without_secrets(uri) == public


def test_messages_have_no_logins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    uri = "https://anna:s3c/ret@host/x"
    message = redact_logins(f"API request to {uri}/api?key=abc failed, s3c/ret, Bearer t0ken", uri)
    assert "s3c" not in message
    assert "t0ken" not in message
    assert "abc" not in message
    assert "host/x" in message
