"""Dumps behind s3:// addresses."""

from __future__ import annotations

import gzip

import pytest

from pipeline.errors import SourceError
from pipeline.sources.s3 import open_object_store
from tests.unit.sources.factories import csv_text, fetch_dumps, fetched_files

CSV = csv_text().encode()


@pytest.fixture
def bucket(s3) -> str:
    """A bucket with dumps on an S3 server of this test alone."""
    files, name = open_object_store(), s3.make_bucket()
    files.pipe(f"{name}/Reviews.csv", CSV)
    files.pipe(f"{name}/shards/b.csv.gz", gzip.compress(CSV))
    files.pipe(f"{name}/shards/a.csv", CSV)
    files.pipe(f"{name}/shards/README.md", b"hello")
    files.pipe(f"{name}/notes/README.md", b"hello")
    return name


def test_object_and_prefix(bucket, store) -> None:
    (file,) = fetched_files(store, f"s3://{bucket}/Reviews.csv")
    assert (file.name, file.bytes) == ("Reviews.csv", len(CSV))
    files = fetched_files(store, f"s3://{bucket}/shards")
    assert [file.name for file in files] == ["a.csv", "b.csv.gz"]
    files = fetched_files(store, f"s3://{bucket}/shards/")
    assert [file.origin for file in files] == [f"s3://{bucket}/shards/a.csv", f"s3://{bucket}/shards/b.csv.gz"]


def test_missing_objects_and_prefixes_without_dumps(bucket, store) -> None:
    for url in (f"s3://{bucket}/nothing.csv", "s3://no-such-bucket/x.csv"):
        with pytest.raises(SourceError, match="no such object or prefix"):
            fetch_dumps(store, url)
    with pytest.raises(SourceError, match="no dump of reviews directly below"):
        fetch_dumps(store, f"s3://{bucket}/notes/")


def test_a_login_in_the_address_is_refused_and_not_shown(store) -> None:
    with pytest.raises(SourceError, match="credentials belong in the environment") as error:
        fetch_dumps(store, "s3://AKIA:secret@bucket/x.csv")
    assert "secret@" not in str(error.value)
