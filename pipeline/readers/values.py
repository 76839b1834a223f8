"""Converting the values of a dump into typed columns.

A bad score is a named problem of its row. A value of an optional column that cannot be read is unknown, and counted.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import quoted
from pipeline.readers.columns import HELPFULNESS
from pipeline.readers.ratings import STARS, RatingScale
from pipeline.readers.records import UnknownValues
from pipeline.readers.scalars import Scalar, is_missing, missing_texts, whole_number
from pipeline.readers.schema import RAW_CHARACTERS, REVIEW_SCHEMA, TEXT_COLUMNS
from pipeline.readers.times import DateOrderEvidence, plain_seconds, unix_seconds

LARGEST_COUNT = 2**31 - 1
MEMO_ENTRIES = 50_000
DIFFERENT_RATINGS = 10_000
"""So many different ratings of a file are counted; a column with more is no rating."""
DETAIL_CHARACTERS = 300

_PAIR = re.compile(r"\s*\[?\s*([^/,\[\]]*?)\s*[/,]\s*([^/,\[\]]*?)\s*\]?\s*")
_IDENTIFIERS = ("product_id", "user_id")
_SQL_NULL = "\\N"
"""The missing value of MySQL and PostgreSQL; unlike ``nan`` or ``None`` it is no word or name."""


Column: TypeAlias = "Sequence[Any] | pa.StringArray"
"""Values of one column: of any kind, or strings in Arrow's memory, which are converted all at once."""


@dataclass
class Chunk:
    """Some records of one file, as a reader found them.

    Attributes:
        lines: Physical line (or row), from 1, on which each record starts.
        values: One value per record for each of our columns; columns that the file lacks are absent.
        raws: Each record as found, at least its first ``RAW_CHARACTERS`` characters; like values, it may be a column of
            Arrow.
        unparseable: What is wrong with records that could not be parsed, by index; their values are ``None``.
    """

    lines: list[int] = field(default_factory=list)
    values: dict[str, Column] = field(default_factory=dict)
    raws: list[str] = field(default_factory=list)
    unparseable: dict[int, str] = field(default_factory=dict)


def _count(value: Scalar) -> int | None:
    number = whole_number(value)
    return number if number is not None and 0 <= number <= LARGEST_COUNT else None


@dataclass(frozen=True)
class ValueRules:
    """How the values of a dump are read.

    Attributes:
        scale: The scale of its ratings.
        day_first: Whether ``03/04/2019`` is 3 April; ``None``: unknown.
    """

    scale: RatingScale = STARS
    day_first: bool | None = None


class _Parsed(dict[Any, int | None]):
    """Parses each distinct value once: there are few different scores, counts and days.

    A column of Arrow is first given to ``plain``, which parses all values at once if all are of the usual form.
    """

    def __init__(
        self,
        parse: Callable[[Scalar], int | None],
        plain: Callable[[pa.StringArray], pa.Array | None] = lambda _: None,
        *,
        missing_is_bad: bool = False,
    ) -> None:
        super().__init__()
        self._parse = parse
        self._plain = plain
        self._missing_is_bad = missing_is_bad
        self.bad: set[Any] = set()

    def __missing__(self, value: Any) -> int | None:  # noqa: ANN401 - a file's value
        missing = is_missing(value)
        parsed = None if missing else self._parse(value)
        self[value] = parsed
        if parsed is None and (self._missing_is_bad or not missing):
            self.bad.add(value)
        return parsed

    def column(self, values: Column, kind: pa.DataType) -> tuple[pa.Array, list[int]]:
        """Return the parsed column and the places of bad values, and clear the memory if it has grown too large."""
        if len(self) > MEMO_ENTRIES:
            self.clear()
            self.bad.clear()
        if isinstance(values, pa.StringArray):
            if (plain := self._plain(values)) is not None:
                return plain.cast(kind), []
            encoded = values.dictionary_encode("encode")
            different = encoded.dictionary.to_pylist()
            column = pa.array([self[value] for value in different], kind).take(encoded.indices)
            bad = [number for number, value in enumerate(different) if value in self.bad]
            return column, np.flatnonzero(np.isin(encoded.indices, bad)).tolist() if bad else []
        column = pa.array([self[value] for value in values], kind)
        return column, [index for index, value in enumerate(values) if value in self.bad] if self.bad else []


