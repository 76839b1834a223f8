"""Where dumps may come from: folders and URL prefixes that the deployment names, checked before anything is read.

Whoever may start a run names paths and addresses that the worker then reads with its own rights. A deployment that
does not want every file of its workers to be a dump says where dumps lie; without that, anything goes, as fits one
person's machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.config import DEMO_DUMP, INBOX_DUMP, KAGGLE_DUMP, DataConfig, TrainingConfig
from pipeline.errors import ConfigurationError, quoted
from pipeline.settings import load_settings, variable
from pipeline.sources.naming import without_secrets

ALWAYS = (DEMO_DUMP, KAGGLE_DUMP, INBOX_DUMP)
"""Dumps that the deployment chose itself."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SHOWN_ROOTS = 5
_UNFIT = re.compile(r"[\s\\\x00-\x1f\x7f]")
_ENCODED_TWICE = re.compile(r"%(2e|2f|5c)", re.IGNORECASE)
"""What clients and servers read differently from one another in an address, so that a check of it proves nothing."""


@dataclass(frozen=True)
class _Address:
    """A URL in the parts that decide where it leads.

    Attributes:
        place: Scheme, host in lower case (of ``s3`` the bucket) and port.
        segments: The path between its slashes, decoded for ``http`` and ``https``, without ``.`` and ``..``.
    """

    place: tuple[str, str, int | None]
    segments: tuple[str, ...]

    def below(self, root: _Address) -> bool:
        """Return whether this address is the root or lies below it."""
        return self.place == root.place and self.segments[: len(root.segments)] == root.segments


def require_allowed_dumps(dumps: Sequence[str]) -> None:
    """Stop unless every dump is one of ``ALWAYS`` or lies in one of the deployment's roots.

    Links and ``..`` are followed before a path is compared; URLs are compared by scheme, host, port and whole segments
    of their path. Nothing is fetched.

    Raises:
        ConfigurationError: A dump lies elsewhere, or a root is none; with the field's title and the roots.
    """
    for dump in dumps:
        if dump not in ALWAYS:
            _require(dump, DataConfig.model_fields["dumps"].title, "dumps", f", {', '.join(map(quoted, ALWAYS))}")


def require_allowed_vectors(vectors: str | None) -> None:
    """Stop unless the file of pre-trained vectors, if there is one, lies in one of the deployment's roots.

    Raises:
        ConfigurationError: As :func:`require_allowed_dumps`.
    """
    if vectors is not None:
        _require(vectors, TrainingConfig.model_fields["vectors"].title, "vectors", "")


def is_allowed(given: str) -> bool:
    """Return whether a path or URL lies in one of the deployment's roots or in its inbox; anything does without roots.

    Also for an address that another one led to, such as the target of a redirect.

    Raises:
        ConfigurationError: A root is none.
    """
    roots = load_settings().allowed_roots
    return not roots or any(_lies_in(given, root) for root in roots) or _lies_in_inbox(given)


def _require(given: str, title: str | None, name: str, others: str) -> None:
    if is_allowed(given):
        return
    roots = load_settings().allowed_roots
    listed = ", ".join(quoted(_public(root), 100) for root in roots[:_SHOWN_ROOTS])
    more = f" and {len(roots) - _SHOWN_ROOTS} more" if len(roots) > _SHOWN_ROOTS else ""
    raise ConfigurationError(
        f"{title} ({name}): {quoted(_public(given), 200)} lies outside the places that this deployment reads from. "
        f"Allowed: {listed}{more}{others}; links and '..' are followed first. Put the file there, or have its "
        f"place added to {variable('allowed_roots')} where the tasks run."
    )


def _lies_in(given: str, root: str) -> bool:
    scheme, separator, _ = root.partition("://")
    if separator and scheme.lower() != "file":
        home = None if "@" in root else _address(root)
        if home is None or not home.place[1]:
            raise _bad_root(root, "an address is scheme://host/path, without a login")
        address = _address(given)
        return address is not None and address.below(home)
    folder = _path(root)
    if folder is None or not Path(_without_file_scheme(root)).expanduser().is_absolute():
        raise _bad_root(root, "a folder is named by its whole path")
    path = _path(given)
    return path is not None and path.is_relative_to(folder)


def _lies_in_inbox(given: str) -> bool:
    inbox = load_settings().inbox or ""
    home, address = _address(inbox), _address(given)
    folder, path = _path(inbox) if inbox else None, _path(given)
    return bool(
        (home is not None and address is not None and address.below(home))
        or (folder is not None and path is not None and path.is_relative_to(folder))
    )


def _address(given: str) -> _Address | None:
    """Return where a URL leads, or ``None`` for what is no URL or may be read in more than one way."""
    scheme, separator, rest = given.partition("://")
    scheme = scheme.lower()
    if not separator or _UNFIT.search(given):
        return None
    if scheme not in _DEFAULT_PORTS:
        # Of an object store, `?`, `#` and `%` are signs of the key like any other.
        bucket, _, key = rest.partition("/")
        return None if "@" in bucket else _Address((scheme, bucket, None), _segments(key))
    try:
        parts = urlsplit(given)
        port = parts.port or _DEFAULT_PORTS[scheme]
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    # Decoded first: `%2e%2e` and `%2f` are read as `..` and `/` by many a server.
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
    # A slash at the end names the same place as none.
    while kept and not kept[-1]:
        kept.pop()
    return tuple(kept)


def _path(given: str) -> Path | None:
    """Return where a path leads when links and ``..`` are followed, or ``None`` for another kind of place."""
    local = _without_file_scheme(given)
    if "://" in local:
        return None
    try:
        return Path(local).expanduser().resolve()
    except (OSError, ValueError, RuntimeError):
        # No such user, a loop of links, a zero byte: nothing that lies anywhere.
        return None


def _without_file_scheme(given: str) -> str:
    scheme, separator, rest = given.partition("://")
    return rest if separator and scheme.lower() == "file" else given


def _public(given: str) -> str:
    return without_secrets(given) if "://" in given else given


def _bad_root(root: str, expected: str) -> ConfigurationError:
    return ConfigurationError(
        f"{variable('allowed_roots')} names {quoted(_public(root), 200)}, which is no root: {expected}. Correct "
        "it where the tasks run; until then nothing is read."
    )
