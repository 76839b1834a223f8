"""The stage ``fetch``: bytes as received, the same bytes once, names and origins that are safe to show."""

from __future__ import annotations

import hashlib
import logging
import os

import pytest

from pipeline.errors import SourceError
from pipeline.sources import FetchSummary, source
from pipeline.sources.naming import MAX_NAME_BYTES, safe_name, unique_names, without_secrets
from tests.unit.readers.factories import read
from tests.unit.sources.factories import csv_text, fetch_dumps, written


def test_the_bytes_are_kept_as_received(tmp_path, store) -> None:
    content = b"\xef\xbb\xbf" + csv_text(lineterminator="\r\n").encode()
    reference = fetch_dumps(store, str(written(tmp_path / "Reviews.csv", content)))
    (file,) = store.summary(reference, FetchSummary).files
    assert (file.name, file.path, file.origin) == ("Reviews.csv", "raw/0-Reviews.csv", "Reviews.csv")
    assert (store.folder(reference) / file.path).read_bytes() == content
    assert (file.bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_same_bytes_are_stored_once(tmp_path, store) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    first = fetch_dumps(store, str(written(one / "Reviews.csv", csv_text())))
    again = fetch_dumps(store, str(written(two / "Reviews.csv", csv_text())))
    changed = fetch_dumps(store, str(written(two / "Reviews.csv", csv_text() + "\n")))
    assert first == again
    assert changed != first


def test_a_dump_that_grows_while_it_is_read_is_refused(tmp_path, store, monkeypatch) -> None:
    path = written(tmp_path / "Reviews.csv", csv_text())
    produce = type(store).produce

    def growing(*arguments, **named):
        written(path, csv_text() + "\n")
        return produce(*arguments, **named)

    monkeypatch.setattr(type(store), "produce", growing)
    with pytest.raises(SourceError, match="changed while it was read"):
        fetch_dumps(store, str(path))
    assert not list((tmp_path / "store").glob("artifacts/*/*"))


def test_files_of_the_same_name_get_numbers_and_equal_files_are_noted(tmp_path, store) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder / "r.csv", csv_text())
    rows, summary = read(store, tmp_path / "x" / "r.csv", tmp_path / "y" / "r.csv")
    assert [row["file"] for row in rows] == ["r.csv", "r.csv", "r-2.csv", "r-2.csv"]
    assert any("r-2.csv is identical to r.csv" in note for note in summary.notes)


def test_names_with_control_characters_become_safe(tmp_path, store, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    nasty = written(tmp_path / "Re\nviews \x1b[31m;rm -rf.csv", csv_text())
    rows, summary = read(store, nasty)
    assert rows[0]["file"] == "Re_views___31m_rm_-rf.csv"
    assert summary.files[0].name.isprintable()
    assert "\x1b" not in caplog.text
    with pytest.raises(SourceError) as error:
        fetch_dumps(store, str(written(tmp_path / "a\x1b[31m\n.csv", b"")))
    assert "\x1b" not in str(error.value)
    assert "\n" not in str(error.value)


def test_safe_names() -> None:
    assert safe_name("Reviews.csv") == "Reviews.csv"
    assert safe_name("../../etc/passwd") == "_.._etc_passwd"
    assert safe_name("...") == "dump"
    assert safe_name("Bewertungen für Tee.csv") == "Bewertungen_für_Tee.csv"
    assert safe_name(os.fsdecode(b"\xff\xfe.csv")) == "__.csv"
    long = safe_name("ü" * 300 + ".csv.gz")
    assert len(long.encode()) <= MAX_NAME_BYTES
    assert long.endswith(".gz")
    assert unique_names(["a.csv.gz", "a.csv.gz", "a-2.csv.gz"]) == ["a.csv.gz", "a-2.csv.gz", "a-2-2.csv.gz"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://ann:pa%40ss@host.org:8443/a/b.csv?token=geheim#x", "https://host.org:8443/a/b.csv"),
        ("s3://key:secret@bucket/x", "s3://bucket/x"),
        ("http://u:p@[::1]:80/x", "http://[::1]:80/x"),
        ("http://u:p@host:port/x", "http://…"),
        ("/data/Reviews.csv", "/data/Reviews.csv"),
    ],
)
def test_origins_contain_no_secrets(url, expected) -> None:
    assert without_secrets(url) == expected


def test_the_demo_dump_is_marked(store) -> None:
    reference = fetch_dumps(store, "demo")
    summary = store.summary(reference, FetchSummary)
    assert summary.demo
    assert summary.files[0].origin == "demo"


def test_a_dump_beyond_the_limit_is_refused(tmp_path, store, monkeypatch) -> None:
    monkeypatch.setattr(source, "MAX_DUMP_BYTES", 20)
    with pytest.raises(SourceError, match=r"a dump may have 20\."):
        fetch_dumps(store, str(written(tmp_path / "r.csv", csv_text())))
