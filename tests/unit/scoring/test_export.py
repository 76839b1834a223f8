"""An exported model scores raw text like the evaluated model scores word ids, in this process and in a new one."""

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

from pipeline.errors import ArtifactError, ConfigurationError
from pipeline.scoring import (
    ExportedModel,
    ExportMismatchError,
    ExportSummary,
    PredictSummary,
    Scorer,
    checking,
    predict,
)
from pipeline.scoring.calibration import Calibration
from pipeline.scoring.records import PREDICTIONS_FILE
from tests.factories import place
from tests.unit.scoring.factories import build_world, keras_probabilities, place_training
from tests.unit.training.factories import pairs, variant

SCORE_SAVED_MODEL = """
import json, os, sys
sys.path = [place for place in sys.path if not os.path.isdir(os.path.join(place, "pipeline"))]
import importlib.util, tensorflow as tf
assert importlib.util.find_spec("pipeline") is None
folder, texts = json.loads(sys.stdin.read())
signatures = tf.saved_model.load(folder + "/saved_model").signatures
probabilities = signatures["serving_default"](review=tf.constant(texts))["probability"].numpy().tolist()
ids = signatures["word_ids"](review=tf.constant(texts))["word_ids"].numpy().tolist()
print(json.dumps([probabilities, ids]))
"""


