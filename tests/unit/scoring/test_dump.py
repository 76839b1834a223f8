"""A dump is scored shard by shard as the exported model scores it, and no row is lost on the way."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.config import DataConfig
from pipeline.errors import ArtifactError, ConfigurationError
from pipeline.promotion.champions import ChampionModel, NoChampionError, change_champion
from pipeline.readers import check_dump, ingest
from pipeline.scoring import (
    BulkScorer,
    Scorer,
    Shard,
    choose_model,
    find_export,
    load_scorer,
    plan_shards,
    publish_predictions,
    score_dump,
    score_shard,
)
from pipeline.scoring.shards import rows_of
from pipeline.sources import fetch
from pipeline.store import ArtifactReference, ArtifactStore
from tests.support import contents, write_csv
from tests.unit.scoring.conftest import World, build_world, make_reviews

pytest.importorskip("tensorflow")
CHECKOUT = Path(__file__).resolve().parents[3]

HOSTILE = [
    "",
    " ",
    "\x00",
    "love\ud83d tea",
    "<br />",
    "<" * 500,
    "& &amp; &amp;amp; &#39; &#x110000; &lt;b&gt;",
    "a<b <i>love</i <b",
    "K\u212a \u0130 \u017f won\u2019t WON'T \u00e2\u20ac\u2122t",
    "\u202e evol \u200b tea\u00a0coffee\u3000great\u2028sauce\x1cbread\x85milk",
    "love" * 5_000,
    "not " * 400,
    "http://x.y/<br>great www.love.com\ntea",
    "\U0001f600 \u8336 5 stars \u0664\u0665",
    "=cmd|' /C calc'!A0",
    f"awful {'x' * 100_500} love great tea",
]


def scored_rows(world: World) -> list[list[object]]:
    """Return reviews in the Kaggle schema, some of them awkward."""
    rows: list[list[object]] = []
    for number, review in enumerate(make_reviews()):
        text = review["text"].replace("\x00", "")
        rows.append([number + 1, "B1", f"U{number}", "", 0, 0, 1 + number % 5, 1_300_000_000, review["summary"], text])
    rows[3][6] = "many"  # a bad score: not looked at
    rows[4][9] = "  "  # no text
    rows[5][7] = "yesterday"  # a bad time: not looked at
    return rows


@pytest.fixture(scope="module")
def ingested(world: World, tmp_path_factory: pytest.TempPathFactory) -> ArtifactReference:
    """90 reviews in the world's own store, one of them without text, and a line that is no record."""
    dump = write_csv(tmp_path_factory.mktemp("dump") / "Reviews.csv", scored_rows(world))
    with dump.open("a", encoding="utf-8") as stream:
        stream.write("only,three,columns\n")
    return ingest(fetch(DataConfig(dumps=(str(dump),)), world.store, check_dump), DataConfig(), world.store)


def probabilities(place: str) -> list[float]:
    return pq.read_table(place)["probability"].to_pylist()


# ---- The same words, the same probabilities ----


@pytest.mark.parametrize("kind", ["world", "article_world"])
def test_hostile_texts_are_read_as_the_exported_model_reads_them(kind: str, request: pytest.FixtureRequest) -> None:
    world: World = request.getfixturevalue(kind)
    folder = world.store.folder(world.export())
    texts = [*(review["text"] for review in world.reviews), *HOSTILE]
    if kind == "article_world":
        # The graph stands in for an HTML parser, and differs on broken markup; docs/how-to/score_reviews.md.
        texts = [text for text in texts if "<" not in text and "&" not in text and "\x1c" not in text]
    expected = Scorer.load(folder).probabilities(texts)
    np.testing.assert_allclose(BulkScorer.load(folder).probabilities(texts), expected, atol=1e-5, rtol=0)
    assert np.ptp(expected) > 0.1


def test_word_ids_are_those_of_the_exported_model(world: World, exported: Path, shared_data: Path) -> None:
    import csv

    import tensorflow as tf

    with gzip.open(shared_data / "fine_foods_a.csv.gz", "rt", encoding="utf-8", newline="") as stream:
        texts = [f"{record['Summary']} {record['Text']}" for record in csv.DictReader(stream)][:2_000]
    texts += [text for text in HOSTILE if len(text) <= 100_000]
    served = tf.saved_model.load(str(exported / "saved_model")).signatures["word_ids"]
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    expected = served(review=tf.constant(encoded))["word_ids"].numpy()
    sequences, _ = BulkScorer.load(exported).encode(texts)
    for number, row in enumerate(expected):
        found = sequences.ids[sequences.offsets[number] : sequences.offsets[number + 1]]
        np.testing.assert_array_equal(found, row[row != 0], err_msg=repr(texts[number][:80]))


