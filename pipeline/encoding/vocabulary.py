"""The vocabulary: words, counts, ids and their file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, StrictInt, StrictStr, ValidationError, model_validator

from pipeline.errors import ArtifactError, quoted

PADDING_ID = 0
UNKNOWN_ID = 1
SCHEMA_VERSION = 1
VOCABULARY_FILE = "vocabulary.json"


@dataclass(frozen=True)
class Vocabulary:
    """Words and their ids: 0 is padding, then the unknown word if there is one, then the words.

    Attributes:
        words: By descending frequency, ties by first appearance.
        counts: Occurrences of each word in the counted rows.
        unknown_id: 1, or ``None`` if every counted word has its own id.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]
    unknown_id: int | None

    @property
    def first_word_id(self) -> int:
        """Id of the most frequent word."""
        return PADDING_ID + 1 if self.unknown_id is None else self.unknown_id + 1

    @property
    def size(self) -> int:
        """Number of ids: the rows of an embedding."""
        return self.first_word_id + len(self.words)

    @cached_property
    def id_of_word(self) -> dict[str, int]:
        """Id of each word."""
        return {word: number for number, word in enumerate(self.words, start=self.first_word_id)}

    def ids(self, words: str) -> list[int]:
        """Return the ids of words joined by spaces. Unknown words become ``unknown_id``, or are dropped without it."""
        ids = (self.id_of_word.get(word, self.unknown_id) for word in words.split())
        return [number for number in ids if number is not None]

    def save(self, path: Path) -> None:
        """Write the vocabulary as JSON. The same vocabulary gives the same bytes."""
        record = {
            "schema_version": SCHEMA_VERSION,
            "unknown_id": self.unknown_id,
            "first_word_id": self.first_word_id,
            "size": self.size,
            "words": self.words,
            "counts": self.counts,
        }
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a vocabulary.

        Raises:
            ArtifactError: The file is missing, damaged or has another schema.
        """
        try:
            record = _VocabularyFile.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise ArtifactError(f"The vocabulary {quoted(path.name)} does not exist. Fit it again.") from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file as a whole"
            raise ArtifactError(
                f"{quoted(path.name)} is not a vocabulary of schema {SCHEMA_VERSION}: {place}: {first['msg']}. "
                "Fit it again."
            ) from error
        return cls(words=record.words, counts=record.counts, unknown_id=record.unknown_id)


class _VocabularyFile(BaseModel):
    """Schema of ``vocabulary.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: StrictInt
    unknown_id: StrictInt | None
    first_word_id: StrictInt
    size: StrictInt
    words: tuple[StrictStr, ...]
    counts: tuple[StrictInt, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.schema_version != SCHEMA_VERSION:
            raise ValueError(f"schema_version is {self.schema_version}")
        if self.unknown_id not in {None, UNKNOWN_ID}:
            raise ValueError(f"unknown_id is {self.unknown_id}, expected {UNKNOWN_ID} or null")
        first = PADDING_ID + 1 if self.unknown_id is None else UNKNOWN_ID + 1
        if self.first_word_id != first or self.size != first + len(self.words):
            raise ValueError(f"first_word_id and size do not fit {len(self.words)} words")
        if len(self.words) != len(self.counts):
            raise ValueError(f"{len(self.words)} words, but {len(self.counts)} counts")
        if len(set(self.words)) != len(self.words):
            raise ValueError("a word occurs twice")
        return self
