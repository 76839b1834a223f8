"""MLflow's address, which may contain a login."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

from pipeline.errors import ConfigurationError, quoted
from pipeline.settings import load_settings, variable
from pipeline.store import ArtifactStore

log = logging.getLogger(__name__)

URI_VARIABLE = "MLFLOW_TRACKING_URI"
"""MLflow's own variable: the ``http(s)://`` address of a tracking server, or the URL of a database."""
DATABASE = "mlflow.db"
ARTIFACTS = "mlflow-artifacts"
LOCK = "mlflow.lock"
"""Files of the embedded MLflow in the root of a folder store."""

_LOGIN = re.compile(r"//[^/\s]*@")
_QUERY = re.compile(r"(\w://[^\s?]*)\?[^\s'\"]*")
_SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


def tracking_uri(store: ArtifactStore) -> str | None:
    """Return the address of MLflow for a store, or ``None`` if tracking is off.

    ``MLFLOW_TRACKING_URI`` takes precedence. Without it a folder store has an embedded SQLite database, and an object
    store has no MLflow. The address may contain a login: print it :func:`pipeline.sources.naming.without_secrets` only.

    Raises:
        ConfigurationError: ``REVIEW_SENTIMENT_TRACKING`` has an unknown value, or SQLite cannot open the store's path.
    """
    if load_settings().tracking == "off":
        log.info("Tracking is off (%s=off).", variable("tracking"))
        return None
    if uri := os.environ.get(URI_VARIABLE, "").strip():
        return uri
    if not store.is_folder:
        log.info("Tracking is off: the store %s is not a folder, and %s is not set.", quoted(store.url), URI_VARIABLE)
        return None
    database = Path(str(store.root)) / DATABASE
    if "?" in str(database):
        # SQLAlchemy reads the rest as options of the connection, even if it is quoted.
        raise ConfigurationError(
            f"SQLite cannot open {quoted(database)}: the path contains a question mark. Move the store, set "
            f"{URI_VARIABLE}, or turn tracking off with {variable('tracking')}=off."
        )
    return f"sqlite:///{database}"


def artifact_folder(store: ArtifactStore) -> Path | None:
    """Return the folder of the embedded MLflow's artifacts; ``None`` with a tracking server or an own database."""
    if os.environ.get(URI_VARIABLE, "").strip() or not store.is_folder:
        return None
    return Path(str(store.root)) / ARTIFACTS


def redact_logins(text: str, uri: str = "") -> str:
    """Return a text without the logins and queries of the addresses in it.

    Args:
        text: E.g. an error of MLflow, which quotes the requested address.
        uri: MLflow's address; its login is also removed where it stands alone.
    """
    login = uri.partition("//")[2].rpartition("@")[0]
    secrets = [login, login.partition(":")[2], *(os.environ.get(name, "") for name in _SECRETS)]
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    return _QUERY.sub(r"\1", _LOGIN.sub("//", text))
