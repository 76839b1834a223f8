"""An exported model says of raw text what the judged model says of word ids, in this process and in a fresh one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import ArtifactError
from pipeline.scoring import ExportMismatchError, ExportSummary, ModelCard, PredictSummary, Scorer, checking, predict
from pipeline.scoring.records import PREDICTIONS_FILE
from tests.support import place
from tests.unit.scoring.conftest import build_world, place_training

pytest.importorskip("tensorflow")

SCORE_KERAS = """
from pipeline.scoring import Scorer
told = [float(p) for p in Scorer.load(Path(folder)).probabilities(texts)]
"""
SCORE_SAVED_MODEL = """
assert not any(name.split(".")[0] == "pipeline" for name in sys.modules)
model = tf.saved_model.load(folder + "/saved_model")
score = model.signatures["serving_default"](review=tf.constant(texts))["probability"].numpy().tolist()
ids = model.signatures["word_ids"](review=tf.constant(texts))["word_ids"].numpy().tolist()
try:
    import pipeline
    raise SystemExit("this process must not see the project's code")
except ImportError:
    told = {"probabilities": score, "ids": ids}
"""
IN_NEW_PROCESSES = """
import json, os, sys
from pathlib import Path
# Loaded once, and not used before the processes part.
import tensorflow as tf
folder, root, texts, *programs = json.loads(sys.stdin.read())
for program in programs:
    child = os.fork()
    if not child:
        exec(program)
        print(json.dumps(told), flush=True)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise SystemExit(status)
