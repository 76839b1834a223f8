"""The inbox: which files are listed, when they are complete, and that the listed file is the one that is read."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigurationError, SourceError, SourceUnavailableError
from pipeline.sources import SeenFiles
from pipeline.sources import inbox as inbox_module
from pipeline.sources.inbox import (
    InboxFile,
    InboxListing,
    SkippedFile,
    fetch_inbox,
    fetch_named_file,
    fetch_new_files,
    inbox_digest,
    scan_inbox,
    stable_files,
)
from pipeline.sources.s3 import open_object_store
from tests.unit.sources.factories import csv_text

BODY = csv_text().encode()
LONG_AGO = 1_700_000_000
SNAP = b"product/productId: B001\nreview/text: good\n"


@pytest.fixture
def inbox(tmp_path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def put(folder: Path, name: str, body: bytes = BODY, at: float = LONG_AGO) -> Path:
    path = folder / name
    path.write_bytes(body)
    os.utime(path, (at, at))
    return path


def listed(inbox: Path | str) -> tuple[InboxFile, ...]:
    return scan_inbox(str(inbox)).files


def names(inbox: Path) -> list[str]:
    return [file.name for file in listed(inbox)]


def skipped(inbox: Path) -> dict[str, str]:
    return {file.name: file.reason for file in scan_inbox(str(inbox)).skipped}


def test_files_are_sorted_by_time(inbox) -> None:
    put(inbox, "late.csv", at=LONG_AGO + 5)
    put(inbox, "b.csv")
    put(inbox, "a.jsonl.gz")
    files = listed(inbox)
    assert [file.name for file in files] == ["a.jsonl.gz", "b.csv", "late.csv"]
    assert files[2].modified == datetime.fromtimestamp(LONG_AGO + 5, UTC)
    assert files[1].bytes == len(BODY)
    assert listed(inbox.as_uri()) == files


@pytest.mark.parametrize(
    "name",
    [".Reviews.csv", "~Reviews.csv", "Reviews.csv~", "Reviews.csv.tmp", "Reviews.csv.part", "Reviews.csv.PARTIAL",
     "Reviews.csv.crdownload", "Reviews.csv.filepart", "_SUCCESS", "_temporary.csv", ".Reviews.csv.Xa81Qz"],
)  # fmt: skip
def test_hidden_and_partial_names_are_left_out(inbox, name) -> None:
    put(inbox, name)
    assert scan_inbox(str(inbox)) == InboxListing((), ())


def test_other_entries_are_skipped_with_a_reason(inbox) -> None:
    put(inbox, "README.md")
    put(inbox, "notes.txt", b"call Ann")
    put(inbox, "foods.txt", SNAP)
    (inbox / "old").mkdir()
    os.mkfifo(inbox / "pipe.csv")
    assert names(inbox) == ["foods.txt"]
    assert skipped(inbox) == {
        "README.md": "not_reviews",
        "notes.txt": "not_reviews",
        "old": "folder",
        "pipe.csv": "not_regular",
    }


def test_links_to_the_outside_are_not_followed(inbox) -> None:
    secret = put(inbox.parent, "secret.csv")
    (inbox / "Reviews.csv").symlink_to(secret)
    (inbox / "nowhere.csv").symlink_to(inbox / "nothing.csv")
    put(inbox, "real.csv")
    (inbox / "alias.csv").symlink_to("real.csv")
    assert names(inbox) == ["alias.csv", "real.csv"]
    assert skipped(inbox) == {"Reviews.csv": "outside_link"}


def test_a_file_without_read_permission_is_skipped(inbox, monkeypatch) -> None:
    locked = put(inbox, "locked.csv")
    put(inbox, "real.csv")
    # The tests may run as root, who may read everything.
    monkeypatch.setattr("pipeline.sources.inbox.os.access", lambda path, _: path != locked)
    assert names(inbox) == ["real.csv"]
    assert skipped(inbox) == {"locked.csv": "no_permission"}


def test_a_skipped_file_is_described_on_one_line() -> None:
    assert str(SkippedFile("two\nlines.md", "folder")) == "'two\\x0alines.md' is skipped: it is a folder"


def test_a_file_replaced_by_a_link_is_not_read(inbox) -> None:
    path = put(inbox, "Reviews.csv")
    (file,) = listed(inbox)
    secret = put(inbox.parent, "secret.csv")
    path.unlink()
    path.symlink_to(secret)
    for read in (lambda: inbox_digest(str(inbox), file), lambda: fetch_inbox(str(inbox), [file], inbox.parent)):
        with pytest.raises(SourceUnavailableError, match=r"'Reviews.csv' in the inbox was replaced by a link"):
            read()


def complete(folder: Path) -> dict[str, bool]:
    return {file.name: file.complete for file in listed(folder)}


def test_a_file_is_complete_when_it_has_been_unchanged_for_a_while(inbox, monkeypatch) -> None:
    now = time.time()
    put(inbox, "fresh.csv", at=now - 2)
    put(inbox, "settled.csv", at=now - 30)
    put(inbox, "clock_ahead.csv", at=now + 60)
    put(inbox, "dated_ahead.csv", at=now + 9e6)
    assert complete(inbox) == {
        "fresh.csv": False,
        "settled.csv": True,
        "clock_ahead.csv": False,
        "dated_ahead.csv": True,
    }
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX_SETTLE_SECONDS", "300")
    assert not complete(inbox)["settled.csv"]


@pytest.mark.parametrize("given", ["soon", "-1", "nan", "1e9"])
def test_an_invalid_settle_time_is_refused(inbox, monkeypatch, given) -> None:
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX_SETTLE_SECONDS", given)
    with pytest.raises(ConfigurationError, match="REVIEW_SENTIMENT_INBOX_SETTLE_SECONDS"):
        listed(inbox)


def test_a_marker_makes_a_file_complete_at_once(inbox) -> None:
    now = time.time()
    put(inbox, "Reviews.csv", at=now)
    put(inbox, "Reviews.csv.done", b"", at=now)
    put(inbox, "other.csv", at=now)
    assert complete(inbox) == {"Reviews.csv": True, "other.csv": False}


def test_a_marker_older_than_the_file_does_not_count(inbox) -> None:
    now = time.time()
    put(inbox, "Reviews.csv.done", b"", at=now - 3600)
    put(inbox, "Reviews.csv", BODY[:20], at=now)
    assert complete(inbox) == {"Reviews.csv": False}


def test_stable_files_are_marked_or_unchanged_in_two_scans(inbox) -> None:
    put(inbox, "still.csv")
    put(inbox, "grows.csv")
    put(inbox, "rewritten.csv")
    put(inbox, "fresh.csv", at=time.time())
    before = listed(inbox)
    put(inbox, "grows.csv", BODY * 2)
    put(inbox, "rewritten.csv", at=LONG_AGO + 1)
    put(inbox, "new.csv")
    put(inbox, "marked.csv")
    put(inbox, "marked.csv.done", b"")
    now = listed(inbox)
    assert [file.name for file in stable_files(before, now)] == ["marked.csv", "still.csv"]
    assert [file.name for file in stable_files((), now)] == ["marked.csv"]


def test_files_are_read_in_place(inbox, tmp_path) -> None:
    put(inbox, "Reviews (1).csv")
    (file,) = listed(inbox)
    assert inbox_digest(str(inbox), file) == hashlib.sha256(BODY).hexdigest()
    (found,) = fetch_inbox(str(inbox), [file], tmp_path)
    assert (found.path, found.name) == (inbox / "Reviews (1).csv", "Reviews (1).csv")
    assert (found.origin, found.staged) == ("inbox/Reviews__1_.csv", False)
    assert listed(inbox) == (file,)


@pytest.mark.parametrize("read", ["digest", "fetch"])
def test_a_file_that_vanishes_or_changes_is_reported(inbox, tmp_path, read) -> None:
    def ask() -> None:
        if read == "digest":
            inbox_digest(str(inbox), file)
        else:
            fetch_inbox(str(inbox), [file], tmp_path)

    path = put(inbox, "Reviews.csv")
    (file,) = listed(inbox)
    put(inbox, "Reviews.csv", BODY[::-1], at=LONG_AGO + 1)
    with pytest.raises(SourceUnavailableError, match=r"'Reviews.csv' in the inbox changed while it was read"):
        ask()
    path.unlink()
    with pytest.raises(SourceUnavailableError, match=r"'Reviews.csv' vanished from the inbox"):
        ask()


def test_a_file_that_grows_while_it_is_read_has_no_digest(inbox, monkeypatch) -> None:
    path = put(inbox, "Reviews.csv")
    (file,) = listed(inbox)
    hash_blocks = inbox_module.hash_blocks

    def slowly(*arguments: object) -> tuple[int, str]:
        result = hash_blocks(*arguments)
        with path.open("ab") as stream:
            stream.write(b"more")
        return result

    monkeypatch.setattr(inbox_module, "hash_blocks", slowly)
    with pytest.raises(SourceUnavailableError, match="changed while it was read"):
        inbox_digest(str(inbox), file)


def test_a_file_replaced_by_a_pipe_does_not_block(inbox) -> None:
    path = put(inbox, "Reviews.csv")
    (file,) = listed(inbox)
    path.unlink()
    os.mkfifo(path)
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            inbox_digest(str(inbox), file)
        except SourceUnavailableError as error:
            errors.append(error)

    asked = threading.Thread(target=ask, daemon=True)
    asked.start()
    asked.join(timeout=20)
    assert len(errors) == 1


def test_an_inbox_that_does_not_exist(inbox, tmp_path) -> None:
    with pytest.raises(SourceError, match="does not exist") as error:
        listed(str(tmp_path / "missing"))
    assert "REVIEW_SENTIMENT_INBOX" in str(error.value)
    with pytest.raises(SourceError, match="is not a folder"):
        listed(str(put(inbox, "a.csv")))
    with pytest.raises(ConfigurationError, match=r"expected a folder or s3://bucket/prefix/") as error:
        listed("https://ann:secret@example.org/inbox?key=hidden")
    assert "secret" not in str(error.value)
    assert "hidden" not in str(error.value)


def test_a_name_that_is_not_text_is_read(inbox) -> None:
    Path(os.fsdecode(os.fsencode(inbox) + b"/caf\xe9.csv")).write_bytes(BODY)
    (file,) = listed(inbox)
    assert inbox_digest(str(inbox), file) == hashlib.sha256(BODY).hexdigest()
    (found,) = fetch_inbox(str(inbox), [file], inbox)
    assert found.origin == "inbox/caf_.csv"


def test_the_source_returns_complete_new_files(inbox, tmp_path, monkeypatch, caplog) -> None:
    with pytest.raises(SourceError, match="REVIEW_SENTIMENT_INBOX is not set"):
        fetch_new_files("inbox", tmp_path, SeenFiles())
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", str(inbox))
    put(inbox, "new.csv")
    put(inbox, "seen.csv")
    put(inbox, "fresh.csv", at=time.time())
    put(inbox, "README.md")
    (found,) = fetch_new_files("inbox", tmp_path, SeenFiles(unchanged=lambda file: file.name == "seen.csv"))
    assert (found.name, found.unattended) == ("new.csv", True)
    assert "README.md" in caplog.text


@pytest.fixture
def bucket(s3) -> tuple[Any, str]:
    """An empty bucket on an S3 server of this test alone; returns the client and the bucket's name."""
    return open_object_store(), s3.make_bucket()


