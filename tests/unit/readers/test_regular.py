"""Regular blocks are read as the careful reader reads them: a file gives the same rows with and without them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers import csv_reader, encodings
from pipeline.readers.csv_reader import CsvReader
from pipeline.readers.dialects import Dialect
from pipeline.readers.encodings import open_text
from pipeline.readers.lines import Lines
from pipeline.readers.regular import RegularReader
from pipeline.readers.values import Converter


class Raw(str):
    """A field that is written as it is, without quotes around it."""

    __slots__ = ()


HEADER = ("Id", "UserId", "Helpfulness", "Score", "Time", "Unmapped", "Text")
RECORD = "1,A1,0,5,,x,good"
VALUES: tuple[tuple[str, ...], ...] = (
    ("1", "2", "", "R1", "0x1F", "1234567890123456789", "\ufeff1"),
    ("A1", "A2", "NULL", " nan ", "\\N", "\u00a0\u2003NULL\x1c", "é"),
    ("1/2", "[3, 4]", "0", "many", ""),
    ("5", "4", "1", "5.0", "6", "", "NaN", "no"),
    ("1303862400", "1303862401000", "020190304", "20190304", "2012-04-27", "03/04/2019", "13/04/2019", "", "soon"),
    ("x", "", "\ufffd\x9d", Raw('"a"b'), Raw('ab"'), Raw('"')),
    (
        *(
            "good",
            "don’t",
            "",
            "\\N",
            "two\nlines",
            "two\r\nlines",
            'a "word"',
            "a, b; c\td",
            "lone\rreturn",
            "\0",
            "'",
        ),
        *(f"swallowed\n{RECORD}\n{RECORD}\nend", "é" * 80, "long " * 30, "three\n\nlines", " 'quoted' "),
        *(Raw('"a"b'), Raw('a"b'), Raw('"a,"b"'), Raw('"a"'), Raw('"'), Raw('""'), Raw('a "'), Raw("return\r")),
    ),
)
DIRT = (
    *(
        b'"',
        b'""',
        b",",
        b"\n",
        b"\r\n",
        b"\r",
        b"\0",
        b"\xef\xbb\xbf",
        b"\\",
        b'a"\n',
        b'"\nb"\n',
        b'"\nb\nc"\n',
        b"'",
    ),
    *(b"don\x92t", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xc2\x9d", "не".encode(), "не".encode("cp1251") * 5),
    *(b'1,A1,0,5,,x,"never closed\n', b"1,A1,0,5,,x\n", b"1,A1,0,5,,x,y,z\n", b" \n", b"5"),
)


def written(record: tuple[str, ...], dialect: Dialect, *, quote_all: bool, end: str) -> bytes:
    """Return a record, quoted where it must be, or everywhere."""
    fields = []
    for value in record:
        special = any(character in value for character in (dialect.delimiter, "\n", "\r", dialect.quote or "\n"))
        if dialect.quote and (quote_all or special) and not isinstance(value, Raw):
            inside = value.replace(dialect.quote, f"{dialect.escape or dialect.quote}{dialect.quote}")
            fields.append(f"{dialect.quote}{inside}{dialect.quote}")
        else:
            fields.append(value)
    return (dialect.delimiter.join(fields) + end).encode()


DIALECTS = st.builds(
    Dialect,
    delimiter=st.sampled_from((",", ",", ",", ";", "\t")),
    quote=st.sampled_from(('"', '"', '"', "'", None)),
    escape=st.sampled_from((None, None, None, None, "\\")),
    quotes_fields=st.booleans(),
    always_quotes_text=st.booleans(),
)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, Dialect]:
    """Return a CSV file and its dialect: some records, repeated in any order, with a little dirt between them."""
    dialect = draw(DIALECTS)
    quote_all, end = draw(st.booleans()), draw(st.sampled_from(("\n", "\n", "\n", "\r\n", "\r")))
    usual = tuple(values[0] for values in VALUES)
    records = [usual] * draw(st.integers(0, 1))
    for _ in range(draw(st.integers(1, 3))):
        # Most values of a record are usual ones.
        changed = draw(st.sets(st.integers(0, len(usual) - 1), max_size=3))
        records.append(
            tuple(draw(st.sampled_from(VALUES[n])) if n in changed else value for n, value in enumerate(usual))
        )
    parts = [
        written(record, dialect, quote_all=quote_all, end=end)
        for record in draw(st.lists(st.sampled_from(records), min_size=1, max_size=25))
    ]
    for _ in range(draw(st.integers(0, 2))):
        parts.insert(draw(st.integers(0, len(parts))), draw(st.sampled_from(DIRT)))
    mark = draw(st.sampled_from((b"", b"", b"\xef\xbb\xbf")))
    return mark + written(HEADER, dialect, quote_all=False, end=end) + b"".join(parts), dialect


@contextmanager
def careful_only() -> Iterator[None]:
    with mock.patch.object(RegularReader, "read", return_value=None):
        yield


@contextmanager
def small_blocks(size: int, characters: int = 10_000, decoded: int = 1, rows: int = 7) -> Iterator[None]:
    """Have blocks and chunks of few bytes, so that records cross their limits.

    Args:
        size: Bytes of the smallest block that is read at once.
        characters: Characters of a chunk.
        decoded: Bytes that are decoded at once, beside the rest of their last line.
        rows: Rows of a chunk.
    """
    limits = {"FEWEST_BYTES": size, "MOST_BYTES": 4 * size, "CHUNK_ROWS": rows, "CHUNK_CHARACTERS": characters}
    with (
        mock.patch.multiple(csv_reader, **limits),
        mock.patch.object(encodings, "BLOCK_BYTES", decoded),
    ):
        yield


def everything(data: bytes, dialect: Dialect) -> tuple[list[pa.RecordBatch], dict[str, Any]]:
    """Return the batches of a file, and all that its summary is made of."""
    text = open_text(lambda: io.BytesIO(data), "r.csv", None)
    reader = CsvReader(text, "r.csv", dialect, {})
    converter = Converter()
    batches = [converter.batch("r.csv", chunk) for chunk in reader.chunks()]
    found = {
        "sizes": [batch.nbytes for batch in batches],
        "lines": text.lines,
        "encoding": text.encoding,
        "unreadable": text.unreadable,
        "foreign": text.foreign_lines,
        "ratings": {file: list(ratings.items()) for file, ratings in converter.ratings.items()},
        "unknown": converter.unknown,
        "day_first": converter.date_order.day_first,
        "undecided": bool(converter.date_order.undecided),
    }
    return batches, found


def assert_same_as_read_carefully(data: bytes, dialect: Dialect, *sizes: int) -> None:
    with small_blocks(*sizes):
        batches, found = everything(data, dialect)
        with careful_only():
            expected, expected_found = everything(data, dialect)
    assert [batch.to_pylist() for batch in batches] == [batch.to_pylist() for batch in expected]
    assert found == expected_found


@settings(deadline=None, max_examples=120, derandomize=True)
@given(file=files(), size=st.integers(1, 300), characters=st.sampled_from((150, 10_000)), decoded=st.integers(1, 150))
def test_a_file_gives_the_same_rows_as_read_carefully(
    file: tuple[bytes, Dialect], size: int, characters: int, decoded: int
) -> None:
    assert_same_as_read_carefully(*file, size, characters, decoded)


SOUND = "sound,5\n" * 3
CASES = {
    "quotes in fields seem to end records": 'a"b,5\n"\nlines\nmore, and more",5\nc",5\n',
    "text after a closing quote": f'{SOUND}"a"b,5\n{SOUND}',
    "quotes begin and end a text": '"""a"" b",5\n"a ""b""",5\n"",5\n"""",5\n',
    "backslashes": f'{SOUND}"a \\"b\\", c",5\n{SOUND}a\\b,5\n{SOUND}',
    "records joined by quotes": f'{SOUND}"swallowed,5\ninner,5\ninner,5\nend",5\n{SOUND}',
    "a mark inside the file": "\ufeffa,5\n",
    "carriage returns before a line end": "a,5\r\r\nb,4\r\n",
    "a carriage return ends a record, and an empty line": "a,5\rb,4\n\n",
    "carriage returns end lines": "a,5\rb,4\rc,5\nd,4\n",
    "an empty line": "a,5\n\nb,4\n\r\nc,5\n",
    "a record of another width": f"{SOUND}5\n{SOUND}a,b,5\n{SOUND}",
    "no end of the last line": f"{SOUND}a,5",
    "a quote that never closes": f'{SOUND}"open,5\n{SOUND}{SOUND}',
    "a field with a line end in each block": '"a\nb\nc\nd\ne",5\n' * 5,
    "NUL": f"{SOUND}a\0b,5\n{SOUND}",
}
KINDS = (Dialect(), Dialect(quotes_fields=False), Dialect(quote=None), Dialect(escape="\\"))


