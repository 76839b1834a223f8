"""A window's reviews laid together are what one dump of the same rows would have been."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.cleaning import CleanSummary
from pipeline.config import RunConfig
from pipeline.dataset import DatasetPart, DumpBatch, merge, read_window
from pipeline.dataset.records import ClaimedFile
from pipeline.sources import FetchSummary
from pipeline.steps import Run
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.workflow import RunStoppedError
from tests.factories import HEADER, contents, place, reviews, write_csv
from tests.unit.dataset.factories import collected, run, settle

pytestmark = pytest.mark.usefixtures("_contracts_hold")

PARAMETERS = {"profile": "demo", "min_rows": 1, "min_class_share": 0.0, "num_workers": 1}
WITHOUT_ROW = ["id", "product_id", "user_id", "time", "score", "summary", "text", "label", "words"]


def table(store: ArtifactStore, reviews_artifact: ArtifactReference):
    return pq.read_table(store.folder(reviews_artifact) / "reviews.parquet")


def season(store: ArtifactStore, inbox: Path, *dumps: list[list[object]]):
    """Take the dumps one run after the other; return the last run's artifacts."""
    data = None
    for number, rows in enumerate(dumps):
        settle(write_csv(inbox / f"{number}.csv", rows))
        data = collected(run(store, f"run-{number}", **PARAMETERS))
    return data


def test_a_window_is_what_one_dump_would_have_been(inbox: Path, store: ArtifactStore, tmp_path: Path) -> None:
    rows = reviews(900)
    # The second dump repeats fifty reviews of the first, under new ids.
    copies = [[5_000 + row[0], *row[1:]] for row in rows[:50]]
    data = season(store, inbox, rows[:500], [*rows[500:], *copies])
    together = write_csv(tmp_path / "together.csv", [*rows, *copies])
    one = collected(Run(RunConfig.from_flat({**PARAMETERS, "dumps": [str(together)]}), store, "one"))
    merged, single = table(store, data["build_dataset"]), table(store, one["build_dataset"])
    assert merged.schema.equals(single.schema)
    assert merged.select(WITHOUT_ROW).equals(single.select(WITHOUT_ROW))
    assert store.manifest(data["build_dataset"]).rows.excluded == {"repeated_across_dumps": 50}
    summary = store.summary(data["build_dataset"], CleanSummary)
    assert (summary.positive, summary.negative) == (
        merged["label"].to_pylist().count(1),
        merged["label"].to_pylist().count(0),
    )


def test_rows_keep_a_number_of_their_own_and_copies_name_their_dump(inbox: Path, store: ArtifactStore) -> None:
    rows = reviews(300)
    data = season(store, inbox, rows[:200], [*rows[200:], *([9_000 + row[0], *row[1:]] for row in rows[:20])])
    merged = table(store, data["build_dataset"])
    numbers = merged["row"].to_pylist()
    assert len(set(numbers)) == len(numbers) == 300
    gone = pq.read_table(store.folder(data["build_dataset"]) / "excluded.parquet").to_pylist()
    assert [row["row_in_dump"] for row in gone] == list(range(100, 120))
    assert {row["fetched"] for row in gone} == {data["fetch"].key}
    assert {row["row"] for row in gone}.isdisjoint(numbers)
    window = read_window(data["build_dataset"], store)
    assert [(dump.rows, dump.repeated) for dump in window.dumps] == [(200, 0), (120, 20)]
    digests = [file.sha256 for dump in window.dumps for file in dump.files]
    assert store.manifest(data["build_dataset"]).params["dumps"] == [[digest] for digest in digests]
    assert store.summary(data["fetch"], FetchSummary).files[0].sha256 == digests[-1]


@pytest.mark.parametrize(
    ("window", "expected"), [({"window": "last", "window_dumps": 2}, 200), ({"window": "all"}, 300)]
)
def test_the_window_has_the_configured_batches(
    inbox: Path, store: ArtifactStore, window: dict[str, object], expected: int
) -> None:
    rows = reviews(300)
    for number in range(3):
        settle(write_csv(inbox / f"{number}.csv", rows[100 * number :][:100]))
        data = collected(run(store, f"run-{number}", **PARAMETERS, **window))
    assert len(table(store, data["build_dataset"])) == expected