"""


def in_new_processes(folder: Path, texts: list[str], cwd: Path, *programs: str) -> list[Any]:
    """Return what each program tells; each has a process that has loaded TensorFlow and has not met the project."""
    root = Path(__file__).resolve().parents[3]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    ran = subprocess.run(
        [sys.executable, "-c", IN_NEW_PROCESSES], input=json.dumps([str(folder), str(root), texts, *programs]),
        env=environment, cwd=cwd, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    return [json.loads(line) for line in ran.stdout.splitlines()[-len(programs) :]]


def joined(review: dict) -> str:
    return f"{review['summary']} {review['text']}" if review["summary"] else review["text"]


def test_predictions_cover_validation_and_test_in_their_order(world):
    reference = world.predict()
    table = pq.read_table(world.store.folder(reference) / PREDICTIONS_FILE)
    assert table.schema == pa.schema(
        [("row", pa.int64()), ("split", pa.string()), ("label", pa.int8()), ("probability", pa.float32())]
    )
    expected = [review for part in ("validation", "test") for review in world.reviews if review["part"] == part]
    assert table["row"].to_pylist() == [review["row"] for review in expected]
    assert table["split"].to_pylist() == [review["part"] for review in expected]
    assert table["label"].to_pylist() == [review["label"] for review in expected]
    probability = table["probability"].to_numpy()
    assert ((probability > 0) & (probability < 1)).all()
    assert probability.std() > 0.01
    assert world.store.summary(reference, PredictSummary).rows == len(expected)


@pytest.mark.parametrize("kind", ["world", "article_world"])
def test_the_export_is_checked_on_every_test_row(kind, request):
    world = request.getfixturevalue(kind)
    summary = world.store.summary(world.export(), ExportSummary)
    assert summary.checked_rows == summary.identical_ids == len(world.test_reviews)
    assert summary.largest_difference < 1e-6
    assert summary.variant == world.variant.name
    assert summary.threshold == 0.4


@pytest.mark.parametrize(("kind", "files"), [("world", "exported"), ("article_world", "article_exported")])
def test_raw_text_gets_the_judged_probability(kind, files, request):
    world, folder = request.getfixturevalue(kind), request.getfixturevalue(files)
    table = pq.read_table(world.store.folder(world.predict()) / PREDICTIONS_FILE, filters=[("split", "=", "test")])
    scorer = Scorer.load(folder)
    summaries = [review["summary"] or "" for review in world.test_reviews] if world.text.include_summary else None
    scored = scorer.probabilities([review["text"] for review in world.test_reviews], summaries)
    np.testing.assert_allclose(scored, table["probability"].to_numpy(), atol=1e-6, rtol=0)


def test_new_processes_give_the_same_ids_and_probabilities(world, exported, tmp_path):
    texts = [joined(review).replace("\x00", " ") for review in world.test_reviews] + ["", "Zebra \u00e9 yak, gnu"]
    here = Scorer.load(exported).probabilities(texts)
    with_code, without_code = in_new_processes(exported, texts, tmp_path, SCORE_KERAS, SCORE_SAVED_MODEL)
    np.testing.assert_array_equal(np.float32(with_code), here)
    np.testing.assert_allclose(without_code["probabilities"], here, atol=1e-6, rtol=0)
    encoded = pq.read_table(world.store.folder(world.encoded) / "test.parquet")["ids"].to_pylist()
    found = [[number for number in row if number] for row in without_code["ids"]]
    assert found == [*encoded, [1], [1, 1, 1]]


def test_the_card_says_what_a_user_must_know(world, exported):
    card = ModelCard.model_validate_json((exported / "model.json").read_text())
    assert card.variant == world.variant.name
    assert card.title == "Both ways, seed 1"
    assert (card.threshold, card.normalization, card.include_summary) == (0.4, "default", True)
    assert (card.max_length, card.keep, card.padding, card.vocabulary_words) == (9, "last", "masked", 12)
    assert set(card.libraries) == {"python", "tensorflow", "keras", "numpy"}


def test_nothing_in_the_files_is_code_or_tells_of_this_machine(exported):
    files = [path for path in exported.rglob("*") if path.is_file() and path.name != "manifest.json"]
    with zipfile.ZipFile(exported / "model.keras") as archive:
        config = archive.read("config.json")
    for content in [config, *(path.read_bytes() for path in files)]:
        assert str(Path(__file__).resolve().parents[3]).encode() not in content
        assert str(exported.parent).encode() not in content
    assert b"Lambda" not in config
    assert not [path for path in files if path.suffix in {".pkl", ".pickle", ".joblib"}]


def test_a_text_rule_that_drifts_stops_the_export(world, monkeypatch):
    from pipeline.cleaning import rules

    drifted = tuple(rule for rule in rules.DEFAULT_RULES if rule.name != "n't")
    monkeypatch.setattr("pipeline.scoring.normalization.graph_rules", lambda _: drifted)
    with pytest.raises(ExportMismatchError, match=r"otherwise than the pipeline.*row \d+"):
        world.export(title="drifted")
    assert "drifted" not in str(list(Path(world.store.url).rglob("model.json")))


SAMPLE = checking.Sample(
    rows=[3, 6, 9, 12],
    reviews=["a b", "a", "b", ""],
    ids=[np.array(row, np.int32) for row in ([2, 3], [2], [3], [])],
    probabilities=np.float32([0.1, 0.2, 0.3, 0.4]),
)
READINGS = checking.Readings(
    ids=[np.array(row, np.int32) for row in ([2, 3, 0], [2, 0, 0], [3, 0, 0], [1, 0, 0])],
    probabilities=SAMPLE.probabilities + np.float32(2e-5),
)


def test_what_differs_by_rounding_and_padding_alone_agrees():
    agreement = checking.compare(SAMPLE, READINGS, "default")
    assert (agreement.rows, agreement.identical_ids) == (4, 4)
    assert agreement.largest_difference == pytest.approx(2e-5, rel=1e-2)


@pytest.mark.parametrize("found", [[2, 4, 0], [2, 0, 0], [2, 3, 3], [0, 2, 3], [2]])
@pytest.mark.parametrize("normalization", ["default", "article"])
def test_a_row_of_other_words_stops_the_export(found, normalization):
    readings = replace(READINGS, ids=[np.array(found, np.int32), *READINGS.ids[1:]])
    with pytest.raises(ExportMismatchError, match=r"1 of 4 checked test rows.*75\.00 % alike.*row 3"):
        checking.compare(SAMPLE, readings, normalization)


def test_few_rows_of_other_words_are_allowed_where_rules_only_approximate(monkeypatch):
    # Such a row's probability says nothing of the weights.
    readings = replace(
        READINGS,
        ids=[np.array([4], np.int32), *READINGS.ids[1:]],
        probabilities=READINGS.probabilities + np.float32([0.5, 0, 0, 0]),
    )
    monkeypatch.setitem(checking.LEAST_IDENTICAL_SHARE, "article", 0.75)
    agreement = checking.compare(SAMPLE, readings, "article")
    assert agreement.identical_ids == 3
    assert agreement.largest_difference < 1e-4


@pytest.mark.parametrize(("off", "said"), [(0.25, r"0\.25"), (2e-4, "0.0002"), (float("nan"), "nan")])
def test_predictions_of_another_training_stop_the_export(off, said):
    readings = replace(READINGS, probabilities=SAMPLE.probabilities + np.float32([0, off, 0, 0]))
    with pytest.raises(ExportMismatchError, match=f"differ by up to {said}.*row 6"):
        checking.compare(SAMPLE, readings, "default")


def test_predictions_without_a_test_row_are_named(world):
    table = pq.read_table(world.store.folder(world.predict()) / PREDICTIONS_FILE)
    short = place(
        world.store,
        "predict",
        PredictSummary(model="short", rows=0, seconds=0.0),
        tables={PREDICTIONS_FILE: table.slice(0, table.num_rows - 1)},
        label="short",
    )
    with pytest.raises(ArtifactError, match="1 of 30 checked test rows"):
        world.export(predicted=short)


def test_a_diverged_model_gives_no_predictions(world):
    from pipeline.training.prediction import load_model

    model = load_model(world.store.folder(world.trained))
    trained = place_training(world.store, world.variant, model, "diverged")
    broken = load_model(world.store.folder(trained))
    broken.layers[-1].bias.assign([float("nan")])
    broken.save(world.store.folder(trained) / "model.keras")
    with pytest.raises(ArtifactError, match="no probabilities"):
        predict(trained, world.encoded, world.store)


def test_recurrent_layers_are_traced_without_cudnn_and_get_it_back(world):
    import keras

    from pipeline.scoring.model import _without_cudnn
    from pipeline.training.prediction import load_model

    model = load_model(world.store.folder(world.trained))
    recurrent = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.LSTM)]
    assert len(recurrent) >= 2
    with _without_cudnn(model):
        assert [layer.use_cudnn for layer in recurrent] == [False] * len(recurrent)
    assert [layer.use_cudnn for layer in recurrent] == ["auto"] * len(recurrent)


@pytest.mark.parametrize("keep", ["first", "last"])
def test_the_end_that_is_kept_and_rows_that_are_dropped(keep):
    import tensorflow as tf

    from pipeline.scoring.layers import WordIds

    texts = tf.constant(["a b c d", "x b", "", "x", "d"])
    masked = WordIds("a b c d", unknown_id=1, max_length=3, keep=keep, pad_to_max_length=False, empty_id=1)
    kept = [2, 3, 4] if keep == "first" else [3, 4, 5]
    assert masked(texts).numpy().tolist() == [kept, [1, 3, 0], [1, 0, 0], [1, 0, 0], [5, 0, 0]]
    assert masked(texts[2:3]).numpy().tolist() == [[1]]
    closed = WordIds("a b c d", unknown_id=None, max_length=3, keep=keep, pad_to_max_length=True)
    kept = [1, 2, 3] if keep == "first" else [2, 3, 4]
    assert closed(texts).numpy().tolist() == [kept, [2, 0, 0], [0, 0, 0], [0, 0, 0], [4, 0, 0]]


def test_a_closed_vocabulary_behind_a_mask_reads_empty_rows_as_in_training(tmp_path):
    from pipeline.store import ArtifactStore

    world = build_world(
        ArtifactStore(str(tmp_path)), "article", slice(None), padding="masked", directions=("uni",), layers=(1,)
    )
    folder = world.store.folder(world.export())
    table = pq.read_table(world.store.folder(world.predict()) / PREDICTIONS_FILE).to_pylist()
    assert Scorer.load(folder).probabilities(["<br />"])[0] == pytest.approx(table[-1]["probability"], abs=1e-6)
