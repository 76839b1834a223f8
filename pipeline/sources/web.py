"""Dumps behind http:// and https:// addresses."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import overload
from urllib.parse import unquote, urlsplit, urlunsplit

from pipeline.errors import SourceError, SourceUnavailableError, quoted
from pipeline.sources import staging
from pipeline.sources.naming import name_in_url, without_secrets
from pipeline.sources.records import KnownVersion
from pipeline.sources.staging import FoundFile, NotModified

log = logging.getLogger(__name__)

ATTEMPTS = 3
PAUSE_SECONDS = 2.0
"""Wait before the second attempt; doubled before each further one."""
MAX_REDIRECTS = 5
CONNECT_SECONDS = 15.0
READ_SECONDS = 60.0
MAX_RETRY_AFTER_SECONDS = 60.0
"""Longest wait that a server may ask for (``Retry-After``) before it counts as unavailable."""
MAX_VALIDATOR_CHARACTERS = 512
OK = 200
NOT_MODIFIED = 304
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
    """Worth another attempt.

    Attributes:
        wait: Seconds that the server asked to be left alone for, if it did.
    """

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


@overload
def download(url: str, folder: Path) -> FoundFile: ...


@overload
def download(url: str, folder: Path, known: None) -> FoundFile: ...


@overload
def download(url: str, folder: Path, known: KnownVersion | None) -> FoundFile | NotModified: ...


def download(url: str, folder: Path, known: KnownVersion | None = None) -> FoundFile | NotModified:
    """Fetch a dump, byte for byte as the server holds it, or learn that it is the one that is known.

    A lost connection, a body shorter than announced and the statuses 429 and 5xx are tried again, ``ATTEMPTS``
    times in all, each time from the first byte: a file that changes on the server in between is never pieced together.
    User name and password in the address are sent to its host alone and appear nowhere else.

    Args:
        url: An http or https address whose host has public addresses only (``pipeline.sources.addresses``).
        folder: Where the file is put.
        known: The version that is here already, from ``FoundFile.version``; the server is asked for a newer one only
            (``If-None-Match``, ``If-Modified-Since``). A server that knows no versions sends the file again.

    Raises:
        PrivateAddressError: The address, or one that it redirects to, lies inside this network.
        SourceError: There is no such file, the answer is a web page, the file is too large, or too many redirects
            lead on.
        SourceUnavailableError: The server cannot be reached, or asks to be left alone for now.
    """
    import httpx

    origin = without_secrets(url)
    try:
        named = bool(urlsplit(url).hostname)
    except ValueError:
        named = False
    if not named:
        raise SourceError(f"{quoted(origin, 200)} names no host that can be understood. Check the address.")
    target = folder / "download"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            answer = _fetch(url, origin, target, known)
            break
        except _PassingError as error:
            _pause(origin, attempt, error)
        except httpx.TooManyRedirects:
            raise SourceError(
                f"{quoted(origin, 200)} redirects more than {MAX_REDIRECTS} times. Give the address "
                "where the file really lies."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            # The client's own words may hold the address with its password.
            raise SourceError(
                f"{quoted(origin, 200)} cannot be fetched ({type(error).__name__}). Check the address."
            ) from None
    if isinstance(answer, NotModified):
        log.info("%s has not changed", quoted(origin, 200))
        return answer
    return FoundFile(target, name_in_url(url) or "download", origin, fetched=True, version=answer)


def _pause(origin: str, attempt: int, error: _PassingError) -> None:
    """Wait before the next attempt, or give up."""
    wait = PAUSE_SECONDS * 2 ** (attempt - 1) if error.wait is None else error.wait
    if attempt == ATTEMPTS or wait > MAX_RETRY_AFTER_SECONDS:
        asked = f" and asks to be left alone for {wait:,.0f} seconds" if wait > MAX_RETRY_AFTER_SECONDS else ""
        raise SourceUnavailableError(
            f"{quoted(origin, 200)} could not be fetched in {attempt} attempts: {error}{asked}. "
            "Try again later, or download the file yourself and give its path."
        ) from None
    log.warning("%s: attempt %d of %d failed: %s", quoted(origin, 200), attempt, ATTEMPTS, error)
    time.sleep(wait)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds a server asks to be left alone for (RFC 9110, 10.2.3); ``None`` if it asks for nothing.

    Args:
        headers: Of its answer, looked up whatever their case.
    """
    given = headers.get("Retry-After", "").strip()
    if given.isascii() and given.isdigit():
        return float(given[:9])
    try:
        moment = parsedate_to_datetime(given)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


