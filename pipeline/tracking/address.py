"""Where MLflow is, and how that may be told: an address can carry a login."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.errors import ConfigurationError, quoted
from pipeline.settings import load_settings, variable
from pipeline.store import ArtifactStore

log = logging.getLogger(__name__)

URI_VARIABLE = "MLFLOW_TRACKING_URI"
"""MLflow's own variable: ``http(s)://`` of a tracking server, or the URL of a database."""
DATABASE = "mlflow.db"
ARTIFACTS = "mlflow-artifacts"
LOCK = "mlflow.lock"
"""What the embedded MLflow keeps below a folder store's root."""

_LOGIN = re.compile(r"//[^/\s]*@")
_QUERY = re.compile(r"(\w://[^\s?]*)\?[^\s'\"]*")
_SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


def tracking_uri(store: ArtifactStore) -> str | None:
    """Return the address of MLflow for a store, or ``None`` where tracking is off.

    ``MLFLOW_TRACKING_URI`` wins; without it a folder store keeps an embedded SQLite database, and a store elsewhere
    has no MLflow. The address may carry a login: tell it through ``shown_address`` only.

    Raises:
        ConfigurationError: ``REVIEW_SENTIMENT_TRACKING`` has an unknown value, or no database can lie in the store.
    """
    if load_settings().tracking == "off":
        log.info("Tracking is off (%s=off).", variable("tracking"))
        return None
    given = os.environ.get(URI_VARIABLE, "").strip()
    if given:
        return given
    if not store.is_folder:
        log.info("Tracking is off: the store %s is no folder, and %s is not set.", quoted(store.url), URI_VARIABLE)
        return None
    database = Path(str(store.root)) / DATABASE
    if "?" in str(database):
        # SQLAlchemy takes what follows for the connection's options, quoted or not.
        raise ConfigurationError(
            f"SQLite cannot open {quoted(database)}: its path holds a question mark. Move the store, set "
            f"{URI_VARIABLE}, or turn tracking off with {variable('tracking')}=off."
        )
    return f"sqlite:///{database}"


def artifact_folder(store: ArtifactStore) -> Path | None:
    """Return the folder of the embedded MLflow's artifacts; ``None`` where a server or a database elsewhere is used."""
    if os.environ.get(URI_VARIABLE, "").strip() or not store.is_folder:
        return None
    return Path(str(store.root)) / ARTIFACTS


def shown_address(uri: str) -> str:
    """Return an address as it may be told: without login, query and fragment."""
    try:
        parts = urlsplit(uri)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return f"{uri.partition(':')[0]}:…"
    return f"{parts.scheme}://{host}{parts.path}" if parts.scheme else uri


def without_login(text: str, uri: str = "") -> str:
    """Return a text without the logins of the addresses in it.

    Args:
        text: E.g. MLflow's message, which quotes the address that it asked.
        uri: MLflow's address, whose login is looked for by its letters, too.
    """
    login = uri.partition("//")[2].rpartition("@")[0]
    secrets = [login, login.partition(":")[2], *(os.environ.get(name, "") for name in _SECRETS)]
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    return _QUERY.sub(r"\1", _LOGIN.sub("//", text))
