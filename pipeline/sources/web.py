"""Dumps at http:// and https:// addresses."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from pipeline.errors import SourceError, quoted
from pipeline.sources.allowed_roots import is_allowed
from pipeline.sources.naming import name_in_url, without_secrets
from pipeline.sources.records import KnownVersion
from pipeline.sources.retry import (
    HTTP_LOGGERS,
    TRANSIENT_STATUSES,
    TransientError,
    muted_loggers,
    retry_after,
    with_retries,
)
from pipeline.sources.source import BLOCK_BYTES, FoundFile, SeenFiles, check_size, hash_blocks

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

MAX_REDIRECTS = 5
CONNECT_SECONDS = 15.0
READ_SECONDS = 60.0
MAX_VALIDATOR_CHARACTERS = 512
"""Longest ``ETag`` or ``Last-Modified`` header that is kept."""
_OK = 200
_NOT_MODIFIED = 304


def fetch_web(dump: str, folder: Path, seen: SeenFiles) -> list[FoundFile]:
    """Download a file exactly as the server holds it, unless it says that it is the version seen before.

    Servers name versions by ``ETag`` and ``Last-Modified``. Lost connections, bodies shorter than announced and the
    statuses 429 and 5xx are retried from the first byte, so that a file that changes on the server is never mixed from
    two versions. User name and password in the address are sent to its host only and appear nowhere else.

    Raises:
        PrivateAddressError: The address, or one that it redirects to, is inside this network.
        SourceError: There is no such file, the answer is a web page, or the file is too large.
        SourceUnavailableError: The server cannot be reached, or asks to wait.
    """
    origin = without_secrets(dump)
    # The origin does not contain the query, and another query can be another file.
    known = None if "?" in dump else seen.versions.get(origin)
    target = folder / "download"
    advice = "download the file yourself and give its path"
    version = with_retries(lambda: _download(dump, origin, target, known), origin, advice)
    if known is not None and version is known:
        log.info("%s has not changed", quoted(origin, 200))
        return []
    return [FoundFile(target, name_in_url(dump) or "download", origin, staged=True, version=version)]


def _download(url: str, origin: str, target: Path, known: KnownVersion | None) -> KnownVersion | None:
    """Write the body to ``target`` and return its version, if the server names one.

    Returns ``known`` itself, and writes nothing, if that is still the newest version.
    """
    import httpx

    try:
        if not urlsplit(url).hostname:
            raise SourceError(f"{quoted(origin, 200)} does not name a host. Check the address.")
        with muted_loggers(*HTTP_LOGGERS):
            return _request(url, origin, target, known)
    except httpx.UnsupportedProtocol:
        raise SourceError(
            f"{quoted(origin, 200)} redirects to an address that is neither http nor https. Check the address."
        ) from None
    except httpx.TransportError as error:
        short = isinstance(error, httpx.RemoteProtocolError) and "complete message body" in str(error)
        what = "the body was cut short" if short else "the connection failed"
        raise TransientError(f"{what} ({type(error).__name__}: {error})") from None
    except httpx.TooManyRedirects:
        raise SourceError(
            f"{quoted(origin, 200)} redirects more than {MAX_REDIRECTS} times. Give the final address of the file."
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        # The message of the client may contain the address with its password.
        raise SourceError(
            f"{quoted(origin, 200)} cannot be fetched ({type(error).__name__}). Check the address."
        ) from None


def _request(url: str, origin: str, target: Path, known: KnownVersion | None) -> KnownVersion | None:
    import httpx

    from pipeline.sources.addresses import PublicTransport

    def check_allowed(request: httpx.Request) -> None:
        # The first address was checked against the roots before; the targets of redirects were not.
        if not is_allowed(str(request.url)):
            raise SourceError(
                f"{quoted(origin, 200)} redirects to {quoted(without_secrets(str(request.url)), 200)}, which is "
                "outside the roots that this deployment allows. Give the address of a file inside them."
            )

    address, login = _split_login(url)
    conditions = _conditions(known)
    with (
        httpx.Client(
            transport=PublicTransport(),
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            # Without content coding, the body is the file itself and Content-Length its size.
            headers={"Accept-Encoding": "identity", "Accept": "*/*", "User-Agent": "review-sentiment"},
            event_hooks={"request": [check_allowed]},
        ) as client,
        client.stream("GET", address, auth=login, headers=conditions) as response,
    ):
        if conditions and response.status_code == _NOT_MODIFIED:
            return known
        _check_answer(response, origin)
        announced = response.headers.get("content-length", "")
        check_size(origin, int(announced) if announced.isascii() and announced.isdigit() else None)
        # A body shorter than announced raises RemoteProtocolError.
        hash_blocks(response.iter_raw(BLOCK_BYTES), origin, copy_to=target)
        return _version(response.headers)


def _conditions(known: KnownVersion | None) -> dict[str, str]:
    if known is None:
        return {}
    headers = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: value for name, value in headers.items() if value is not None}


def _version(headers: Mapping[str, str]) -> KnownVersion | None:
    """Return the version for the next request; headers that could not be sent back unchanged are left out."""
    etag, last_modified = (
        value if value and len(value) <= MAX_VALIDATOR_CHARACTERS and value.isascii() and value.isprintable() else None
        for value in (headers.get("ETag"), headers.get("Last-Modified"))
    )
    return KnownVersion(etag=etag, last_modified=last_modified) if etag or last_modified else None


def _check_answer(response: httpx.Response, origin: str) -> None:
    status, headers = response.status_code, response.headers
    if status in TRANSIENT_STATUSES:
        raise TransientError(f"the server answered status {status}", retry_after(headers))
    if status != _OK:
        advice = {
            401: "It asks for a login: give an address that needs none, or download the file yourself.",
            403: "Access is refused: the link may have expired, or it needs a login.",
            404: "There is no such file: check the address.",
            410: "The file was removed: look for its new address.",
        }.get(status, "Open the address in a browser to see its answer.")
        raise SourceError(f"{quoted(origin, 200)}: the server answered status {status}, expected 200. {advice}")
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() in {"text/html", "application/xhtml+xml"}:
        raise SourceError(
            f"{quoted(origin, 200)}: the answer is a web page (text/html), not a dump of reviews: often a login or a "
            "preview. Give the address of the file itself (the 'raw' or 'download' link)."
        )
    schemes = [step.url.scheme for step in [*response.history, response]]
    if schemes[0] == "https" and set(schemes) != {"https"}:
        raise SourceError(f"{quoted(origin, 200)} redirects from https to plain http, which can be altered on the way.")


def _split_login(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return the address without user name and password, and these."""
    parts = urlsplit(url)
    login = (unquote(parts.username or ""), unquote(parts.password or "")) if "@" in parts.netloc else None
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, parts.query, "")), login