def test_an_earlier_dump_is_neither_read_nor_cleaned_again(
    inbox: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = reviews(400)
    season(store, inbox, rows[:200])
    made = set((Path(store.url) / "artifacts" / "clean").iterdir())
    data = season(store, inbox, rows[:200], rows[200:])
    new = set((Path(store.url) / "artifacts" / "clean").iterdir()) - made
    assert {path.name for path in new} == {data["clean"].key}


def test_without_deduplication_copies_stay(inbox: Path, store: ArtifactStore) -> None:
    rows = reviews(100)
    settle(write_csv(inbox / "a.csv", rows))
    collected(run(store, "a", **PARAMETERS, deduplicate=False))
    settle(write_csv(inbox / "b.csv", [[500 + row[0], *row[1:]] for row in rows]))
    data = collected(run(store, "b", **PARAMETERS, deduplicate=False))
    assert len(table(store, data["build_dataset"])) == 200


def test_the_same_window_gives_the_same_bytes(inbox: Path, tmp_path: Path) -> None:
    rows = reviews(200)
    found = []
    for name in ("one", "two"):
        store = ArtifactStore(str(tmp_path / name))
        data = season(store, inbox, rows[:100], rows[100:])
        files = contents(store.folder(data["build_dataset"]))
        # When something was taken is the one thing that differs.
        files.pop("window.json")
        found.append((data["build_dataset"], files))
        for file in inbox.iterdir():
            file.unlink()
    assert found[0] == found[1]


def part_of_window(store: ArtifactStore, number: int, rows: list[int]) -> DatasetPart:
    """Return a batch of these reviews as ``clean`` leaves them; an id says which copy it is."""
    source = sorted(rows, key=lambda row: f"B{row % 3}")
    cleaned = pa.table(
        {
            "row": pa.array(source, pa.int64()),
            "id": pa.array([1000 * number + row for row in source], pa.int64()),
            "product_id": [f"B{row % 3}" for row in source],
            "user_id": [f"U{row}" for row in source],
            "time": pa.array([row // 2 for row in source], pa.int64()),
            "text": pa.array([f"text {row}" if row % 5 else None for row in source], pa.string()),
            "label": pa.array([row % 2 for row in source], pa.int8()),
            "words": [f"word {row}" for row in source],
        }
    )
    summary = CleanSummary(
        normalization="default", summary_joined=True, stop_words_sha256="", steps=(), positive=0, negative=0, notes=()
    )
    label = f"{number} {rows}"
    fetched = place(store, "fetch", FetchSummary(files=(), demo=False), label=label)
    batch = DumpBatch(
        run_name=str(number),
        received_at=datetime(2026, 1, 1 + number, tzinfo=UTC),
        outcome="accepted",
        files=(ClaimedFile(name=f"{number}.csv", sha256=f"{number:064}", bytes=1),),
        demo=False,
        fetched=fetched,
    )
    artifact = place(store, "clean", summary, tables={"reviews.parquet": cleaned}, label=label)
    return DatasetPart(batch=batch, cleaned=artifact, ingested_rows=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=8, unique=True), min_size=2, max_size=4))
def test_the_first_copy_wins_and_none_is_lost(store: ArtifactStore, dumps: list[list[int]]) -> None:
    parts = [part_of_window(store, number, rows) for number, rows in enumerate(dumps)]
    merged = merge(parts, store, deduplicate=True)
    found = table(store, merged).to_pylist()
    expected = {row: number for number, rows in reversed(list(enumerate(dumps))) for row in rows}
    assert {review["id"] % 1000: review["id"] // 1000 for review in found} == expected
    assert all(review["words"] == f"word {review['id'] % 1000}" for review in found)
    order = [(review["product_id"], review["id"], review["row"]) for review in found]
    assert order == sorted(order)
    assert all(review["row"] == 12 * (review["id"] // 1000) + review["id"] % 1000 for review in found)
    excluded = pq.read_table(store.folder(merged) / "excluded.parquet")
    assert len(excluded) + len(found) == sum(map(len, dumps))


def test_dumps_without_users_lose_copies_by_text_alone(inbox: Path, store: ArtifactStore) -> None:
    keep = [HEADER.index(name) for name in ("Id", "ProductId", "Score", "Text")]
    rows = [[row[index] for index in keep] for row in reviews(120)]
    for name, part in (("a", rows[:100]), ("b", [[900, *rows[0][1:]], *rows[100:]])):
        settle(write_csv(inbox / f"{name}.csv", part, [HEADER[index] for index in keep]))
        data = collected(run(store, name, **PARAMETERS))
    assert len(table(store, data["build_dataset"])) == 120


def test_short_texts_of_unknown_people_are_copies_only_with_equal_ids(inbox: Path, store: ArtifactStore) -> None:
    keep = [HEADER.index(name) for name in ("Id", "ProductId", "Score", "Text")]
    rows = [[row[index] for index in keep] for row in reviews(120)]
    good = [[7001, "B1", 5, "Good"], [7002, "B1", 5, "Good"], [7001, "B1", 5, "Good"]]
    for name, part in (("a", [*rows[:100], good[0]]), ("b", [*rows[100:], *good[1:]])):
        settle(write_csv(inbox / f"{name}.csv", part, [HEADER[index] for index in keep]))
        data = collected(run(store, name, **PARAMETERS))
    found = table(store, data["build_dataset"])
    assert [review["id"] for review in found.to_pylist() if review["text"] == "Good"] == [7001, 7002]
    assert len(found) == 122


def test_a_missing_part_is_named(inbox: Path, store: ArtifactStore) -> None:
    rows = reviews(200)
    data = season(store, inbox, rows[:100])
    (store.folder(data["validate_raw"]) / "manifest.json").unlink()
    settle(write_csv(inbox / "b.csv", rows[100:]))
    with pytest.raises(RunStoppedError, match="holds no complete artifact"):
        collected(run(store, "b", **PARAMETERS))


def test_real_dumps(shared_data: Path, inbox: Path, store: ArtifactStore) -> None:
    for name in ("a", "b"):
        settle(Path(shutil.copy(shared_data / f"fine_foods_{name}.csv.gz", inbox)))
        data = collected(run(store, name))
    both = [str(shared_data / f"fine_foods_{name}.csv.gz") for name in ("a", "b")]
    one = collected(Run(RunConfig.from_flat({"profile": "demo", "dumps": both}), store, "one"))
    merged, single = (
        set(zip(*(found[name].to_pylist() for name in ("user_id", "time", "text")), strict=True))
        for found in (table(store, data["build_dataset"]), table(store, one["build_dataset"]))
    )
    assert merged == single
    # One dump also tells apart what a user wrote under two profile names; that column is gone after cleaning.
    assert 0 <= len(table(store, one["build_dataset"])) - len(table(store, data["build_dataset"])) < 10
