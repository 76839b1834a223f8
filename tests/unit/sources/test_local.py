"""Dumps on this machine: files, folders of shards, links, and paths that do not exist."""

from __future__ import annotations

import gzip
import os

import pytest

from pipeline.errors import SourceError
from tests.unit.sources.factories import csv_text, fetch_dumps, fetched_files, written


def test_the_shards_of_a_folder_are_sorted_by_name(tmp_path, store) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    for name in ("b.csv", "a.csv", "c.csv.gz"):
        content = csv_text([(f"{name}", "5")], ("Text", "Score")).encode()
        written(folder / name, gzip.compress(content) if name.endswith(".gz") else content)
    for name in (
        ".hidden.csv",
        "d.csv.part",
        "e.csv.crdownload",
        "f.csv~",
        "g.tmp",
        "README",
        "README.md",
        "_SUCCESS",
        "x.txt",
    ):
        written(folder / name, "not reviews")
    (folder / "older").mkdir()
    assert [file.name for file in fetched_files(store, folder)] == ["a.csv", "b.csv", "c.csv.gz"]


def test_a_folder_without_reviews(tmp_path, store) -> None:
    (tmp_path / "inbox" / "sub").mkdir(parents=True)
    written(tmp_path / "inbox" / "README.md", "hello")
    with pytest.raises(SourceError, match=r"'inbox' does not contain a dump.*found 'README.md', 'sub/'"):
        fetch_dumps(store, tmp_path / "inbox")


def test_links_to_the_outside_of_a_folder_are_refused(tmp_path, store) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    written(inbox / "a.csv", "Score,Text\n5,a\n")
    (inbox / "b.csv").symlink_to("a.csv")
    assert len(fetched_files(store, inbox)) == 2
    written(tmp_path / "secret.csv", "Score,Text\n5,secret\n")
    (inbox / "c.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(SourceError, match=r"'c.csv' in the folder 'inbox' is a link that points outside"):
        fetch_dumps(store, inbox)


def test_pipes_and_devices_are_not_read(tmp_path, store) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", "/dev/zero"):
        with pytest.raises(SourceError, match="not a regular file"):
            fetch_dumps(store, str(path))


def test_a_path_that_does_not_exist(tmp_path, store) -> None:
    written(tmp_path / "Reviews.csv", "x")
    with pytest.raises(SourceError, match=r"does not exist. Did you mean 'Reviews.csv'"):
        fetch_dumps(store, str(tmp_path / "Review.csv"))
    with pytest.raises(SourceError, match="Neither does its folder"):
        fetch_dumps(store, str(tmp_path / "no" / "Review.csv"))
    with pytest.raises(SourceError, match=r"'a\\x00b' does not exist"):
        fetch_dumps(store, "a\0b")
    with pytest.raises(SourceError, match=r"begins with 'ftp'://, which is not supported"):
        fetch_dumps(store, "ftp://user:secret@host/x")
