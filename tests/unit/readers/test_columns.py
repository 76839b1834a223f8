"""Column mapping: built-in names, the mapping of the user, and errors."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipeline.config import DataConfig
from pipeline.errors import ConfigurationError, SourceError
from pipeline.readers import check_dump, ingest, read_column_mapping
from pipeline.readers.columns import resolve_columns
from pipeline.sources import fetch
from tests.unit.readers.factories import read
from tests.unit.sources.factories import csv_text, written

MAPPINGS = Path(__file__).resolve().parents[3] / "docs" / "examples" / "column_mappings"


def test_a_missing_column_is_reported_with_a_mapping(tmp_path, store) -> None:
    dump = written(tmp_path / "r.csv", csv_text([("a", "5")], ("Text", "Rate")))
    with pytest.raises(SourceError) as error:
        read(store, dump)
    message = str(error.value)
    assert "'r.csv': No column for 'score'. Closest is 'Rate'." in message
    assert '{"score": "Rate"}' in message
    assert "Columns found: 'Text', 'Rate'." in message


def test_a_file_without_a_header(tmp_path, store) -> None:
    with pytest.raises(SourceError, match="the line with the column names is missing"):
        read(store, written(tmp_path / "r.csv", "5,I like it\n4,So so\n"))


def test_the_mapping_has_priority_over_built_in_names(tmp_path, store) -> None:
    dump = written(tmp_path / "r.csv", csv_text([("good", "really good", "5")], ("Review", "Summary", "Rate")))
    rows, summary = read(store, dump, columns={"text": "Summary", "score": "rate", "summary": "Review"})
    assert (rows[0]["text"], rows[0]["summary"], rows[0]["score"]) == ("really good", "good", 5)
    assert summary.files[0].column_mapping == {"text": "Summary", "score": "Rate", "summary": "Review"}


def test_a_mapped_column_that_does_not_exist(tmp_path, store) -> None:
    with pytest.raises(SourceError, match=r"no column 'Reviw'.*Did you mean 'Review'"):
        read(store, written(tmp_path / "r.csv", "Review,Score\na,5\n"), columns={"text": "Reviw"})


def test_a_repeated_name_is_refused_only_if_it_is_used(tmp_path, store) -> None:
    with pytest.raises(SourceError, match=r"'Text' \(column 2\) and 'TEXT' \(column 3\) have the same name"):
        read(store, written(tmp_path / "r.csv", "Score,Text,TEXT\n5,a,b\n"))
    rows, _ = read(store, written(tmp_path / "s.csv", "Score,Text,x,x,,\n5,a,b,c,,\n"))
    assert rows[0]["text"] == "a"
    rows, _ = read(store, written(tmp_path / "t.csv", "Score,Text,TEXT\n5,a,b\n"), columns={"text": "TEXT"})
    assert rows[0]["text"] == "b"


def test_missing_optional_columns_are_null_and_noted(tmp_path, store) -> None:
    rows, summary = read(store, written(tmp_path / "r.csv", "Score,Text\n5,a\n"))
    assert rows[0]["user_id"] is rows[0]["time"] is rows[0]["helpfulness_numerator"] is None
    assert set(summary.missing_columns) == {
        "id",
        "product_id",
        "user_id",
        "profile_name",
        "helpfulness_numerator",
        "helpfulness_denominator",
        "time",
        "summary",
    }
    notes = " ".join(summary.notes)
    assert "No user_id column" in notes
    assert "No product_id column" in notes
    assert "split is missing" not in notes


def test_an_official_split_is_read_where_the_mapping_says(tmp_path, store) -> None:
    dump = written(tmp_path / "r.csv", "Score,Text,Fold\n5,a,Train\n5,b,1\n5,c,\n")
    rows, summary = read(store, dump, columns={"split": "Fold"})
    assert [row["split"] for row in rows] == ["Train", "1", ""]
    assert summary.files[0].column_mapping["split"] == "Fold"


def test_a_column_that_only_some_files_have_is_noted(tmp_path, store) -> None:
    _, summary = read(
        store,
        written(tmp_path / "a.csv", "Score,Text,UserId\n5,a,u\n"),
        written(tmp_path / "b.csv", "Score,Text\n5,a\n"),
    )
    assert "user_id" not in summary.missing_columns
    assert "user_id is missing in b.csv, though other files have it." in summary.notes


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"txt": "Review"}, "'txt' is not one of our columns. Did you mean 'text'"),
        ({"Rate": "score"}, "goes from our column to the column of the dump"),
        ({"text": " "}, "'text' is mapped to an empty name, but every review needs a text"),
        ({"text": "Review", "summary": "Review"}, "'Review' of the dump is given for 'text' and for 'summary'"),
    ],
)
def test_an_invalid_mapping_is_refused(tmp_path, store, columns, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(store, written(tmp_path / "r.csv", "Score,Text\n5,a\n"), columns=columns)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"encoding": "klingon"}, "'klingon' is not one that Python knows"),
        ({"delimiter": '"'}, "cannot separate fields"),
    ],
)
def test_an_invalid_encoding_or_delimiter_is_refused(tmp_path, store, config, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(store, written(tmp_path / "r.csv", "Score,Text\n5,a\n"), **config)


def test_the_first_known_name_wins() -> None:
    assert resolve_columns(["title", "Summary", "review", "text", "rating"], {}, "r") == {
        "text": 3,
        "score": 4,
        "summary": 1,
    }


PROSE = [f"A tea that tastes of the {word} meadow" for word in ("green", "wet", "old", "far", "high")] * 20
PROSE = [f"{text}, cup {number}" for number, text in enumerate(PROSE)]
ROWS = range(len(PROSE))
ADDRESSES = [f"https://shop.example/r/{number}" for number in ROWS]
STARS = [str(1 + number % 5) for number in ROWS]
OTHER_STARS = [str(1 + number % 3) for number in ROWS]
COUNTS = [str(229_160_000 + number) for number in ROWS]


def table(**columns: list[str]) -> str:
    return csv_text(zip(*columns.values(), strict=True), tuple(columns))


@pytest.mark.parametrize(
    ("columns", "read_from", "passed_over"),
    [
        (
            {"review": ADDRESSES, "content": PROSE, "rating": STARS},
            {"text": "content", "score": "rating"},
            ["'review' for text, which is read from 'content': web addresses"],
        ),
        (
            {"comments": COUNTS, "body": PROSE, "rating": STARS},
            {"text": "body", "score": "rating"},
            ["'comments' for text, which is read from 'body': numbers"],
        ),
        (
            {"text": PROSE, "score": ["1"] * len(PROSE), "stars": STARS},
            {"text": "text", "score": "stars"},
            ["'score' for score, which is read from 'stars': one value only"],
        ),
        (
            {"text": PROSE, "score": COUNTS, "rating": STARS},
            {"text": "text", "score": "rating"},
            ["'score' for score, which is read from 'rating': no ratings"],
        ),
        (
            {"text": PROSE, "review": PROSE, "rating": STARS},
            {"text": "text", "score": "rating"},
            ["'review' for text, which is read from 'text': the same values"],
        ),
        (
            {"text": PROSE, "rating": STARS, "asin": COUNTS, "parent_asin": COUNTS},
            {"text": "text", "score": "rating", "product_id": "parent_asin"},
            ["'asin' for product_id, which is read from 'parent_asin'"],
        ),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_of_columns_with_known_names_the_values_decide(  # noqa: PLR0917 - pytest passes by name
    tmp_path, store, ending, columns, read_from, passed_over
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    dump = tmp_path / f"r.{ending}"
    if ending == "parquet":
        pq.write_table(pa.table(columns), dump)
    elif ending == "csv":
        written(dump, table(**columns))
    else:
        lines = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        written(dump, "\n".join(map(json.dumps, lines)))
    _, summary = read(store, dump)
    assert read_from.items() <= summary.files[0].column_mapping.items()
    assert list(summary.files[0].passed_over) == passed_over


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"text": PROSE, "score": OTHER_STARS, "stars": STARS},
            r"'score' and 'stars' could each be 'score', and their values differ.*columns.*\{\"score\": \"stars\"\}",
        ),
        (
            {"review": PROSE, "content": PROSE[::-1], "stars": STARS},
            r"'review' and 'content' could each be 'text'.*\{\"text\": \"content\"\}",
        ),
        (
            {"review": ADDRESSES, "opinion": PROSE, "stars": STARS},
            r"'review' would be read as 'text' by its name, but holds web addresses, e.g. '\S+'\. Closest is 'opinion'",
        ),
    ],
    ids=["two scores", "two texts", "no text"],
)
def test_an_ambiguous_or_wrong_column_is_refused(tmp_path, store, columns, message) -> None:
    dump = written(tmp_path / "r.csv", table(**columns))
    with pytest.raises(SourceError, match=message):
        read(store, dump)


def test_the_mapping_settles_what_is_ambiguous(tmp_path, store) -> None:
    dump = written(tmp_path / "r.csv", table(text=PROSE, score=OTHER_STARS, stars=STARS))
    rows, _ = read(store, dump, columns={"score": "stars"})
    assert [row["score"] for row in rows] == list(map(int, STARS))


@pytest.mark.parametrize(
    ("columns", "suggestion"),
    [
        (
            {
                "reviewer_name": PROSE,
                "review_title": PROSE,
                "description": PROSE,
                "rating": STARS,
                "comment_id": COUNTS,
            },
            "'description'",
        ),
        ({"review": PROSE, "sentiment": [("positive", "negative")[number % 2] for number in ROWS]}, "'sentiment'"),
        ({"review": PROSE, "target": [("0", "4")[number % 2] for number in ROWS]}, "'target'"),
        ({"rating": STARS, "comment_id": COUNTS}, None),
        ({"opinia": PROSE, "opis": PROSE, "rating": STARS}, None),
        ({"review": PROSE, "verified": [str(number % 2) for number in ROWS]}, None),
        ({"review": PROSE, "age": [str(20 + number % 60) for number in ROWS]}, None),
    ],
    ids=["shop", "words", "sentiment140", "ids only", "two texts", "flags", "ages"],
)
def test_only_a_free_column_whose_values_fit_is_suggested(tmp_path, store, columns, suggestion) -> None:
    with pytest.raises(SourceError) as error:
        read(store, written(tmp_path / "r.csv", table(**columns)))
    closest = re.findall(r"Closest is (\S+)\.", str(error.value))
    assert closest == ([suggestion] if suggestion else [])
    assert ("its name in the dump" in str(error.value)) == (suggestion is None)


def test_an_empty_name_switches_a_column_off(tmp_path, store) -> None:
    dump = written(tmp_path / "r.csv", "Score,Text,Time,UserId\n5,a,yesterday,u\n")
    mapping = read_column_mapping(written(tmp_path / "map.yaml", "time:\nuser_id: ''\n"))
    rows, summary = read(store, dump, columns=mapping)
    assert (rows[0]["time"], rows[0]["user_id"]) == (None, None)
    assert summary.unknown_values == {}
    assert summary.files[0].column_mapping == {"text": "Text", "score": "Score"}


@pytest.mark.parametrize("mapping", sorted(MAPPINGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_mappings_that_ship_can_be_read(mapping) -> None:
    assert {"text", "score"} <= read_column_mapping(mapping).keys()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text: [a\n", "line 2 is not YAML"),
        ("just words", "is not a mapping"),
        ("", "is not a mapping"),
        ("text: 5\n", "'text': '5' is not a pair of names"),
        ("rewiew: x\n", "'rewiew' is not one of our columns"),
        ("x: !!python/object/apply:os.system [ls]\n", "is not YAML"),
    ],
)
def test_a_bad_mapping_file(tmp_path, content, message) -> None:
    with pytest.raises(ConfigurationError, match=message) as error:
        read_column_mapping(written(tmp_path / "map.yaml", content))
    assert "map.yaml" in str(error.value)


def test_a_mapping_file_that_does_not_exist() -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        read_column_mapping("nowhere.yaml")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_reviews_that_are_only_scored_need_no_stars(tmp_path, store, ending: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    dump = tmp_path / f"r.{ending}"
    if ending == "parquet":
        pq.write_table(pa.table({"Text": ["Fine tea."]}), dump)
    else:
        written(dump, "Text\nFine tea.\n" if ending == "csv" else '{"Text": "Fine tea."}\n')
    with pytest.raises(SourceError, match="No column for 'score'"):
        read(store, dump)
    config = DataConfig(dumps=(str(dump),))
    ingested = ingest(fetch(config, store, check_dump), config, store, stars=False)
    [row] = pq.read_table(store.folder(ingested) / "reviews.parquet").to_pylist()
    assert (row["text"], row["score"]) == ("Fine tea.", None)
