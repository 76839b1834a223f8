"""Column mapping: built-in names, the mapping of the user, and errors."""

from __future__ import annotations

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
        ({"text": " "}, "'text' is mapped to an empty name"),
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
