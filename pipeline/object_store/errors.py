"""What can go wrong between a process and an object store.

Both are an ``OSError``, too: what handles a disk that fails handles an object store that does.
"""

from __future__ import annotations

from pipeline.errors import SourceError, SourceUnavailableError


class ObjectStoreRefusedError(SourceError, PermissionError):
    """The object store knows no such login or bucket, or this login may not do what was asked."""


class ObjectStoreUnavailableError(SourceUnavailableError, ConnectionError):
    """The object store does not answer, or is overloaded, after every repetition; tasks try again later."""
