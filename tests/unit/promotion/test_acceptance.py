"""The acceptance check: the effect of each rule, and what is never accepted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import EvaluationConfig
from pipeline.evaluation import TFIDF, BaselinesSummary, ComparisonSummary
from pipeline.evaluation import metrics as figures
from pipeline.promotion import AcceptanceResult, check_acceptance
from pipeline.promotion.acceptance import AcceptanceError
from pipeline.promotion.records import deciding_rule
from pipeline.promotion.rules import MARGIN, MIN_CLASS_ROWS
from pipeline.splitting.records import LeakageFigure, LeakageSummary
from pipeline.statistics import Interval
from tests.factories import contents, place
from tests.unit.evaluation.factories import evaluation
from tests.unit.promotion.factories import against_tfidf, checked

THOROUGH = settings(deadline=None, max_examples=100, derandomize=True)
NO_LEAKS = LeakageSummary(figures=(), vocabulary_leakage=False)
BASELINES = BaselinesSummary(evaluations=(evaluation(TFIDF, title="TF-IDF with logistic regression"),))
ORDER = {"rejected": 0, "inconclusive": 1, "accepted": 2}


def leaks(*figures_given: tuple[str, int, bool]) -> LeakageSummary:
    return LeakageSummary(
        figures=tuple(
            LeakageFigure(kind=kind, rows=rows, share=rows / 3000, guaranteed=promised)
            for kind, rows, promised in figures_given
        ),
        vocabulary_leakage=True,
    )


def failed(result: AcceptanceResult) -> list[str]:
    return [rule.code for rule in result.rules if not rule.passed]


def test_a_good_model_is_accepted_with_its_figures():
    result = checked(evaluation("bi-seed1", title="bidirectional", low=0.88, value=0.9))
    assert result.decision == "accepted"
    assert [rule.code for rule in result.rules] == [
        "finite_scores",
        "no_leakage",
        "both_classes_predicted",
        "enough_test_rows",
        "better_than_majority",
        "not_below_tfidf",
    ]
    assert failed(result) == []


def test_a_collapsed_model_is_rejected():
    result = checked(evaluation("uni-seed1", title="uni", low=0.5, value=0.5, called_positive=3000))
    assert result.decision == "rejected"
    assert failed(result) == ["both_classes_predicted", "better_than_majority"]


def test_a_model_not_significantly_better_than_the_majority_is_rejected():
    result = checked(evaluation(low=0.505, value=0.56))
    assert result.decision == "rejected"
    assert failed(result) == ["better_than_majority"]
    assert deciding_rule(result.rules).value == 0.505


@pytest.mark.parametrize(
    ("value", "low", "decision"),
    [
        (0.02, 0.0, "accepted"),
        (-0.02, -MARGIN, "accepted"),
        (-0.02, -MARGIN - 0.001, "inconclusive"),
        (-MARGIN - 0.001, -0.09, "rejected"),
    ],
)
def test_five_points_below_tfidf_is_the_limit(value, low, decision):
    result = checked(evaluation(), pairs=[against_tfidf(value=value, low=low)])
    assert result.decision == decision
    assert result.rules[-1].value == low


def test_a_violated_guarantee_is_rejected_and_other_overlap_is_not():
    broken = checked(evaluation(), leakage=leaks(("near_duplicate", 4, True), ("user", 900, False)))
    assert broken.decision == "rejected"
    reason = deciding_rule(broken.rules)
    assert (reason.code, reason.value, reason.details) == ("no_leakage", 4, {"kinds": "near duplicate"})
    assert checked(evaluation(), leakage=leaks(("user", 900, False), ("product", 0, True))).decision == "accepted"


def test_too_few_rows_are_inconclusive():
    few = checked(evaluation(negative_rows=MIN_CLASS_ROWS - 1, positive_rows=2000))
    assert few.decision == "inconclusive"
    reason = deciding_rule(few.rules)
    assert (reason.code, reason.value, reason.details) == ("enough_test_rows", 96, {"smaller_class": "negative"})
    assert checked(evaluation(negative_rows=MIN_CLASS_ROWS)).decision == "accepted"
    assert checked(evaluation(negative_rows=2000, positive_rows=30)).decision == "inconclusive"


def test_a_collapsed_model_is_rejected_even_on_few_rows():
    result = checked(evaluation(low=0.5, value=0.5, negative_rows=20, positive_rows=80, called_positive=100))
    assert result.decision == "rejected"


def test_the_best_is_chosen_on_validation_never_on_the_test():
    result = checked(
        evaluation("uni-seed1", validation=0.80, low=0.95),
        evaluation("bi-seed1", validation=0.90, low=0.70),
    )
    assert result.best_model == "bi-seed1"
    assert [candidate.model for candidate in result.candidates] == ["bi-seed1", "uni-seed1"]


def test_a_diverged_model_ranks_last():
    diverged, sound = evaluation("bi-seed1", validation=0.95, unusable=3), evaluation("uni-seed1", validation=0.8)
    assert checked(diverged, sound).best_model == "uni-seed1"
    alone = checked(diverged)
    assert alone.decision == "rejected"
    assert deciding_rule(alone.rules).details == {"unusable": 3, "not_finite": 0}


def test_few_rows_prove_nothing_against_a_weak_model():
    assert checked(evaluation(low=0.505, value=0.56, negative_rows=20)).decision == "inconclusive"
    assert checked(evaluation(negative_rows=20), pairs=[against_tfidf(value=-0.2)]).decision == "inconclusive"


@given(st.floats(0, 1), st.integers(150, 400), st.integers(150, 400), st.sampled_from(["half", "balanced_accuracy"]))
@THOROUGH
def test_a_model_equal_to_the_majority_is_never_accepted(probability, negative, positive, threshold):
    from pipeline.evaluation.operating_points import threshold_for
    from pipeline.evaluation.predictions import part_predictions

    labels = np.array([0] * negative + [1] * positive, dtype=np.int8)
    constant = part_predictions(np.arange(len(labels)), labels, np.full(len(labels), probability))
    chosen, _ = threshold_for(constant, EvaluationConfig(threshold=threshold))
    scores = figures.scores(labels, constant.probabilities, chosen, 100)
    summary = evaluation().model_copy(update={"scores": scores, "no_better_than_majority": False})
    pair = against_tfidf(value=0.3)
    assert checked(summary, pairs=[pair]).decision == "rejected"


@given(st.data())
@THOROUGH
def test_what_is_not_a_number_is_never_accepted(data):
    fields = ["accuracy", "balanced_accuracy", "roc_auc", "pr_auc", "matthews", "log_loss"]
    broken = data.draw(st.sampled_from([*fields, "threshold", "validation_balanced_accuracy", "comparison"]))
    bad = data.draw(st.sampled_from([math.nan, math.inf, -math.inf]))
    summary, pair = evaluation(), against_tfidf()
    if broken == "comparison":
        pair = pair.model_copy(update={"balanced_accuracy_difference": Interval(value=bad, low=bad, high=bad)})
    elif broken in fields[:3]:
        place_in = data.draw(st.sampled_from(["value", "low", "high"]))
        interval = getattr(summary.scores, broken).model_copy(update={place_in: bad})
        summary = summary.model_copy(update={"scores": summary.scores.model_copy(update={broken: interval})})
    elif broken in fields:
        summary = summary.model_copy(update={"scores": summary.scores.model_copy(update={broken: bad})})
    else:
        summary = summary.model_copy(update={broken: bad})
    result = checked(summary, pairs=[pair])
    assert result.decision == "rejected"
    # Whatever was broken, the record can be kept and read again.
    assert AcceptanceResult.model_validate_json(result.model_dump_json()) == result


@given(st.data())
@THOROUGH
def test_better_scores_never_make_the_decision_worse(data):
    low, width = data.draw(st.floats(0.4, 0.99)), data.draw(st.floats(0, 0.2))
    difference, spread = data.draw(st.floats(-0.3, 0.3)), data.draw(st.floats(0, 0.1))
    negative_rows = data.draw(st.integers(50, 200))

    def decision(more: float, more_on_tfidf: float) -> int:
        summary = evaluation(low=low + more, value=low + width + more, negative_rows=negative_rows)
        value = difference + more_on_tfidf
        return ORDER[checked(summary, pairs=[against_tfidf(value=value, low=value - spread)]).decision]

    gains = st.floats(0, 0.3)
    assert decision(data.draw(gains), data.draw(gains)) >= decision(0, 0)


def test_missing_models_or_comparisons_are_errors():
    with pytest.raises(AcceptanceError, match="no evaluated model"):
        checked()
    with pytest.raises(AcceptanceError, match="comparison of 'bi-seed1' with the baseline"):
        checked(evaluation(), pairs=[against_tfidf("uni-seed1")])


def test_the_stage_stores_the_result(store):
    judged = {
        name: place(store, "evaluate", evaluation(name, validation=figure), label=name)
        for name, figure in (("uni-seed1", 0.8), ("bi-seed1", 0.9))
    }
    floor = place(store, "baselines", BASELINES)
    found = place(store, "check_leakage", NO_LEAKS)
    pairs = place(store, "compare", ComparisonSummary(comparisons=(against_tfidf(),)))
    reference = check_acceptance(judged, floor, found, pairs, store, demo=True)
    result = store.summary(reference, AcceptanceResult)
    assert (result.decision, result.best_model, result.demo) == ("accepted", "bi-seed1", True)
    assert check_acceptance(dict(reversed(judged.items())), floor, found, pairs, store, demo=True) == reference
    assert check_acceptance(judged, floor, found, pairs, store) != reference
    assert contents(store.folder(reference)).keys() == {"summary.json"}
