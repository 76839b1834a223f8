"""Pairs of models on the same rows: which pairs, what is significant, and the sentence."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.config import EvaluationConfig
from pipeline.evaluation import (
    MAJORITY,
    NAIVE_BAYES,
    TFIDF,
    BaselinesSummary,
    ComparisonSummary,
    baselines,
    compare,
    evaluate,
)
from pipeline.evaluation.comparison import ComparisonError, comparison, pairs_to_compare
from pipeline.evaluation.predictions import part_predictions
from pipeline.evaluation.text import comparison_sentence
from pipeline.statistics import Interval
from pipeline.store import ArtifactStore
from tests.unit.evaluation.factories import evaluation, predictions, reviews, split, variant, vocabulary

CONFIG = EvaluationConfig(bootstrap_samples=200, threshold="half")


def compared(labels, first, second, samples: int = 400):
    """Compare two probability columns at 0.5."""
    labels = np.array(labels, dtype=np.int8)
    rows = np.arange(len(labels))
    return comparison(
        evaluation("bi-seed1", title="bi", threshold=0.5),
        evaluation("uni-seed1", title="uni", threshold=0.5),
        part_predictions(rows, labels, np.array(first, dtype=np.float64)),
        part_predictions(rows[::-1].copy(), labels[::-1].copy(), np.array(second, dtype=np.float64)[::-1].copy()),
        samples,
    )


def test_a_clear_difference_is_shown_whatever_the_order_of_the_rows():
    labels = [0, 1] * 200
    good = [0.1, 0.9] * 200
    bad = [0.1, 0.9, 0.9, 0.9] * 100
    pair = compared(labels, good, bad)
    assert (pair.both_right, pair.only_first_right, pair.only_second_right, pair.both_wrong) == (300, 100, 0, 0)
    assert pair.balanced_accuracy_difference.value == 0.25
    assert pair.significant
    assert pair.mcnemar_p_value < 0.001


def test_a_small_difference_is_not_shown():
    labels = [0, 1] * 20
    first, second = [0.1, 0.9] * 20, [0.1, 0.9] * 20
    first[0], second[2], second[4] = 0.9, 0.9, 0.9
    pair = compared(labels, first, second)
    assert not pair.significant
    assert pair.balanced_accuracy_difference.value == pytest.approx(0.025)
    assert pair.balanced_accuracy_difference.low < 0
    turned = compared(labels, second, first)
    assert turned.balanced_accuracy_difference.value == -pair.balanced_accuracy_difference.value


def test_equal_models_are_called_equal():
    pair = compared([0, 1, 1], [0.1, 0.9, 0.2], [0.3, 0.6, 0.4])
    assert pair.mcnemar_p_value == 1
    assert not pair.significant


def test_comparison_sentences():
    labels, good = [0, 1] * 200, [0.1, 0.9] * 200
    pair = compared(labels, good, [0.1, 0.9, 0.9, 0.9] * 100)
    turned = pair.model_copy(
        update={
            "balanced_accuracy_difference": Interval(value=-0.025, low=-0.06, high=0.01),
            "significant": False,
            "mcnemar_p_value": 0.25,
        }
    )
    assert [comparison_sentence(found) for found in (pair, turned, compared(labels, good, good))] == [
        (
            "bi has 25.0 points more balanced accuracy than uni (95 % interval 21.5 to 28.2); the difference is "
            "significant. Accuracy: of 100 reviews on which only one of them is right, bi has 100 and uni 0 (McNemar's "
            "exact test: p < 0.001)."
        ),
        (
            "uni has 2.5 points more balanced accuracy than bi (95 % interval −1.0 to 6.0); the difference is not "
            "significant. Accuracy: of 100 reviews on which only one of them is right, bi has 100 and uni 0 (McNemar's "
            "exact test: p = 0.250)."
        ),
        "bi and uni have equal balanced accuracy; they are right and wrong on the same reviews.",
    ]


def test_different_rows_are_refused():
    labels = np.array([0, 1], dtype=np.int8)
    parts = [part_predictions(np.array(rows), labels, np.array([0.1, 0.9])) for rows in ([1, 2], [1, 3])]
    with pytest.raises(ComparisonError, match="different test rows or labels"):
        comparison(evaluation("a"), evaluation("b"), parts[0], parts[1], 100)


def test_pairs_are_runner_up_directions_and_tfidf():
    judged = [
        evaluation("uni-seed1", variant=variant("uni", 1), validation=0.80),
        evaluation("uni-seed2", variant=variant("uni", 2), validation=0.83),
        evaluation("bi-seed1", variant=variant("bi", 1), validation=0.90),
        evaluation("bi-seed2", variant=variant("bi", 2), validation=0.85),
    ]
    assert pairs_to_compare(judged) == (
        ("bi-seed1", "bi-seed2"),
        ("bi-seed1", "uni-seed2"),
        ("bi-seed1", TFIDF),
        ("bi-seed2", TFIDF),
        ("uni-seed2", TFIDF),
        ("uni-seed1", TFIDF),
    )
    assert pairs_to_compare(judged[:1]) == (("uni-seed1", TFIDF),)


def test_the_best_of_each_direction_is_compared_with_the_best_baseline_on_validation():
    judged = [
        evaluation(f"{direction}-seed{seed}", variant=variant(direction, seed), validation=figure)
        for direction, seed, figure in (("uni", 1, 0.8), ("none", 1, 0.9), ("none", 2, 0.7))
    ]
    baselines = [evaluation(TFIDF, validation=0.8), evaluation(NAIVE_BAYES, validation=0.85, low=0.1)]
    pairs = pairs_to_compare(judged, baselines)
    assert [pair for pair in pairs if pair[1] == NAIVE_BAYES] == [
        ("none-seed1", NAIVE_BAYES),
        ("uni-seed1", NAIVE_BAYES),
    ]
    assert ("none-seed1", "uni-seed1") in pairs


def test_pairs_do_not_look_at_the_test_part():
    one = evaluation("bi-seed1", variant=variant("bi", 1), validation=0.9, low=0.6)
    other = evaluation("uni-seed1", variant=variant("uni", 1), validation=0.8, low=0.95)
    assert pairs_to_compare([other, one])[0] == ("bi-seed1", "uni-seed1")


def stages(store: ArtifactStore):
    """Run baselines, two evaluations and return what ``compare`` takes."""
    random = np.random.default_rng(2)
    labels = (random.random(240) < 0.7).astype(np.int8)
    words = ["good tea" if label else "bad tea" for label in labels]
    parts = ["train"] * 120 + ["validation"] * 60 + ["test"] * 60
    cleaned = reviews(store, labels, words=words)
    held_out = np.arange(120, 240)
    predicted, evaluated, words_known = {}, {}, vocabulary(store)
    for name, noise in (("uni-seed1", 0.9), ("bi-seed1", 0.4)):
        probabilities = np.clip(labels[held_out] * 0.6 + 0.2 + noise * (random.random(120) - 0.5), 0, 1)
        predicted[name] = predictions(store, labels[held_out], probabilities, parts[120:], model=name, rows=held_out)
        evaluated[name] = evaluate(
            predicted[name], cleaned, words_known, config=CONFIG, store=store, variant=variant(name.split("-")[0], 1)
        )
    return predicted, evaluated, cleaned, baselines(cleaned, split(store, parts), CONFIG, store)


def test_the_stage_compares_variants_with_each_other_and_with_tfidf(store):
    predicted, evaluated, cleaned, floor = stages(store)
    summary = store.summary(
        compare(predicted, evaluated, floor, cleaned=cleaned, config=CONFIG, store=store), ComparisonSummary
    )
    assert [(pair.first, pair.second) for pair in summary.comparisons] == [
        ("bi-seed1", "uni-seed1"),
        ("bi-seed1", TFIDF),
        ("uni-seed1", TFIDF),
        # All but the majority are perfect here; of equal ones the first by name is the best.
        ("bi-seed1", NAIVE_BAYES),
        ("uni-seed1", NAIVE_BAYES),
    ]
    assert all(pair.rows == 60 for pair in summary.comparisons)
    against = summary.between("uni-seed1", TFIDF)
    linear = next(e for e in store.summary(floor, BaselinesSummary).evaluations if e.model == TFIDF)
    assert against is not None
    assert against.both_right + against.only_second_right == round(linear.scores.accuracy.value * 60)
    assert summary.between("uni-seed1", MAJORITY) is None


def test_the_order_in_which_models_are_given_does_not_matter(store):
    predicted, evaluated, cleaned, floor = stages(store)
    first = compare(predicted, evaluated, floor, cleaned=cleaned, config=CONFIG, store=store)
    again = compare(
        dict(reversed(predicted.items())),
        dict(reversed(evaluated.items())),
        floor,
        cleaned=cleaned,
        config=CONFIG,
        store=store,
    )
    assert first == again


def test_models_without_an_evaluation_are_refused(store):
    predicted, evaluated, cleaned, floor = stages(store)
    with pytest.raises(ComparisonError, match="must be those with evaluations"):
        compare(predicted, {"bi-seed1": evaluated["bi-seed1"]}, floor, cleaned=cleaned, config=CONFIG, store=store)
    with pytest.raises(ComparisonError, match="one at least"):
        compare({}, {}, floor, cleaned=cleaned, config=CONFIG, store=store)


def test_an_evaluation_of_another_model_is_refused(store):
    predicted, evaluated, cleaned, floor = stages(store)
    swapped = {"bi-seed1": evaluated["uni-seed1"], "uni-seed1": evaluated["bi-seed1"]}
    with pytest.raises(ComparisonError, match="is of the model"):
        compare(predicted, swapped, floor, cleaned=cleaned, config=CONFIG, store=store)
