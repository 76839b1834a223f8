"""The stage learns, stops early, is repeatable, and resumes after a kill with the same weights."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.config import HardwareConfig
from pipeline.encoding import Sequences
from pipeline.errors import ArtifactError, ConfigurationError, TrainingError
from pipeline.statistics import log_losses
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.training import EpochRecord, Predictor, TrainSummary, load_model, train
from pipeline.training.batches import batch_of
from pipeline.training.checkpoint import CHECKPOINT_FILE, Checkpoint
from pipeline.training.model import build_model
from pipeline.training.steps import TrainingStep
from pipeline.training.trainer import class_weights
from pipeline.training.training_log import TrainingLog
from tests.unit.training.factories import NO_DROPOUT, place_inputs, reviews, variant

CPU = HardwareConfig(device="cpu")
KILL_LIMIT_SECONDS = 120
POLL_SECONDS = 0.05

STEPS_BEFORE_THE_KILL = 6
"""An epoch has 4 steps: the child pauses in its second epoch, so it cannot end before it is killed."""

CHILD = """
import signal, sys
from pipeline.config import HardwareConfig, VariantConfig
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.training import train
from pipeline.training.steps import TrainingStep
from pipeline.training.trainer import class_weights

step, taken = TrainingStep.__call__, []
def slow_step(self, *batch):
    taken.append(1)
    return signal.pause() if len(taken) > int(sys.argv[5]) else step(self, *batch)
TrainingStep.__call__ = slow_step