def test_an_inbox_in_an_object_store(bucket, tmp_path, monkeypatch) -> None:
    files, name = bucket
    url = f"s3://{name}/new"
    assert listed(url) == (), "an empty prefix is an empty inbox"
    files.pipe(f"{name}/new/Reviews.csv", BODY)
    files.pipe(f"{name}/new/Reviews.csv.part", BODY)
    files.pipe(f"{name}/new/foods.txt", SNAP)
    files.pipe(f"{name}/new/README.md", b"hello")
    files.pipe(f"{name}/new/below/other.csv", BODY)
    files.pipe(f"{name}/newer.csv", BODY)
    before = listed(url)
    assert sorted(file.name for file in before) == ["Reviews.csv", "foods.txt"]
    assert not any(file.complete for file in before), "they are new"
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX_SETTLE_SECONDS", "0")
    now = listed(url + "/")
    assert sorted(file.name for file in stable_files(before, now)) == ["Reviews.csv", "foods.txt"]
    (file,) = (file for file in now if file.name == "Reviews.csv")
    assert inbox_digest(url, file) == hashlib.sha256(BODY).hexdigest()
    (found,) = fetch_inbox(url, [file], tmp_path)
    assert (found.path.read_bytes(), found.path.parent, found.staged) == (BODY, tmp_path, True)
    assert (found.name, found.origin) == ("Reviews.csv", "inbox/Reviews.csv")

    files.pipe(f"{name}/new/Reviews.csv", BODY[::-1])
    with pytest.raises(SourceUnavailableError, match=r"'Reviews.csv' in the inbox changed"):
        inbox_digest(url, file)
    files.rm(f"{name}/new/Reviews.csv")
    with pytest.raises(SourceUnavailableError, match=r"'Reviews.csv' vanished"):
        fetch_inbox(url, [file], tmp_path)
    assert [found.name for found in listed(url)] == ["foods.txt"]


