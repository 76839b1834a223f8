"""Repeated requests to servers that are busy or cannot be reached for a moment."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from pipeline.errors import SourceUnavailableError, quoted

log = logging.getLogger(__name__)

ATTEMPTS = 3
FIRST_WAIT_SECONDS = 2.0
"""Wait before the second attempt; it doubles before each further one."""
MAX_WAIT_SECONDS = 60.0
"""Longest wait that a server may ask for (``Retry-After``) before it counts as unavailable."""
TRANSIENT_STATUSES = frozenset({429, 500, 502, 503, 504})
HTTP_LOGGERS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
"""The loggers of our HTTP client."""

Result = TypeVar("Result")


class TransientError(Exception):
    """A failure that another attempt may not have.

    Attributes:
        wait_seconds: How long the server asks to wait; ``None`` if it does not say.
    """

    def __init__(self, message: str, wait_seconds: float | None = None) -> None:
        """Keep the message and the wait."""
        """Keep the message and the wait."""
        super().__init__(message)
        self.wait_seconds = wait_seconds


def with_retries(request: Callable[[], Result], origin: str, advice: str) -> Result:
    """Return the result of a request, repeated up to ``ATTEMPTS`` times while it raises ``TransientError``.

    Args:
        request: The request; every attempt starts from the beginning.
        origin: What is fetched, without credentials, for messages.
        advice: What the user can do instead of trying later.

    Raises:
        SourceUnavailableError: No attempt succeeded, or the server asks to wait for more than ``MAX_WAIT_SECONDS``.
    """
    attempt = 1
    while True:
        try:
            return request()
        except TransientError as error:
            wait = FIRST_WAIT_SECONDS * 2 ** (attempt - 1) if error.wait_seconds is None else error.wait_seconds
            if attempt == ATTEMPTS or wait > MAX_WAIT_SECONDS:
                asked = f"; the server asks to wait {wait:,.0f} seconds" if wait > MAX_WAIT_SECONDS else ""
                raise SourceUnavailableError(
                    f"{quoted(origin, 200)} could not be fetched in {attempt} attempts: {error}{asked}. "
                    f"Try again later, or {advice}."
                ) from None
            log.warning("%s: attempt %d of %d failed: %s", quoted(origin, 200), attempt, ATTEMPTS, error)
        time.sleep(wait)
        attempt += 1


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds a server asks to wait (RFC 9110, 10.2.3); ``None`` if it does not say."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0) if moment.tzinfo else None


@contextmanager
def muted_loggers(*names: str) -> Iterator[None]:
    """Suppress log lines of HTTP clients: they show addresses with their query, where signed links carry secrets."""

    def drop(_: logging.LogRecord) -> bool:
        return False

    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addFilter(drop)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(drop)
