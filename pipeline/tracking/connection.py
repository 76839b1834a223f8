"""Connections to MLflow: without its own logging, with time limits, one at a time, with this project's errors."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError, quoted
from pipeline.sources.naming import without_secrets
from pipeline.store import ArtifactStore
from pipeline.store.files import exclusive_lock
from pipeline.tracking.address import DATABASE, LOCK, artifact_folder, redact_logins, tracking_uri
from pipeline.tracking.records import TrackingError, TrackingUnavailableError

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

EXPERIMENT = "review_sentiment"
TAG = "review_sentiment"
"""Prefix of this project's tags."""

_ALWAYS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # MLflow would replace the handlers of SQLAlchemy's and Alembic's loggers, which Airflow uses too.
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A server may request a wait of hours; the task is repeated later instead.
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
_UNLESS_SET = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
"""Seconds, retries, seconds: an unreachable server is noticed within half a minute instead of twenty minutes."""
_NOISY = ("mlflow", "alembic", "urllib3.connectionpool", "git")
_SILENT = logging.CRITICAL + 1
"""Their errors are logged as this project's errors instead, without logins."""
_FORBIDDEN = (401, 403)
_TOO_MANY = 429
_SERVER_FAULT = 500
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class Connection:
    """An open connection to MLflow.

    The address has no login.
    """

    client: MlflowClient
    address: str
    experiment_id: str


@contextlib.contextmanager
def connected(store: ArtifactStore) -> Iterator[Connection | None]:
    """Connect to the store's MLflow; yields ``None`` if tracking is off.

    The process's environment and loggers are restored at the end. With the embedded database one process at a time is
    connected; others wait.

    Raises:
        TrackingUnavailableError: MLflow is unreachable, overloaded or broken; also raised for errors inside the block.
        TrackingError: MLflow refuses a request, or the store with the embedded database was moved.
    """
    uri = tracking_uri(store)
    if uri is None:
        yield None
        return
    artifacts = artifact_folder(store)
    with contextlib.ExitStack() as stack:
        stack.enter_context(mlflow_settings(uri))
        if artifacts is not None:
            # One process at a time finds and adds what is missing, so that nothing is added twice.
            stack.enter_context(exclusive_lock(artifacts.parent / LOCK))
            if not (artifacts.parent / DATABASE).exists():
                log.info("Creating MLflow's database in the store; this takes seconds, once.")
        try:
            yield _connection(uri, artifacts)
        except PipelineError:
            raise
        except Exception as error:
            translated = _translated(error, uri)
            if translated is None:
                raise
            # Not chained: the original quotes the address with its login, and would be logged.
            raise translated from None


def _connection(uri: str, artifacts: Path | None) -> Connection:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri=uri, registry_uri=os.environ["MLFLOW_REGISTRY_URI"])
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        location = None if artifacts is None else artifacts.as_uri()
        try:
            client.create_experiment(EXPERIMENT, artifact_location=location)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None or experiment.lifecycle_stage != "active":
        raise TrackingError(
            f"The experiment {EXPERIMENT} was deleted in MLflow at {quoted(without_secrets(uri))}. Restore it there "
            "(`mlflow experiments restore`), or delete it permanently (`mlflow gc`)."
        )
    if artifacts is not None and experiment.artifact_location != artifacts.as_uri():
        raise TrackingError(
            f"The store was moved: its MLflow database keeps artifacts at {quoted(experiment.artifact_location, 160)}, "
            f"but they belong in {quoted(artifacts, 160)}. Move mlflow.db and mlflow-artifacts out of the store; the "
            "next task creates a new database and registers the champions again."
        )
    return Connection(client=client, address=without_secrets(uri), experiment_id=experiment.experiment_id)


@contextlib.contextmanager
def mlflow_settings(uri: str) -> Iterator[None]:
    """Set MLflow's environment variables and silence its loggers inside the block."""
    changed = {
        **{name: os.environ.get(name) or value for name, value in _UNLESS_SET.items()},
        **_ALWAYS,
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_REGISTRY_URI": os.environ.get("MLFLOW_REGISTRY_URI") or uri,
    }
    before = {name: os.environ.get(name) for name in changed}
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    os.environ.update(changed)
    for name in _NOISY:
        logging.getLogger(name).setLevel(_SILENT)
    try:
        # Recorded instead of ignored, because MLflow sets its own filters around some warnings.
        with warnings.catch_warnings(record=True):
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _translated(error: Exception, uri: str) -> PipelineError | None:
    """Return an error of MLflow or its storage libraries as this project's, with advice; ``None`` for other errors."""
    status = _status(error)
    if status is None:
        return None
    place = quoted(without_secrets(uri), 160)
    message = quoted(redact_logins(str(error), uri), _SHOWN_CHARACTERS)
    if status in _FORBIDDEN:
        return TrackingError(
            f"MLflow at {place} refuses this login ({status}): {message}. Set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, where the tasks run."
        )
    if status >= _SERVER_FAULT or status == _TOO_MANY:
        return TrackingUnavailableError(
            f"MLflow at {place} does not respond properly: {message}. Nothing is lost, the store holds all of it: "
            "repeat this step when MLflow is back, or turn tracking off with REVIEW_SENTIMENT_TRACKING=off."
        )
    return TrackingError(
        f"MLflow at {place} refuses the request ({status}): {message}. Nothing is lost, the store holds all of it. "
        "Compare its version with the one in requirements.txt."
    )


def _status(error: Exception) -> int | None:
    """Return an error's HTTP status or the equivalent one; ``None`` for an error of this project's code."""
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    if isinstance(error, MlflowException):
        return int(error.get_http_status_code())  # type: ignore[no-untyped-call]
    if isinstance(error, RequestException):
        return _SERVER_FAULT if error.response is None else error.response.status_code
    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", _SERVER_FAULT))
    if isinstance(error, BotoCoreError | SQLAlchemyError):
        return _SERVER_FAULT
    return None
