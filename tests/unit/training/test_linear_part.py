"""The linear part: what it counts, how it is weighted, and that the saved model computes the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from pipeline.encoding import Sequences
from pipeline.training import Predictor, load_model
from pipeline.training.linear_part import SHORT_WORDS, LinearPart, fit_blend, fit_linear_part
from pipeline.training.word_pairs import fit_word_pairs
from tests.unit.training.factories import MAX_LENGTH, sequences, variant

SIZE, FIRST = 30, 2
GOOD, BAD = 5, 6


def texts(rows: int, seed: int, *, longest: int = 20) -> Sequences:
    """Random texts; the label says whether GOOD or BAD stands in them."""
    generator = np.random.default_rng(seed)
    words, labels = [], []
    for _ in range(rows):
        label = int(generator.integers(2))
        row = generator.integers(FIRST, SIZE, generator.integers(2, longest)).tolist()
        row = [word for word in row if word not in {GOOD, BAD}]
        row.insert(int(generator.integers(len(row) + 1)), GOOD if label else BAD)
        words.append(row)
        labels.append(label)
    return sequences(words, labels)


def test_it_ranks_texts_by_their_words() -> None:
    training, other = texts(200, 1), texts(100, 2)
    linear = fit_linear_part(training, SIZE, fit_word_pairs(training, SIZE, FIRST, 100))
    pairs = fit_word_pairs(training, SIZE, FIRST, 100)
    assert roc_auc_score(other.label, linear.log_odds(other, pairs)) > 0.99
    again = fit_linear_part(training, SIZE, pairs)
    assert (again.words == linear.words).all()
    assert (again.pairs == linear.pairs).all()


def part() -> LinearPart:
    words = np.zeros((SIZE, 3), dtype=np.float32)
    words[GOOD] = (4.0, 2.0, -6.0)
    words[BAD] = (4.0, -2.0, 0.0)
    return LinearPart(words, np.zeros((1, 3), dtype=np.float32), intercept=0.5, short_intercept=0.25)


def test_a_word_counts_once_and_short_texts_have_weights_of_their_own() -> None:
    long = [7] * SHORT_WORDS
    once, twice, short = part().log_odds(sequences([[GOOD, *long], [GOOD, GOOD, *long], [GOOD]]), None)
    # idf · weight / √idf² + intercept; a short text adds its own weight and intercept.
    assert once == pytest.approx(2 / 2 + 0.5)
    assert twice == once
    assert short == pytest.approx((2 - 6) / 2 + 0.5 + 0.25)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(rows=st.lists(st.lists(st.integers(1, SIZE - 1), min_size=1, max_size=MAX_LENGTH), min_size=1, max_size=8))
def test_pairs_are_counted_within_a_text(rows: list[list[int]]) -> None:
    training = sequences(rows * 2)
    pairs = fit_word_pairs(training, SIZE, FIRST, 100)
    members = {tuple(pair): number for number, pair in enumerate(pairs.members.tolist()) if number}
    expected = [members.get((one, two), 0) for row in rows for one, two in zip([0, *row], row, strict=False)]
    assert pairs.numbers(sequences(rows)).tolist() == expected


@pytest.mark.parametrize(("direction", "word_pairs"), [("uni", 100), ("bi", 0), ("none", 100)])
def test_the_saved_model_adds_the_log_odds_of_both_parts(keras, tmp_path, direction, word_pairs) -> None:
    import onnxruntime

    from pipeline.scoring.onnx_model import network_to_onnx
    from pipeline.training.model import build_model, combine

    training, other = texts(200, 3), texts(50, 4)
    pairs = fit_word_pairs(training, SIZE, FIRST, word_pairs) if word_pairs else None
    linear = fit_linear_part(training, SIZE, pairs)
    network = build_model(variant(directions=(direction,), word_pairs=word_pairs), SIZE, pairs=pairs)
    probability = Predictor(network)(other).astype(np.float64)
    labels = np.tile(np.array([0, 1], dtype=np.int8), 25)
    blend, _ = fit_blend(labels, (0.2 + 0.6 * labels).astype(np.float32), linear.log_odds(other, pairs))
    combine(network, linear, blend).save(tmp_path / "model.keras")
    combined = load_model(tmp_path)

    of_network = np.log(probability) - np.log1p(-probability)
    log_odds = blend.network * of_network + blend.linear * linear.log_odds(other, pairs) + blend.intercept
    expected = 1 / (1 + np.exp(-log_odds))
    np.testing.assert_allclose(Predictor(combined)(other), expected, atol=1e-5)
    session = onnxruntime.InferenceSession(network_to_onnx(combined), providers=["CPUExecutionProvider"])
    padded = np.zeros((len(other), 25), dtype=np.int32)
    for row, (start, stop) in enumerate(zip(other.offsets, other.offsets[1:], strict=False)):
        padded[row, : stop - start] = other.ids[start:stop]
    np.testing.assert_allclose(session.run(None, {"ids": padded})[0], expected, atol=1e-5)


def test_a_part_that_knows_nothing_or_the_opposite_has_no_weight() -> None:
    labels = np.tile(np.array([0, 1], dtype=np.int8), 50)
    good, opposite = np.where(labels == 1, 2.0, -2.0), np.where(labels == 1, 0.2, 0.8).astype(np.float32)
    blend, summary = fit_blend(labels, opposite, good)
    assert blend.network == summary.network_weight == 0
    assert blend.linear > 0
    assert (summary.network_validation_auc, summary.linear_validation_auc, summary.validation_auc) == (0.0, 1.0, 1.0)
    both_wrong, _ = fit_blend(labels, opposite, -good)
    assert (both_wrong.network, both_wrong.linear) == (1.0, 0.0)
