"""A dump is scored shard by shard, and no row is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import DataConfig
from pipeline.errors import ArtifactError, ConfigurationError
from pipeline.readers import check_dump, ingest
from pipeline.scoring import (
    Scorer,
    Shard,
    plan_shards,
    publish_predictions,
    score_dump,
    score_shard,
)
from pipeline.scoring.shards import rows_of
from pipeline.sources import fetch
from pipeline.store import ArtifactReference, ArtifactStore
from tests.factories import contents, write_csv
from tests.unit.scoring.factories import World, make_reviews

CHECKOUT = Path(__file__).resolve().parents[3]


def scored_rows(world: World) -> list[list[object]]:
    """Return reviews in the Kaggle schema, some of them awkward."""
    rows: list[list[object]] = []
    for number, review in enumerate(make_reviews()):
        text = review["text"].replace("\x00", "")
        rows.append([number + 1, "B1", f"U{number}", "", 0, 0, 1 + number % 5, 1_300_000_000, review["summary"], text])
    rows[3][6] = "many"  # a bad score, which is ignored
    rows[4][9] = "  "  # no text
    rows[5][7] = "yesterday"  # a bad time, which is ignored
    return rows


@pytest.fixture(scope="module")
def ingested(world: World, tmp_path_factory: pytest.TempPathFactory) -> ArtifactReference:
    """90 reviews in the world's own store, one of them without text, and a line that is not a record."""
    dump = write_csv(tmp_path_factory.mktemp("dump") / "Reviews.csv", scored_rows(world))
    with dump.open("a", encoding="utf-8") as stream:
        stream.write("only,three,columns\n")
    return ingest(fetch(DataConfig(dumps=(str(dump),)), world.store, check_dump), DataConfig(), world.store)


# ---- Shards ----


def test_every_row_is_scored_or_excluded_with_its_reason(world: World, ingested: ArtifactReference) -> None:
    published = score_dump(world.export(), ingested, "../../etc", world.store, rows_per_shard=40)
    place = Path(published.predictions)
    assert place.parent.parent == Path(world.store.url) / "predictions"
    table = pq.read_table(place)
    excluded = pq.read_table(place.with_name("excluded.parquet")).to_pylist()
    assert [(item["row"], item["reason"]) for item in excluded] == [(4, "empty_text"), (90, "unparseable")]
    assert excluded[1]["line"] > 90
    assert excluded[1]["detail"]
    assert table["row"].to_pylist() == [row for row in range(90) if row != 4]
    assert table["id"].to_pylist() == [row + 1 for row in range(90) if row != 4]
    assert {str(field.type) for field in table.schema} == {"int64", "float", "int8", "string"}
    summary = json.loads(place.with_name("summary.json").read_text())
    assert summary["rows_in"] == 91 == summary["rows"] + sum(summary["excluded"].values())
    assert summary["excluded"] == {"empty_text": 1, "unparseable": 1}
    labels = table["label"].to_pylist()
    assert summary["positive"] == labels.count(1)
    answers = table["sentiment"].to_pylist()
    assert (summary["unsure"], summary["unknown"]) == (answers.count("unsure"), answers.count("unknown"))
    assert summary["positive_share"] == pytest.approx(labels.count(1) / (89 - labels.count(None)), abs=1e-5)
    # Without a known word there is neither probability nor label.
    nothing_known = [share == 1 for share in table["unknown_word_share"].to_pylist()]
    assert 0 < sum(nothing_known) == summary["unknown_words"]["without_known_word"]
    for column, missing in (("label", None), ("probability", None), ("sentiment", "unknown")):
        assert [value == missing for value in table[column].to_pylist()] == nothing_known
    assert summary["files"] == [{"name": "Reviews.csv", "rows": 91}]
    shares = np.sort(table["unknown_word_share"].to_numpy())
    assert summary["unknown_words"]["mean"] == pytest.approx(shares.mean(), abs=1e-5)
    assert summary["unknown_words"]["percentile_95"] == pytest.approx(shares[int(np.ceil(89 * 0.95)) - 1], abs=1e-5)


def test_predictions_are_the_models_own(world: World, exported: Path, ingested: ArtifactReference) -> None:
    table = pq.read_table(score_dump(world.export(), ingested, "own", world.store, rows_per_shard=30).predictions)
    source = pq.read_table(world.store.folder(ingested) / "reviews.parquet").take(table["row"].combine_chunks())
    summaries = [summary or "" for summary in source["summary"].to_pylist()]
    expected = Scorer.load(exported).probabilities(source["text"].to_pylist(), summaries)
    probabilities = table["probability"].to_pylist()
    known = [value is not None for value in probabilities]
    np.testing.assert_allclose(table["probability"].filter(pa.array(known)), expected[known], atol=1e-5, rtol=0)
    assert table["label"].to_pylist() == [None if value is None else int(value >= 0.5) for value in probabilities]
    assert set(table["model_version"].to_pylist()) == {f"export/{exported.name}"}


