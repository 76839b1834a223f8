"""How a CSV file is written: quotes that are text, other quotes, lines above the header, carriage returns."""

from __future__ import annotations

import pytest

from pipeline.config import DataConfig
from pipeline.errors import SourceError
from pipeline.readers import IngestSummary, check_dump, ingest
from pipeline.readers.dialects import SNIFFED_CHARACTERS
from pipeline.sources import fetch
from tests.unit.readers.factories import read
from tests.unit.sources.factories import csv_text, written

SOUND = [(str(5 - number % 2), f"Sound review number {number}.") for number in range(30)]


def joined(records: list[tuple[str, ...]], delimiter: str) -> str:
    """Return records as a program writes them that knows no quotes."""
    return "".join(delimiter.join(record) + "\n" for record in records)


def mixed_in(records: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Put records between sound ones, with one sound record after each two."""
    mixed = SOUND[:10]
    for number, record in enumerate(records):
        mixed += [record, *SOUND[10 + number : 11 + number]]
    return mixed + SOUND[20:]


QUOTES_AS_TEXT = [
    ("5", '"Just perfect" is what my aunt says, and "fits well too'),
    ("1", '"Broken on arrival, what a shame'),
    ("5", 'Looks great under the new TV, which is 55"'),
    ("2", '"Hm'),
    ("4", 'Size 24"'),
    ("5", '"'),
]


@pytest.mark.parametrize("before", [0, SNIFFED_CHARACTERS])
@pytest.mark.parametrize("delimiter", ["\t", "|"])
def test_quotes_that_are_text_do_not_join_reviews(tmp_path, store, delimiter, before) -> None:
    long_ago = [("4", f"An early review, {number}.") for number in range(before // 20)]
    records = long_ago + mixed_in(QUOTES_AS_TEXT)
    text = joined([("rating", "review"), *records], delimiter)
    rows, summary = read(store, written(tmp_path / "r.tsv", text))
    assert [(str(row["score"]), row["text"]) for row in rows] == records
    assert [row["line"] for row in rows] == list(range(2, len(records) + 2))
    assert any("quotes are text" in note for note in summary.notes) == (before == 0)


def test_a_quote_that_never_closes_is_text_where_no_field_is_quoted(tmp_path, store) -> None:
    records = [("1", '"Broken on arrival'), *(("5", f"Sound, number {n}. " * 500) for n in range(20))]
    rows, _ = read(store, written(tmp_path / "r.tsv", joined([("rating", "review"), *records], "\t")))
    assert [(str(row["score"]), row["text"]) for row in rows] == records


def test_two_fields_with_a_quote_each_are_not_one_quoted_field(tmp_path, store) -> None:
    records = [(score, "My view", text) for score, text in SOUND]
    records[7] = ("2", '"Hm', "Not as shown")
    records[12] = ("5", '"Size', 'is 24"')
    rows, _ = read(store, written(tmp_path / "r.tsv", joined([("rating", "title", "review"), *records], "\t")))
    assert [(str(row["score"]), row["summary"], row["text"]) for row in rows] == records


@pytest.mark.parametrize("quoting", [0, 1])
def test_texts_over_several_lines_stay_whole(tmp_path, store, quoting) -> None:
    records = [
        ("5", 'First, good.\nThen "bad".\n\n3, to be fair'),
        ("1", "Reasons:\n1, it broke\n2, it smells"),
        ("4", 'She said "no".\r\nI said yes.'),
        *SOUND,
        ("2", "Last one\n"),
    ]
    content = csv_text([("rating", "review"), *records][1:], ("rating", "review"), quoting=quoting)
    rows, _ = read(store, written(tmp_path / "r.csv", content))
    assert [(str(row["score"]), row["text"]) for row in rows] == records


@pytest.mark.parametrize("records", [SOUND, [*SOUND[:5], ("5", "A text\nover lines"), *SOUND[5:]]])
def test_a_field_that_is_cut_is_no_review_where_fields_are_quoted(tmp_path, store, records) -> None:
    lines = csv_text(records, ("rating", "review"), quoting=1).splitlines(keepends=True)
    lines.insert(4, '"1","Good at first\n')
    rows, _ = read(store, written(tmp_path / "r.csv", "".join(lines)))
    assert [(str(row["score"]), row["text"]) for row in rows if row["problem"] is None] == records
    (broken,) = (row for row in rows if row["problem"] is not None)
    assert (broken["problem"], broken["line"], broken["raw"]) == ("unparseable", 5, lines[4])


DIALECTS = {
    "quotes inside quotes": ('5,"She said "no" to it"\n', ("5", 'She said "no" to it')),
    "space after a quote": ('5,"Good, really" \n', ("5", "Good, really ")),
}


@pytest.mark.parametrize("case", DIALECTS)
def test_single_faults_of_quoted_files(tmp_path, store, case) -> None:
    line, expected = DIALECTS[case]
    content = csv_text(SOUND, ("rating", "review"), quoting=2) + line
    rows, _ = read(store, written(tmp_path / "r.csv", content))
    assert [(str(row["score"]), row["text"]) for row in rows] == [*SOUND, expected]


def test_fields_in_apostrophes(tmp_path, store) -> None:
    records = [*SOUND, ("1", "I don't like it, and 'tis broken"), ("5", 'A "nice", warm tea')]
    lines = [f"{score},'{text}'\n" for score, text in records]
    rows, summary = read(store, written(tmp_path / "r.csv", "rating,review\n" + "".join(lines)))
    assert [(str(row["score"]), row["text"]) for row in rows] == records
    assert "fields are quoted with '" in summary.notes[-1]


def test_fields_in_apostrophes_that_contain_apostrophes(tmp_path, store) -> None:
    records = [*(("1", f"I don't like number {n}") for n in range(20)), *(("5", f"Good, number {n}") for n in range(5))]
    lines = [f"{score},'{text}'\n" for score, text in records]
    rows, _ = read(store, written(tmp_path / "r.csv", "rating,review\n" + "".join(lines)))
    assert [(str(row["score"]), row["text"]) for row in rows] == records


def test_quotes_after_a_backslash(tmp_path, store) -> None:
    records = [*SOUND, ("1", 'It is "fine", they said'), ("5", "back\\slash, and more")]
    escaped = [(score, text.replace("\\", "\\\\").replace('"', '\\"')) for score, text in records]
    lines = [f'{score},"{text}"\n' for score, text in escaped]
    rows, summary = read(store, written(tmp_path / "r.csv", "rating,review\n" + "".join(lines)))
    assert [(str(row["score"]), row["text"]) for row in rows] == records
    assert "escaped with \\" in summary.notes[-1]


@pytest.mark.parametrize(
    ("above", "delimiter"),
    [
        ("sep=;\r\n", ";"),
        ("SEP=~\n", "~"),
        ("Reviews of May, all shops\n\nFilter: none\n", ","),
        ('"Export, 2024",,\n', ","),
    ],
)
def test_lines_above_the_column_names(tmp_path, store, above, delimiter) -> None:
    content = above + csv_text(SOUND, ("rating", "review"), delimiter=delimiter)
    rows, summary = read(store, written(tmp_path / "r.csv", content))
    assert [(str(row["score"]), row["text"]) for row in rows] == SOUND
    first = above.count("\n") + 1
    assert [row["line"] for row in rows] == list(range(first + 1, first + 31))
    assert any(f"the column names are on line {first}" in note for note in summary.notes)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("4\tPleased at first\rbut it is not good\n", "Pleased at first\rbut it is not good"),
        ("4\tPleased at first\rbut it is not good\r\n", "Pleased at first\rbut it is not good"),
        ('4\t"Pleased at first\rbut\nnot good"\n', "Pleased at first\rbut\nnot good"),
        ("4\t\rnot good\r\r\n", "\rnot good\r"),
    ],
)
def test_a_carriage_return_inside_a_line_does_not_cut_a_review(tmp_path, store, line, text) -> None:
    before, after = joined([("rating", "review"), *SOUND[:5]], "\t"), joined(SOUND[5:], "\t")
    rows, _ = read(store, written(tmp_path / "r.tsv", before + line + after))
    expected = [*SOUND[:5], ("4", text), *SOUND[5:]]
    assert [(str(row["score"]), row["text"].rstrip("\r")) for row in rows] == [(s, t.rstrip("\r")) for s, t in expected]
    assert all(row["problem"] is None for row in rows)


@pytest.mark.parametrize("end", ["\r", "\r\r\n"])
def test_files_whose_lines_end_with_carriage_returns(tmp_path, store, end) -> None:
    content = csv_text(SOUND, ("rating", "review"), lineterminator=end)
    rows, _ = read(store, written(tmp_path / "r.csv", content))
    assert [(str(row["score"]), row["text"]) for row in rows] == SOUND


@pytest.mark.parametrize(
    ("content", "broken"),
    [
        ('id,text\n1,"good tea"\n2,bad tea, would not buy\n3,"nice"\n', [3]),
        ('id,text\n1,"good tea"\n2,"bad tea\n3,"nice"\n4,"fine"\n', [3]),
        ('text\n"good tea"\n"bad\n\ntea"\n"open\nfine\n', [6]),
        ('id,text\n1,"Hello,\nit, or I,\nbroke"\n2,fine\n', []),
    ],
)
def test_reviews_without_stars_that_have_a_broken_record(tmp_path, store, content, broken) -> None:
    config = DataConfig(dumps=(str(written(tmp_path / "r.csv", content)),))
    ingested = ingest(fetch(config, store, check_dump), config, store, stars=False)
    assert store.summary(ingested, IngestSummary).problem_rows == len(broken)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('"rating,review\n' + "5,a\n" * 400_000, r"line 1, which should name the columns, cannot be read as CSV"),
        ("rating^review\n5^a\n", r"No column for 'text'"),
    ],
)
def test_the_message_about_column_names_names_the_dialect(tmp_path, store, content, message) -> None:
    with pytest.raises(SourceError, match=message + r".*delimiter ',', where fields are quoted with \""):
        read(store, written(tmp_path / "r.csv", content))
