"""Several processes give what one gives, and a process that dies is an error, not a gap."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest

from pipeline.cleaning import parallel
from pipeline.cleaning.parallel import processes_for, words_in_order
from pipeline.errors import CleaningError

BATCHES = [
    pa.record_batch(
        {
            "summary": pa.array([None, "", f"Number {number}"], pa.string()),
            "text": pa.array([f"Tea<br />number {word}", None, "not\xa0good’s"], pa.string()),
        }
    )
    for number, word in enumerate(["one", "two", "three", "four", "five", "six", "seven"])
]


def test_two_processes_give_the_words_of_one_in_the_same_order() -> None:
    one = [words.to_pylist() for words in words_in_order(BATCHES, "default", 1)]
    two = [words.to_pylist() for words in words_in_order(BATCHES, "default", 2)]
    assert one == two
    assert one[1] == ["tea number two", "", "number not good"]


def test_a_process_without_work_ends_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    assert len(list(words_in_order(BATCHES[:1], "default", 2))) == 1
    assert capfd.readouterr().err == ""


def test_where_no_process_may_start_the_work_is_done_here(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("fork is not allowed here")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    here = [words.to_pylist() for words in words_in_order(BATCHES, "article", 2)]
    assert here == [words.to_pylist() for words in words_in_order(BATCHES, "article", 1)]
    assert "fork is not allowed here" in caplog.text


def test_a_killed_process_stops_the_work_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        parallel.subprocess, "Popen", lambda *args, **more: started.append(popen(*args, **more)) or started[-1]
    )

    def batches() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(BATCHES * 4):
            if number == 3:
                for process in started:
                    os.kill(process.pid, signal.SIGKILL)
                    process.wait()
            yield batch

    with pytest.raises(CleaningError, match="ended early"):
        list(words_in_order(batches(), "default", 2))
    assert all(process.poll() is not None for process in started)


def test_an_abandoned_run_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        parallel.subprocess, "Popen", lambda *args, **more: started.append(popen(*args, **more)) or started[-1]
    )
    words = words_in_order(iter(BATCHES), "default", 2)
    next(words)
    begin = time.monotonic()
    words.close()
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)
    assert time.monotonic() - begin < parallel.SECONDS_TO_END


@pytest.mark.parametrize(
    ("rows", "asked", "expected"), [(0, 0, 1), (100, 8, 1), (10**7, 1, 1), (10**7, 3, 3), (100_000, 8, 2)]
)
def test_small_work_starts_no_processes(rows: int, asked: int, expected: int) -> None:
    assert processes_for(rows, asked) == expected
