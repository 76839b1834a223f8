"""The command line: parts of a run, the list of stages, and mistakes that end in a message."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.cli import main
from pipeline.scoring.scorer import Scores
from pipeline.stages import STAGES


def status(*arguments: str) -> int:
    """Run a command in this process and return its exit status."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of a run up to the clean reviews."""
    store = tmp_path_factory.mktemp("store")
    assert status("run", "--store", str(store), "--num-workers", "1", "--until", "clean") == 0
    return store


def made(store: Path) -> set[str]:
    return {path.parent.name for path in store.glob("artifacts/*/*")}


def test_until_stops_behind_the_stage_and_prints_its_summary(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert made(folder) == {"fetch", "ingest", "validate_raw", "clean"}
    assert status("run", "--store", str(folder), "--num-workers", "1", "--until", "validate-raw") == 0
    printed = capsys.readouterr().out
    assert "validate_raw/" in printed
    assert '"quarantined"' in printed


def test_from_reuses_what_the_store_holds(folder: Path) -> None:
    arguments = ("--num-workers", "1", "--from", "validate-clean", "--until", "validate-clean")
    assert status("run", "--store", str(folder), *arguments) == 0
    assert "validate_clean" in made(folder)


def test_from_computes_nothing_before_its_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("run", "--store", str(tmp_path), "--from", "clean", "--until", "clean") == 6
    assert "no artifact of the stage `fetch`" in capsys.readouterr().err
    assert made(tmp_path) == set()


def test_swapped_stages_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("run", "--store", str(tmp_path), "--from", "train", "--until", "clean") == 2
    assert "comes before" in capsys.readouterr().err


def test_every_stage_is_listed_with_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("stages") == 0
    listed = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert [(name, text.strip()) for name, text in listed] == [
        (spec.name.replace("_", "-"), spec.help) for spec in STAGES
    ]


def test_texts_and_dumps_are_not_scored_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("score", "Good tea.", "--store", str(tmp_path), "--dumps", "a.csv") == 2
    assert "not both" in capsys.readouterr().err


def test_lines_of_stdin_are_scored_in_their_own_encoding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[str] = []

    def score_texts(texts: list[str]) -> Scores:
        scored.extend(texts)
        return Scores(np.full(len(texts), 0.5, np.float32), np.zeros(len(texts), np.float32))

    scorer = SimpleNamespace(
        model=SimpleNamespace(title="Model"),
        threshold=0.5,
        score_texts=score_texts,
        answers=lambda _: ["positive", "unsure", "unknown"],
    )
    monkeypatch.setattr("pipeline.scoring.load_scorer", lambda *_: scorer)
    given = b"\xef\xbb\xbf" + "très bon 😍\n".encode() + b"I don\x92t\r\ncaf\xe9 \x9d"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
    assert status("score", "--model", "export/abc", "--store", str(tmp_path)) == 0
    assert scored == ["très bon 😍", "I don’t", "café \x9d"]
    shown = capsys.readouterr()
    assert "1 of 3 lines have a character that could not be read" in shown.err
    assert [line.split()[:2] for line in shown.out.splitlines()] == [
        ["0.5000", "positive"],
        ["0.5000", "unsure"],
        ["–", "unknown"],
    ]


def test_without_a_champion_the_message_names_another_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("score", "Good tea.", "--store", str(tmp_path)) == 6
    assert "latest" in capsys.readouterr().err