encoded, vocabulary = (ArtifactReference.model_validate_json(text) for text in sys.argv[2:4])
variant = VariantConfig.model_validate_json(sys.argv[4])
train(encoded, vocabulary, variant, HardwareConfig(device="cpu"), ArtifactStore(sys.argv[1]))
"""


class Result(np.ndarray):
    """Result of a step, with the interface of a tensor."""

    def numpy(self) -> np.ndarray:
        return np.asarray(self)


def weights(store: ArtifactStore, trained: ArtifactReference) -> list[bytes]:
    return [value.tobytes() for value in load_model(store.folder(trained)).get_weights()]


def keep(rows: Sequences, chosen: np.ndarray) -> Sequences:
    """Some of the rows."""
    lengths = np.diff(rows.offsets)
    offsets = np.concatenate([[0], np.cumsum(lengths[chosen])]).astype(np.int64)
    ids = rows.ids[np.repeat(chosen, lengths)]
    return Sequences(row=rows.row[chosen], label=rows.label[chosen], offsets=offsets, ids=ids)


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> dict[str, Any]:
    """A training that several tests read."""
    store = ArtifactStore(str(tmp_path_factory.mktemp("trained") / "store"))
    encoded, vocabulary = place_inputs(store)
    chosen = variant(directions=("bi",), epochs=4, patience=4, learning_rate=0.05, **NO_DROPOUT)
    trained = train(encoded, vocabulary, chosen, CPU, store)
    return {"store": store, "inputs": (encoded, vocabulary), "variant": chosen, "trained": trained}


def test_the_saved_model_has_the_linear_part(store: ArtifactStore) -> None:
    chosen = variant(linear_part=True, epochs=1)
    trained = train(*place_inputs(store), chosen, CPU, store)
    parts = store.summary(trained, TrainSummary).linear_part
    model = load_model(store.folder(trained))
    assert parts is not None
    assert {"linear_words", "linear_pairs"} <= {layer.name for layer in model.layers}
    validation = reviews(30, 2)
    area = roc_auc_score(validation.label, Predictor(model)(validation))
    assert area == pytest.approx(parts.validation_auc, abs=1e-3)
    assert parts.linear_weight > 0
    alone = train(*place_inputs(store), variant(linear_part=False, epochs=1), CPU, store)
    assert store.summary(alone, TrainSummary).linear_part is None


def test_it_learns_and_records_metrics(shared):
    store, trained = shared["store"], shared["trained"]
    summary = store.summary(trained, TrainSummary)
    assert summary.variant == shared["variant"]
    assert summary.weights == 1_149
    assert [record.epoch for record in summary.epochs] == [1, 2, 3, 4]
    assert summary.epochs[-1].loss < 0.7 * summary.epochs[0].loss
    assert summary.epochs[-1].validation_auc > 0.9
    assert summary.device.kind == "cpu"
    assert summary.resumed_from_epoch is None
    assert 0.55 < summary.label_entropy < 0.7
    rows = reviews(30, 2)
    probability = Predictor(load_model(store.folder(trained)))(rows)
    last = summary.epochs[summary.restored_epoch - 1]
    assert log_losses(rows.label, probability).mean() == pytest.approx(last.validation_loss, rel=1e-4)
    assert roc_auc_score(rows.label, probability) == pytest.approx(last.validation_auc)


def test_the_training_log_is_in_the_artifact(shared):
    folder = shared["store"].folder(shared["trained"])
    summary = shared["store"].summary(shared["trained"], TrainSummary)
    lines = (folder / "epochs.jsonl").read_text(encoding="utf-8").splitlines()
    assert tuple(EpochRecord.model_validate_json(line) for line in lines) == summary.epochs
    assert any(file.name.startswith("events.out.tfevents") for file in (folder / "tensorboard").iterdir())


class RetrainingError(Exception):
    """Raised instead of a training."""


@pytest.fixture
def no_training(monkeypatch):
    """Raise an error instead of training."""

    def refuse(_hardware: HardwareConfig) -> None:
        raise RetrainingError

    monkeypatch.setattr("pipeline.training.stage.preflight", refuse)


def test_the_same_training_is_not_done_twice(shared, no_training):
    assert train(*shared["inputs"], shared["variant"], CPU, shared["store"]) == shared["trained"]
    for field, value in (("seed", 2), ("epochs", 5), ("dropout", 0.1), ("padding", "unmasked")):
        with pytest.raises(RetrainingError):
            train(*shared["inputs"], shared["variant"].model_copy(update={field: value}), CPU, shared["store"])
    for field, value in (("precision", "mixed_bfloat16"), ("jit_compile", True)):
        with pytest.raises(RetrainingError):
            train(*shared["inputs"], shared["variant"], CPU.model_copy(update={field: value}), shared["store"])
    # In a wider sweep the same network has a longer name, but is not trained again.
    renamed = shared["variant"].model_copy(update={"varied": ("units",)})
    assert train(*shared["inputs"], renamed, CPU, shared["store"]) == shared["trained"]


@pytest.mark.parametrize(("precision", "jit_compile"), [("mixed_bfloat16", False), ("mixed_float16", True)])
def test_other_precisions_train_the_same_and_save_float32(inputs, store, monkeypatch, precision, jit_compile):
    """Rows of one width, because XLA compiles once per shape."""
    built = []

    def spied(*arguments: Any, **options: Any) -> Any:
        built.append(options.get("cudnn", True))
        return build_model(*arguments, **options)

    chosen = variant(padding="unmasked", **NO_DROPOUT, epochs=2)
    reference = train(*inputs, chosen, CPU, store)
    usual = store.summary(reference, TrainSummary)
    monkeypatch.setattr("pipeline.training.model.build_model", spied)
    hardware = CPU.model_copy(update={"precision": precision, "jit_compile": jit_compile})
    trained = train(*inputs, chosen, hardware, store)
    # XLA does not support cuDNN; the network that is evaluated and saved can always use it.
    assert built == [not jit_compile, True]
    told = store.summary(trained, TrainSummary)
    assert [record.loss for record in told.epochs] == pytest.approx([record.loss for record in usual.epochs], rel=0.05)
    assert weights(store, trained) != weights(store, reference)
    model = load_model(store.folder(trained))
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    rows = reviews(30, 2)
    loss = log_losses(rows.label, Predictor(model)(rows)).mean()
    assert loss == pytest.approx(told.epochs[told.restored_epoch - 1].validation_loss, rel=1e-4)


def test_the_same_seed_gives_the_same_weights(shared, tmp_path):
    store = ArtifactStore(str(tmp_path / "store"))
    again = train(*place_inputs(store), shared["variant"], CPU, store)
    assert weights(store, again) == weights(shared["store"], shared["trained"])


def test_a_killed_training_resumes_and_ends_with_the_same_weights(shared, tmp_path, caplog):
    store = ArtifactStore(str(tmp_path / "store"))
    encoded, vocabulary = place_inputs(store)
    child = subprocess.Popen(
        [
            *(sys.executable, "-c", CHILD, store.url),
            *(reference.model_dump_json() for reference in (encoded, vocabulary)),
            *(shared["variant"].model_dump_json(), str(STEPS_BEFORE_THE_KILL)),
        ],
    )
    resumable = Path(store.url) / "resumable" / "train"
    try:
        give_up = time.monotonic() + KILL_LIMIT_SECONDS
        while not list(resumable.glob(f"*/{CHECKPOINT_FILE}")):
            assert child.poll() is None, "the training ended before its first checkpoint"
            assert time.monotonic() < give_up, "no checkpoint in time"
            time.sleep(POLL_SECONDS)
    finally:
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    assert not (Path(store.url) / "artifacts" / "train").exists()

    with caplog.at_level(logging.INFO):
        resumed = train(encoded, vocabulary, shared["variant"], CPU, store)
    summary = store.summary(resumed, TrainSummary)
    assert summary.resumed_from_epoch == 1
    assert "resumed after epoch 1 of 4" in caplog.text
    assert weights(store, resumed) == weights(shared["store"], shared["trained"])
    lines = (store.folder(resumed) / "epochs.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3, 4]
    assert not list(resumable.iterdir()), "the checkpoint must be deleted when the artifact is complete"


def test_a_damaged_checkpoint_starts_again_and_says_so(keras, tmp_path, caplog):
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"PK\x03\x04 not all of it")
    assert Checkpoint.load(tmp_path) is None
    assert "starts again" in caplog.text


def test_training_stops_early_and_restores_the_best_epoch(store):
    # Random labels: what is learned from the training rows increases the validation loss.
    training = replace(reviews(60, 1), label=np.random.default_rng(5).integers(0, 2, 60).astype(np.int8))
    inputs = place_inputs(store, training=training)
    options = {"epochs": 20, "patience": 1, "learning_rate": 0.05}
    ended = {}
    for restore in (True, False):
        trained = train(*inputs, variant(restore_best_weights=restore, **options), CPU, store)
        summary = store.summary(trained, TrainSummary)
        losses = [record.validation_loss for record in summary.epochs]
        assert summary.stopped_early
        assert summary.best_epoch == 1 + int(np.argmin(losses))
        assert len(losses) == summary.best_epoch + 1
        rows = reviews(30, 2)
        probability = Predictor(load_model(store.folder(trained)))(rows)
        ended[restore] = (summary.restored_epoch, log_losses(rows.label, probability).mean(), losses)
    epoch, loss, losses = ended[True]
    assert loss == pytest.approx(min(losses), rel=1e-4)
    assert epoch == 1 + int(np.argmin(losses))
    epoch, loss, losses = ended[False]
    assert epoch == len(losses)
    assert loss == pytest.approx(losses[-1], rel=1e-4)


def test_a_training_that_failed_after_its_last_epoch_keeps_its_best_weights(store, monkeypatch):
    training = replace(reviews(60, 1), label=np.random.default_rng(5).integers(0, 2, 60).astype(np.int8))
    inputs = place_inputs(store, training=training)
    chosen = variant(epochs=20, patience=1, learning_rate=0.05)

    def no_space_left(_training_log: TrainingLog, _target: Path) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as failing:
        failing.setattr(TrainingLog, "finish", no_space_left)
        with pytest.raises(OSError, match="no space"):
            train(*inputs, chosen, CPU, store)
    trained = train(*inputs, chosen, CPU, store)
    summary = store.summary(trained, TrainSummary)
    assert summary.resumed_from_epoch == len(summary.epochs) == summary.best_epoch + 1
    rows = reviews(30, 2)
    loss = log_losses(rows.label, Predictor(load_model(store.folder(trained)))(rows)).mean()
    assert loss == pytest.approx(min(record.validation_loss for record in summary.epochs), rel=1e-4)


def test_fewer_rows_than_a_batch_train_with_a_warning(inputs, store, caplog):
    trained = train(*inputs, variant(batch_size=(1024,), epochs=1), CPU, store)
    assert len(store.summary(trained, TrainSummary).epochs) == 1
    assert "60 training rows are fewer than the batch size 1024" in caplog.text


@pytest.mark.parametrize(("split", "label"), [("training", 1), ("validation", 0), ("validation", None)])
def test_a_split_with_one_class_or_none_is_refused(store, split, label):
    rows = reviews(40, 1)
    given = keep(rows, rows.label == label) if label is not None else keep(rows, np.zeros(40, dtype=bool))
    inputs = place_inputs(store, **{split: given})
    with pytest.raises(TrainingError, match=f"The {split} split") as caught:
        train(*inputs, variant(), CPU, store)
    assert "both classes" in str(caught.value)


def test_a_diverging_loss_stops_with_advice(inputs, store, monkeypatch):
    results = iter([0.5, 0.4, float("nan"), 0.4])
    monkeypatch.setattr(TrainingStep, "__call__", lambda _self, *_batch: np.float32([next(results), 1]).view(Result))
    with pytest.raises(TrainingError, match="loss is nan at step 4 of epoch 1") as caught:
        train(*inputs, variant(), CPU, store)
    assert "learning rate (now 0.02)" in str(caught.value)


def test_pre_trained_vectors_are_used_and_identified_by_content(store, tmp_path, request):
    file = tmp_path / "vectors.txt"
    file.write_text("word1 9 8 7 6\n", encoding="utf-8")
    inputs, chosen = place_inputs(store), variant(vectors=str(file), epochs=1)
    trained = train(*inputs, chosen, CPU, store)
    embedding = load_model(store.folder(trained)).get_layer("embedding").get_weights()[0]
    np.testing.assert_allclose(embedding[3], [9, 8, 7, 6], atol=0.5)

    request.getfixturevalue("no_training")
    assert train(*inputs, chosen, CPU, store) == trained
    file.write_text("word1 9 8 7 5\n", encoding="utf-8")
    with pytest.raises(RetrainingError):
        train(*inputs, chosen, CPU, store)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        train(*inputs, chosen.model_copy(update={"vectors": str(tmp_path / "absent")}), CPU, store)


def test_another_vocabulary_is_refused(store):
    with pytest.raises(ArtifactError, match="encoded with 31 word ids"):
        train(*place_inputs(store, size=31), variant(), CPU, store)


def test_unmasked_training_reads_rows_of_full_width(inputs, store):
    trained = train(*inputs, variant(padding="unmasked", epochs=1), CPU, store)
    assert load_model(store.folder(trained)).inputs[0].shape == (None, 20)


def test_balanced_weights_count_both_classes_alike():
    label = np.array([0] * 10 + [1] * 40, dtype=np.int8)
    weight = class_weights(label, variant(class_weights="balanced"))[label]
    assert weight[label == 0].sum() == pytest.approx(weight[label == 1].sum())
    assert weight.mean() == pytest.approx(1)
    np.testing.assert_array_equal(class_weights(label, variant()), 1)


def test_balanced_weights_reach_the_loss(inputs, store):
    trained = train(*inputs, variant(class_weights="balanced", epochs=1), CPU, store)
    told = store.summary(trained, TrainSummary).epochs[0]
    rows = reviews(30, 2)
    losses = log_losses(rows.label, Predictor(load_model(store.folder(trained)))(rows))
    weight = class_weights(reviews(60, 1).label, variant(class_weights="balanced"))[rows.label]
    assert told.validation_loss == pytest.approx((weight * losses).mean(), rel=1e-4)
    assert told.validation_loss != pytest.approx(losses.mean(), rel=1e-3)


@pytest.mark.parametrize("direction", ["uni", "bi"])
def test_two_shards_take_the_same_step_as_one(keras, direction):
    import tensorflow as tf

    # The same operations, without waiting for their graphs.
    tf.config.run_functions_eagerly(run_eagerly=True)
    try:
        _compare_shards(keras, direction)
    finally:
        tf.config.run_functions_eagerly(run_eagerly=False)


def _compare_shards(keras: Any, direction: str) -> None:
    rows = reviews(64, 3)
    batch = batch_of(rows, np.arange(64), max_length=20)
    after = []
    for shards in (1, 2):
        model = build_model(variant(directions=(direction,), **NO_DROPOUT), 30)
        optimizer = keras.optimizers.SGD(0.5)
        optimizer.build(model.trainable_variables)
        step = TrainingStep(model, optimizer, shards)
        probability = np.asarray(model(batch.ids))[:, 0]
        weight = np.linspace(0.5, 2, 64, dtype=np.float32)
        told = step(batch.ids, rows.label.astype(np.float32), weight).numpy()
        assert told[0] == pytest.approx((weight * log_losses(rows.label, probability)).sum(), rel=1e-4)
        assert told[1] == ((probability >= 0.5) == (rows.label == 1)).sum()
        after.append((told, model.get_weights()))
    np.testing.assert_allclose(after[0][0], after[1][0], rtol=1e-5)
    for one, two in zip(after[0][1], after[1][1], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)
