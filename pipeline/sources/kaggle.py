"""The public data set, through Kaggle's own client."""

from __future__ import annotations

import logging
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, overload

from pipeline.errors import SourceError, SourceUnavailableError, quoted
from pipeline.sources.records import KnownVersion
from pipeline.sources.staging import FoundFile, NotModified
from pipeline.sources.web import MAX_RETRY_AFTER_SECONDS, retry_after, silenced

log = logging.getLogger(__name__)

DATA_SET = "snap/amazon-fine-food-reviews"
FILE = "Reviews.csv"
ORIGIN = f"kaggle:{DATA_SET}/{FILE}"
ATTEMPTS = 3
PAUSE_SECONDS = 2.0
"""Wait before the second attempt; doubled before each further one, unless Kaggle asks for another."""
_RETRIED = frozenset({429, 500, 502, 503, 504})
_BY_HAND = (
    f"Download {FILE} from https://www.kaggle.com/datasets/{DATA_SET} with a browser and give its path as the dump, "
    "or use the dump 'demo' for a first look"
)
_CLIENT_LOGGERS = ("urllib3.connectionpool",)

Answer = TypeVar("Answer")


class _PassingError(Exception):
    """Worth another attempt.

    Attributes:
        wait: Seconds that Kaggle asked to be left alone for, if it did.
    """

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


def kaggle_version() -> int:
    """Ask Kaggle for the number of the data set's newest version; nothing is downloaded.

    Raises:
        SourceError: There is no such data set, or it may not be read; the message says how to go on by hand.
        SourceUnavailableError: Kaggle cannot be reached, or asks to be left alone for now.
    """
    return _tried(_newest_version)


@overload
def fetch_kaggle() -> FoundFile: ...


@overload
def fetch_kaggle(known_version: None) -> FoundFile: ...


@overload
def fetch_kaggle(known_version: int | None) -> FoundFile | NotModified: ...


def fetch_kaggle(known_version: int | None = None) -> FoundFile | NotModified:
    """Return Amazon Fine Food Reviews from Kaggle, each version downloaded once into its client's cache.

    No account is needed; where credentials are set (KAGGLE_API_TOKEN, KAGGLE_USERNAME with KAGGLE_KEY, or kaggle.json)
    the client uses them. A download that broke off starts from its first byte: the client would append to what is
    there, whatever the server holds by now.

    Args:
        known_version: The number of the version that is here already, from ``FoundFile.version``; only a newer one
            is downloaded.

    Raises:
        SourceError: The data set has changed or may not be read; the message says how to go on by hand.
        SourceUnavailableError: Kaggle cannot be reached, or asks to be left alone for now.
    """
    number = kaggle_version()
    version = KnownVersion(number=number)
    if number == known_version:
        log.info("%s: version %d is the newest, and known", ORIGIN, number)
        return NotModified(ORIGIN, version)
    folder = _tried(lambda: _download(number))
    path = folder / FILE
    if not path.is_file():
        found = ", ".join(quoted(entry.name, 40) for entry in sorted(folder.glob("*"))[:10]) or "nothing"
        raise SourceError(f"Kaggle's data set {DATA_SET} holds no {FILE}; it holds {found}. {_BY_HAND}.")
    return FoundFile(path, FILE, ORIGIN, version=version)


def _newest_version() -> int:
    from kagglehub.clients import build_kaggle_client
    from kagglehub.exceptions import handle_call
    from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest  # type: ignore[import-untyped]

    request = ApiGetDatasetRequest()
    request.owner_slug, request.dataset_slug = DATA_SET.split("/")
    with build_kaggle_client() as client:
        found = handle_call(lambda: client.datasets.dataset_api_client.get_dataset(request))
    number = int(found.current_version_number)
    if number < 1:
        raise SourceError(f"Kaggle names no version of its data set {DATA_SET}. {_BY_HAND}.")
    return number


def _download(number: int) -> Path:
    import kagglehub
    from kagglehub.cache import Cache
    from kagglehub.handle import parse_dataset_handle

    handle = f"{DATA_SET}/versions/{number}"
    parsed = parse_dataset_handle(handle)
    cache = Cache()
    if cache.load_from_cache(parsed) is None:
        Path(cache.get_archive_path(parsed)).unlink(missing_ok=True)
        shutil.rmtree(cache.get_path(parsed), ignore_errors=True)
    return Path(kagglehub.dataset_download(handle))


def _tried(ask: Callable[[], Answer]) -> Answer:
    """Ask up to ``ATTEMPTS`` times, as long as another attempt may help."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with silenced(*_CLIENT_LOGGERS):
                return ask()
        except SourceError:
            raise
        except Exception as error:  # noqa: BLE001 - its errors share no base but Exception
            failure = _failure(error)
            if isinstance(failure, SourceError):
                raise failure from None
        wait = PAUSE_SECONDS * 2 ** (attempt - 1) if failure.wait is None else failure.wait
        if attempt == ATTEMPTS or wait > MAX_RETRY_AFTER_SECONDS:
            break
        log.warning("%s: attempt %d of %d failed: %s", ORIGIN, attempt, ATTEMPTS, failure)
        time.sleep(wait)
    asked = f" and asks to be left alone for {wait:,.0f} seconds" if wait > MAX_RETRY_AFTER_SECONDS else ""
    raise SourceUnavailableError(
        f"The data set {DATA_SET} could not be had from Kaggle in {attempt} attempts: {failure}{asked}. "
        f"Try again later, or: {_BY_HAND[0].lower()}{_BY_HAND[1:]}."
    )


def _failure(error: Exception) -> SourceError | _PassingError:
    """Say what an error of Kaggle's client means; never in its words, which hold signed addresses."""
    import requests
    from kagglehub.exceptions import DataCorruptionError

    response = error.response if isinstance(error, requests.RequestException) else None
    if response is not None:
        return _refusal(response.status_code, retry_after(response.headers))
    if isinstance(error, DataCorruptionError | zipfile.BadZipFile | zlib.error):
        return _PassingError("the bytes that came are not those that Kaggle announced")
    if isinstance(error, requests.RequestException):
        short = isinstance(error, requests.exceptions.ChunkedEncodingError)
        return _PassingError("the download was cut short" if short else "the connection failed")
    if isinstance(error, OSError):
        return SourceError(
            f"The data set {DATA_SET} cannot be kept in the cache of Kaggle's client ({type(error).__name__}: "
            f"{quoted(error.strerror or '', 80)}). Give it another folder with KAGGLEHUB_CACHE, or free its disk."
        )
    return SourceError(
        f"The data set {DATA_SET} could not be had from Kaggle: its answer is not what its client expects "
        f"({type(error).__name__}). {_BY_HAND}."
    )


def _refusal(status: int, wait: float | None) -> SourceError | _PassingError:
    if status in _RETRIED:
        return _PassingError(f"it answered status {status}", wait)
    advice = {
        401: "The credentials are not accepted: check KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY, or unset "
        "them, as this data set needs none",
        403: "Access is refused: accept the data set's rules on its page, and check KAGGLE_API_TOKEN, or "
        "KAGGLE_USERNAME and KAGGLE_KEY",
        404: "There is no such data set or version any more",
    }.get(status, "Kaggle may have changed how it is asked")
    return SourceError(f"Kaggle answered status {status} for the data set {DATA_SET}. {advice}. {_BY_HAND}.")
