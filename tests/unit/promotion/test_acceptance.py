"""The acceptance: what is never accepted, what decides, and the words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import EvaluationConfig
from pipeline.evaluation import TFIDF, BaselinesSummary, Comparison, ComparisonSummary, EvaluationSummary
from pipeline.evaluation import metrics as figures
from pipeline.promotion import MARGIN, MIN_RARE_ROWS, AcceptanceResult, acceptance, check_acceptance
from pipeline.promotion.acceptance import AcceptanceError
from pipeline.splitting.records import LeakageFigure, LeakageSummary
from pipeline.statistics import Interval
from tests.factories import contents, place
from tests.unit.evaluation.given import evaluation

THOROUGH = settings(deadline=None, max_examples=100, derandomize=True)
NO_LEAKS = LeakageSummary(figures=(), vocabulary_leakage=False)
BASELINES = BaselinesSummary(evaluations=(evaluation(TFIDF, title="TF-IDF with logistic regression"),))
ORDER = {"refuse": 0, "cannot_tell": 1, "accept": 2}


def leaks(*figures_given: tuple[str, int, bool]) -> LeakageSummary:
    return LeakageSummary(
        figures=tuple(
            LeakageFigure(kind=kind, rows=rows, share=rows / 3000, guaranteed=promised)
            for kind, rows, promised in figures_given
        ),
        vocabulary_leakage=True,
    )


def against_tfidf(model: str = "bi-seed1", value: float = 0.0, low: float | None = None) -> Comparison:
    difference = Interval(value=value, low=value - 0.01 if low is None else low, high=value + 0.01)
    return Comparison(
        first=model,
        second=TFIDF,
        first_title=model,
        second_title="TF-IDF with logistic regression",
        rows=3000,
        both_right=2700,
        only_first_right=100,
        only_second_right=100,
        both_wrong=100,
        mcnemar_p_value=1.0,
        accuracy_difference=difference,
        balanced_accuracy_difference=difference,
        shown=False,
        sentence="",
    )


def judge(
    *judged: EvaluationSummary, pairs=None, found: LeakageSummary = NO_LEAKS, demo: bool = False
) -> AcceptanceResult:
    pairs = [against_tfidf(summary.model) for summary in judged] if pairs is None else pairs
    return acceptance(judged, BASELINES, found, ComparisonSummary(comparisons=tuple(pairs)), demo=demo)


def failed(result: AcceptanceResult) -> list[str]:
    return [rule.name for rule in result.rules if not rule.passed]


def test_a_good_model_is_accepted_with_its_figures():
    result = judge(evaluation("bi-seed1", title="bidirectional", low=0.88, value=0.9))
    assert result.decision == "accept"
    assert result.sentence == (
        "bidirectional may be used: balanced accuracy 0.90 (0.88 to 0.91) on 3,000 test reviews, +0.0 points against "
        "TF-IDF with logistic regression."
    )
    assert [rule.name for rule in result.rules] == [
        "numbers",
        "no_leaks",
        "more_than_one_answer",
        "enough_rows",
        "better_than_majority",
        "not_below_tfidf",
    ]
    assert failed(result) == []


def test_the_collapsed_model_is_refused_by_name():
    result = judge(evaluation("uni-seed1", title="uni", low=0.5, value=0.5, called_positive=3000))
    assert result.decision == "refuse"
    assert result.sentence == "uni must not be used: it says 'positive' of every review."
    assert failed(result) == ["more_than_one_answer", "better_than_majority"]


def test_a_model_not_shown_to_beat_the_majority_is_refused():
    result = judge(evaluation(low=0.505, value=0.56))
    assert result.decision == "refuse"
    assert failed(result) == ["better_than_majority"]
    assert "the interval of its balanced accuracy starts at 0.505, and must start above 0.51" in result.sentence


@pytest.mark.parametrize(
    ("value", "low", "decision"),
    [
        (0.02, 0.0, "accept"),
        (-0.02, -MARGIN, "accept"),
        (-0.02, -MARGIN - 0.001, "cannot_tell"),
        (-MARGIN - 0.001, -0.09, "refuse"),
    ],
)
def test_five_points_below_tfidf_is_the_limit(value, low, decision):
    result = judge(evaluation(), pairs=[against_tfidf(value=value, low=low)])
    assert result.decision == decision
    assert result.rules[-1].figure == low


def test_a_broken_promise_of_the_split_is_refused_and_an_open_leak_is_not():
    broken = judge(evaluation(), found=leaks(("near_duplicate", 4, True), ("user", 900, False)))
    assert broken.decision == "refuse"
    assert "4 test reviews known from training (near duplicate)" in broken.sentence
    assert judge(evaluation(), found=leaks(("user", 900, False), ("product", 0, True))).decision == "accept"


def test_too_few_rows_cannot_tell():
    few = judge(evaluation(negative_rows=MIN_RARE_ROWS - 1, positive_rows=2000))
    assert few.decision == "cannot_tell"
    assert "cannot be judged: the test part holds 96 negative reviews, the smaller class" in few.sentence
    assert judge(evaluation(negative_rows=MIN_RARE_ROWS)).decision == "accept"
    assert judge(evaluation(negative_rows=2000, positive_rows=30)).decision == "cannot_tell"


def test_a_collapsed_model_is_refused_even_on_few_rows():
    result = judge(evaluation(low=0.5, value=0.5, negative_rows=20, positive_rows=80, called_positive=100))
    assert result.decision == "refuse"


def test_the_best_is_chosen_on_validation_never_on_the_test():
    result = judge(
        evaluation("uni-seed1", validation=0.80, low=0.95),
        evaluation("bi-seed1", validation=0.90, low=0.70),
    )
    assert result.best_model == "bi-seed1"
    assert [candidate.model for candidate in result.candidates] == ["bi-seed1", "uni-seed1"]


def test_a_diverged_model_does_not_stand_in_the_way_of_a_sound_one():
    diverged, sound = evaluation("bi-seed1", validation=0.95, unusable=3), evaluation("uni-seed1", validation=0.8)
    assert judge(diverged, sound).best_model == "uni-seed1"
    alone = judge(diverged)
    assert alone.decision == "refuse"
    assert "3 probabilities" in alone.sentence


def test_demo_data_is_said():
    for low in (0.88, 0.5):
        result = judge(evaluation(low=low), demo=True)
        assert result.demo
        assert "demo data" in result.sentence
        assert "demo data" not in judge(evaluation(low=low)).sentence


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
    assert judge(summary, pairs=[pair]).decision == "refuse"


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
    result = judge(summary, pairs=[pair])
    assert result.decision == "refuse"
    # Whatever was broken, the record can be kept and read again.
    assert AcceptanceResult.model_validate_json(result.model_dump_json()) == result


@given(st.data())
@THOROUGH
def test_better_scores_never_bring_a_worse_verdict(data):
    low, width = data.draw(st.floats(0.4, 0.99)), data.draw(st.floats(0, 0.2))
    difference, spread = data.draw(st.floats(-0.3, 0.3)), data.draw(st.floats(0, 0.1))
    negative_rows = data.draw(st.integers(50, 200))

    def decision(more: float, more_on_tfidf: float) -> int:
        summary = evaluation(low=low + more, value=low + width + more, negative_rows=negative_rows)
        value = difference + more_on_tfidf
        return ORDER[judge(summary, pairs=[against_tfidf(value=value, low=value - spread)]).decision]

    gains = st.floats(0, 0.3)
    assert decision(data.draw(gains), data.draw(gains)) >= decision(0, 0)


def test_nothing_to_decide_on_is_an_error():
    with pytest.raises(AcceptanceError, match="no evaluated model"):
        judge()
    with pytest.raises(AcceptanceError, match="comparison of 'bi-seed1' with the baseline"):
        judge(evaluation(), pairs=[against_tfidf("uni-seed1")])


def test_the_stage_keeps_the_verdict(store):
    judged = {
        name: place(store, "evaluate", evaluation(name, validation=figure), label=name)
        for name, figure in (("uni-seed1", 0.8), ("bi-seed1", 0.9))
    }
    floor = place(store, "baselines", BASELINES)
    found = place(store, "check_leakage", NO_LEAKS)
    pairs = place(store, "compare", ComparisonSummary(comparisons=(against_tfidf(),)))
    reference = check_acceptance(judged, floor, found, pairs, store, demo=True)
    result = store.summary(reference, AcceptanceResult)
    assert (result.decision, result.best_model, result.demo) == ("accept", "bi-seed1", True)
    assert check_acceptance(dict(reversed(judged.items())), floor, found, pairs, store, demo=True) == reference
    assert check_acceptance(judged, floor, found, pairs, store) != reference
    assert contents(store.folder(reference)).keys() == {"summary.json"}
