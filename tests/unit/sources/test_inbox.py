"""The inbox: which files are seen, when they are complete, and that what was seen is what is read."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigurationError, SourceError, SourceUnavailableError
from pipeline.sources import inbox as module
from pipeline.sources.inbox import fetch_inbox, inbox_digest, list_inbox, settled
from pipeline.sources.s3 import file_system
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


def seen(folder: Path) -> list[str]:
    return [file.name for file in list_inbox(str(folder))]


def test_files_come_in_the_order_of_their_times(inbox) -> None:
    put(inbox, "late.csv", at=LONG_AGO + 5)
    put(inbox, "b.csv")
    put(inbox, "a.jsonl.gz")
    files = list_inbox(str(inbox))
    assert [file.name for file in files] == ["a.jsonl.gz", "b.csv", "late.csv"]
    assert files[2].modified == datetime.fromtimestamp(LONG_AGO + 5, UTC)
    assert files[1].bytes == len(BODY)
    assert list_inbox(inbox.as_uri()) == files


@pytest.mark.parametrize(
    "name",
    [".Reviews.csv", "~Reviews.csv", "Reviews.csv~", "Reviews.csv.tmp", "Reviews.csv.part", "Reviews.csv.PARTIAL",
     "Reviews.csv.crdownload", "Reviews.csv.filepart", "_SUCCESS", "_temporary.csv", ".Reviews.csv.Xa81Qz"],
)  # fmt: skip
def test_hidden_and_unfinished_names_are_not_seen(inbox, caplog, name) -> None:
    put(inbox, name)
    assert seen(inbox) == []
    assert not caplog.records, "they come and go by the hundred"


def test_foreign_files_are_passed_over_with_a_line(inbox, caplog) -> None:
    put(inbox, "README.md")
    put(inbox, "notes.txt", b"call Ann")
    put(inbox, "foods.txt", SNAP)
    (inbox / "old").mkdir()
    os.mkfifo(inbox / "pipe.csv")
    assert seen(inbox) == ["foods.txt"]
    told = caplog.text
    for name in ("README.md", "notes.txt", "old", "pipe.csv"):
        assert f"'{name}' is passed over" in told


def test_links_that_lead_out_are_not_followed(inbox, caplog) -> None:
    secret = put(inbox.parent, "secret.csv")
    (inbox / "Reviews.csv").symlink_to(secret)
    (inbox / "nowhere.csv").symlink_to(inbox / "nothing.csv")
    put(inbox, "real.csv")
    (inbox / "alias.csv").symlink_to("real.csv")
    assert seen(inbox) == ["alias.csv", "real.csv"]
    assert "'Reviews.csv' is passed over: it is a link that leads out of the inbox" in caplog.text


def test_a_file_that_may_not_be_read_is_passed_over_with_a_line(inbox, caplog, monkeypatch) -> None:
    locked = put(inbox, "locked.csv")
    put(inbox, "real.csv")
    # Who runs the tests may be root, who may read everything.
    monkeypatch.setattr("pipeline.sources.inbox.os.access", lambda path, _: path != locked)
    assert seen(inbox) == ["real.csv"]
    assert "'locked.csv' is passed over: uid" in caplog.text


def test_a_link_put_in_place_of_a_file_is_not_read(inbox) -> None:
    path = put(inbox, "Reviews.csv")
    (file,) = list_inbox(str(inbox))
    secret = put(inbox.parent, "secret.csv")
    path.unlink()
    path.symlink_to(secret)
    for read in (lambda: inbox_digest(str(inbox), file), lambda: fetch_inbox(str(inbox), [file], inbox.parent)):
        with pytest.raises(SourceUnavailableError, match=r"'Reviews.csv' in the inbox has become a link"):
            read()


def complete(folder: Path) -> dict[str, bool]:
    return {file.name: file.complete for file in list_inbox(str(folder))}


def test_a_file_is_complete_when_it_stood_still(inbox, monkeypatch) -> None:
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
def test_a_senseless_wait_is_refused(inbox, monkeypatch, given) -> None:
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX_SETTLE_SECONDS", given)
    with pytest.raises(ConfigurationError, match="REVIEW_SENTIMENT_INBOX_SETTLE_SECONDS is"):
        list_inbox(str(inbox))


def test_a_marker_makes_a_file_complete_at_once(inbox) -> None:
    now = time.time()
    put(inbox, "Reviews.csv", at=now)
    put(inbox, "Reviews.csv.done", b"", at=now)
    put(inbox, "other.csv", at=now)
    assert complete(inbox) == {"Reviews.csv": True, "other.csv": False}


def test_a_marker_of_the_file_before_does_not_count(inbox) -> None:
    now = time.time()
    put(inbox, "Reviews.csv.done", b"", at=now - 3600)
    put(inbox, "Reviews.csv", BODY[:20], at=now)
    assert complete(inbox) == {"Reviews.csv": False}


def test_settled_means_unchanged_over_two_looks_or_marked(inbox) -> None:
    put(inbox, "still.csv")
    put(inbox, "grows.csv")
    put(inbox, "rewritten.csv")
    put(inbox, "fresh.csv", at=time.time())
    before = list_inbox(str(inbox))
    put(inbox, "grows.csv", BODY * 2)
    put(inbox, "rewritten.csv", at=LONG_AGO + 1)
    put(inbox, "new.csv")
    put(inbox, "marked.csv")
    put(inbox, "marked.csv.done", b"")
    now = list_inbox(str(inbox))
    assert [file.name for file in settled(before, now)] == ["marked.csv", "still.csv"]
    assert [file.name for file in settled((), now)] == ["marked.csv"]


def test_files_are_read_where_they_lie_and_left_there(inbox, tmp_path) -> None:
    put(inbox, "Reviews (1).csv")
    (file,) = list_inbox(str(inbox))
    assert inbox_digest(str(inbox), file) == hashlib.sha256(BODY).hexdigest()
    (found,) = fetch_inbox(str(inbox), [file], tmp_path)
    assert (found.path, found.name) == (inbox / "Reviews (1).csv", "Reviews (1).csv")
    assert (found.origin, found.fetched) == ("inbox/Reviews__1_.csv", False)
    assert list_inbox(str(inbox)) == (file,)


@pytest.mark.parametrize("read", ["digest", "fetch"])
def test_what_vanishes_or_changes_is_named(inbox, tmp_path, read) -> None:
    def ask() -> None:
        if read == "digest":
            inbox_digest(str(inbox), file)
        else:
            fetch_inbox(str(inbox), [file], tmp_path)

    path = put(inbox, "Reviews.csv")
    (file,) = list_inbox(str(inbox))
    put(inbox, "Reviews.csv", BODY[::-1], at=LONG_AGO + 1)
    with pytest.raises(SourceUnavailableError, match=r"'Reviews.csv' in the inbox changed while it was read"):
        ask()
    path.unlink()
    with pytest.raises(SourceUnavailableError, match=r"'Reviews.csv' vanished from the inbox"):
        ask()


def test_a_file_that_grows_under_the_reader_has_no_digest(inbox, monkeypatch) -> None:
    path = put(inbox, "Reviews.csv")
    (file,) = list_inbox(str(inbox))
    copied = module.staging.copied

    def slowly(*arguments: object) -> tuple[int, str]:
        result = copied(*arguments)
        with path.open("ab") as stream:
            stream.write(b"more")
        return result

    monkeypatch.setattr(module.staging, "copied", slowly)
    with pytest.raises(SourceUnavailableError, match="changed while it was read"):
        inbox_digest(str(inbox), file)


def test_a_pipe_put_in_place_of_a_file_holds_nobody_up(inbox) -> None:
    path = put(inbox, "Reviews.csv")
    (file,) = list_inbox(str(inbox))
    path.unlink()
    os.mkfifo(path)
    told: list[BaseException] = []

    def ask() -> None:
        try:
            inbox_digest(str(inbox), file)
        except SourceUnavailableError as error:
            told.append(error)

    asked = threading.Thread(target=ask, daemon=True)
    asked.start()
    asked.join(timeout=20)
    assert len(told) == 1


def test_an_inbox_that_is_not_there_is_told(inbox, tmp_path) -> None:
    with pytest.raises(SourceError, match="does not exist") as error:
        list_inbox(str(tmp_path / "missing"))
    assert "Make it, or correct REVIEW_SENTIMENT_INBOX." in str(error.value)
    with pytest.raises(SourceError, match="is no folder"):
        list_inbox(str(put(inbox, "a.csv")))
    with pytest.raises(ConfigurationError, match=r"expected a folder or s3://bucket/prefix/") as error:
        list_inbox("https://ann:secret@example.org/inbox?key=hidden")
    assert "secret" not in str(error.value)
    assert "hidden" not in str(error.value)


def test_a_name_that_is_no_text_is_shown_and_read(inbox, caplog) -> None:
    caplog.set_level(logging.WARNING)
    for name in (b"caf\xe9.csv", b"two\nlines.md"):
        Path(os.fsdecode(os.fsencode(inbox) + b"/" + name)).write_bytes(BODY)
    (file,) = list_inbox(str(inbox))
    assert inbox_digest(str(inbox), file) == hashlib.sha256(BODY).hexdigest()
    assert "two\\x0alines.md" in caplog.text
    (found,) = fetch_inbox(str(inbox), [file], inbox)
    assert found.origin == "inbox/caf_.csv"


@pytest.fixture
def bucket(s3) -> tuple[Any, str]:
    """An empty bucket on an S3 server of this test alone; returns the client and the bucket's name."""
    return file_system(), s3.make_bucket()


