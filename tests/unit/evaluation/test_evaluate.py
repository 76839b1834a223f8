"""The stage ``evaluate``: threshold, mistakes, warnings, refusals."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config import EvaluationConfig
from pipeline.evaluation import EvaluationSummary, evaluate
from pipeline.evaluation.predictions import PredictionsError
from tests.factories import contents
from tests.unit.evaluation.factories import predictions, reviews, variant, vocabulary

CONFIG = EvaluationConfig(bootstrap_samples=200)


def codes(summary: EvaluationSummary) -> set[str]:
    """Return the codes of the warnings."""
    return {warning.code for warning in summary.warnings}


def parts(validation: int, test: int) -> list[str]:
    return ["validation"] * validation + ["test"] * test


def judge(store, labels, probabilities, of_parts, config=CONFIG, **given) -> EvaluationSummary:
    """Run the stage on placed predictions."""
    predicted = predictions(store, labels, probabilities, of_parts)
    reference = evaluate(
        predicted,
        reviews(store, labels, **given),
        vocabulary(store),
        config=config,
        store=store,
        variant=variant(),
    )
    return store.summary(reference, EvaluationSummary)


def skilled(rows: int, share: float = 0.83, skill: float = 3.0, seed: int = 1):
    """Labels and the probabilities of a model that tells them apart."""
    random = np.random.default_rng(seed)
    labels = (random.random(rows) < share).astype(np.int8)
    return labels, 1 / (1 + np.exp(-(random.normal(size=rows) + skill * (labels - 0.5))))


def test_the_threshold_comes_from_validation_alone(store):
    # On validation 0.8 parts the classes; on the test 0.3 would.
    labels = [0, 0, 1, 1, 0, 0, 1, 1]
    summary = judge(store, labels, [0.6, 0.7, 0.9, 0.95, 0.1, 0.2, 0.4, 0.5], parts(4, 4))
    assert summary.threshold == pytest.approx(0.8)
    assert summary.threshold_source == "best balanced accuracy on 4 validation reviews"
    assert summary.validation_balanced_accuracy == 1
    assert summary.scores.rows == 4
    assert summary.scores.balanced_accuracy.value == 0.5
    assert summary.scores.roc_auc.value == 1


def test_half_means_half(store):
    summary = judge(store, [0, 1, 0, 1], [0.6, 0.9, 0.6, 0.9], parts(2, 2), EvaluationConfig(threshold="half"))
    assert summary.threshold == 0.5
    assert summary.threshold_source == "0.5, as configured"
    assert summary.scores.confusion.false_positive == 1


def test_a_probability_at_the_threshold_counts_as_positive(store):
    summary = judge(store, [0, 1, 1, 0], [0.1, 0.9, 0.5, 0.4], parts(2, 2), EvaluationConfig(threshold="half"))
    assert summary.scores.accuracy.value == 1


def test_validation_of_one_class_gives_a_half_and_says_so(store):
    summary = judge(store, [1, 1, 0, 1], [0.6, 0.9, 0.2, 0.9], parts(2, 2))
    assert summary.threshold == 0.5
    assert "all of one class" in summary.threshold_source


def test_the_collapsed_model_of_the_article_is_called_by_its_name(store):
    labels = np.array([1] * 83 + [0] * 17 + [1] * 83 + [0] * 17, dtype=np.int8)
    summary = judge(store, labels, np.full(200, 0.832), parts(100, 100), EvaluationConfig(threshold="half"))
    assert summary.no_better_than_majority
    assert (summary.warnings[0].code, summary.warnings[0].severity) == ("no_better_than_majority", "serious")


def test_a_model_that_says_negative_of_every_review_is_told_as_well(store):
    labels = np.array([1, 0, 0, 0, 1, 0, 0, 0], dtype=np.int8)
    summary = judge(store, labels, np.full(8, 0.1), parts(4, 4), EvaluationConfig(threshold="half"))
    assert summary.no_better_than_majority
    assert summary.warnings[0].code == "no_better_than_majority"


def test_one_answer_but_for_a_handful_is_no_better_than_the_majority(store):
    labels, _ = skilled(8000)
    probabilities = np.full(8000, 0.9)
    caught = np.flatnonzero(labels[4000:] == 0)[:6] + 4000
    probabilities[caught] = 0.1
    summary = judge(store, labels, probabilities, parts(4000, 4000), EvaluationConfig(threshold="half"))
    assert summary.scores.balanced_accuracy.low > 0.5
    assert summary.no_better_than_majority
    assert summary.warnings[0].code == "no_better_than_majority"


def test_a_high_accuracy_does_not_stand_in_for_an_interval_that_reaches_guessing(store):
    labels = [0, 1] + [0] * 10 + [1] * 90
    probabilities = [0.1, 0.9] + [0.1] * 2 + [0.9] * 98
    summary = judge(store, labels, probabilities, parts(2, 100))
    assert summary.scores.accuracy.low > 0.8
    assert summary.scores.balanced_accuracy.value == 0.6
    assert summary.scores.balanced_accuracy.low == 0.5
    assert summary.no_better_than_majority


def test_a_skilled_model_below_the_majoritys_accuracy_is_not_flagged(store):
    labels, probabilities = skilled(4000, share=0.95, skill=2.0)
    summary = judge(store, labels, probabilities, parts(2000, 2000))
    assert summary.scores.accuracy.value < labels[2000:].mean()
    assert summary.scores.balanced_accuracy.value > 0.75
    assert not summary.no_better_than_majority
    assert "below_majority_share" in codes(summary)


def test_a_hidden_ranking_is_told(store):
    labels, probabilities = skilled(4000)
    summary = judge(store, labels, 0.6 + probabilities * 0.4, parts(2000, 2000), EvaluationConfig(threshold="half"))
    assert summary.no_better_than_majority
    assert summary.scores.roc_auc.low > 0.51


def test_good_figures_bring_no_warning(store):
    labels, _ = skilled(4000)
    random = np.random.default_rng(4)
    probabilities = np.where(labels == 1, 0.97, 0.03) + random.normal(scale=0.005, size=4000)
    assert judge(store, labels, probabilities, parts(1000, 3000)).warnings == ()


def test_guessing_is_flagged(store):
    labels, _ = skilled(2000)
    probabilities = np.random.default_rng(2).random(2000)
    summary = judge(store, labels, probabilities, parts(1000, 1000))
    assert summary.no_better_than_majority


def test_few_rows_of_a_class_are_told(store):
    labels, probabilities = skilled(400)
    summary = judge(store, labels, probabilities, parts(200, 200))
    few = int((labels[200:] == 0).sum())
    found = next(warning for warning in summary.warnings if warning.code == "few_test_rows")
    assert (found.value, found.bound, found.severity) == (few, 400, "note")


def test_a_fall_from_validation_to_test_is_told(store):
    labels, probabilities = skilled(2000)
    probabilities[1000:] = 0.5 + 0.1 * (probabilities[1000:] - 0.5)
    probabilities[1000:][::3] = 0.55
    summary = judge(store, labels, probabilities, parts(1000, 1000))
    assert "validation_drop" in codes(summary)


def test_overconfident_probabilities_are_told(store):
    labels, probabilities = skilled(4000, skill=2.0)
    summary = judge(store, labels, np.where(probabilities > 0.5, 0.9999, 0.0001), parts(2000, 2000))
    assert {"worse_than_constant", "poor_calibration"} <= codes(summary)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1, 1.5])
def test_what_is_no_probability_counts_as_a_half_and_is_told(store, bad):
    labels, probabilities = skilled(400)
    probabilities[[3, 300]] = bad
    summary = judge(store, labels, probabilities, parts(200, 200))
    assert summary.unusable_probabilities == 2
    assert (summary.warnings[0].code, summary.warnings[0].value) == ("unusable_probabilities", 2)
    assert np.isfinite(summary.scores.log_loss.value)


def test_a_diverged_model_is_judged_and_not_lost(store):
    labels, _ = skilled(400)
    summary = judge(store, labels, np.full(400, np.nan), parts(200, 200))
    assert summary.no_better_than_majority
    assert summary.scores.roc_auc.value == 0.5


def test_mistakes_are_the_furthest_from_the_truth_with_their_text(store):
    labels = [0, 1, 0, 0, 1, 1, 1, 0]
    probabilities = [0.1, 0.9, 0.75, 0.95, 0.25, 0.9, 0.25, 0.1]
    texts = [f"text {i}" for i in range(8)]
    summary = judge(store, labels, probabilities, parts(2, 6), texts=texts)
    assert [(m.row, m.label, m.text) for m in summary.mistakes] == [
        (3, 0, "text 3"),
        (2, 0, "text 2"),
        (4, 1, "text 4"),
        (6, 1, "text 6"),
    ]


def test_mistakes_are_twenty_at_most_and_their_text_is_cut(store):
    labels = [0, 1] + [1] * 30
    summary = judge(store, labels, [0.1, 0.9] + [0.2] * 30, parts(2, 30), texts=["<b>" + "x" * 900] * 32)
    assert len(summary.mistakes) == 20
    assert {len(mistake.text) for mistake in summary.mistakes} == {600}
    assert [mistake.row for mistake in summary.mistakes] == list(range(2, 22))


def test_mistakes_come_with_their_stars_and_headline(store):
    headlines = pa.array([None, None, "h" * 900, None])
    stars = pa.array([1, 5, 2, 5], pa.int8())
    summary = judge(store, [0, 1, 0, 1], [0.1, 0.9, 0.8, 0.2], parts(2, 2), summary=headlines, score=stars)
    assert [(m.stars, m.summary and len(m.summary)) for m in summary.mistakes] == [(2, 600), (5, None)]


def test_the_order_of_the_reviews_does_not_matter(store):
    labels = np.array([0, 1, 0, 1, 1, 0], dtype=np.int8)
    rows = np.array([50, 40, 30, 20, 10, 0])
    predicted = predictions(store, labels, [0.1, 0.9, 0.75, 0.9, 0.25, 0.1], parts(2, 4), rows=rows)
    order = [3, 0, 5, 1, 4, 2]
    cleaned = reviews(store, labels[order], rows=rows[order], texts=[f"row {row}" for row in rows[order]])
    reference = evaluate(predicted, cleaned, vocabulary(store), config=CONFIG, store=store, variant=variant())
    assert [m.text for m in store.summary(reference, EvaluationSummary).mistakes] == ["row 10", "row 30"]


def test_the_same_predictions_give_the_same_bytes(store, tmp_path):
    labels, probabilities = skilled(400)
    predicted, cleaned = predictions(store, labels, probabilities, parts(200, 200)), reviews(store, labels)
    references = [
        evaluate(predicted, cleaned, vocabulary(store), config=CONFIG, store=store, variant=variant(seed=seed))
        for seed in (1, 2)
    ]
    first, second = (contents(store.folder(reference))["summary.json"] for reference in references)
    changed = second.replace(b"bi-seed2", b"bi-seed1").replace(b"seed 2", b"seed 1").replace(b'"seed": 2', b'"seed": 1')
    assert first == changed


def test_predictions_of_other_reviews_are_refused(store):
    predicted = predictions(store, [0, 1, 0, 1], [0.1, 0.9, 0.1, 0.9], parts(2, 2))
    with pytest.raises(PredictionsError, match=r"1 test rows of the predictions are not among.*row 3"):
        evaluate(predicted, reviews(store, [0, 1, 0]), vocabulary(store), config=CONFIG, store=store, variant=variant())


def test_other_labels_are_refused(store, tmp_path):
    predicted = predictions(store, [0, 1, 0, 1], [0.1, 0.9, 0.1, 0.9], parts(2, 2))
    with pytest.raises(PredictionsError, match=r"1 validation rows of the predictions bear another label.*row 1"):
        evaluate(
            predicted, reviews(store, [0, 0, 0, 1]), vocabulary(store), config=CONFIG, store=store, variant=variant()
        )


@pytest.mark.parametrize(
    ("labels", "of_parts", "rows", "message"),
    [
        ([0, 1], ["validation"] * 2, None, "no test rows"),
        ([0, 1], ["test"] * 2, None, "no validation rows"),
        ([0, 1, 2, 1], ["validation", "validation", "test", "test"], None, "other than 0"),
        ([0, 1, 0, 1], ["validation", "validation", "test", "test"], [0, 1, 2, 2], "twice"),
    ],
)
def test_broken_predictions_are_refused(store, labels, of_parts, rows, message):
    predicted = predictions(store, labels, [0.5] * len(labels), of_parts, rows=rows)
    with pytest.raises(PredictionsError, match=message):
        evaluate(predicted, reviews(store, labels), vocabulary(store), config=CONFIG, store=store, variant=variant())