def in_new_process(program: str, folder: Path, texts: list[str], cwd: Path) -> Any:
    """Return the JSON that a program prints in a process without the project's code."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    ran = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps([str(folder), texts]),
        env=environment, cwd=cwd, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout.splitlines()[-1])


def test_predictions_cover_validation_and_test_in_their_order(world):
    reference = world.predict()
    table = pq.read_table(world.store.folder(reference) / PREDICTIONS_FILE)
    assert table.schema == pa.schema(
        [("row", pa.int64()), ("split", pa.string()), ("label", pa.int8()), ("probability", pa.float32())]
    )
    expected = [review for split in ("validation", "test") for review in world.reviews if review["split"] == split]
    assert table["row"].to_pylist() == [review["row"] for review in expected]
    assert table["split"].to_pylist() == [review["split"] for review in expected]
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
    # The profile `article` keeps the network's probabilities.
    assert summary.threshold == {"world": 0.5, "article_world": 0.4}[kind]
    assert summary.onnx_bytes == (world.store.folder(world.export()) / "model.onnx").stat().st_size


@pytest.mark.parametrize(("kind", "files"), [("world", "exported"), ("article_world", "article_exported")])
def test_raw_text_gets_the_evaluated_probability(kind, files, request):
    world, folder = request.getfixturevalue(kind), request.getfixturevalue(files)
    table = pq.read_table(world.store.folder(world.predict()) / PREDICTIONS_FILE, filters=[("split", "=", "test")])
    scorer = Scorer.load(folder)
    summaries = [review["summary"] or "" for review in world.test_reviews] if world.text.include_summary else None
    scored = scorer.probabilities([review["text"] for review in world.test_reviews], summaries)
    evaluated = table["probability"].to_numpy()
    np.testing.assert_allclose(scored, scorer.model.calibration.apply(evaluated), atol=1e-6, rtol=0)
    # Both thresholds part the reviews in the same way.
    np.testing.assert_array_equal(scored >= scorer.threshold, evaluated >= 0.4)


def test_the_saved_model_needs_no_code_of_this_project(world, exported, tmp_path):
    texts = [text.replace("\x00", " ") for text in world.texts[-30:]] + ["", "Zebra \u00e9 yak, gnu"]
    probabilities, ids = in_new_process(SCORE_SAVED_MODEL, exported, texts, tmp_path)
    np.testing.assert_allclose(probabilities, keras_probabilities(exported, texts), atol=1e-6, rtol=0)
    encoded = pq.read_table(world.store.folder(world.encoded) / "test.parquet")["ids"].to_pylist()
    assert [[number for number in row if number] for row in ids] == [*encoded, [1], [1, 1, 1, 1]]


@pytest.mark.parametrize(("kind", "files"), [("world", "exported"), ("article_world", "article_exported")])
def test_the_onnx_file_maps_padded_word_ids_to_probabilities(kind, files, request):
    import onnxruntime

    world, folder = request.getfixturevalue(kind), request.getfixturevalue(files)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    encoded = pq.read_table(world.store.folder(world.encoded) / "test.parquet")["ids"].to_pylist()
    ids = np.array([row + [0] * (9 - len(row)) for row in encoded], np.int32)
    table = pq.read_table(world.store.folder(world.predict()) / PREDICTIONS_FILE, filters=[("split", "=", "test")])
    (probabilities,) = session.run(["probability"], {"ids": ids})
    model = ExportedModel.model_validate_json((folder / "model.json").read_text())
    expected = model.calibration.apply(table["probability"].to_numpy())
    np.testing.assert_allclose(probabilities, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("padding", ["masked", "unmasked"])
def test_averaged_vectors_have_an_onnx_form(padding):
    """Unlike the outputs of an LSTM, word vectors are not zero at padding; the mean must leave them out."""
    import onnxruntime

    from pipeline.scoring.onnx_model import network_to_onnx
    from pipeline.training.model import build_model

    random = np.random.default_rng(1)
    chosen = variant(directions=("none",), padding=padding)
    network = build_model(chosen, 30, random.normal(size=(30, chosen.embedding_dim)), pairs(), max_length=9)
    layer = network.get_layer("pair_vectors")
    layer.set_weights([random.normal(size=layer.get_weights()[0].shape)])
    ids = np.where(np.arange(9) < random.integers(1, 10, (20, 1)), random.integers(1, 30, (20, 9)), 0).astype(np.int32)
    session = onnxruntime.InferenceSession(network_to_onnx(network))
    (probabilities,) = session.run(["probability"], {"ids": ids})
    np.testing.assert_allclose(probabilities, network(ids)[:, 0], atol=1e-6, rtol=0)
    assert probabilities.std() > 0.01


def test_a_layer_without_an_onnx_form_is_named():
    import keras

    from pipeline.scoring.onnx_model import network_to_onnx

    network = keras.Sequential([keras.Input((None,)), keras.layers.Embedding(3, 2), keras.layers.GRU(2, name="gate")])
    with pytest.raises(ConfigurationError, match="'gate' of type 'GRU'"):
        network_to_onnx(network)


@pytest.mark.parametrize("damaged", ["model.onnx", "saved_model"])
def test_files_that_disagree_stop_the_export(world, monkeypatch, damaged):
    from pipeline.scoring import model, onnx_model

    if damaged == "model.onnx":
        monkeypatch.setattr(onnx_model, "_reorder_gates", lambda array: array)
    else:
        write = model.write_saved_model

        def write_other(exported, folder):
            layer = exported.layers[-2].layers[-1]
            weights = layer.get_weights()
            layer.set_weights([weights[0], weights[1] + 1])
            write(exported, folder)
            layer.set_weights(weights)

        monkeypatch.setattr(model, "write_saved_model", write_other)
    with pytest.raises(ExportMismatchError, match=f"{damaged} of one export disagree"):
        world.export(title=f"damaged {damaged}")


def test_the_description_has_what_a_user_must_know(world, exported):
    model = ExportedModel.model_validate_json((exported / "model.json").read_text())
    assert model.variant == world.variant.name
    assert model.title == "Both ways, seed 1"
    assert (model.threshold, model.normalization, model.include_summary) == (0.5, "default", True)
    assert (model.max_length, model.keep, model.padding, model.vocabulary_words) == (9, "last", "masked", 12)
    assert set(model.libraries) == {"python", "tensorflow", "keras", "numpy", "onnx"}


def test_the_files_hold_neither_code_nor_paths_of_this_machine(exported):
    files = [path for path in exported.rglob("*") if path.is_file() and path.name != "manifest.json"]
    with zipfile.ZipFile(exported / "model.keras") as archive:
        config = archive.read("config.json")
    for content in [config, *(path.read_bytes() for path in files)]:
        assert str(Path(__file__).resolve().parents[3]).encode() not in content
        assert str(exported.parent).encode() not in content
    assert b"Lambda" not in config
    assert not [path for path in files if path.suffix in {".pkl", ".pickle", ".joblib"}]


def test_a_text_rule_with_another_meaning_stops_the_export(world, monkeypatch):
    from pipeline.cleaning import rules

    changed = tuple(rule for rule in rules.DEFAULT_RULES if rule.name != "won't")
    assert len(changed) < len(rules.DEFAULT_RULES)
    monkeypatch.setattr("pipeline.scoring.text_rules.graph_rules", lambda _: changed)
    with pytest.raises(ExportMismatchError, match=r"differently from the pipeline.*row \d+"):
        world.export(title="changed rules")
    assert "changed rules" not in str(list(Path(world.store.url).rglob("model.json")))


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


def test_rounding_and_padding_are_not_differences():
    identical, difference = checking.compare(SAMPLE, READINGS, "default", Calibration())
    assert identical == 4
    assert difference == pytest.approx(2e-5, rel=1e-2)


@pytest.mark.parametrize("found", [[2, 4, 0], [2, 0, 0], [2, 3, 3], [0, 2, 3], [2]])
@pytest.mark.parametrize("normalization", ["default", "article"])
def test_a_row_with_other_words_stops_the_export(found, normalization):
    readings = replace(READINGS, ids=[np.array(found, np.int32), *READINGS.ids[1:]])
    with pytest.raises(ExportMismatchError, match=r"1 of 4 checked test rows.*75\.00 % equal.*row 3"):
        checking.compare(SAMPLE, readings, normalization, Calibration())


def test_few_rows_with_other_words_are_allowed_if_the_rules_approximate(monkeypatch):
    # The probability of such a row is not compared.
    readings = replace(
        READINGS,
        ids=[np.array([4], np.int32), *READINGS.ids[1:]],
        probabilities=READINGS.probabilities + np.float32([0.5, 0, 0, 0]),
    )
    monkeypatch.setitem(checking.MIN_IDENTICAL_SHARE, "article", 0.75)
    identical, difference = checking.compare(SAMPLE, readings, "article", Calibration())
    assert identical == 3
    assert difference < 1e-4


@pytest.mark.parametrize(("offset", "shown"), [(0.25, r"0\.25"), (2e-4, "0.0002"), (float("nan"), "nan")])
def test_predictions_of_another_training_stop_the_export(offset, shown):
    readings = replace(READINGS, probabilities=SAMPLE.probabilities + np.float32([0, offset, 0, 0]))
    with pytest.raises(ExportMismatchError, match=f"differ by up to {shown}.*row 6"):
        checking.compare(SAMPLE, readings, "default", Calibration())


def test_predictions_that_lack_a_test_row_are_refused(world):
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
    with pytest.raises(ArtifactError, match="not probabilities"):
        predict(trained, world.encoded, world.store)


def test_recurrent_layers_are_traced_without_cudnn(world):
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
def test_word_ids_are_cut_and_padded(keep):
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


def test_a_masked_model_without_an_unknown_word_reads_empty_rows_as_in_training(tmp_path):
    from pipeline.store import ArtifactStore

    world = build_world(
        ArtifactStore(str(tmp_path)), "article", slice(None), padding="masked", directions=("uni",), layers=(1,)
    )
    folder = world.store.folder(world.export())
    table = pq.read_table(world.store.folder(world.predict()) / PREDICTIONS_FILE).to_pylist()
    assert Scorer.load(folder).probabilities(["<br />"])[0] == pytest.approx(table[-1]["probability"], abs=1e-6)