class Converter:
    """Converts the chunks of a dump into record batches of ``REVIEW_SCHEMA`` with row numbers.

    Attributes:
        next_row: The number of the next row.
        ratings: How often each rating occurs, by file.
        date_order: What the dates say about the order of day and month.
        unknown: The values of optional columns that could not be read, by column.
    """

    def __init__(self, rules: ValueRules | None = None) -> None:
        """Read values by ``rules``; without any, as whole stars."""
        rules = rules or ValueRules()
        self.next_row = 0
        self.ratings: dict[str, Counter[Scalar]] = {}
        self.date_order = DateOrderEvidence()
        self.unknown: dict[str, UnknownValues] = {}
        self._expected = rules.scale.expected
        self._scores = _Parsed(rules.scale.score, missing_is_bad=True)
        self._counts = _Parsed(_count)
        self._times = _Parsed(partial(self._time, rules.day_first), plain_seconds)

    def _time(self, day_first: bool | None, value: Scalar) -> int | None:
        self.date_order.add(value)
        return unix_seconds(value, day_first=day_first)

    def batch(self, file: str, chunk: Chunk) -> pa.RecordBatch:
        """Return a chunk as a batch, in which each record with a problem has the name of the problem.

        Args:
            file: The value of the column ``file``.
            chunk: Records as a reader found them.
        """
        size = len(chunk.lines)
        values = _split_helpfulness(chunk.values)
        problems = {index: ("unparseable", detail) for index, detail in chunk.unparseable.items()}
        columns: dict[str, Any] = {
            "row": pa.array(range(self.next_row, self.next_row + size), pa.int64()),
            "file": pa.array([file] * size, pa.string()),
            "line": pa.array(chunk.lines, pa.int64()),
        }
        if "score" in values:
            self._count_ratings(file, values["score"], chunk.unparseable)
            columns["score"], bad = self._scores.column(values["score"], REVIEW_SCHEMA.field("score").type)
            for index in bad:
                if index not in problems:
                    value = _plain(values["score"][index])
                    problems[index] = ("bad_score", f"score is {_found(value)}; expected {self._expected}")
        for name, parsed in (
            ("helpfulness_numerator", self._counts),
            ("helpfulness_denominator", self._counts),
            ("time", self._times),
        ):
            if name in values:
                columns[name], bad = parsed.column(values[name], REVIEW_SCHEMA.field(name).type)
                if bad:
                    self._count_unknown(name, values[name], bad, file, chunk.lines)
        if "id" in values:
            columns["id"] = _ids(values["id"])
        for name in TEXT_COLUMNS:
            if name in values:
                columns[name] = _strings(_without_missing(name, values[name]))
        columns["problem"] = _sparse(size, {index: reason for index, (reason, _) in problems.items()})
        columns["problem_detail"] = _sparse(
            size, {index: detail[:DETAIL_CHARACTERS] for index, (_, detail) in problems.items()}
        )
        columns["raw"] = _sparse(size, {index: _plain(chunk.raws[index])[:RAW_CHARACTERS] for index in problems})
        self.next_row += size
        arrays = [_tight(columns.get(field.name, pa.nulls(size, field.type))) for field in REVIEW_SCHEMA]
        return pa.RecordBatch.from_arrays(arrays, schema=REVIEW_SCHEMA)

    def _count_ratings(self, file: str, values: Column, unparseable: Mapping[int, str]) -> None:
        counts = self.ratings.setdefault(file, Counter())
        if len(counts) < DIFFERENT_RATINGS:
            if isinstance(values, pa.StringArray):
                counts.update({found["values"]: found["counts"] for found in values.value_counts().to_pylist()})
            else:
                counts.update(values)
            if unparseable:
                counts[None] -= sum(_plain(values[index]) is None for index in unparseable)

    def _count_unknown(self, name: str, values: Column, bad: Sequence[int], file: str, lines: Sequence[int]) -> None:
        before = self.unknown.get(name)
        first = bad[0]
        example = f"{file}:{lines[first]} ({_found(_plain(values[first]))})" if before is None else before.first
        self.unknown[name] = UnknownValues(rows=len(bad) + (before.rows if before else 0), first=example)


