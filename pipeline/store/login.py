"""Credentials of object stores (``s3://``), and the errors of an object store.

By default, credentials come from AWS's own environment variables, profiles and roles. A deployment can register a
function that returns other credentials; it is called whenever a store is opened. Credentials are never in a file, an
argument or an artifact. Importing this module is cheap: s3fs is imported with the first request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.errors import SourceError, SourceUnavailableError

ENVIRONMENT_ADVICE = (
    "It comes from the environment of this process: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or the "
    "machine's role. AWS_ENDPOINT_URL names a store other than AWS, AWS_DEFAULT_REGION the region."
)


class ObjectStoreRefusedError(SourceError, PermissionError):
    """The object store rejects the login or the request, or has no such bucket."""


class ObjectStoreUnavailableError(SourceUnavailableError, ConnectionError):
    """The object store does not answer or is overloaded, after all attempts; tasks retry it later."""


@dataclass(frozen=True)
class ObjectStoreLogin:
    """Credentials and address of an object store; ``None`` means what AWS's environment says.

    ``source`` and ``advice`` are for messages: where the login comes from, and what to correct there.
    """

    # repr=False keeps these out of logs, exceptions and debuggers.
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    endpoint_url: str | None = field(default=None, repr=False)
    region: str | None = None
    source: str = "the environment"
    advice: str = field(default=ENVIRONMENT_ADVICE, repr=False)


_providers: list[Callable[[], ObjectStoreLogin]] = [ObjectStoreLogin]


def set_login_provider(provider: Callable[[], ObjectStoreLogin]) -> None:
    """Use the logins that this function returns; it is called when a store is opened, from any thread."""
    _providers[:] = [provider]


def current_login() -> ObjectStoreLogin:
    """Return the login to open a store with now.

    Raises:
        ConfigurationError: The deployment names credentials that do not exist or cannot be used.
    """
    return _providers[0]()
