"""Reads pre-trained word vectors in the text format of GloVe or word2vec, plain or gzip.

Each line has a word and its numbers, separated by single spaces [1]_. The first line of a word2vec file has two
integers, the number of words and of dimensions [2]_.

.. [1] https://nlp.stanford.edu/projects/glove/
.. [2] https://code.google.com/archive/p/word2vec/
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigurationError, quoted

log = logging.getLogger(__name__)

LINE_LIMIT = 1 << 20
"""Maximum line length in bytes: ten times a vector of 4,096 dimensions."""

MISSING_RANGE = 0.05
"""Words without a vector are uniform in ±0.05, as in keras.layers.Embedding."""


def vectors_digest(path: str) -> str:
    """Return the SHA-256 of the file, for the key of a trained model.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    try:
        with Path(path).expanduser().open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def load_vectors(
    path: str, words: Sequence[str], *, first_id: int, embedding_dim: int, seed: int
) -> npt.NDArray[np.float32]:
    """Read the vectors of the words in the vocabulary, in one pass.

    Args:
        path: Text file, plain or ``.gz``.
        words: The vocabulary in the order of its ids.
        first_id: Id of the first word.
        embedding_dim: Dimensions of the embedding.
        seed: For words without a vector.

    Returns:
        float32 ``[first_id + words, embedding_dim]``. Padding is zero; the unknown word and words without a vector
        are random. If a word occurs twice, the first vector counts.

    Raises:
        ConfigurationError: The file cannot be read, has other dimensions, or has an invalid line.
    """
    ids = {word.encode(): first_id + place for place, word in enumerate(words)}
    generator = np.random.default_rng([seed, first_id, len(words)])
    shape = (first_id + len(words), embedding_dim)
    matrix = generator.uniform(-MISSING_RANGE, MISSING_RANGE, shape).astype(np.float32)
    matrix[0] = 0
    found = np.zeros(len(matrix), dtype=bool)
    try:
        for number, line in enumerate(_lines(path), start=1):
            fields = line.split(b" ", 2)
            place = ids.get(fields[0])
            # The first line is always checked, because it gives the dimensions of the file.
            if number > 1 and (place is None or found[place]):
                continue
            if number == 1 and _is_header(line):
                _check_dimensions(path, number, int(line.split()[1]), embedding_dim)
                continue
            values = line.split(b" ")[1:]
            # A word with spaces; only its first part is in the vocabulary.
            if number > 1 and len(values) > embedding_dim:
                continue
            _check_dimensions(path, number, len(values), embedding_dim)
            if place is not None:
                matrix[place] = _numbers(path, number, values)
                found[place] = True
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error
    covered = int(found.sum())
    log.info(
        "Pre-trained vectors %s: %d of %d words covered (%.1f %%), the others are random",
        quoted(Path(path).name),
        covered,
        len(words),
        100 * covered / max(len(words), 1),
    )
    if not covered:
        raise ConfigurationError(
            f"{quoted(Path(path))} has no vector for any of the {len(words)} words of the vocabulary. Expected is a "
            "text file of lower-case words, each followed by its numbers, separated by single spaces."
        )
    return matrix


def _lines(path: str) -> Iterator[bytes]:
    file = Path(path).expanduser()
    with cast("BinaryIO", gzip.open(file)) if file.suffix == ".gz" else file.open("rb") as stream:
        number = 0
        while line := stream.readline(LINE_LIMIT):
            number += 1
            if len(line) == LINE_LIMIT or b"\0" in line:
                raise ConfigurationError(
                    f"{quoted(Path(path))}, line {number}: not a text file of word vectors (a line of more than "
                    f"{LINE_LIMIT} bytes, or zero bytes). Unpack .zip archives, and convert binary word2vec files to "
                    "the text format."
                )
            yield line.rstrip(b" \r\n")


def _is_header(line: bytes) -> bool:
    fields = line.split()
    return len(fields) == 2 and all(field.isdigit() for field in fields)  # noqa: PLR2004 - words and dimensions.


def _check_dimensions(path: str, number: int, found: int, expected: int) -> None:
    if found != expected:
        raise ConfigurationError(
            f"{quoted(Path(path))}, line {number}: vectors of {found} dimensions, but the embedding has {expected}. "
            f"Set embedding_dim to {found}, or use a file of {expected} dimensions."
        )


def _numbers(path: str, number: int, values: list[bytes]) -> npt.NDArray[np.float32]:
    try:
        vector = np.array([float(value) for value in values], dtype=np.float32)
    except ValueError:
        vector = np.array([np.nan], dtype=np.float32)
    if not np.isfinite(vector).all():
        raise ConfigurationError(
            f"{quoted(Path(path))}, line {number}: a value is not a finite number. Expected is a word and its numbers, "
            "separated by single spaces. Convert binary word2vec files to the text format first."
        )
    return vector


def _unreadable(path: str, error: Exception) -> ConfigurationError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ConfigurationError(
        f"Pre-trained vectors {quoted(Path(path))} cannot be read: {quoted(reason)}. Use a GloVe or word2vec text "
        "file, plain or .gz, or leave the field empty."
    )