def test_shards_read_only_their_rows(world: World, ingested: ArtifactReference, tmp_path: Path) -> None:
    table = pq.read_table(world.store.folder(ingested) / "reviews.parquet")
    pq.write_table(table, tmp_path / "grouped.parquet", row_group_size=8)
    shards = plan_shards(ingested, world.store, 20)
    assert [shard.rows for shard in shards] == [20, 20, 20, 20, 11]
    rows = [
        [row for batch in rows_of(tmp_path / "grouped.parquet", shard) for row in batch["row"].to_pylist()]
        for shard in shards
    ]
    assert [row for part in rows for row in part] == list(range(91))
    assert rows[1] == list(range(20, 40))


def test_too_many_shards_are_refused(
    world: World, ingested: ArtifactReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.scoring.shards.MAX_SHARDS", 10)
    with pytest.raises(ConfigurationError, match="set it to 10 or more"):
        plan_shards(ingested, world.store, 9)
    assert len(plan_shards(ingested, world.store, 10)) == 10


def test_a_shard_beyond_the_dump_is_refused(world: World, ingested: ArtifactReference) -> None:
    with pytest.raises(ArtifactError, match="plan and score again"):
        score_shard(world.export(), ingested, Shard(first_row=80, rows=50), world.store)


def test_shards_that_leave_rows_out_are_not_published(world: World, ingested: ArtifactReference) -> None:
    exported = world.export()
    shards = [score_shard(exported, ingested, shard, world.store) for shard in plan_shards(ingested, world.store, 40)]
    for wrong in (shards[:2], shards[1:], [shards[0], shards[0], shards[2]]):
        with pytest.raises(ArtifactError, match=r"not consecutive|end at row"):
            publish_predictions(wrong, "wrong", world.store)
    with pytest.raises(ArtifactError, match="no scored shard"):
        publish_predictions([], "wrong", world.store)
    assert not (Path(world.store.url) / "predictions" / "wrong").exists()
    assert publish_predictions(shards[::-1], "right", world.store).summary.rows == 89


def test_publishing_again_replaces_the_predictions_whole(world: World, ingested: ArtifactReference) -> None:
    one = score_dump(world.export(), ingested, "again", world.store, rows_per_shard=40)
    folder = Path(one.predictions).parent
    before = contents(folder)
    score_dump(world.export(), ingested, "again", world.store, rows_per_shard=40)
    assert contents(folder) == before
    assert [entry.name for entry in folder.parent.iterdir() if entry.name.startswith(".")] == []


# ---- A kill ----


def test_a_killed_scoring_goes_on_where_it_stopped(
    world: World, exported: Path, ingested: ArtifactReference, tmp_path: Path
) -> None:
    """One process is killed in its second shard; the next one's file is that of an undisturbed run, byte for byte."""
    exported_as = ArtifactReference(stage="export", key=exported.name)
    undisturbed, killed = (_store_with(world, exported_as, ingested, tmp_path / name) for name in ("one", "two"))
    expected = contents(Path(score_dump(exported_as, ingested, "run", undisturbed, 25).predictions).parent)
    process = _scoring(killed, exported_as, ingested)
    scored = Path(killed.url) / "artifacts" / "score"
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "in the second shard"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    done = {path.name: (path / "manifest.json").read_bytes() for path in scored.iterdir()}
    assert len(done) == 1
    assert not (Path(killed.url) / "predictions").exists()
    published = score_dump(exported_as, ingested, "run", killed, 25)
    assert contents(Path(published.predictions).parent) == expected
    assert len(list(scored.iterdir())) == 4
    assert all((scored / name / "manifest.json").read_bytes() == before for name, before in done.items())


def _store_with(world: World, *artifacts: object) -> ArtifactStore:
    *references, root = artifacts
    store = ArtifactStore(str(root))
    for reference in references:
        assert isinstance(reference, ArtifactReference)
        shutil.copytree(world.store.folder(reference), Path(store.url) / "artifacts" / reference.stage / reference.key)
    return store


def _scoring(store: ArtifactStore, exported: ArtifactReference, ingested: ArtifactReference) -> subprocess.Popen[str]:
    """Start a process that scores shards of 25 rows and hangs inside the second."""
    program = f"""
import threading
from pipeline.scoring import Scorer, score_dump
from pipeline.store import ArtifactReference, ArtifactStore
original, calls = Scorer.score, []
def score(self, windows):
    calls.append(1)
    for answer in original(self, windows):
        if len(calls) == 2:
            print("in the second shard", flush=True)
            threading.Event().wait()
        yield answer
Scorer.score = score
exported, ingested = (ArtifactReference.model_validate_json(text) for text in (
    {exported.model_dump_json()!r}, {ingested.model_dump_json()!r}))
score_dump(exported, ingested, "run", ArtifactStore({store.url!r}), 25)
"""
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
