"""The champion's history: whole, numbered, and changed by one run at a time."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.errors import ArtifactError
from pipeline.promotion import ChampionChange, champion_changes, champions, roll_back
from pipeline.promotion.champions import ChampionChangedError, NoChampionError, champion, change_champion, rolled_back
from pipeline.store import ArtifactStore
from tests.unit.promotion.factories import model

PROCESSES = multiprocessing.get_context("fork")


def promoted(store: ArtifactStore, label: str, replacing: int, run_name: str | None = None) -> ChampionChange:
    return change_champion(
        store,
        model(label),
        kind="promote",
        replacing=replacing,
        who="the gate",
        why=f"{label} is better.",
        run_name=run_name or f"run {label}",
    )


def files(store: ArtifactStore) -> list[str]:
    return sorted(path.name for path in Path(store.url, "champions").iterdir())


def test_changes_are_numbered_and_the_last_one_serves(store):
    assert champion(store) is None
    assert champion_changes(store) == ()
    first = promoted(store, "a", 0)
    second = promoted(store, "b", 1)
    assert champion(store) == second
    assert champion_changes(store) == (second, first)
    assert files(store) == ["000001.json", "000002.json"]
    assert (second.number, second.why, second.model.title) == (2, "b is better.", "Bidirectional LSTM b")
    assert json.loads(Path(store.url, "champions", "000002.json").read_text())["schema_version"] == 1


def test_a_run_that_compared_with_an_older_champion_changes_nothing(store):
    promoted(store, "a", 0)
    promoted(store, "b", 1)
    promoted(store, "c", 2)
    with pytest.raises(ChampionChangedError, match=r"compared with change 1: by now it is .*LSTM c of run run c"):
        promoted(store, "d", 1)
    assert champion(store).model == model("c")


def test_of_two_processes_exactly_one_wins(store):
    rounds = 25
    barrier = PROCESSES.Barrier(2)
    results = PROCESSES.Queue()

    def race(name: str) -> None:
        for number in range(rounds):
            barrier.wait(timeout=30)
            try:
                results.put((number, name, promoted(store, name, number, f"{name} {number}").number))
            except ChampionChangedError:
                results.put((number, name, None))

    racers = [PROCESSES.Process(target=race, args=(name,)) for name in ("a", "b")]
    for racer in racers:
        racer.start()
    told = [results.get(timeout=60) for _ in range(2 * rounds)]
    for racer in racers:
        racer.join(timeout=30)
        assert racer.exitcode == 0
    winners = {number: name for number, name, made in told if made is not None}
    assert len([made for _, _, made in told if made is not None]) == rounds
    # What is on disk is what the winner was told.
    assert {change.number - 1: change.run_name for change in champion_changes(store)} == {
        number: f"{name} {number}" for number, name in winners.items()
    }


def test_a_change_is_made_once_although_the_task_was_killed_behind_it(store):
    def killed() -> None:
        promoted(store, "a", 0)
        os.kill(os.getpid(), signal.SIGKILL)

    task = PROCESSES.Process(target=killed)
    task.start()
    task.join(timeout=30)
    assert task.exitcode == -signal.SIGKILL
    before = champion(store)
    assert promoted(store, "a", 0) == before
    promoted(store, "b", 1)
    # Also when others have changed the champion since: what was asked for had been done.
    assert promoted(store, "a", 0) == before
    assert files(store) == ["000001.json", "000002.json"]
    with pytest.raises(ChampionChangedError):
        promoted(store, "a", 0, run_name="another run")


def test_what_a_killed_task_left_half_written_is_not_seen(store):
    promoted(store, "a", 0)
    Path(store.url, "champions", ".writing-x").write_text('{"number": 2')
    Path(store.url, "champions", "notes.txt").write_text("hello")
    assert champion(store).number == 1
    assert promoted(store, "b", 1).number == 2


def test_a_reader_sees_whole_champions_in_their_order(store):
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            found = champion(store)
            seen.append(0 if found is None else found.number)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            for number in range(60):
                promoted(store, f"m{number}", number)
        finally:
            done.set()
        reading.result(timeout=30)
    assert seen == sorted(seen)
    assert len(seen) > 10


def test_rolling_back_twice_returns_to_where_one_was(store):
    with pytest.raises(NoChampionError, match="no champion yet"):
        rolled_back(store)
    promoted(store, "a", 0)
    with pytest.raises(NoChampionError, match="the first champion"):
        roll_back(store, who="ann", why="it is bad", run_name="r1")
    promoted(store, "b", 1)
    back = roll_back(store, who="ann", why="it is bad", run_name="r1")
    assert (back.number, back.kind, back.model, back.who) == (3, "roll_back", model("a"), "ann")
    again = roll_back(store, who="ann", why="it was good", run_name="r2")
    assert (again.number, again.model) == (4, model("b"))


def test_a_repeated_roll_back_does_not_undo_itself(store):
    promoted(store, "a", 0)
    promoted(store, "b", 1)
    back = roll_back(store, who="ann", why="it is bad", run_name="r1")
    assert roll_back(store, who="ann", why="it is bad", run_name="r1") == back
    promoted(store, "c", 3)
    assert roll_back(store, who="ann", why="it is bad", run_name="r1") == back
    assert champion(store).model == model("c")


@pytest.mark.parametrize("text", ["", "{", '{"number": 2}', '{"schema_version": 2}', "\udcff"])
def test_a_damaged_record_is_named_with_what_to_do(store, text):
    promoted(store, "a", 0)
    path = Path(store.url, "champions", "000002.json")
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ArtifactError, match=r"000002.json is damaged .* Restore it from a backup"):
        champion(store)
    with pytest.raises(ArtifactError, match=r"000002\.json is damaged"):
        promoted(store, "b", 2)


def test_a_record_under_another_number_is_refused(store):
    promoted(store, "a", 0)
    home = Path(store.url, "champions")
    (home / "000002.json").write_bytes((home / "000001.json").read_bytes())
    with pytest.raises(ArtifactError, match=r"000002\.json holds change 1"):
        champion(store)


def test_a_disk_without_hard_links_is_refused_and_nothing_is_left(store, monkeypatch):
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no")

    monkeypatch.setattr(champions.os, "link", no_links)
    with pytest.raises(ArtifactError, match="without hard links"):
        promoted(store, "a", 0)
    assert files(store) == []
    assert champion(store) is None


@pytest.fixture
def bucket(s3) -> str:
    """The URL of a store in a bucket on an S3 server of this test alone."""
    return f"s3://{s3.make_bucket()}/store"


def test_on_s3_a_taken_number_stays_taken(bucket, monkeypatch):
    store = ArtifactStore(bucket)
    assert champion(store) is None
    first = promoted(store, "a", 0)
    with monkeypatch.context() as patch:
        # Another process looked before the first wrote, and writes after it.
        answers = [None]
        real = champions.champion
        patch.setattr(champions, "champion", lambda store: answers.pop() if answers else real(store))
        with pytest.raises(ChampionChangedError, match="LSTM a of run run a"):
            promoted(store, "b", 0)
    assert champion_changes(store) == (first,)
    assert promoted(store, "a", 0) == first
    assert promoted(store, "b", 1).number == 2
    assert roll_back(store, who="ann", why="it is bad", run_name="r1").model == model("a")


def test_on_s3_a_long_lived_reader_sees_what_another_process_changed(bucket):
    import s3fs

    reader = ArtifactStore(bucket)
    first = promoted(reader, "a", 0)
    assert champion(reader) == first
    second = first.model_copy(update={"number": 2})
    elsewhere = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    elsewhere.pipe_file(f"{bucket}/champions/000002.json", second.model_dump_json().encode())
    assert champion(reader).number == 2


@pytest.mark.parametrize("taken", [True, False])
def test_a_server_with_other_words_for_taken_is_understood(taken):
    asked: list[str] = []

    def pipe_file(path: str, text: bytes, mode: str) -> None:
        asked.append(mode)
        if taken or len(asked) == 1:
            raise OSError(errno.EIO, "ConditionalRequestConflict")

    files = SimpleNamespace(pipe_file=pipe_file, invalidate_cache=lambda _: None)
    target = SimpleNamespace(fs=files, path="x", exists=lambda: taken)
    assert champions._created_object(target, b"{}") is not taken
    assert asked == (["create"] if taken else ["create", "create"])


def test_a_server_that_never_answers_is_not_taken_for_a_success():
    def pipe_file(path: str, text: bytes, mode: str) -> None:
        raise OSError(errno.EIO, "down")

    files = SimpleNamespace(pipe_file=pipe_file, invalidate_cache=lambda _: None)
    with pytest.raises(OSError, match="down"):
        champions._created_object(SimpleNamespace(fs=files, path="x", exists=lambda: False), b"{}")
