"""Dumps in an object store: ``s3://bucket/key``, or a prefix with shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import PipelineError, SourceError, SourceUnavailableError, quoted
from pipeline.sources.naming import READ_ENDINGS, is_dump_name, without_secrets
from pipeline.sources.source import FoundFile, SeenFiles, check_size, hash_blocks, read_blocks

MAX_SHARDS = 10_000
ADVICE = (
    "Check the bucket, the key and the AWS credentials of this process (AWS_ACCESS_KEY_ID or a profile, "
    "AWS_ENDPOINT_URL for another store than AWS; in Airflow also REVIEW_SENTIMENT_STORE_CONN)"
)
"""What to do about a bucket that cannot be read, for the end of a message."""


def fetch_s3(dump: str, folder: Path, _seen: SeenFiles) -> list[FoundFile]:
    """Download one object, or every shard directly below a prefix, sorted by name.

    The credentials are those of the deployment, never part of the address.
    """
    origin = without_secrets(dump)
    key = bucket_and_key(dump)
    try:
        return _fetch_all(open_object_store(), key, origin, folder)
    except PipelineError:
        raise
    except FileNotFoundError:
        raise SourceError(f"{quoted(origin, 200)}: there is no such object or prefix. {ADVICE}.") from None
    except Exception as error:  # noqa: BLE001 - s3fs passes on errors of botocore, aiohttp and its own
        raise SourceUnavailableError(
            f"{quoted(origin, 200)} cannot be fetched ({type(error).__name__}: {quoted(error, 200)}). {ADVICE}."
        ) from None


def bucket_and_key(url: str) -> str:
    """Return ``bucket/key`` of an ``s3://bucket/key`` address.

    Raises:
        SourceError: It does not name a bucket, or contains a login.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc or not parts.netloc:
        raise SourceError(
            f"{quoted(without_secrets(url), 200)}: an s3 address is s3://bucket/key, without a login: credentials "
            "belong in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or in a profile."
        )
    # Not the parsed path: `#` and `?` are ordinary characters of a key.
    return url.partition("://")[2]


def open_object_store() -> Any:  # noqa: ANN401 - fsspec has no types
    """Return the object store without cached listings, which may be outdated."""
    from pipeline.store.s3 import open_file_system

    return open_file_system(use_cache=False)


def _fetch_all(files: Any, key: str, origin: str, folder: Path) -> list[FoundFile]:  # noqa: ANN401 - fsspec has no types
    if not key.endswith("/") and files.isfile(key):
        return [_fetch(files, key, origin, folder / "object")]
    names = sorted(entry["name"] for entry in files.ls(key.rstrip("/"), detail=True) if entry["type"] == "file")
    shards = [name for name in names if is_dump_name(name.rpartition("/")[2])]
    if not shards:
        raise SourceError(
            f"{quoted(origin, 200)}: there is no dump of reviews directly below this prefix, but {len(names)} other "
            f"objects. Expected {READ_ENDINGS}."
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
    check_size(origin, size)
    with files.open(key, "rb") as source:
        copied, _ = hash_blocks(read_blocks(source), origin, copy_to=target)
    if size is not None and copied != size:
        raise SourceError(
            f"{quoted(origin, 200)}: {copied:,} of {size:,} bytes were read; the object changed meanwhile. Run again."
        )
    return FoundFile(target, key.rpartition("/")[2], origin, staged=True)
