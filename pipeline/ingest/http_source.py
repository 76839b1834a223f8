"""Dumps behind http:// and https:// addresses."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from pipeline.errors import SourceError, SourceUnavailableError, shown
from pipeline.ingest import staging
from pipeline.ingest.naming import name_in_url, without_secrets
from pipeline.ingest.staging import FoundFile

log = logging.getLogger(__name__)

ATTEMPTS = 3
PAUSE_SECONDS = 2.0
"""Wait before the second attempt; doubled before each further one."""
MAX_REDIRECTS = 5
CONNECT_SECONDS = 15.0
READ_SECONDS = 60.0
OK = 200
RETRIED = frozenset({429, 500, 502, 503, 504})
_CLIENT_LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)


class _PassingError(Exception):
    """Worth another attempt."""


def download(url: str, folder: Path) -> FoundFile:
    """Fetch a dump, byte for byte as the server holds it.

    A lost connection, a body shorter than announced and the statuses 429 and 5xx are tried again, ``ATTEMPTS``
    times in all. User name and password in the address are sent to its host alone and appear nowhere else.

    Args:
        url: An http or https address.
        folder: Where the file is put.

    Raises:
        SourceError: There is no such file, the answer is a web page, the server cannot be reached, the file is too
            large, or too many redirects lead on.
    """
    import httpx

    origin = without_secrets(url)
    try:
        named = bool(urlsplit(url).hostname)
    except ValueError:
        named = False
    if not named:
        raise SourceError(f"{shown(origin, 200)} names no host that can be understood. Check the address.")
    target = folder / "download"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _fetch(url, origin, target)
            break
        except _PassingError as error:
            if attempt == ATTEMPTS:
                raise SourceUnavailableError(
                    f"{shown(origin, 200)} could not be fetched in {ATTEMPTS} attempts: {error}. "
                    "Try again later, or download the file yourself and give its path."
                ) from None
            log.warning("%s: attempt %d of %d failed: %s", shown(origin, 200), attempt, ATTEMPTS, error)
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
        except httpx.TooManyRedirects:
            raise SourceError(
                f"{shown(origin, 200)} redirects more than {MAX_REDIRECTS} times. Give the address "
                "where the file really lies."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            # The client's own words may hold the address with its password.
            raise SourceError(
                f"{shown(origin, 200)} cannot be fetched ({type(error).__name__}). Check the address."
            ) from None
    return FoundFile(target, name_in_url(url) or "download", origin, fetched=True)


def _fetch(url: str, origin: str, target: Path) -> None:
    import httpx

    address, login = _apart(url)
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    # Without content coding the body is the file itself, and Content-Length its size.
    headers = {"Accept-Encoding": "identity", "Accept": "*/*", "User-Agent": "review-sentiment"}
    try:
        with (
            _silent_client(),
            httpx.Client(
                follow_redirects=True, max_redirects=MAX_REDIRECTS, timeout=timeout, headers=headers
            ) as client,
            client.stream("GET", address, auth=login) as response,
        ):
            _check(response.status_code, response.headers.get("content-type", ""), origin)
            if address.startswith("https:") and any(
                step.url.scheme != "https" for step in [*response.history, response]
            ):
                raise SourceError(
                    f"{shown(origin, 200)} redirects from https to plain http, which anyone on the way can alter."
                )
            announced = response.headers.get("content-length", "")
            expected = int(announced) if announced.isascii() and announced.isdigit() else None
            if expected is not None and expected > staging.MAX_DUMP_BYTES:
                raise SourceError(staging.too_large(origin, expected))
            # A body shorter than announced is a RemoteProtocolError.
            _write(response.iter_raw(staging.BLOCK_BYTES), target, origin)
    except httpx.TransportError as error:
        if isinstance(error, httpx.UnsupportedProtocol):
            raise SourceError(f"{shown(origin, 200)} leads to an address that is neither http nor https.") from None
        short = isinstance(error, httpx.RemoteProtocolError) and "complete message body" in str(error)
        what = "the body was cut short" if short else "the connection failed"
        raise _PassingError(f"{what} ({type(error).__name__}: {error})") from None


def _check(status: int, content_type: str, origin: str) -> None:
    if status in RETRIED:
        raise _PassingError(f"the server answered status {status}")
    if status != OK:
        advice = {
            401: "It asks for a login: give an address that needs none, or download the file yourself.",
            403: "Access is refused: the link may have expired, or it needs a login.",
            404: "There is no such file: check the address.",
            410: "The file was removed: look for its new address.",
        }.get(status, "Open the address in a browser to see what it says.")
        raise SourceError(f"{shown(origin, 200)}: the server answered status {status}, expected 200. {advice}")
    if content_type.partition(";")[0].strip().lower() in {"text/html", "application/xhtml+xml"}:
        raise SourceError(
            f"{shown(origin, 200)}: the answer is a web page (text/html), not a dump of reviews: "
            "often a login or a preview. "
            "Give the address of the file itself (the 'raw' or 'download' link)."
        )


def _write(blocks: Iterator[bytes], target: Path, origin: str) -> None:
    size = 0
    with target.open("wb") as sink:
        for block in blocks:
            size += len(block)
            if size > staging.MAX_DUMP_BYTES:
                raise SourceError(staging.too_large(origin, size))
            sink.write(block)


def _apart(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return the address without user name and password, and these."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    login = None
    if "@" in parts.netloc:
        login = (unquote(parts.username or ""), unquote(parts.password or ""))
    return urlunsplit((parts.scheme, host, parts.path, parts.query, "")), login


@contextmanager
def _silent_client() -> Iterator[None]:
    """Keep the client's own log lines back: they show addresses with their query, where signed links carry secrets."""

    def nothing(_: logging.LogRecord) -> bool:
        return False

    loggers = [logging.getLogger(name) for name in _CLIENT_LOGGERS]
    for logger in loggers:
        logger.addFilter(nothing)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(nothing)