def test_an_inbox_in_an_object_store(bucket, tmp_path, monkeypatch) -> None:
    files, name = bucket
    url = f"s3://{name}/new"
    assert list_inbox(url) == (), "an empty prefix is an empty inbox"
    files.pipe(f"{name}/new/Reviews.csv", BODY)
    files.pipe(f"{name}/new/Reviews.csv.part", BODY)
    files.pipe(f"{name}/new/foods.txt", SNAP)
    files.pipe(f"{name}/new/README.md", b"hello")
    files.pipe(f"{name}/new/below/other.csv", BODY)
    files.pipe(f"{name}/newer.csv", BODY)
    before = list_inbox(url)
    assert sorted(file.name for file in before) == ["Reviews.csv", "foods.txt"]
    assert not any(file.complete for file in before), "they were put there a moment ago"
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX_SETTLE_SECONDS", "0")
    now = list_inbox(url + "/")
    assert sorted(file.name for file in settled(before, now)) == ["Reviews.csv", "foods.txt"]
    (file,) = (file for file in now if file.name == "Reviews.csv")
    assert inbox_digest(url, file) == hashlib.sha256(BODY).hexdigest()
    (found,) = fetch_inbox(url, [file], tmp_path)
    assert (found.path.read_bytes(), found.path.parent, found.fetched) == (BODY, tmp_path, True)
    assert (found.name, found.origin) == ("Reviews.csv", "inbox/Reviews.csv")

    files.pipe(f"{name}/new/Reviews.csv", BODY[::-1])
    with pytest.raises(SourceUnavailableError, match=r"'Reviews.csv' in the inbox changed"):
        inbox_digest(url, file)
    files.rm(f"{name}/new/Reviews.csv")
    with pytest.raises(SourceUnavailableError, match=r"'Reviews.csv' vanished"):
        fetch_inbox(url, [file], tmp_path)
    assert [found.name for found in list_inbox(url)] == ["foods.txt"]


def test_an_object_store_that_is_not_there(bucket, monkeypatch) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        list_inbox("s3://no-such-bucket/new/")
    with pytest.raises(SourceError, match="credentials belong in the environment") as error:
        list_inbox("s3://AKIA:secret@bucket/new/")
    assert "secret@" not in str(error.value)
