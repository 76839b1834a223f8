"""The network: sizes, masking, cuDNN, precision, saved files and prediction."""

from __future__ import annotations

from importlib import import_module
from typing import get_args

import numpy as np
import pytest

from pipeline.config import Activation
from pipeline.errors import ArtifactError, ConfigurationError
from pipeline.training import Predictor, load_model
from pipeline.training.batches import epoch_batches
from pipeline.training.model import build_model, float32_copy
from tests.unit.training.factories import MAX_LENGTH, NO_DROPOUT, pairs, reviews, variant

ARTICLE_VOCABULARY = 116_775
PADDED = np.array([[5, 6, 7, 0, 0, 0, 0]], dtype=np.int32)
ALONE = PADDED[:, :3]


@pytest.fixture(scope="module", params=["uni", "bi", "none"])
def network(request, keras):
    return with_large_pair_vectors(build_model(variant(directions=(request.param,)), 30, pairs=pairs()))


def with_large_pair_vectors(model):
    """Vectors of pairs start at zero and would say nothing about the pairs."""
    layer = model.get_layer("pair_vectors")
    layer.set_weights([np.random.default_rng(1).normal(size=layer.get_weights()[0].shape)])
    return model


@pytest.mark.parametrize(("direction", "weights"), [("uni", 3_956_001), ("bi", 4_306_209)])
def test_the_article_models_have_its_number_of_weights(keras, direction, weights):
    """CuDNNLSTM has a second, redundant bias of 4 × units per LSTM; keras.layers.LSTM has one bias."""
    sizes = {"units": (128,), "layers": (2,), "embedding_dim": (32,), "dense_units": 32, "pooling": "last"}
    model = build_model(variant(directions=(direction,), **sizes), ARTICLE_VOCABULARY)
    second_biases = 2 * 4 * 128 * (2 if direction == "bi" else 1)
    assert model.count_params() + second_biases == weights


@pytest.mark.parametrize(("layers", "direction"), [(1, "uni"), (3, "bi")])
def test_layers_are_stacked_and_wrapped(keras, layers, direction):
    model = build_model(variant(layers=(layers,), directions=(direction,)), 30)
    kind = keras.layers.LSTM if direction == "uni" else keras.layers.Bidirectional
    assert sum(isinstance(layer, kind) for layer in model.layers) == layers
    assert model(ALONE).shape == (1, 1)


def test_averaged_vectors_ignore_the_order_of_words_but_not_of_pairs(keras):
    """The mean and the maximum over the words are all that the dense layer reads."""
    plain = build_model(variant(directions=("none",), word_pairs=0), 30)
    turned = ALONE[:, ::-1]
    np.testing.assert_allclose(plain(ALONE), plain(turned), rtol=1e-6)
    assert not np.allclose(plain(ALONE), plain(np.array([[5, 6, 8]], dtype=np.int32)), rtol=1e-6)
    with_pairs = with_large_pair_vectors(build_model(variant(directions=("none",)), 30, pairs=pairs()))
    row = pairs().members[1:2].astype(np.int32)
    assert not np.allclose(with_pairs(row), with_pairs(row[:, ::-1]), rtol=1e-6)
    assert not any("lstm" in layer.name for layer in plain.layers)


def test_padding_changes_nothing(network):
    np.testing.assert_allclose(network(PADDED), network(ALONE), rtol=1e-5)


def test_an_unmasked_model_reads_the_padding(keras):
    model = build_model(variant(padding="unmasked"), 30, max_length=7)
    assert model.inputs[0].shape == (None, 7)
    other = np.array([[5, 6, 7, 0, 0, 0, 9]], dtype=np.int32)
    with pytest.raises(ConfigurationError, match="fixed length"):
        build_model(variant(padding="unmasked"), 30)
    assert not np.allclose(model(PADDED), model(other))