def _plain(value: Any) -> Any:  # noqa: ANN401 - a file's value
    """Return a value of a column as a value of Python."""
    return value.as_py() if isinstance(value, pa.Scalar) else value


def _without_missing(name: str, values: Column) -> Column:
    """Return texts with ``None`` for missing ones: an id ``NULL`` is none, but a text or a name ``nan`` is a word."""
    missing = {_SQL_NULL}
    if isinstance(values, pa.StringArray):
        missing.update(missing_texts(values) if name in _IDENTIFIERS else ())
        for text in sorted(missing):
            found = pc.equal(values, text)
            if pc.any(found).as_py():
                values = pc.replace_with_mask(values, found, pa.scalar(None, pa.string()))
        return values
    if name in _IDENTIFIERS:
        missing |= {value for value in set(values) if is_missing(value)}
    return values if missing.isdisjoint(values) else [None if value in missing else value for value in values]


def _found(value: object) -> str:
    return "empty" if value is None or not str(value).strip() else quoted(value)


def _split_helpfulness(values: dict[str, Column]) -> dict[str, Column]:
    """Split ``3/4`` into two columns; other values stay in the numerator, where they become a problem."""
    if HELPFULNESS not in values:
        return values
    memo: dict[Any, tuple[Any, Any]] = {}
    pairs = []
    for value in map(_plain, values[HELPFULNESS]):
        if value not in memo:
            match = _PAIR.fullmatch(value) if isinstance(value, str) else None
            memo[value] = (match[1] or value, match[2] or value) if match else (value, None)
        pairs.append(memo[value])
    others = {name: column for name, column in values.items() if name != HELPFULNESS}
    numerators, denominators = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return {**others, "helpfulness_numerator": numerators, "helpfulness_denominator": denominators}


def _ids(values: Column) -> pa.Array:
    """Return ids as int64: whole numbers as they are, other ids as a digest, which tells reviews apart as well."""
    is_complete = not values.null_count if isinstance(values, pa.StringArray) else all(type(v) is str for v in values)
    if is_complete:
        try:
            return pc.cast(_strings(values), pa.int64())
        except pa.ArrowInvalid:
            pass
    return pa.array([_id(_plain(value)) for value in values], pa.int64())


def _id(value: Scalar) -> int | None:
    if is_missing(value):
        return None
    number = whole_number(value)
    if number is not None:
        return number
    digest = hashlib.blake2b(str(value).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _strings(values: Column) -> pa.Array:
    if isinstance(values, pa.StringArray):
        return values
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        # JSON can contain half of a surrogate pair, which cannot be encoded.
        encoded = [None if value is None else value.encode("utf-16", "surrogatepass") for value in values]
        return pa.array(
            [None if value is None else value.decode("utf-16", "replace") for value in encoded], pa.string()
        )


def _sparse(size: int, values: Mapping[int, str]) -> pa.Array:
    return _strings([values.get(index) for index in range(size)]) if values else pa.nulls(size, pa.string())


def _tight(column: pa.Array) -> pa.Array:
    """Return a column without a validity bitmap if nothing is missing, so that equal columns have equal sizes."""
    if column.null_count or column.buffers()[0] is None:
        return column
    return pa.Array.from_buffers(column.type, len(column), [None, *column.buffers()[1:]], 0, column.offset)
