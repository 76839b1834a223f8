"""Pre-trained vectors: read as a stream, wrong files named with their line."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigurationError
from pipeline.training.vectors import load_vectors, vectors_digest

WORDS = ("good", "bad", "tea")


def read(path: Path, size: int = 3) -> np.ndarray:
    return load_vectors(str(path), WORDS, first_id=2, embedding_dim=size, seed=1)


def file_of(folder: Path, text: str, name: str = "vectors.txt") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.txt.gz"])
@pytest.mark.parametrize("header", ["", "4 3\n"])
def test_words_of_the_vocabulary_get_their_vectors(tmp_path, name, header, caplog):
    text = f"{header}the 9 9 9\ntea 0.5 -1 2e-1\ngood 1 2 3 \ngood 7 7 7\n"
    with caplog.at_level(logging.INFO):
        matrix = read(file_of(tmp_path, text, name))
    assert matrix.dtype == np.float32
    assert matrix.shape == (5, 3)
    np.testing.assert_array_equal(matrix[2], [1, 2, 3])
    np.testing.assert_array_equal(matrix[4], np.float32([0.5, -1, 0.2]))
    np.testing.assert_array_equal(matrix[0], 0)
    assert 0 < np.abs(matrix[[1, 3]]).max() <= 0.05
    assert "2 of 3 words covered (66.7 %)" in caplog.text


def test_the_first_word_counts_too(tmp_path):
    np.testing.assert_array_equal(read(file_of(tmp_path, "bad 4 5 6\n"))[3], [4, 5, 6])


def test_words_with_spaces_are_not_ours(tmp_path):
    matrix = read(file_of(tmp_path, "tea 1 1 1\ngood by@example.org 5 5 5\ngood 2 2 2\n"))
    np.testing.assert_array_equal(matrix[2], [2, 2, 2])


def test_same_seed_same_start(tmp_path):
    path = file_of(tmp_path, "tea 1 1 1\n")
    np.testing.assert_array_equal(read(path), read(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tea 1 2\n", "line 1: vectors of 2 dimensions, but the embedding has 3"),
        ("900 50\ntea 1 2 3\n", "line 1: vectors of 50 dimensions"),
        ("the 1 2 3\ntea 1 2\n", "line 2: vectors of 2 dimensions"),
        ("the 1 2 3\ntea 1 two 3\n", "line 2: a value is not a finite number"),
        ("the 1 2 3\ntea 1 nan 3\n", "line 2: a value is not a finite number"),
        ("the 1 2 3\ntea 1 \0 3\n", "line 2: not a text file"),
        ("the 1 2 3\n", "has no vector for any of the 3 words"),
        ("", "has no vector"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(ConfigurationError, match=r"vectors\.txt") as caught:
        read(file_of(tmp_path, text))
    assert message in str(caught.value)


def test_unreadable_files_say_so(tmp_path):
    damaged = tmp_path / "vectors.gz"
    damaged.write_bytes(gzip.compress(b"tea 1 2 3\n" * 100)[:-9])
    for path in (tmp_path / "absent.txt", tmp_path, damaged):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            read(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        vectors_digest(str(tmp_path / "absent.txt"))


def test_the_digest_follows_the_contents(tmp_path):
    first = file_of(tmp_path, "tea 1 1 1\n", "a.txt")
    same = file_of(tmp_path, "tea 1 1 1\n", "b.txt")
    other = file_of(tmp_path, "tea 1 1 2\n", "c.txt")
    assert vectors_digest(str(first)) == vectors_digest(str(same)) != vectors_digest(str(other))
