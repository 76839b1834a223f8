"""Real reviews: every row is read, with the known problems."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pyarrow.parquet as pq
import pytest

from pipeline.config import DataConfig
from pipeline.readers import IngestSummary, check_dump, ingest, read_column_mapping
from pipeline.readers.regular import RegularReader
from pipeline.readers.schema import REVIEW_SCHEMA
from pipeline.sources import fetch
from pipeline.store import ArtifactStore
from tests.factories import contents
from tests.unit.readers.factories import read

MAPPINGS = Path(__file__).resolve().parents[3] / "docs" / "examples" / "column_mappings"


def test_every_row_of_fine_foods_is_read(shared_data, store) -> None:
    rows, summary = read(store, shared_data / "fine_foods_a.csv.gz", shared_data / "fine_foods_b.csv.gz")
    assert [file.rows for file in summary.files] == [9_542, 10_632]
    assert (summary.problem_rows, summary.missing_columns, summary.notes) == (0, (), ())
    assert [row["row"] for row in rows] == list(range(20_174))
    assert rows[0]["id"] == 1
    assert sum(row["profile_name"] == "nan" for row in rows) == 1
    control = next(row for row in rows if row["id"] == 564997)
    assert not control["profile_name"].isprintable()
    assert sum((row["user_id"] or "").startswith("#oc-") for row in rows) > 0


def test_flipkart_is_read_with_its_mapping(shared_data, store) -> None:
    mapping = read_column_mapping(MAPPINGS / "flipkart.yaml")
    config = DataConfig(dumps=(str(shared_data / "flipkart_reviews.csv.gz"),), columns=mapping)
    ingested = ingest(fetch(config, store, check_dump), config, store)
    summary = store.summary(ingested, IngestSummary)
    assert (summary.rows, summary.problem_rows) == (205_052, 3)
    path = store.folder(ingested) / "reviews.parquet"
    assert pq.read_schema(path).equals(REVIEW_SCHEMA)
    problems = pq.read_table(
        path, columns=["line", "problem", "raw"], filters=[("problem", "in", ["bad_score"])]
    ).to_pylist()
    assert [problem["line"] for problem in problems] == [17_301, 175_897, 175_908]
    assert problems[1]["raw"].startswith("Bajaj DX 2 LW Dry Iron,Bajaj DX 2 LW Dry Iron,")


@pytest.mark.parametrize(("name", "columns"), [("fine_foods_a", None), ("flipkart_reviews", "flipkart.yaml")])
def test_the_same_dump_gives_the_same_bytes_also_if_every_record_is_read_on_its_own(
    shared_data, tmp_path, name, columns
) -> None:
    mapping = read_column_mapping(MAPPINGS / columns) if columns else {}
    config = DataConfig(dumps=(str(shared_data / f"{name}.csv.gz"),), columns=mapping)

    def ingested(folder: str) -> dict[str, bytes]:
        store = ArtifactStore(str(tmp_path / folder))
        return contents(store.folder(ingest(fetch(config, store, check_dump), config, store)))

    first = ingested("first")
    with mock.patch.object(RegularReader, "read", return_value=None):
        assert ingested("second") == first