def test_real_reviews_are_scored_as_the_exported_model_scores_them(exported: Path, shared_data: Path) -> None:
    import csv

    with gzip.open(shared_data / "fine_foods_b.csv.gz", "rt", encoding="utf-8", newline="") as stream:
        records = list(csv.DictReader(stream))[:3_000]
    texts, summaries = ([record[name] for record in records] for name in ("Text", "Summary"))
    expected = Scorer.load(exported).probabilities(texts, summaries)
    np.testing.assert_allclose(BulkScorer.load(exported).probabilities(texts, summaries), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("direction", "activation", "layers"), [("uni", "relu", 2), ("bi", "gelu", 2)])
def test_onnx_runtime_gives_the_same_probabilities(
    direction: str, activation: str, layers: int, tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    world = build_world(
        ArtifactStore(str(tmp_path)), "default", slice(0, 12),
        directions=(direction,), layers=(layers,), activation=(activation,),
    )  # fmt: skip
    folder = world.store.folder(world.export())
    scorer = BulkScorer.load(folder)
    assert scorer.runtime.startswith("onnxruntime ")
    texts = [*(review["text"] for review in world.reviews), *HOSTILE]
    np.testing.assert_allclose(scorer.probabilities(texts), Scorer.load(folder).probabilities(texts), atol=1e-5, rtol=0)


def test_tensorflow_is_used_where_onnx_runtime_is_not_installed(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["love tea", "awful coffee", ""]
    before = BulkScorer.load(exported).probabilities(texts)
    monkeypatch.setattr("pipeline.scoring.bulk.find_spec", lambda _: None)
    scorer = BulkScorer.load(exported)
    assert scorer.runtime.startswith("tensorflow ")
    np.testing.assert_allclose(scorer.probabilities(texts), before, atol=1e-5, rtol=0)


def test_windows_keep_their_order(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{'awful' if number % 3 else 'love'} {'tea ' * (number % 7)}" for number in range(40)]
    scorer = BulkScorer.load(exported)
    whole = scorer.probabilities(texts)
    monkeypatch.setattr("pipeline.scoring.bulk.WINDOW_ROWS", 7)
    np.testing.assert_allclose(scorer.probabilities(texts), whole, atol=1e-6, rtol=0)
    assert scorer.probabilities([]).shape == (0,)


def test_an_export_keeps_its_own_text_rules(
    exported: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    texts = ["I love this tea", "NOT good at all"]
    before = Scorer.load(exported).probabilities(texts)
    # The project has moved on: by its rules of today every word is dropped.
    monkeypatch.setattr("pipeline.scoring.bulk.stop_words", lambda _: ("love",))
    monkeypatch.setattr("pipeline.scoring.bulk.normalize_many", lambda texts, _: ["" for _ in texts])
    np.testing.assert_allclose(BulkScorer.load(exported).probabilities(texts), before, atol=1e-5, rtol=0)
    assert "older rules" in caplog.text


def test_the_share_of_unknown_words(exported: Path) -> None:
    scorer = BulkScorer.load(exported)
    known = scorer.vocabulary.words[0]
    (answer,) = scorer.score([[known, f"{known} zzzunheard", "zzzunheard zzzofit", "", "\u8336"]])
    np.testing.assert_allclose(answer.unknown_word_share, [0, 0.5, 1, 1, 1])


def test_the_share_of_unknown_words_where_they_are_dropped(article_exported: Path) -> None:
    scorer = BulkScorer.load(article_exported)
    known = scorer.vocabulary.words[0]
    (answer,) = scorer.score([[known, f"{known} zzzunheard", "zzzunheard zzzofit", ""]])
    np.testing.assert_allclose(answer.unknown_word_share, [0, 0.5, 1, 1])


def test_a_damaged_model_is_named(exported: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exported, copy)
    (copy / "model.keras").write_bytes(b"PK no zip")
    with pytest.raises(ArtifactError, match="cannot be read as an exported model"):
        BulkScorer.load(copy)
    with zipfile.ZipFile(copy / "model.keras", "w") as archive:
        archive.writestr("config.json", "[" * 100_000)
    with pytest.raises(ArtifactError, match="cannot be read as an exported model"):
        BulkScorer.load(copy)


# ---- Shards ----


def test_every_row_is_scored_or_set_aside_with_its_reason(world: World, ingested: ArtifactReference) -> None:
    published = score_dump(world.export(), ingested, "../../etc", world.store, rows_per_shard=40)
    place = Path(published.predictions)
    assert place.parent.parent == Path(world.store.url) / "predictions"
    table = pq.read_table(place)
    aside = pq.read_table(place.with_name("excluded.parquet")).to_pylist()
    assert [(item["row"], item["reason"]) for item in aside] == [(4, "empty_text"), (90, "unparseable")]
    assert aside[1]["line"] > 90
    assert aside[1]["detail"]
    assert table["row"].to_pylist() == [row for row in range(90) if row != 4]
    assert table["id"].to_pylist() == [row + 1 for row in range(90) if row != 4]
    assert {str(field.type) for field in table.schema} == {"int64", "float", "int8", "string"}
    summary = json.loads(place.with_name("summary.json").read_text())
    assert summary["rows_in"] == 91 == summary["rows"] + sum(summary["excluded"].values())
    assert summary["excluded"] == {"empty_text": 1, "unparseable": 1}
    assert summary["positive"] == sum(table["label"].to_pylist())
    assert summary["files"] == [{"name": "Reviews.csv", "rows": 91}]
    shares = np.sort(table["unknown_word_share"].to_numpy())
    assert summary["unknown_words"]["mean"] == pytest.approx(shares.mean(), abs=1e-5)
    assert summary["unknown_words"]["percentile_95"] == pytest.approx(shares[int(np.ceil(89 * 0.95)) - 1], abs=1e-5)


def test_predictions_are_the_models_own(world: World, exported: Path, ingested: ArtifactReference) -> None:
    table = pq.read_table(score_dump(world.export(), ingested, "own", world.store, rows_per_shard=30).predictions)
    source = pq.read_table(world.store.folder(ingested) / "reviews.parquet").take(table["row"].combine_chunks())
    summaries = [summary or "" for summary in source["summary"].to_pylist()]
    expected = Scorer.load(exported).probabilities(source["text"].to_pylist(), summaries)
    np.testing.assert_allclose(table["probability"].to_numpy(), expected, atol=1e-5, rtol=0)
    assert table["label"].to_pylist() == [int(value >= 0.4) for value in table["probability"].to_pylist()]
    assert set(table["model_version"].to_pylist()) == {f"export/{exported.name}"}


def test_shards_read_only_their_rows(world: World, ingested: ArtifactReference, tmp_path: Path) -> None:
    table = pq.read_table(world.store.folder(ingested) / "reviews.parquet")
    pq.write_table(table, tmp_path / "grouped.parquet", row_group_size=8)
    shards = plan_shards(ingested, world.store, 20).shards
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
    monkeypatch.setattr("pipeline.scoring.shards.MOST_SHARDS", 10)
    with pytest.raises(ConfigurationError, match="set it to 10 or more"):
        plan_shards(ingested, world.store, 9)
    assert len(plan_shards(ingested, world.store, 10).shards) == 10


def test_a_shard_beyond_the_dump_is_refused(world: World, ingested: ArtifactReference) -> None:
    with pytest.raises(ArtifactError, match="plan and score again"):
        score_shard(world.export(), ingested, Shard(first_row=80, rows=50), world.store)


def test_shards_that_leave_rows_out_are_not_published(world: World, ingested: ArtifactReference) -> None:
    exported = world.export()
    shards = [
        score_shard(exported, ingested, shard, world.store) for shard in plan_shards(ingested, world.store, 40).shards
    ]
    for wrong in (shards[:2], shards[1:], [shards[0], shards[0], shards[2]]):
        with pytest.raises(ArtifactError, match=r"fit together|end at row"):
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


# ---- Which model ----


def test_the_champion_is_found_by_that_name(world: World, exported: Path, tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "store"))
    with pytest.raises(NoChampionError, match="has no champion yet"):
        load_scorer("champion", store)
    shutil.copytree(exported, tmp_path / "store" / "artifacts" / "export" / exported.name)
    found = ArtifactReference(stage="export", key=exported.name)
    model = ChampionModel.model_construct(exported=found)
    fields = {
        name: found for name, field in ChampionModel.model_fields.items() if field.annotation is ArtifactReference
    }
    model = ChampionModel(**{**fields, "name": "bi-seed1", "title": "Both ways", "run_name": "first", "demo": False})
    change_champion(store, model, kind="force", replacing=0, who="a person", why="a test", run_name="first")
    assert find_export("champion", store) == choose_model("champion", store) == found
    assert load_scorer("champion", store).threshold == 0.4
    shutil.rmtree(tmp_path / "store" / "artifacts" / "export" / exported.name)
    with pytest.raises(ArtifactError, match="does not hold"):
        choose_model("champion", store)


def test_a_model_is_chosen_by_its_folder(world: World, exported: Path, tmp_path: Path) -> None:
    inside = ArtifactReference(stage="export", key=exported.name)
    assert choose_model(str(exported), world.store) == inside
    assert choose_model(str(exported / "model.keras"), world.store) == inside
    assert choose_model(exported.name[:8], world.store) == inside
    copied = shutil.copytree(exported, tmp_path / "copied")
    adopted = choose_model(str(copied), world.store)
    assert adopted.stage == "adopt_export"
    assert choose_model(str(copied / "saved_model"), world.store) == adopted
    assert BulkScorer.load(world.store.folder(adopted)).threshold == 0.4


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
from pipeline.scoring import bulk, score_dump
from pipeline.store import ArtifactReference, ArtifactStore
original, calls = bulk.BulkScorer.score, []
def score(self, windows):
    calls.append(1)
    for answer in original(self, windows):
        if len(calls) == 2:
            print("in the second shard", flush=True)
            threading.Event().wait()
        yield answer
bulk.BulkScorer.score = score
exported, ingested = (ArtifactReference.model_validate_json(text) for text in (
    {exported.model_dump_json()!r}, {ingested.model_dump_json()!r}))
score_dump(exported, ingested, "run", ArtifactStore({store.url!r}), 25)
"""
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