def test_the_vector_of_a_pair_is_added_to_that_of_its_second_word(keras):
    chosen = variant(pooling="last")
    found = pairs()
    model = with_large_pair_vectors(build_model(chosen, 30, pairs=found))
    signal = keras.Model(model.input, model.get_layer("word_and_pair").output)
    # Not every pair of a review has a number, and the first word has no pair.
    ids = np.array([[*found.members[5], 1, *found.members[7], 0, 0]], dtype=np.int32)
    word, vectors = (model.get_layer(name).get_weights()[0] for name in ("embedding", "pair_vectors"))
    expected = word[ids[0]]
    expected[1] += vectors[5]
    expected[4] += vectors[7]
    np.testing.assert_allclose(signal(ids)[0], expected, rtol=1e-5)


def test_mean_and_maximum_ignore_the_padding(keras):
    model = build_model(variant(), 30)
    outputs = keras.Model(model.input, [model.get_layer("lstm_1").output, model.get_layer("mean_and_maximum").output])
    words, pooled = (np.asarray(values)[0] for values in outputs(PADDED))
    np.testing.assert_allclose(pooled, [*words[:3].mean(axis=0), *words[:3].max(axis=0)], rtol=1e-5)


def test_dropped_words_are_read_as_the_unknown_word_and_the_others_keep_their_mean(keras):
    """The expected value of the sum of word and pair vectors is the same in training and prediction."""
    chosen = variant(**{**NO_DROPOUT, "word_dropout": 0.2, "pair_dropout": 0.3}, pooling="last")
    found = pairs()
    model = with_large_pair_vectors(build_model(chosen, 30, pairs=found))
    model.get_layer("embedding").set_weights([np.zeros((30, 4))])
    signal = keras.Model(model.input, model.get_layer("word_and_pair").output)
    ids = np.tile(found.members[5], (40_000, 1))
    in_training, predicted = (np.asarray(signal(ids, training=training))[:, 1] for training in (True, False))
    np.testing.assert_allclose(in_training.mean(axis=0), predicted[0], rtol=0.05)
    assert (in_training == 0).all(axis=1).mean() == pytest.approx(1 - 0.8**2 * 0.7, abs=0.01)


