"""The shipped stop words are held against NLTK's corpus where that is installed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pipeline.cleaning import rules, word_list
from pipeline.cleaning.word_list import stop_words_used


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which NLTK's data are looked for."""
    monkeypatch.setattr(word_list, "_search_path", lambda: [tmp_path / "absent", tmp_path])
    return tmp_path


def install(corpus: Path, *more: str) -> None:
    file = corpus / "corpora" / "stopwords" / "english"
    file.parent.mkdir(parents=True)
    file.write_text("\n".join([*rules.shipped_stop_words(), *more]), encoding="utf-8")


def test_nothing_installed(corpus: Path) -> None:
    assert "not checked" in stop_words_used("article")


def test_the_same_words(corpus: Path) -> None:
    install(corpus, "he'd", "i'll")
    assert "holds the same words" in stop_words_used("default")


def test_other_words(corpus: Path) -> None:
    install(corpus, "kindly")
    assert "1 words more, 0 fewer; the shipped list was used" in stop_words_used("article")


def test_corpus_as_nltk_downloads_it(corpus: Path) -> None:
    (corpus / "corpora").mkdir()
    with zipfile.ZipFile(corpus / "corpora" / "stopwords.zip", "w") as archive:
        archive.writestr("stopwords/english", "\n".join(rules.shipped_stop_words()))
    assert "holds the same words" in stop_words_used("article")


def test_damaged_corpus_is_none(corpus: Path) -> None:
    (corpus / "corpora").mkdir()
    (corpus / "corpora" / "stopwords.zip").write_bytes(b"no archive")
    assert "not checked" in stop_words_used("article")


def test_folders_are_those_of_nltk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NLTK_DATA", str(tmp_path))
    assert word_list._search_path()[0] == tmp_path
    assert Path.home() / "nltk_data" in word_list._search_path()
