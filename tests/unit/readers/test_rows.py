"""Single records: values, line numbers, problems, and that no character is lost."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers.csv_reader import CsvReader
from pipeline.readers.dialects import Dialect
from pipeline.readers.encodings import open_text
from pipeline.readers.lines import LINE_CHARACTERS
from pipeline.readers.scalars import whole_number
from pipeline.readers.values import Converter
from tests.unit.readers.factories import read
from tests.unit.sources.factories import CHIPS, KAGGLE_HEADER, TEA, csv_text, written


def rows_of(text: str, delimiter: str = ",") -> list[dict]:
    """Read CSV text without a store."""
    decoded = open_text(lambda: io.BytesIO(text.encode()), "r.csv", None)
    reader = CsvReader(decoded, "r.csv", Dialect(delimiter), {})
    converter = Converter()
    return [row for chunk in reader.chunks() for row in converter.batch("r.csv", chunk).to_pylist()]


def lines_of(text: str) -> int:
    return len(io.StringIO(text, newline="\n").readlines())


DIALECTS = (
    {"delimiter": ",", "quoting": csv.QUOTE_MINIMAL, "lineterminator": "\r\n"},
    {"delimiter": ";", "quoting": csv.QUOTE_ALL, "lineterminator": "\n"},
    {"delimiter": "\t", "quoting": csv.QUOTE_ALL, "lineterminator": "\r\n"},
    {"delimiter": "|", "quoting": csv.QUOTE_NONNUMERIC, "lineterminator": "\n"},
)
TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from('",;|\t\n\r \0'), max_size=30)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    table=st.lists(st.tuples(TEXTS, TEXTS, TEXTS, st.integers(1, 5)), min_size=1, max_size=8),
    dialect=st.sampled_from(DIALECTS),
)
def test_any_table_is_read_exactly_with_its_line_numbers(table, dialect) -> None:
    text = csv_text(
        [(a, b, c, str(score)) for a, b, c, score in table], ("Summary", "Text", "UserId", "Score"), **dialect
    )
    rows = rows_of(text, dialect["delimiter"])
    found = [(row["summary"], row["text"], row["user_id"] or "", row["score"]) for row in rows]
    assert found == [(a, b, c if c.strip() not in {"", "-"} else "", score) for a, b, c, score in table]
    assert all(row["problem"] is None for row in rows)
    before, expected = csv_text([], ("Summary", "Text", "UserId", "Score"), **dialect), []
    for a, b, c, score in table:
        expected.append(lines_of(before) + 1)
        record = io.StringIO()
        csv.writer(record, **dialect).writerow((a, b, c, str(score)))
        before += record.getvalue()
    assert [row["line"] for row in rows] == expected


@settings(deadline=None, max_examples=100, derandomize=True)
@given(noise=st.text(st.sampled_from('ab",\n\r5\0'), max_size=60))
def test_no_character_of_a_broken_file_is_lost(noise) -> None:
    rows = rows_of("Score,Text\n" + noise)
    for row in rows:
        assert (row["problem"] is None) == (row["raw"] is None)
        if row["problem"] is None:
            assert row["score"] == 5
    kept = "".join(f"{row['text']}" if row["raw"] is None else row["raw"] for row in rows)
    letters = "".join(c for c in noise if c in "ab")
    assert "".join(c for c in kept if c in "ab") == letters


SCORES = [("5", 5), ("5.0", 5), (" 4 ", 4), ("1.", 1), ("5.0 out of 5 stars", 5), ("2/5", 2), ("★★★★☆", 4)]
BAD_SCORES = ["4/10", "", "NaN", "4.5", "0", "6", "300", "five", "1e0", "５"]


@pytest.mark.parametrize(("given_score", "score"), SCORES)
def test_scores(given_score, score) -> None:
    assert rows_of(f"Score,Text\n{given_score},a\n")[0]["score"] == score


@pytest.mark.parametrize("score", BAD_SCORES)
def test_a_bad_score_is_a_problem(score) -> None:
    (row,) = rows_of(f"Score,Text\n{score},a\n")
    assert (row["score"], row["problem"], row["text"], row["raw"]) == (None, "bad_score", "a", f"{score},a\n")
    assert (f"'{score}'" if score else "score is empty") in row["problem_detail"]
    assert "expected a whole number from 1 to 5" in row["problem_detail"]


@pytest.mark.parametrize(
    ("column", "value", "readable"),
    [
        ("HelpfulnessNumerator", "-1", False),
        ("HelpfulnessNumerator", "0.637", False),
        ("HelpfulnessDenominator", "many", False),
        ("HelpfulnessDenominator", "3000000000", False),
        ("HelpfulnessNumerator", "", True),
        ("Time", "0", False),
        ("Time", "yesterday", False),
        ("Time", "", True),
        ("Time", "NULL", True),
        ("Time", "\\N", True),
        ("Time", "NaN", True),
        ("UserId", "NULL", True),
        ("ProductId", "\\N", True),
        ("Id", "", True),
    ],
)
def test_an_optional_value_that_cannot_be_read_is_unknown_and_counted(column, value, readable) -> None:
    broken = list(TEA)
    broken[KAGGLE_HEADER.index(column)] = value
    text = csv_text([TEA, broken, broken])
    reader = CsvReader(open_text(lambda: io.BytesIO(text.encode()), "r.csv", None), "r.csv", Dialect(), {})
    converter = Converter()
    found = [row for chunk in reader.chunks() for row in converter.batch("r.csv", chunk).to_pylist()]
    (ours,) = [name for name, theirs in reader.columns.items() if theirs == column]
    assert [row["problem"] for row in found] == [None] * 3
    assert [row[ours] is None for row in found] == [False, True, True]
    unknown = {name: (counted.rows, counted.first) for name, counted in converter.unknown.items()}
    assert unknown == ({} if readable else {ours: (2, f"r.csv:3 ('{value}')")})


def test_an_id_that_is_not_a_number_is_kept_as_a_digest() -> None:
    rows = rows_of("Id,Score,Text\nR1,5,a\n7,5,b\n,5,c\nR1,5,d\nR2,5,e\n")
    ids = [row["id"] for row in rows]
    assert ids[1:3] == [7, None]
    assert ids[0] == ids[3] != ids[4]


def test_whole_numbers_consist_of_ascii_digits() -> None:
    assert [whole_number(value) for value in ("1_000", "٣", "0x1", "--1", "1" * 19, float("inf"), 2**70)] == [None] * 7


def test_rows_of_another_width_are_kept_as_found() -> None:
    rows = rows_of("Score,Text\n5,a\n5\n4,b,c\n1,d\n")
    assert [row["problem"] for row in rows] == [None, "unparseable", "unparseable", None]
    assert [row["line"] for row in rows] == [2, 3, 4, 5]
    assert (rows[1]["raw"], rows[1]["problem_detail"]) == ("5\n", "1 fields, expected 2")
    assert (rows[2]["raw"], rows[2]["problem_detail"]) == ("4,b,c\n", "3 fields, expected 2")
    assert rows[2]["score"] is rows[2]["text"] is None


@pytest.mark.parametrize("others", [1, 3, 20_000])
def test_an_unclosed_quote_affects_one_record(others) -> None:
    rows = rows_of('Score,Text\n5,"never closed\n' + "".join(f"4,review {n}\n" for n in range(others)))
    assert [row["problem"] for row in rows] == ["unparseable"] + [None] * others
    assert rows[0]["raw"] == '5,"never closed\n'
    assert "quote" in rows[0]["problem_detail"] or "field larger" in rows[0]["problem_detail"]
    assert [row["line"] for row in rows] == list(range(2, others + 3))


def test_a_stray_quote_does_not_join_two_reviews_into_one() -> None:
    rows = rows_of('Id,Text,Score\n1,"stray,5\n2,"sound one",4\n3,last,1\n')
    assert [(row["id"], row["problem"]) for row in rows] == [(None, "unparseable"), (2, None), (3, None)]


def test_long_lines_and_long_records_are_bounded() -> None:
    rows = rows_of("Score,Text\n5," + "x" * (LINE_CHARACTERS + 10) + "\n4,b\n")
    assert [(row["problem"], row["text"]) for row in rows] == [("unparseable", None), (None, "b")]
    assert "longer than 1,048,576 characters" in rows[0]["problem_detail"]
    assert len(rows[0]["raw"]) == 2000
    endless = '"' + ("y" * 1000 + '\n","') * 5000
    rows = rows_of("Score,Text\n" + endless + '"\n3,c\n')
    assert rows[0]["problem"] == "unparseable"
    assert "4,194,304" in rows[0]["problem_detail"]
    assert rows[-1]["text"] == "c"


def test_a_file_cut_in_the_middle_of_a_quoted_text() -> None:
    rows = rows_of('Score,Text\n5,a\n4,"cut he')
    assert [row["problem"] for row in rows] == [None, "unparseable"]
    assert "cut short" in rows[1]["problem_detail"]


def test_rows_and_files_are_counted_over_all_dumps(tmp_path, store) -> None:
    first = written(tmp_path / "a.csv", csv_text())
    second = written(tmp_path / "b.csv", csv_text([CHIPS, ("x", "y")]))
    rows, summary = read(store, first, second)
    assert [row["row"] for row in rows] == [0, 1, 2, 3]
    assert [row["file"] for row in rows] == ["a.csv", "a.csv", "b.csv", "b.csv"]
    assert (summary.rows, summary.problem_rows) == (4, 1)
    assert [(file.rows, file.problem_rows) for file in summary.files] == [(2, 0), (2, 1)]
