"""Converting the values of a dump: whole numbers, times and scores. A value that does not fit is a named problem."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import quoted
from pipeline.readers.columns import HELPFULNESS
from pipeline.readers.schema import RAW_CHARACTERS, REVIEW_SCHEMA, TEXT_COLUMNS

LOWEST_SCORE, HIGHEST_SCORE = 1, 5
LARGEST_COUNT = 2**31 - 1
FIRST_MILLISECONDS = 100_000_000_000
"""From this value on, a whole number is milliseconds since 1970, as in the Amazon data set of 2023: as seconds it
would be in the year 5138."""
LAST_MILLISECONDS = 253_402_300_799_999
"""The end of the year 9999."""
MEMO_ENTRIES = 50_000
DETAIL_CHARACTERS = 300

_WHOLE = re.compile(r"([+-]?[0-9]{1,18})(?:\.0*)?", re.ASCII)
_PAIR = re.compile(r"\s*\[?\s*([^/,\[\]]*?)\s*[/,]\s*([^/,\[\]]*?)\s*\]?\s*")

Scalar = str | int | float | bool | date | None


@dataclass
class Chunk:
    """Some records of one file, as a reader found them.

    Attributes:
        lines: Physical line (or row), from 1, on which each record starts.
        values: One value per record for each of our columns; columns that the file lacks are absent.
        raws: Each record as found, at least its first ``RAW_CHARACTERS`` characters.
        unparseable: What is wrong with records that could not be parsed, by index; their values are ``None``.
    """

    lines: list[int] = field(default_factory=list)
    values: dict[str, Sequence[Any]] = field(default_factory=dict)
    raws: list[str] = field(default_factory=list)
    unparseable: dict[int, str] = field(default_factory=dict)


def whole_number(value: Scalar) -> int | None:
    """Return a value (``5``, ``"5"``, ``"5.0"``) as a whole number; ``None`` if it is not one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 2**63 else None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else None
    if isinstance(value, str):
        match = _WHOLE.fullmatch(value.strip())
        return int(match[1]) if match else None
    return None


def unix_seconds(value: Scalar) -> int | None:
    """Return a time in whole seconds since 1970; ``None`` if it is not a time from 1970 on.

    Supported are whole seconds, whole milliseconds (from ``FIRST_MILLISECONDS``), and ISO dates or times, which are in
    UTC if they have no offset.
    """
    if isinstance(value, date):
        moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
        return _seconds_of(moment)
    number = whole_number(value)
    if number is None and isinstance(value, str) and value[:4].isdigit() and value[4:5] == "-":
        try:
            return _seconds_of(datetime.fromisoformat(value.strip()))
        except ValueError:
            return None
    if number is None or not 0 <= number <= LAST_MILLISECONDS:
        return None
    return number if number < FIRST_MILLISECONDS else number // 1000


def _seconds_of(moment: datetime) -> int | None:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = int(aware.timestamp() // 1)
    return seconds if seconds >= 0 else None


def _count(value: Scalar) -> int | None:
    number = whole_number(value)
    return number if number is not None and 0 <= number <= LARGEST_COUNT else None


def score_of(value: Scalar) -> int | None:
    """Return a value as a score from 1 to 5; ``None`` if it is not one."""
    number = whole_number(value)
    return number if number is not None and LOWEST_SCORE <= number <= HIGHEST_SCORE else None


class _Parsed(dict[Any, int | None]):
    """Parses each distinct value once: there are few different scores, counts and days."""

    def __init__(self, parse: Callable[[Scalar], int | None], *, empty_is_missing: bool) -> None:
        super().__init__()
        self._parse = parse
        self._empty_is_missing = empty_is_missing
        self.bad: set[Any] = set()

    def __missing__(self, value: Any) -> int | None:  # noqa: ANN401 - a file's value
        parsed = self._parse(value)
        self[value] = parsed
        if parsed is None and not (self._empty_is_missing and (value is None or not str(value).strip())):
            self.bad.add(value)
        return parsed

    def column(self, values: Sequence[Any]) -> list[int | None]:
        """Return the parsed column, and clear the memory if it has grown too large."""
        if len(self) > MEMO_ENTRIES:
            self.clear()
            self.bad.clear()
        return [self[value] for value in values]


class Converter:
    """Converts the chunks of a dump into record batches of ``REVIEW_SCHEMA`` with row numbers."""

    def __init__(self, first_row: int = 0) -> None:
        """Number the rows from ``first_row``."""
        self.next_row = first_row
        self._scores = _Parsed(score_of, empty_is_missing=False)
        self._counts = _Parsed(_count, empty_is_missing=True)
        self._times = _Parsed(unix_seconds, empty_is_missing=True)

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
        checked = (
            ("score", self._scores, "bad_score", "a whole number from 1 to 5"),
            ("helpfulness_numerator", self._counts, "bad_helpfulness", "a whole number from 0"),
            ("helpfulness_denominator", self._counts, "bad_helpfulness", "a whole number from 0"),
            ("time", self._times, "bad_time", "Unix seconds or an ISO date, from 1970 on"),
        )
        for name, parsed, reason, expected in checked:
            if name not in values:
                continue
            columns[name] = pa.array(parsed.column(values[name]), REVIEW_SCHEMA.field(name).type)
            if parsed.bad:
                for index, value in enumerate(values[name]):
                    if value in parsed.bad and index not in problems:
                        problems[index] = (reason, f"{name} is {_found(value)}; expected {expected}")
        if "id" in values:
            columns["id"] = _ids(values["id"])
        for name in TEXT_COLUMNS:
            if name in values:
                columns[name] = _strings(values[name])
        columns["problem"] = _sparse(size, {index: reason for index, (reason, _) in problems.items()})
        columns["problem_detail"] = _sparse(
            size, {index: detail[:DETAIL_CHARACTERS] for index, (_, detail) in problems.items()}
        )
        columns["raw"] = _sparse(size, {index: chunk.raws[index][:RAW_CHARACTERS] for index in problems})
        self.next_row += size
        arrays = [columns.get(field.name, pa.nulls(size, field.type)) for field in REVIEW_SCHEMA]
        return pa.RecordBatch.from_arrays(arrays, schema=REVIEW_SCHEMA)


def _found(value: object) -> str:
    return "empty" if value is None or not str(value).strip() else quoted(value)


def _split_helpfulness(values: dict[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Split ``3/4`` into two columns; other values stay in the numerator, where they become a problem."""
    if HELPFULNESS not in values:
        return values
    memo: dict[Any, tuple[Any, Any]] = {}
    pairs = []
    for value in values[HELPFULNESS]:
        if value not in memo:
            match = _PAIR.fullmatch(value) if isinstance(value, str) else None
            memo[value] = (match[1] or value, match[2] or value) if match else (value, None)
        pairs.append(memo[value])
    others = {name: column for name, column in values.items() if name != HELPFULNESS}
    numerators, denominators = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return {**others, "helpfulness_numerator": numerators, "helpfulness_denominator": denominators}


def _ids(values: Sequence[Any]) -> pa.Array:
    """Return ids as int64; other ids are null, as nothing is computed from them."""
    if all(type(value) is str for value in values):
        try:
            return pc.cast(pa.array(values, pa.string()), pa.int64())
        except (pa.ArrowInvalid, UnicodeEncodeError):
            pass
    return pa.array([whole_number(value) for value in values], pa.int64())


def _strings(values: Sequence[Any]) -> pa.Array:
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
