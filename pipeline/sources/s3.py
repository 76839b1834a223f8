"""Dumps in an object store: ``s3://bucket/key`` or a prefix with shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import PipelineError, SourceError, SourceUnavailableError, quoted
from pipeline.sources import staging
from pipeline.sources.naming import looks_like_reviews, without_secrets
from pipeline.sources.staging import FoundFile

MAX_SHARDS = 10_000
ADVICE = (
    "Check the bucket, the key and the AWS credentials of this process (AWS_ACCESS_KEY_ID or a profile, "
    "AWS_ENDPOINT_URL for another store than AWS; in Airflow also REVIEW_SENTIMENT_STORE_CONN)"
)
"""What to do about a bucket that cannot be read, for the end of a message."""


def fetch_objects(url: str, folder: Path) -> list[FoundFile]:
    """Fetch one object, or every shard directly below a prefix in the order of their names.

    Args:
        url: ``s3://bucket/key`` or ``s3://bucket/prefix/``. Credentials are the deployment's, never from here.
        folder: Where the files are put.

    Raises:
        SourceError: Nothing is there, access is refused, or no shard below the prefix is a dump.
    """
    origin = without_secrets(url)
    key = checked_location(url)
    try:
        return _fetched(file_system(), key, origin, folder)
    except PipelineError:
        raise
    except FileNotFoundError:
        raise SourceError(f"{quoted(origin, 200)}: there is no such object or prefix. {ADVICE}.") from None
    except PermissionError:
        raise SourceError(f"{quoted(origin, 200)}: access is refused. {ADVICE}.") from None
    except Exception as error:  # noqa: BLE001 - s3fs passes on botocore's, aiohttp's and its own errors
        raise SourceUnavailableError(
            f"{quoted(origin, 200)} cannot be fetched ({type(error).__name__}: {quoted(error, 200)}). {ADVICE}."
        ) from None


def checked_location(url: str) -> str:
    """Return ``bucket/key`` of an ``s3://bucket/key`` address.

    Raises:
        SourceError: It names no bucket, or holds a login.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc or not parts.netloc:
        raise SourceError(
            f"{quoted(without_secrets(url), 200)}: an s3 address is s3://bucket/key, without a login: credentials "
            "belong in the environment "
            "(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or in a profile."
        )
    # Not the parsed path: `#` and `?` are signs like any other in a key.
    return url.partition("://")[2]


def file_system() -> Any:  # noqa: ANN401 - fsspec has no types
    """Return the object store, asked anew: what was listed before may have changed."""
    from pipeline.object_store.file_system import open_file_system

    return open_file_system(remembering=False)


def _fetched(files: Any, key: str, origin: str, folder: Path) -> list[FoundFile]:  # noqa: ANN401 - fsspec has no types
    if not key.endswith("/") and files.isfile(key):
        return [_fetch(files, key, origin, folder / "object")]
    below = sorted(entry["name"] for entry in files.ls(key.rstrip("/"), detail=True) if entry["type"] == "file")
    shards = [name for name in below if looks_like_reviews(name.rpartition("/")[2])]
    if not shards:
        raise SourceError(
            f"{quoted(origin, 200)}: no dump of reviews lies directly below this prefix "
            f"({len(below)} other objects do). "
            "Expected .csv, .tsv, .jsonl, .ndjson, .json, .parquet, plain, .gz or .zip."
        )
    if len(shards) > MAX_SHARDS:
        raise SourceError(
            f"{quoted(origin, 200)}: {len(shards):,} shards; at most {MAX_SHARDS:,} are read. Merge them first."
        )
    base = origin.rstrip("/")
    return [
        _fetch(files, name, f"{base}/{name.rpartition('/')[2]}", folder / f"object-{number}")
        for number, name in enumerate(shards)
    ]


def _fetch(files: Any, key: str, origin: str, target: Path) -> FoundFile:  # noqa: ANN401 - fsspec has no types
    size = files.info(key).get("size")
    if isinstance(size, int) and size > staging.MAX_DUMP_BYTES:
        raise SourceError(staging.too_large(origin, size))
    with files.open(key, "rb") as source:
        got, _ = staging.copied(source, target, origin)
    if isinstance(size, int) and got != size:
        raise SourceError(
            f"{quoted(origin, 200)}: {got:,} of {size:,} bytes came; the object changed while it was read. Run again."
        )
    return FoundFile(target, key.rpartition("/")[2], origin, fetched=True)