@pytest.mark.parametrize("dialect", KINDS, ids=("usual", "quotes may be text", "quotes are text", "escaped"))
@pytest.mark.parametrize("case", CASES)
def test_known_cases_give_the_same_rows_as_read_carefully(case: str, dialect: Dialect) -> None:
    for size in (1, 20, 1000):
        assert_same_as_read_carefully(f"Text,Score\n{CASES[case]}".encode(), dialect, size)


@pytest.mark.parametrize("column", ["Id", "UserId", "Time", "Helpfulness", "HelpfulnessNumerator", "Summary", "Score"])
@pytest.mark.parametrize("others", ["", "1\n"], ids=["regular", "with a broken record"])
def test_values_give_the_same_as_read_carefully(column: str, others: str) -> None:
    values = [
        *(
            "0x1F",
            "1234567890123456789",
            "+5",
            " 5 ",
            "R1",
            "\u00a0\u2003NULL\x1c",
            "nan",
            "\\N",
            "-",
            "1/2",
            "",
            "é",
            "x" * 400,
        ),
        *("1303862400", "1303862400000", "020190304", "20190304", "9" * 20, "946684799999", "03/04/2019", "2019-03-04"),
    ]
    for value in values:
        text = (
            f"{column},Rating,Text\n"
            + f"{value},5,a\n" * 3
            + others
            + f"{value},5,a\n" * 3
            + f"{value},5,a\nno,5,b\n" * 4
        )
        assert_same_as_read_carefully(text.encode(), Dialect(), 24)


@pytest.mark.parametrize("texts", [("é" * 28,) * 9, ("a" * 57, "b" * 27, "c", "d", "e")])
def test_a_chunk_ends_at_the_same_record_as_read_carefully(texts: tuple[str, ...]) -> None:
    text = "Score,Text\n" + "".join(f"5,{text}\n" for text in texts)
    assert_same_as_read_carefully(text.encode(), Dialect(), 1000, 100)


def test_only_lines_near_an_irregular_record_are_read_one_by_one() -> None:
    sound = "".join(f'"sound, {number}",5\n' for number in range(1000)).encode()
    with (
        small_blocks(200, 10**6, 200, 10**4),
        mock.patch.object(Lines, "__next__", autospec=True, side_effect=Lines.__next__) as one_line,
    ):
        batches, _ = everything(b"Text,Score\n" + sound + b"caf\xe9,5\n" + sound, Dialect())
    assert sum(batch.num_rows for batch in batches) == 2001
    assert one_line.call_count < 100