def test_an_object_store_that_does_not_exist(bucket) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        listed("s3://no-such-bucket/new/")
    with pytest.raises(SourceError, match="credentials belong in the environment") as error:
        listed("s3://AKIA:secret@bucket/new/")
    assert "secret@" not in str(error.value)


def named(inbox: Path, dump: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", str(inbox))
    return fetch_named_file(dump, tmp_path, SeenFiles())


def test_one_file_of_the_inbox_is_read_by_its_name(inbox, monkeypatch, tmp_path):
    put(inbox, "a b.csv")
    put(inbox, "other.csv")
    [found] = named(inbox, "inbox:a b.csv", monkeypatch, tmp_path)
    assert (found.path, found.name, found.origin) == (inbox / "a b.csv", "a b.csv", "inbox/a_b.csv")
    # A user named it, so it must be readable; and others may write to the inbox, so no link is followed.
    assert not found.unattended
    assert found.in_inbox


@pytest.mark.parametrize(
    ("dump", "expected"),
    [
        ("inbox:revews-2.csv", ["no dump 'revews-2.csv'", "Did you mean 'inbox:reviews-2.csv'?", "'reviews-12.csv', "]),
        ("inbox:nothing-like-it", ["'reviews-3.csv' and 2 more."]),
        ("inbox:notes.pdf", ["'notes.pdf' is skipped: its name is not that of a dump of reviews. It has"]),
        ("inbox:../inbox/reviews-1.csv", ["no dump '../inbox/reviews-1.csv'"]),
        ("inbox:", ["no dump ''"]),
    ],
)
def test_an_unknown_name_is_answered_with_what_is_in_the_inbox(inbox, monkeypatch, tmp_path, dump, expected):
    for number in range(1, 13):
        put(inbox, f"reviews-{number}.csv", at=LONG_AGO + number)
    put(inbox, "notes.pdf")
    with pytest.raises(SourceError) as error:
        named(inbox, dump, monkeypatch, tmp_path)
    for part in expected:
        assert part in str(error.value)


def test_a_named_file_is_read_when_it_is_complete(inbox, monkeypatch, tmp_path):
    put(inbox, "new.csv", at=time.time())
    with pytest.raises(SourceUnavailableError, match=r"may still be incomplete.*new\.csv\.done"):
        named(inbox, "inbox:new.csv", monkeypatch, tmp_path)
    put(inbox, "new.csv.done", at=time.time() + 1)
    assert named(inbox, "inbox:new.csv", monkeypatch, tmp_path)
