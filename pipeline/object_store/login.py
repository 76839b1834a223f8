"""Whose credentials an object store is asked with.

The environment's, as everywhere with AWS, unless a deployment's own layer says where else they are kept: it hands
over a function, which is asked when a store is opened. So credentials are in no file, no argument and no artifact,
and a changed one counts from the next store on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

ENVIRONMENT_ADVICE = (
    "It comes from where this process runs: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or the machine's "
    "role; AWS_ENDPOINT_URL names another store than AWS, AWS_DEFAULT_REGION the region."
)


@dataclass(frozen=True)
class ObjectStoreLogin:
    """Credentials and address of an object store; what is ``None`` is looked for in the environment.

    Attributes:
        access_key: Name of the key.
        secret_key: The secret itself.
        session_token: Belongs to temporary keys.
        endpoint_url: ``https://host:port`` of another store than AWS.
        region: The bucket's region.
        source: Where this comes from, in words, for messages.
        advice: What to correct there, a sentence for messages.
    """

    # Not one of them in a log, an exception or a debugger's list of variables.
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    endpoint_url: str | None = field(default=None, repr=False)
    region: str | None = None
    source: str = "the environment"
    advice: str = field(default=ENVIRONMENT_ADVICE, repr=False)


_sources: list[Callable[[], ObjectStoreLogin]] = [ObjectStoreLogin]


def log_in_with(source: Callable[[], ObjectStoreLogin]) -> None:
    """Take credentials from this function from now on; it is called when a store is opened, in any thread."""
    _sources[:] = [source]


def present_login() -> ObjectStoreLogin:
    """Return the credentials to open a store with now.

    Raises:
        ConfigurationError: The deployment names credentials that are not there, or cannot be used.
    """
    return _sources[0]()
