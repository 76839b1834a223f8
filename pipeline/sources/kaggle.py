"""The public data set, fetched with the client library of Kaggle."""

from __future__ import annotations

import logging
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pipeline.errors import SourceError, quoted
from pipeline.sources.records import KnownVersion
from pipeline.sources.retry import TRANSIENT_STATUSES, TransientError, muted_loggers, retry_after, with_retries
from pipeline.sources.source import FoundFile, SeenFiles

log = logging.getLogger(__name__)

DATA_SET = "snap/amazon-fine-food-reviews"
FILE = "Reviews.csv"
ORIGIN = f"kaggle:{DATA_SET}/{FILE}"
_BY_HAND = (
    f"download {FILE} from https://www.kaggle.com/datasets/{DATA_SET} with a browser and give its path as the dump, "
    "or use the dump 'demo' for a first look"
)
_ADVICE = f"{_BY_HAND[0].upper()}{_BY_HAND[1:]}."

Answer = TypeVar("Answer")


def fetch_kaggle(_dump: str, _folder: Path, seen: SeenFiles) -> list[FoundFile]:
    """Download the newest version of Amazon Fine Food Reviews, unless it was seen before, into the client's cache.

    An account is not needed. If credentials are set (KAGGLE_API_TOKEN, KAGGLE_USERNAME with KAGGLE_KEY, or
    kaggle.json), the client uses them.
    """
    number = _with_retries(_newest_version)
    version = KnownVersion(number=number)
    if seen.versions.get(ORIGIN) == version:
        log.info("%s: version %d is the newest and was fetched before", ORIGIN, number)
        return []
    downloaded = _with_retries(lambda: _download(number))
    path = downloaded / FILE
    if not path.is_file():
        found = ", ".join(quoted(entry.name, 40) for entry in sorted(downloaded.glob("*"))[:10]) or "no file"
        raise SourceError(f"The Kaggle data set {DATA_SET} does not contain {FILE}, but {found}. {_ADVICE}")
    return [FoundFile(path, FILE, ORIGIN, version=version)]


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
        raise SourceError(f"Kaggle does not name a version of its data set {DATA_SET}. {_ADVICE}")
    return number


def _download(number: int) -> Path:
    import kagglehub
    from kagglehub.cache import Cache
    from kagglehub.handle import parse_dataset_handle

    handle = f"{DATA_SET}/versions/{number}"
    parsed = parse_dataset_handle(handle)
    cache = Cache()
    if cache.load_from_cache(parsed) is None:
        # The client would append to an incomplete download, even if the server holds other bytes by now.
        Path(cache.get_archive_path(parsed)).unlink(missing_ok=True)
        shutil.rmtree(cache.get_path(parsed), ignore_errors=True)
    return Path(kagglehub.dataset_download(handle))


def _with_retries(request: Callable[[], Answer]) -> Answer:
    def attempt() -> Answer:
        try:
            with muted_loggers("urllib3.connectionpool"):
                return request()
        except SourceError:
            raise
        except Exception as error:  # noqa: BLE001 - the errors of the client share no base but Exception
            raise _translated(error) from None

    return with_retries(attempt, ORIGIN, _BY_HAND)


def _translated(error: Exception) -> SourceError | TransientError:
    """Return our error for an error of the client, without its message: that may contain signed addresses."""
    import requests
    from kagglehub.exceptions import DataCorruptionError

    response = error.response if isinstance(error, requests.RequestException) else None
    if response is not None:
        return _status_error(response.status_code, retry_after(response.headers))
    if isinstance(error, DataCorruptionError | zipfile.BadZipFile | zlib.error):
        return TransientError("the received bytes are not those that Kaggle announced")
    if isinstance(error, requests.RequestException):
        short = isinstance(error, requests.exceptions.ChunkedEncodingError)
        return TransientError("the download was cut short" if short else "the connection failed")
    if isinstance(error, OSError):
        return SourceError(
            f"The data set {DATA_SET} cannot be written to the cache of the Kaggle client ({type(error).__name__}: "
            f"{quoted(error.strerror or '', 80)}). Set KAGGLEHUB_CACHE to another folder, or free disk space."
        )
    return SourceError(
        f"The data set {DATA_SET} cannot be fetched: Kaggle gave an answer that its client does not expect "
        f"({type(error).__name__}). {_ADVICE}"
    )


def _status_error(status: int, wait_seconds: float | None) -> SourceError | TransientError:
    if status in TRANSIENT_STATUSES:
        return TransientError(f"the server answered status {status}", wait_seconds)
    advice = {
        401: "The credentials are not accepted: check KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY, or unset "
        "them, as this data set needs none",
        403: "Access is refused: accept the rules of the data set on its page, and check KAGGLE_API_TOKEN, or "
        "KAGGLE_USERNAME and KAGGLE_KEY",
        404: "The data set or this version of it no longer exists",
    }.get(status, "The interface of Kaggle may have changed")
    return SourceError(f"Kaggle answered status {status} for the data set {DATA_SET}. {advice}. {_ADVICE}")
