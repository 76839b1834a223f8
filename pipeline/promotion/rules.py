"""The rules of the acceptance check and the gate: from figures to ``Rule`` records, without side effects.

``docs/explanation/evaluation.md`` and ``docs/explanation/promotion.md`` explain each rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.behavioral_tests import BehavioralTestsSummary
from pipeline.config import PromotionConfig
from pipeline.evaluation import MAJORITY_BOUND, Comparison, EvaluationSummary, clears_majority
from pipeline.evaluation.paired import rows_needed, simultaneous_upper_bound
from pipeline.evaluation.rules import FEW_ROWS
from pipeline.promotion.champions import ChampionChange, ChampionModel
from pipeline.promotion.records import (
    AcceptanceResult,
    ComparedSlice,
    Failure,
    HeadToHeadSummary,
    RowSet,
    Rule,
    RuleCode,
)
from pipeline.splitting.records import LeakageSummary
from pipeline.statistics import Interval, share_of
from pipeline.training.records import ExportSummary
from pipeline.validation.records import ValidationSummary

MARGIN = 0.05
"""Balanced accuracy by which the best model may be below TF-IDF with logistic regression.

On few reviews a linear model is hard to beat, and an LSTM slightly below it may be worth keeping because it improves
with data. Five points are more than the spread over seeds and test rows, and less than the nine points that the known
faults (unmasked padding, a network that predicts only the majority) cost.
"""

MIN_CLASS_ROWS = FEW_ROWS
"""Test rows of the smaller class from which its half of the balanced accuracy is known to less than ``MARGIN``."""

MAX_EXPORT_DIFFERENCE = 1e-4
"""Between the prediction from raw text and the evaluated one; the export stage uses the same bound."""

BYTES_PER_MEGABYTE = 1e6

EQUAL = 1e-12
"""Differences of shares below this are rounding."""


@dataclass(frozen=True)
class Evidence:
    """Everything that the gate's rules read.

    ``contract`` is that of the newest raw reviews. ``head_to_head`` is ``None`` if the models were not compared.
    """

    acceptance: AcceptanceResult
    evaluation: EvaluationSummary
    contract: ValidationSummary
    exported: ExportSummary
    behavioral_tests: BehavioralTestsSummary
    champion_behavioral_tests: BehavioralTestsSummary | None = None
    head_to_head: HeadToHeadSummary | None = None


def acceptance_rules(
    best: EvaluationSummary, pair: Comparison, leakage: LeakageSummary, margin: float
) -> tuple[Rule, ...]:
    """Apply the rules of the acceptance check.

    Args:
        best: The best model on validation.
        pair: That model against TF-IDF.
        leakage: Of the split.
        margin: Balanced accuracy (0–1) by which the model may be below TF-IDF.
    """
    enough = _enough_test_rows(best)
    scores = best.model_dump(exclude={"mistakes", "warnings"})
    return (
        _finite("finite_scores", [scores, pair.model_dump()], best.unusable_probabilities),
        _no_leakage(leakage),
        _both_classes_predicted(best),
        enough,
        # On few rows a wide interval proves nothing against the model.
        _better_than_majority(best, "rejected" if enough.passed else "inconclusive"),
        _not_below("not_below_tfidf", pair.balanced_accuracy_difference, margin, conclusive=enough.passed),
    )


def gate_rules(
    challenger: ChampionModel, current: ChampionChange | None, evidence: Evidence, config: PromotionConfig
) -> Iterator[Rule]:
    """Yield the rules of the acceptance check, then those of the gate.

    Args:
        challenger: The best model of this run.
        current: The change that made the current champion; ``None`` without a champion.
        evidence: The figures.
        config: Metric and margins.
    """
    yield from evidence.acceptance.rules
    yield _data_contract(evidence.contract)
    yield _finite_evidence(evidence)
    yield _export_matches(evidence.exported)
    yield _calibration(evidence.evaluation, config.max_calibration_error)
    if config.max_model_megabytes is not None:
        yield _model_size(evidence.exported, config.max_model_megabytes)
    if current is None:
        return
    same = challenger.exported == current.model.exported
    yield _rule("real_data", passed=current.model.demo or not challenger.demo, if_failed="rejected")
    yield _rule("new_model", passed=not same, if_failed="kept", run_name=current.run_name)
    if same or replaces_demo(current.model, challenger):
        return
    yield _behavior(evidence, config.behavior_margin)
    if evidence.head_to_head is None:
        yield _rule("compared", passed=False, if_failed="inconclusive")
        return
    own_test, champion_test = evidence.head_to_head.challenger_test, evidence.head_to_head.champion_test
    yield _enough_compared_rows(own_test, config)
    yield _not_below_champion("not_below_champion", own_test, config)
    if champion_test is not None:
        yield _not_below_on_champion_test(champion_test, config)
    yield _no_slice_worse(own_test, config)
    yield _improvement(own_test, config)


def replaces_demo(champion: ChampionModel, challenger: ChampionModel) -> bool:
    """Return whether a model of real reviews replaces one of generated reviews: the two are not compared."""
    return champion.demo and not challenger.demo


def _rule(
    code: RuleCode,
    *,
    passed: bool,
    if_failed: Failure,
    value: float | None = None,
    bound: float | None = None,
    **details: float | str | None,
) -> Rule:
    """Return a rule; JSON has no NaN and no infinity, so they become ``None``."""
    return Rule(
        code=code,
        passed=passed,
        if_failed=if_failed,
        value=_finite_or_none(value),
        bound=bound,
        details={
            name: _finite_or_none(detail) if isinstance(detail, float) else detail for name, detail in details.items()
        },
    )


def _finite(code: RuleCode, figures: list[object], unusable: int) -> Rule:
    not_finite = sum(not math.isfinite(value) for value in _floats(figures))
    bad = unusable + not_finite
    return _rule(
        code, passed=not bad, if_failed="rejected", value=bad, bound=0, unusable=unusable, not_finite=not_finite
    )


def _no_leakage(leakage: LeakageSummary) -> Rule:
    return _rule(
        "no_leakage",
        passed=not leakage.violated,
        if_failed="rejected",
        value=max((figure.rows for figure in leakage.violated), default=0),
        bound=0,
        kinds=", ".join(figure.kind.replace("_", " ") for figure in leakage.violated),
    )


def _both_classes_predicted(best: EvaluationSummary) -> Rule:
    matrix = best.scores.confusion
    positive = matrix.true_positive + matrix.false_positive
    negative = matrix.true_negative + matrix.false_negative
    return _rule(
        "both_classes_predicted",
        passed=min(positive, negative) >= 1,
        if_failed="rejected",
        value=min(positive, negative),
        bound=1,
        positive=positive,
        negative=negative,
    )


def _enough_test_rows(best: EvaluationSummary) -> Rule:
    rows = min(best.scores.negative.rows, best.scores.positive.rows)
    return _rule(
        "enough_test_rows",
        passed=rows >= MIN_CLASS_ROWS,
        if_failed="inconclusive",
        value=rows,
        bound=MIN_CLASS_ROWS,
        smaller_class="negative" if best.scores.negative.rows == rows else "positive",
    )


def _better_than_majority(best: EvaluationSummary, if_failed: Failure) -> Rule:
    balanced = best.scores.balanced_accuracy
    return _rule(
        "better_than_majority",
        passed=clears_majority(best.scores) and not best.no_better_than_majority,
        if_failed=if_failed,
        value=balanced.low,
        bound=MAJORITY_BOUND,
        balanced_accuracy=balanced.value,
        high=balanced.high,
        rows=best.scores.rows,
    )


def _not_below(
    code: RuleCode,
    difference: Interval | None,
    margin: float,
    *,
    metric: str = "balanced_accuracy",
    conclusive: bool = True,
) -> Rule:
    """Test non-inferiority: the interval starts at −margin or above.

    A difference below −margin is rejected; an interval that only reaches below it is inconclusive.
    """
    if difference is None:
        return _rule(code, passed=False, if_failed="inconclusive", bound=-margin)
    below = difference.value < -margin
    return _rule(
        code,
        passed=difference.low >= -margin and difference.value >= -margin,
        if_failed="rejected" if below and conclusive else "inconclusive",
        value=difference.low,
        bound=-margin,
        difference=difference.value,
        metric=metric,
    )


def _data_contract(summary: ValidationSummary) -> Rule:
    violated = len(summary.contract.failed)
    return _rule(
        "data_contract",
        passed=summary.contract.success and not violated,
        if_failed="rejected",
        value=violated,
        bound=0,
    )


def _finite_evidence(evidence: Evidence) -> Rule:
    figures: list[object] = [
        evidence.evaluation.model_dump(exclude={"mistakes", "warnings"}),
        evidence.exported.model_dump(),
        [test.model_dump(include={"pass_rate"}) for test in evidence.behavioral_tests.tests],
    ]
    unusable = evidence.evaluation.unusable_probabilities
    if evidence.head_to_head is not None:
        figures.append(evidence.head_to_head.model_dump())
        row_sets = (evidence.head_to_head.challenger_test, evidence.head_to_head.champion_test)
        unusable += sum(row_set.challenger.unusable for row_set in row_sets if row_set is not None)
    return _finite("finite_evidence", figures, unusable)


def _export_matches(exported: ExportSummary) -> Rule:
    return _rule(
        "export_matches",
        passed=exported.checked_rows > 0 and exported.largest_difference <= MAX_EXPORT_DIFFERENCE,
        if_failed="rejected",
        value=exported.largest_difference if exported.checked_rows else None,
        bound=MAX_EXPORT_DIFFERENCE,
        rows=exported.checked_rows,
    )


def _model_size(exported: ExportSummary, bound: float) -> Rule:
    value = None if exported.onnx_bytes is None else exported.onnx_bytes / BYTES_PER_MEGABYTE
    return _rule(
        "model_size", passed=value is not None and value <= bound, if_failed="rejected", value=value, bound=bound
    )


def _calibration(evaluation: EvaluationSummary, bound: float) -> Rule:
    error = evaluation.scores.calibration_error.value
    return _rule("calibration", passed=error <= bound, if_failed="rejected", value=error, bound=bound)


def _behavior(evidence: Evidence, margin: float) -> Rule:
    """Compare pass rates over the tests that both models took in the same form."""
    champion = () if evidence.champion_behavioral_tests is None else evidence.champion_behavioral_tests.tests
    own = {(test.kind, test.name, test.cases): test.passed for test in evidence.behavioral_tests.tests}
    others = {(test.kind, test.name, test.cases): test.passed for test in champion}
    common = own.keys() & others.keys()
    cases = sum(cases for *_, cases in common)
    if not cases:
        return _rule("behavior", passed=False, if_failed="inconclusive", bound=-margin)
    passed, champion_passed = sum(own[test] for test in common), sum(others[test] for test in common)
    difference = share_of(passed, cases) - share_of(champion_passed, cases)
    return _rule(
        "behavior",
        passed=difference >= -margin - EQUAL,
        if_failed="rejected",
        value=difference,
        bound=-margin,
        cases=cases,
        passed_cases=passed,
        champion_passed_cases=champion_passed,
    )


def _enough_compared_rows(row_set: RowSet, config: PromotionConfig) -> Rule:
    rows, needed, kind = _decisive_rows(row_set, config)
    return _rule(
        "enough_compared_rows",
        passed=rows >= needed,
        if_failed="inconclusive",
        value=rows,
        bound=needed,
        kind=kind,
    )


def _not_below_champion(code: RuleCode, row_set: RowSet, config: PromotionConfig) -> Rule:
    return _not_below(code, _difference(row_set, config), config.non_inferiority_margin, metric=config.metric)


def _not_below_on_champion_test(row_set: RowSet, config: PromotionConfig) -> Rule:
    rows, needed, _ = _decisive_rows(row_set, config)
    if rows >= needed:
        return _not_below_champion("not_below_on_champion_test", row_set, config)
    return _rule(
        "not_below_on_champion_test", passed=True, if_failed="inconclusive", bound=-config.non_inferiority_margin
    )


def _no_slice_worse(row_set: RowSet, config: PromotionConfig) -> Rule:
    """Fail if the simultaneous upper bound of the difference on any slice is below −margin."""
    margin = config.slice_margin
    slices = [found for found in row_set.slices if found.rows >= config.slice_rows]
    if not slices:
        return _rule("no_slice_worse", passed=True, if_failed="rejected", bound=-margin)

    def upper_bound(found: ComparedSlice) -> float:
        return simultaneous_upper_bound(found.only_challenger, found.only_champion, found.rows, len(slices))

    bounds = [(upper_bound(found), found.difference.value, place) for place, found in enumerate(slices)]
    bound, difference, place = min(bounds)
    return _rule(
        "no_slice_worse",
        passed=bound >= -margin,
        if_failed="rejected",
        value=bound,
        bound=-margin,
        slices=len(slices),
        worse=sum(upper < -margin for upper, *_ in bounds),
        worst=f"{slices[place].dimension_title}: {slices[place].label}",
        rows=slices[place].rows,
        difference=difference,
    )


def _improvement(row_set: RowSet, config: PromotionConfig) -> Rule:
    required, difference = config.required_improvement, _difference(row_set, config)
    if difference is None:
        return _rule("improvement", passed=False, if_failed="inconclusive", bound=required)
    return _rule(
        "improvement",
        passed=difference.value > required + EQUAL,
        if_failed="kept",
        value=difference.value,
        bound=required,
        low=difference.low,
        high=difference.high,
        rows=row_set.rows,
        metric=config.metric,
    )


def _difference(row_set: RowSet, config: PromotionConfig) -> Interval | None:
    """Return the difference of the configured metric, or ``None`` if a class that it needs has no rows."""
    negative, positive = row_set.negative.rows, row_set.positive.rows
    if row_set.differences is None or (config.metric != "accuracy" and not negative):
        return None
    if config.metric == "balanced_accuracy" and not positive:
        return None
    found: Interval = getattr(row_set.differences, config.metric)
    return found


def _decisive_rows(row_set: RowSet, config: PromotionConfig) -> tuple[int, int, str]:
    """Return the rows that limit the precision of the metric, how many are needed, and what they are."""
    margin = config.non_inferiority_margin
    negative, positive = row_set.negative.rows, row_set.positive.rows
    if config.metric == "accuracy":
        return negative + positive, rows_needed(margin, 1), "reviews"
    if config.metric == "negative_recall":
        return negative, rows_needed(margin, 1), "negative reviews"
    smaller = "negative" if negative <= positive else "positive"
    return min(negative, positive), rows_needed(margin, 0.5), f"{smaller} reviews (the smaller class)"


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _floats(value: object) -> Iterator[float]:
    """Yield every float in nested dicts, lists and tuples."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _floats(item)
