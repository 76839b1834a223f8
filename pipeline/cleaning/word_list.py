"""Whether the shipped stop words are still those of NLTK's corpus, where that is installed."""

from __future__ import annotations

import os
import re
import sys
import zipfile
from pathlib import Path

from pipeline.cleaning.rules import Normalization, shipped_stop_words

CORPUS_FOLDER = Path("corpora", "stopwords", "english")
CORPUS_ARCHIVE = Path("corpora", "stopwords.zip")
LARGEST_LIST_BYTES = 100_000
"""The list has about a thousand bytes; anything larger is not it."""


def stop_words_used(normalization: Normalization) -> str:
    """Return which stop words a normalization drops and whether they were checked against NLTK's corpus."""
    list_name = {
        "article": "NLTK's English list without no, nor, not, plus br",
        "default": "NLTK's English list without negations and words that carry an opinion",
    }[normalization]
    return f"{list_name}, as shipped with this project; {_checked()}"


def _checked() -> str:
    words = installed_corpus()
    if words is None:
        return "not checked, NLTK's corpus is not installed here."
    # Tokens are a–z: a word with an apostrophe (newer corpora hold more of them) can never be one.
    installed = {word for word in words if re.fullmatch("[a-z]+", word)}
    shipped = {word for word in shipped_stop_words() if re.fullmatch("[a-z]+", word)}
    if installed == shipped:
        return "checked, NLTK's corpus installed here holds the same words."
    return (
        f"NLTK's corpus installed here differs: {len(installed - shipped)} words more, "
        f"{len(shipped - installed)} fewer; the shipped list was used."
    )


def installed_corpus() -> tuple[str, ...] | None:
    """Return NLTK's English stop words as installed on this machine, ``None`` where they are not.

    Read from where ``nltk.data.path`` looks, without importing NLTK, which takes seconds.
    """
    for folder in _search_path():
        try:
            if (folder / CORPUS_FOLDER).is_file():
                return _words((folder / CORPUS_FOLDER).read_bytes()[:LARGEST_LIST_BYTES])
            if (folder / CORPUS_ARCHIVE).is_file():
                with zipfile.ZipFile(folder / CORPUS_ARCHIVE) as archive, archive.open("stopwords/english") as file:
                    return _words(file.read(LARGEST_LIST_BYTES))
        except (OSError, KeyError, zipfile.BadZipFile):
            continue
    return None


def _words(content: bytes) -> tuple[str, ...]:
    return tuple(content.decode("utf-8", "replace").split())


def _search_path() -> list[Path]:
    """Return the folders of ``nltk.data.path``, in its order."""
    given = [Path(folder) for folder in os.environ.get("NLTK_DATA", "").split(os.pathsep) if folder]
    here = [Path(sys.prefix, *parts) for parts in (("nltk_data",), ("share", "nltk_data"), ("lib", "nltk_data"))]
    system = [Path(root, "nltk_data") for root in ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib")]
    return [*given, *_home(), *here, *system]


def _home() -> list[Path]:
    try:
        return [Path.home() / "nltk_data"]
    except RuntimeError:
        return []
