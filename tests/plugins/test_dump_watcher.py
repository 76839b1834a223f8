"""The watcher of the inbox: what it tells, when, and how often. Nobody waits: time and looks are the test's."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ArtifactError
from tests.unit.sources.factories import csv_text

BODY = csv_text().encode()
LONG_AGO = 1_700_000_000


@pytest.fixture
def watching(airflow_home, monkeypatch) -> Any:
    """The module, imported by its name as the triggerer does."""
    return importlib.import_module("pipeline.airflow.dump_watcher")


@pytest.fixture
def inbox(tmp_path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def put(folder: Path, name: str, body: bytes = BODY, at: float = LONG_AGO) -> Path:
    """Write a file that was last written to at ``at``."""
    path = folder / name
    path.write_bytes(body)
    os.utime(path, (at, at))
    return path


class Stopped(BaseException):
    """Ends a watcher, as a triggerer that shuts down does."""


def events(
    watching: Any, inbox: Path, *between: Callable[[], object], known: frozenset[str] = frozenset(), **replaced: Any
) -> tuple[list[dict[str, Any]], list[float]]:
    """Run a watcher that takes ``len(between) + 1`` looks; return the payloads of its events and its pauses."""
    watcher = watching.DumpWatcher(inbox=str(inbox), store="nowhere", poll_seconds=30.0)
    watcher._known_digests = lambda: known
    for name, value in replaced.items():
        setattr(watcher, name, value)
    told: list[dict[str, Any]] = []
    pauses: list[float] = []
    steps = iter(between)

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        step = next(steps, None)
        if step is None:
            raise Stopped
        step()

    watcher._pause = pause

    async def watch() -> None:
        async for event in watcher.run():
            told.append(event.payload)  # noqa: PERF401 - what was told must be kept when the watcher is stopped

    with pytest.raises(Stopped):
        asyncio.run(watch())
    return told, pauses


def nothing() -> None:
    """Let a look pass."""


def names(payload: dict[str, Any]) -> list[str]:
    return [file["name"] for file in payload["files"]]


def test_a_file_is_told_once_when_two_looks_agree(watching, inbox) -> None:
    put(inbox, "Reviews.csv")
    assert events(watching, inbox)[0] == [], "one look cannot tell whether it still grows"
    told, pauses = events(watching, inbox, nothing, nothing, nothing)
    assert told == [
        {
            "count": 1,
            "files": [{"name": "Reviews.csv", "bytes": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest()}],
        }
    ]
    assert pauses == [30.0] * 4
    assert (inbox / "Reviews.csv").read_bytes() == BODY


def test_ten_files_at_once_are_one_event(watching, inbox) -> None:
    for number in range(10):
        put(inbox, f"{number}.csv", BODY + b"%d" % number, LONG_AGO + number)
    (told,) = events(watching, inbox, nothing, nothing)[0]
    assert told["count"] == 10
    assert names(told) == [f"{number}.csv" for number in range(10)]


def test_an_event_stays_small(watching, inbox) -> None:
    for number in range(60):
        put(inbox, "n" * 200 + f"{number}.csv", BODY + b"%d" % number)
    (told,) = events(watching, inbox, nothing)[0]
    assert (told["count"], len(told["files"])) == (60, 50)
    assert len(json.dumps(told)) < 20_000


def test_a_name_that_is_no_text_can_be_sent(watching, inbox) -> None:
    path = Path(os.fsdecode(os.fsencode(inbox) + b"/caf\xe9\nx.csv"))
    path.write_bytes(BODY)
    os.utime(path, (LONG_AGO, LONG_AGO))
    (told,) = events(watching, inbox, nothing)[0]
    json.dumps(told).encode("ascii")
    json.dumps(told, ensure_ascii=False).encode("utf-8")
    assert names(told) == ["caf__x.csv"]


def test_a_growing_file_is_told_when_it_stands_still(watching, inbox) -> None:
    path = put(inbox, "Reviews.csv", BODY[:10])

    def grow() -> None:
        with path.open("ab") as stream:
            stream.write(BODY[:10])
        os.utime(path, (LONG_AGO, LONG_AGO))

    assert events(watching, inbox, grow, grow, grow)[0] == []
    (told,) = events(watching, inbox, grow, nothing)[0]
    assert told["files"][0]["bytes"] == path.stat().st_size


def test_a_file_that_was_just_written_waits_for_the_rule_of_the_run(watching, inbox) -> None:
    put(inbox, "Reviews.csv", at=time.time())
    assert events(watching, inbox, nothing, nothing)[0] == [], "the run would find it incomplete and take nothing"


def test_a_marker_says_at_once_that_a_file_is_complete(watching, inbox) -> None:
    now = time.time()
    put(inbox, "Reviews.csv", at=now)
    put(inbox, "Reviews.csv.done", b"", at=now)
    (told,) = events(watching, inbox)[0]
    assert names(told) == ["Reviews.csv"]


def test_known_content_is_not_told_whatever_its_name(watching, inbox) -> None:
    put(inbox, "again.csv")
    known = frozenset({hashlib.sha256(BODY).hexdigest()})
    assert events(watching, inbox, nothing, nothing, known=known)[0] == [], "nor after a restart"
    put(inbox, "copy.csv")
    (told,) = events(watching, inbox, nothing, nothing)[0]
    assert told["count"] == 1, "two names of the same bytes are one dump"


def test_a_second_name_for_told_bytes_is_not_told(watching, inbox) -> None:
    put(inbox, "first.csv")
    told, _ = events(watching, inbox, nothing, lambda: put(inbox, "second.csv"), nothing)
    assert [names(event) for event in told] == [["first.csv"]]


def test_hidden_and_unfinished_names_are_never_told(watching, inbox, caplog) -> None:
    for name in (".Reviews.csv", "~Reviews.csv", "a.csv~", "a.csv.part", "a.csv.tmp", "_SUCCESS", "a.csv.crdownload"):
        put(inbox, name)
    put(inbox, "readme.md")
    assert events(watching, inbox, nothing, nothing)[0] == []
    assert len([record for record in caplog.records if "readme.md" in record.message]) == 1, "once, not at each look"


def test_big_files_are_read_once(watching, inbox) -> None:
    put(inbox, "a.csv")
    put(inbox, "b.csv", BODY + b"x")
    read: list[str] = []

    def digest(file: Any) -> str:
        read.append(file.name)
        return hashlib.sha256((inbox / file.name).read_bytes()).hexdigest()

    known = frozenset({hashlib.sha256(BODY).hexdigest()})
    events(watching, inbox, nothing, nothing, nothing, nothing, known=known, _digest=digest)
    assert read == ["a.csv", "b.csv"]


def test_an_outage_is_told_once_and_slept_off(watching, inbox, caplog) -> None:
    caplog.set_level(logging.WARNING)
    away = inbox.with_name("away")
    put(inbox, "Reviews.csv")
    shutil.move(inbox, away)
    told, pauses = events(
        watching, inbox, nothing, nothing, nothing, nothing, nothing, lambda: shutil.move(away, inbox), nothing
    )
    assert [names(event) for event in told] == [["Reviews.csv"]]
    assert pauses == [60.0, 120.0, 240.0, 480.0, 600.0, 600.0, 30.0, 30.0]
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "The inbox is unreachable; scanning less often",
        "Inbox reachable again after 6 failed scans.",
    ]


def test_a_store_that_cannot_be_read_loses_no_file(watching, inbox) -> None:
    put(inbox, "Reviews.csv")
    asked = []

    def known() -> frozenset[str]:
        asked.append(1)
        if len(asked) == 1:
            raise ArtifactError("The collection cannot be read.")
        return frozenset()

    (told,) = events(watching, inbox, nothing, nothing, nothing, _known_digests=known)[0]
    assert names(told) == ["Reviews.csv"]


def test_one_unreadable_file_keeps_no_other_waiting(watching, inbox) -> None:
    put(inbox, "a.csv")
    (inbox / "gone.csv").symlink_to(put(inbox, "target.csv", BODY + b"1"))
    original = watching.DumpWatcher._scan

    def scan(self: Any) -> Any:
        found = original(self)
        (inbox / "target.csv").unlink(missing_ok=True)
        return found

    watcher_scan = scan.__get__
    put(inbox, "gone.csv.done", b"")
    watcher = watching.DumpWatcher(inbox=str(inbox), store="nowhere", poll_seconds=30.0)
    told, _ = events(watching, inbox, nothing, nothing, _scan=watcher_scan(watcher))
    assert [names(event) for event in told] == [["a.csv"]]


def test_it_can_be_made_anew_from_what_it_serializes(watching) -> None:
    watcher = watching.DumpWatcher(inbox="s3://dumps/new/", store="s3://store", poll_seconds=5.0)
    path, arguments = watcher.serialize()
    module, _, name = path.rpartition(".")
    again = getattr(importlib.import_module(module), name)(**json.loads(json.dumps(arguments)))
    assert again.serialize() == (path, arguments)


def test_the_asset_is_watched_only_where_there_is_an_inbox(watching, monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("REVIEW_SENTIMENT_INBOX", raising=False)
    assert watching.new_dumps_asset(".store").watchers == []
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", str(tmp_path))
    (watcher,) = watching.new_dumps_asset(".store").watchers
    arguments = watcher.trigger.serialize()[1]
    assert arguments["inbox"] == str(tmp_path)
    assert Path(arguments["store"]).is_absolute(), "the triggerer may work in another folder"


@pytest.mark.parametrize(("given", "expected"), [("", 30.0), ("5", 5.0)])
def test_the_environment_sets_the_time_between_scans(watching, monkeypatch, tmp_path, given, expected) -> None:
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", str(tmp_path))
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX_POLL_SECONDS", given)
    (watcher,) = watching.new_dumps_asset(".store").watchers
    assert watcher.trigger.poll_seconds == expected