def test_initial_weights_depend_on_the_seed_only(keras):
    first, same, other = (build_model(variant(seeds=(seed,)), 30).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(one, two) for one, two in zip(first, same, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_both_directions_start_differently(keras):
    layer = build_model(variant(directions=("bi",)), 30).get_layer("bidirectional_1")
    forward, backward = layer.forward_layer.get_weights(), layer.backward_layer.get_weights()
    assert not np.array_equal(forward[0], backward[0])


def test_pre_trained_vectors_start_the_embedding(keras):
    vectors = np.arange(120, dtype=np.float32).reshape(30, 4)
    model = build_model(variant(), 30, vectors)
    np.testing.assert_array_equal(model.get_layer("embedding").get_weights()[0], vectors)
    with pytest.raises(ConfigurationError, match=r"\(30, 3\)"):
        build_model(variant(), 30, vectors[:, :3])


@pytest.mark.parametrize("direction", ["uni", "bi"])
def test_cudnn_stays_possible(keras, direction):
    """Conditions of keras.layers.LSTM for cuDNN: these activations, no recurrent dropout, not unrolled, a bias."""
    network = build_model(variant(directions=(direction,)), 30, pairs=pairs())
    layers = [layer for layer in network._flatten_layers() if isinstance(layer, keras.layers.LSTM)]
    assert layers
    for layer in layers:
        assert layer.activation is keras.activations.tanh
        assert layer.recurrent_activation is keras.activations.sigmoid
        assert layer.use_cudnn == "auto"
        assert not layer.recurrent_dropout
        assert not layer.unroll
        assert layer.use_bias


@pytest.mark.parametrize("direction", ["uni", "bi"])
def test_keras_calls_cudnn_for_every_activation_and_batch(cudnn_masks, direction):
    """On a GPU, a graph fails at a mask that cuDNN does not accept; a CPU accepts it silently."""
    decision = import_module("keras.src.backend.tensorflow.rnn")
    rows = reviews(40, 4)
    # Every third row has no words, like a review of stop words only.
    lengths = np.where(np.arange(40) % 3 == 0, 0, np.diff(rows.offsets))
    rows = type(rows)(
        row=rows.row,
        label=rows.label,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        ids=rows.ids[: lengths.sum()],
    )
    for activation in get_args(Activation):
        chosen = variant(directions=(direction,), activation=(activation,), layers=(2,))
        model = build_model(chosen, 30, pairs=pairs())
        for batch in epoch_batches(rows, batch_size=16, max_length=MAX_LENGTH, seed=1, epoch=1):
            cudnn_masks.clear()
            model(batch.ids, training=True)
            assert len(cudnn_masks) == (2 if direction == "uni" else 4)
            for mask in cudnn_masks:
                decision._assert_valid_mask(mask)
    cudnn_masks.clear()
    build_model(variant(directions=(direction,)), 30, cudnn=False)(batch.ids)
    assert cudnn_masks == []


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_is_not_saved(keras, precision, tmp_path):
    chosen = variant(directions=("bi",))
    model = with_large_pair_vectors(build_model(chosen, 30, pairs=pairs(), precision=precision))
    policies = {
        layer.name: layer.dtype_policy.name for layer in model._flatten_layers(include_self=False) if layer.weights
    }
    # Tables of ids, which half precision would round.
    assert {policies.pop(name) for name in ("probability", "pair_slots", "pair_members")} == {"float32"}
    assert set(policies.values()) == {precision}
    assert model(PADDED).dtype == "float32"
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"

    copy = float32_copy(model, chosen)
    copy.set_weights(model.get_weights())
    same = with_large_pair_vectors(build_model(chosen, 30, pairs=pairs()))
    np.testing.assert_array_equal(copy(PADDED), same(PADDED))
    np.testing.assert_allclose(copy(PADDED), model(PADDED), atol=5e-3)
    copy.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path)
    assert {layer.dtype_policy.name for layer in loaded._flatten_layers()} == {"float32"}


def test_a_saved_model_loads_in_safe_mode_and_predicts_the_same(network, tmp_path):
    rows = reviews(40, 4)
    before = Predictor(network)(rows)
    network.save(tmp_path / "model.keras")
    for place in (tmp_path, tmp_path / "model.keras"):
        np.testing.assert_array_equal(Predictor(load_model(place))(rows), before)


def test_damaged_missing_and_foreign_models_are_refused(keras, tmp_path):
    with pytest.raises(ArtifactError, match="does not exist"):
        load_model(tmp_path)
    (tmp_path / "model.keras").write_bytes(b"PK\x03\x04 nothing more")
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        load_model(tmp_path)
    inputs = keras.Input((3,))
    keras.Model(inputs, keras.layers.Lambda(lambda values: values * 2)(inputs)).save(tmp_path / "code.keras")
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        load_model(tmp_path / "code.keras")


@pytest.mark.parametrize("padding", ["masked", "unmasked"])
def test_predictions_are_in_the_order_of_the_rows(keras, padding):
    model = build_model(variant(padding=padding), 30, max_length=MAX_LENGTH)
    rows = reviews(50, 6)
    probability = Predictor(model, batch_size=7)(rows)
    assert probability.dtype == np.float32
    whole = np.zeros((50, MAX_LENGTH), dtype=np.int32)
    for row in range(50):
        ids = rows.ids[rows.offsets[row] : rows.offsets[row + 1]]
        whole[row, : len(ids)] = ids
    np.testing.assert_allclose(model(whole)[:, 0], probability, rtol=1e-4)


def test_a_row_without_words_reads_as_one_unknown_word(network):
    rows = reviews(2, 1)
    empty = type(rows)(row=rows.row, label=rows.label, offsets=np.array([0, 0, 1]), ids=np.array([1], dtype=np.int32))
    probability = Predictor(network)(empty)
    assert probability[0] == probability[1]


def test_no_rows_give_no_predictions(network):
    rows = reviews(2, 1)
    none = type(rows)(row=rows.row[:0], label=rows.label[:0], offsets=np.zeros(1, np.int64), ids=rows.ids[:0])
    assert Predictor(network)(none).shape == (0,)
