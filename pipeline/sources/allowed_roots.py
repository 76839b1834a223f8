"""Where dumps may come from: folders and URL prefixes that the deployment allows, checked before anything is read.

A user who starts a run names paths and addresses that the worker reads with its own permissions. A deployment can limit
them to certain roots. Without roots everything is allowed, which suits the machine of a single user.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.config import DEMO_DUMP, INBOX_DUMP, INBOX_FILE, KAGGLE_DUMP, DataConfig, TrainingConfig
from pipeline.errors import ConfigurationError, quoted
from pipeline.settings import load_settings, variable
from pipeline.sources.naming import without_secrets
from pipeline.sources.source import local_path

ALWAYS = (DEMO_DUMP, KAGGLE_DUMP, INBOX_DUMP)
"""Dumps that are allowed under any roots, as the deployment defines where they come from."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LISTED_ROOTS = 5
# Clients and servers interpret these differently, so that a check of an address with them would be unreliable.
_AMBIGUOUS = re.compile(r"[\s\\\x00-\x1f\x7f]")
_ENCODED_TWICE = re.compile(r"%(2e|2f|5c)", re.IGNORECASE)


@dataclass(frozen=True)
class _Address:
    """The parts of a URL that determine what it refers to.

    Attributes:
        server: Scheme, host in lower case (for ``s3`` the bucket) and port.
        segments: The segments of the path, decoded for ``http`` and ``https``, without ``.`` and ``..``.
    """

    server: tuple[str, str, int | None]
    segments: tuple[str, ...]

    def is_below(self, root: _Address) -> bool:
        """Return whether this address is the root or below it."""
        return self.server == root.server and self.segments[: len(root.segments)] == root.segments


def require_allowed_dumps(dumps: Sequence[str]) -> None:
    """Refuse dumps that are neither in ``ALWAYS`` nor in a root of the deployment. Files of the inbox are allowed.

    Links and ``..`` are resolved before a path is compared. URLs are compared by scheme, host, port and whole segments
    of the path. Nothing is fetched.

    Raises:
        ConfigurationError: A dump is outside the roots, or a root is invalid.
    """
    for dump in dumps:
        if dump not in ALWAYS and not dump.startswith(INBOX_FILE):
            _require(dump, DataConfig.model_fields["dumps"].title, "dumps", f", {', '.join(map(quoted, ALWAYS))}")


def require_allowed_vectors(vectors: str | None) -> None:
    """Refuse a file of pre-trained vectors that is not in a root of the deployment.

    Raises:
        ConfigurationError: As :func:`require_allowed_dumps`.
    """
    if vectors is not None:
        _require(vectors, TrainingConfig.model_fields["vectors"].title, "vectors", "")


def is_allowed(location: str) -> bool:
    """Return whether a path or URL is in a root of the deployment or in its inbox, or there are no roots.

    Raises:
        ConfigurationError: A root is invalid.
    """
    settings = load_settings()
    roots, inbox = settings.allowed_roots, settings.inbox
    if not roots or any(_is_in(location, root) for root in roots):
        return True
    return inbox is not None and _is_below(location, inbox)


def _require(location: str, title: str | None, name: str, others: str) -> None:
    if is_allowed(location):
        return
    roots = load_settings().allowed_roots
    listed = ", ".join(quoted(without_secrets(root), 100) for root in roots[:_LISTED_ROOTS])
    more = f" and {len(roots) - _LISTED_ROOTS} more" if len(roots) > _LISTED_ROOTS else ""
    raise ConfigurationError(
        f"{title} ({name}): {quoted(without_secrets(location), 200)} is outside the roots that this deployment allows. "
        f"Allowed: {listed}{more}{others}; links and '..' are resolved first. Put the file there, or ask for its "
        f"folder to be added to {variable('allowed_roots')} where the tasks run."
    )


def _is_in(location: str, root: str) -> bool:
    scheme, separator, _ = root.partition("://")
    if separator and scheme.lower() != "file":
        address = None if "@" in root else _address(root)
        if address is None or not address.server[1]:
            raise _bad_root(root, "an address must be scheme://host/path, without a login")
    elif _path(root) is None or not Path(local_path(root)).expanduser().is_absolute():
        raise _bad_root(root, "a folder must be an absolute path")
    return _is_below(location, root)


def _is_below(location: str, root: str) -> bool:
    address, root_address = _address(location), _address(root)
    if address is not None and root_address is not None:
        return address.is_below(root_address)
    path, folder = _path(location), _path(root)
    return path is not None and folder is not None and path.is_relative_to(folder)


def _address(location: str) -> _Address | None:
    """Return the address of a URL; ``None`` for a path, or for a URL that can be interpreted in several ways."""
    scheme, separator, rest = location.partition("://")
    scheme = scheme.lower()
    if not separator or scheme == "file" or _AMBIGUOUS.search(location):
        return None
    if scheme not in _DEFAULT_PORTS:
        # In an object store, `?`, `#` and `%` are ordinary characters of a key.
        bucket, _, key = rest.partition("/")
        return None if "@" in bucket else _Address((scheme, bucket, None), _segments(key))
    try:
        parts = urlsplit(location)
        port = parts.port or _DEFAULT_PORTS[scheme]
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    # Many servers decode `%2e%2e` and `%2f` to `..` and `/`.
    path = unquote(parts.path)
    if "\\" in path or not path.isprintable() or _ENCODED_TWICE.search(path):
        return None
    return _Address((scheme, host, port), _segments(path))


def _segments(path: str) -> tuple[str, ...]:
    kept: list[str] = []
    for segment in path.removeprefix("/").split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    # A slash at the end makes no difference.
    while kept and not kept[-1]:
        kept.pop()
    return tuple(kept)


def _path(location: str) -> Path | None:
    """Return a path with links and ``..`` resolved; ``None`` for a URL or an impossible path."""
    local = local_path(location)
    if "://" in local:
        return None
    try:
        return Path(local).expanduser().resolve()
    except (OSError, ValueError, RuntimeError):
        # An unknown user, a loop of links or a zero byte.
        return None


def _bad_root(root: str, expected: str) -> ConfigurationError:
    return ConfigurationError(
        f"{variable('allowed_roots')} contains {quoted(without_secrets(root), 200)}, which is not a root: {expected}. "
        "Correct it where the tasks run; until then nothing is read."
    )
