"""Turning a dump's values into ours: whole numbers, times, scores; what does not fit is a named problem."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import quoted
from pipeline.readers.columns import HELPFULNESS
from pipeline.readers.schema import RAW_CHARACTERS, REVIEW_SCHEMA

LOWEST_SCORE, HIGHEST_SCORE = 1, 5
LARGEST_COUNT = 2**31 - 1
FIRST_MILLISECONDS = 100_000_000_000
"""From here on a whole number counts milliseconds since 1970 (1973 on), as in the Amazon set of 2023; as seconds
it would mean the year 5138."""
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
        lines: Physical line (or row) from 1 on which each record starts.
        values: Our column → one value per record; columns that the file lacks are absent.
        raws: Each record as found; at least its first ``RAW_CHARACTERS`` characters.
        unparseable: Index of a record that could not be taken apart → why; its values are ``None``.
    """

    lines: list[int] = field(default_factory=list)
    values: dict[str, Sequence[Any]] = field(default_factory=dict)
    raws: Sequence[str] = field(default_factory=list)
    unparseable: dict[int, str] = field(default_factory=dict)


def whole_number(value: Scalar) -> int | None:
    """Return a value as a whole number (``5``, ``"5"``, ``"5.0"``), or ``None`` if it is not one."""
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
    """Return a time in whole seconds since 1970, or ``None`` if it is not one from 1970 on.

    Understood are whole seconds, whole milliseconds (from ``FIRST_MILLISECONDS``), and ISO dates or times, which
    count as UTC where they name no offset.
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


def _score(value: Scalar) -> int | None:
    number = whole_number(value)
    return number if number is not None and LOWEST_SCORE <= number <= HIGHEST_SCORE else None


class _Parsed(dict[Any, int | None]):
    """Remembers what each distinct value became: scores, counts and days are few."""

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
        """Return the parsed column and forget what has grown too much."""
        if len(self) > MEMO_ENTRIES:
            self.clear()
            self.bad.clear()
        return [self[value] for value in values]


class Converter:
    """Turns the chunks of a dump into record batches of ``REVIEW_SCHEMA``, row by row numbered."""

    def __init__(self, first_row: int = 0) -> None:
        """Start counting rows at ``first_row``."""
        self.next_row = first_row
        self._scores = _Parsed(_score, empty_is_missing=False)
        self._counts = _Parsed(_count, empty_is_missing=True)
        self._times = _Parsed(unix_seconds, empty_is_missing=True)

    def batch(self, file: str, chunk: Chunk) -> pa.RecordBatch:
        """Return a chunk as a batch; every record is in it, a problem beside what could be read.

        Args:
            file: The name for the column ``file``.
            chunk: Records as a reader found them.
        """
        size = len(chunk.lines)
        values = _with_helpfulness_apart(chunk.values)
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
        for name in ("product_id", "user_id", "profile_name", "summary", "text"):
            if name in values:
                columns[name] = _strings(values[name])
        order = sorted(problems)
        columns["problem"] = _sparse(size, order, [problems[index][0] for index in order])
        columns["problem_detail"] = _sparse(size, order, [problems[index][1][:DETAIL_CHARACTERS] for index in order])
        columns["raw"] = _sparse(size, order, [chunk.raws[index][:RAW_CHARACTERS] for index in order])
        self.next_row += size
        arrays = [columns.get(field.name, pa.nulls(size, field.type)) for field in REVIEW_SCHEMA]
        return pa.RecordBatch.from_arrays(arrays, schema=REVIEW_SCHEMA)


def _found(value: object) -> str:
    return "empty" if value is None or not str(value).strip() else quoted(value)


def _with_helpfulness_apart(values: dict[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Split ``3/4`` into its two columns; what is no pair stays in the numerator, where it is found bad."""
    if HELPFULNESS not in values:
        return values
    memo: dict[Any, tuple[Any, Any]] = {}
    pairs = []
    for value in values[HELPFULNESS]:
        if value not in memo:
            match = _PAIR.fullmatch(value) if isinstance(value, str) else None
            memo[value] = (match[1] or value, match[2] or value) if match else (value, None)
        pairs.append(memo[value])
    apart = {name: column for name, column in values.items() if name != HELPFULNESS}
    apart["helpfulness_numerator"] = [pair[0] for pair in pairs]
    apart["helpfulness_denominator"] = [pair[1] for pair in pairs]
    return apart


def _ids(values: Sequence[Any]) -> pa.Array:
    """Return ids as int64; one that is no whole number is null: nothing is computed from an id."""
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
        # JSON can spell half of a surrogate pair, which no encoding can write.
        return pa.array([value if value is None else _whole_characters(value) for value in values], pa.string())


def _whole_characters(value: str) -> str:
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _sparse(size: int, places: Sequence[int], values: Sequence[str]) -> pa.Array:
    if not places:
        return pa.nulls(size, pa.string())
    column: list[str | None] = [None] * size
    for place, value in zip(places, values, strict=True):
        column[place] = value
    return _strings(column)