def _fetch(url: str, origin: str, target: Path, known: KnownVersion | None) -> KnownVersion | NotModified | None:
    """Write the body to ``target`` and return its version, if the server tells one."""
    import httpx

    from pipeline.sources.addresses import PublicTransport
    from pipeline.sources.allowed_roots import is_allowed

    def require_allowed(request: httpx.Request) -> None:
        # The address itself was held to the roots before; what it redirects to must be, too.
        if not is_allowed(str(request.url)):
            raise SourceError(
                f"{quoted(origin, 200)} leads to {quoted(without_secrets(str(request.url)), 200)}, which lies outside "
                "the roots that this deployment allows. Give the address of a file inside them."
            )

    address, login = _apart(url)
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    # Without content coding the body is the file itself, and Content-Length its size.
    headers = {"Accept-Encoding": "identity", "Accept": "*/*", "User-Agent": "review-sentiment"}
    conditions = _conditions(known)
    try:
        with (
            silenced(*_CLIENT_LOGGERS),
            httpx.Client(
                transport=PublicTransport(),
                follow_redirects=True,
                max_redirects=MAX_REDIRECTS,
                timeout=timeout,
                headers=headers,
                event_hooks={"request": [require_allowed]},
            ) as client,
            client.stream("GET", address, auth=login, headers=conditions) as response,
        ):
            if known is not None and conditions and response.status_code == NOT_MODIFIED:
                return NotModified(origin, known)
            _check(response.status_code, response.headers, origin)
            if address.startswith("https:") and any(
                step.url.scheme != "https" for step in [*response.history, response]
            ):
                raise SourceError(
                    f"{quoted(origin, 200)} redirects from https to plain http, which anyone on the way can alter."
                )
            announced = response.headers.get("content-length", "")
            expected = int(announced) if announced.isascii() and announced.isdigit() else None
            if expected is not None and expected > staging.MAX_DUMP_BYTES:
                raise SourceError(staging.too_large(origin, expected))
            # A body shorter than announced is a RemoteProtocolError.
            _write(response.iter_raw(staging.BLOCK_BYTES), target, origin)
            return _version(response.headers)
    except httpx.TransportError as error:
        if isinstance(error, httpx.UnsupportedProtocol):
            raise SourceError(f"{quoted(origin, 200)} leads to an address that is neither http nor https.") from None
        short = isinstance(error, httpx.RemoteProtocolError) and "complete message body" in str(error)
        what = "the body was cut short" if short else "the connection failed"
        raise _PassingError(f"{what} ({type(error).__name__}: {error})") from None


def _conditions(known: KnownVersion | None) -> dict[str, str]:
    if known is None:
        return {}
    given = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: value for name, value in given.items() if value is not None}


def _version(headers: Mapping[str, str]) -> KnownVersion | None:
    """Return what the next request may ask about; headers that could not be sent back as they came are left out."""
    etag, last_modified = (
        value if value and len(value) <= MAX_VALIDATOR_CHARACTERS and value.isascii() and value.isprintable() else None
        for value in (headers.get("ETag"), headers.get("Last-Modified"))
    )
    return KnownVersion(etag=etag, last_modified=last_modified) if etag or last_modified else None


def _check(status: int, headers: Mapping[str, str], origin: str) -> None:
    if status in RETRIED:
        raise _PassingError(f"the server answered status {status}", retry_after(headers))
    if status != OK:
        advice = {
            401: "It asks for a login: give an address that needs none, or download the file yourself.",
            403: "Access is refused: the link may have expired, or it needs a login.",
            404: "There is no such file: check the address.",
            410: "The file was removed: look for its new address.",
        }.get(status, "Open the address in a browser to see what it says.")
        raise SourceError(f"{quoted(origin, 200)}: the server answered status {status}, expected 200. {advice}")
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() in {"text/html", "application/xhtml+xml"}:
        raise SourceError(
            f"{quoted(origin, 200)}: the answer is a web page (text/html), not a dump of reviews: "
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
def silenced(*names: str) -> Iterator[None]:
    """Keep a client's own log lines back: they show addresses with their query, where signed links carry secrets.

    Args:
        names: Of its loggers.
    """

    def nothing(_: logging.LogRecord) -> bool:
        return False

    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addFilter(nothing)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(nothing)
