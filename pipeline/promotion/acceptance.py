"""The stage ``decide``: rules as data, applied to the model that was best on validation."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel

from pipeline.errors import ArtifactError, quoted
from pipeline.evaluation import (
    MAJORITY_BOUND,
    TFIDF,
    BaselinesSummary,
    Comparison,
    ComparisonSummary,
    EvaluationSummary,
    best_first,
    clears_majority,
)
from pipeline.evaluation.rules import FEW_ROWS
from pipeline.promotion.records import AcceptanceResult, Candidate, Decision, RuleResult
from pipeline.splitting.records import LeakageSummary
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage

log = logging.getLogger(__name__)

STAGE = Stage("check_acceptance", version=2)

MARGIN = 0.05
"""Balanced accuracy by which the best model may stay below TF-IDF with logistic regression.

On few reviews a linear model over words is hard to beat, and an LSTM somewhat below it may still be worth having as
the one that improves with data. Five points are more than seeds and test rows scatter, and less than the nine points
that the known faults (unmasked padding, a network that never left the majority) cost: a model further below than
that is broken, not unlucky.
"""

DEMO_WORDS = "On demo data, which say nothing of real reviews: "
"""Begin the sentence of a verdict or decision on generated reviews."""

MIN_RARE_ROWS = FEW_ROWS
"""Test rows of the smaller class from which ``MARGIN`` means anything.

The smaller class is half of the balanced accuracy; from ``FEW_ROWS`` on that half is known to less than the margin.
"""


class AcceptanceParams(BaseModel):
    """What the verdict depends on, besides its inputs."""

    demo: bool
    margin: float


class AcceptanceError(ArtifactError):
    """There is nothing to decide on, or what there is does not belong together."""


def check_acceptance(
    evaluations: Mapping[str, ArtifactReference],
    baselines: ArtifactReference,
    leaks: ArtifactReference,
    comparison: ArtifactReference,
    store: ArtifactStore,
    *,
    demo: bool = False,
    margin: float = MARGIN,
) -> ArtifactReference:
    """Decide whether the best model may be used.

    Args:
        evaluations: ``evaluate`` artifacts by model name.
        baselines: The ``baselines`` artifact.
        leaks: The ``check_leakage`` artifact.
        comparison: The ``compare`` artifact of the same models.
        store: Where artifacts lie.
        demo: Whether the reviews are generated ones; the verdict then says so.
        margin: Balanced accuracy (0–1) by which the best model may stay below TF-IDF.

    Returns:
        An artifact whose summary is a ``Verdict``.

    Raises:
        AcceptanceError: No model, or the comparison of the best model with TF-IDF is missing.
    """
    names = sorted(evaluations)

    def build(_: object) -> Outcome:
        result = acceptance(
            [store.summary(evaluations[name], EvaluationSummary) for name in names],
            store.summary(baselines, BaselinesSummary),
            store.summary(leaks, LeakageSummary),
            store.summary(comparison, ComparisonSummary),
            demo=demo,
            margin=margin,
        )
        log.info("%s", result.sentence)
        return Outcome(result)

    return store.produce(
        STAGE,
        inputs={
            **{f"evaluated {name}": evaluations[name] for name in names},
            "baselines": baselines,
            "leaks": leaks,
            "comparison": comparison,
        },
        params=AcceptanceParams(demo=demo, margin=margin),
        build=build,
    )


def acceptance(
    evaluations: Sequence[EvaluationSummary],
    baselines: BaselinesSummary,
    leaks: LeakageSummary,
    comparisons: ComparisonSummary,
    *,
    demo: bool,
    margin: float = MARGIN,
) -> AcceptanceResult:
    """Apply the rules to the model that was best on validation; the first rule that fails gives the decision.

    Raises:
        AcceptanceError: No model, or the comparison of the best model with TF-IDF is missing.
    """
    if not evaluations:
        raise AcceptanceError("There is no evaluated model to decide on; train one variant at least.")
    ranked = best_first(evaluations)
    best = ranked[0]
    pair = comparisons.between(best.model, TFIDF)
    if pair is None or all(summary.model != TFIDF for summary in baselines.evaluations):
        raise AcceptanceError(
            f"The comparison of {quoted(best.model)} with the baseline {TFIDF} is missing; compare the same models "
            "that are decided on."
        )
    rules = (
        _numbers(best, pair),
        _no_leaks(leaks),
        _more_than_one_answer(best),
        _enough_rows(best),
        _better_than_majority(best),
        _not_below_tfidf(pair, margin),
    )
    failed = next((rule for rule in rules if not rule.passed), None)
    decision: Decision = "accept" if failed is None else failed.if_failed
    return AcceptanceResult(
        decision=decision,
        best_model=best.model,
        best_title=best.title,
        sentence=_sentence(decision, best, pair, failed, demo=demo),
        rules=rules,
        candidates=tuple(
            Candidate(
                model=summary.model,
                title=summary.title,
                validation_balanced_accuracy=_finite(summary.validation_balanced_accuracy),
            )
            for summary in ranked
        ),
        demo=demo,
    )


def _numbers(best: EvaluationSummary, pair: Comparison) -> RuleResult:
    scores = best.model_dump(exclude={"mistakes"})
    broken = sum(not math.isfinite(value) for value in floats([scores, pair.model_dump()]))
    bad = best.unusable_probabilities + broken
    if not bad:
        sentence = "Every probability and every figure is a number."
    else:
        sentence = (
            f"{best.unusable_probabilities:,} probabilities and {broken:,} figures are not numbers: the model diverged "
            "or is damaged."
        )
    return RuleResult(name="numbers", sentence=sentence, figure=bad, bound=0, passed=bad == 0, if_failed="refuse")


def _no_leaks(leaks: LeakageSummary) -> RuleResult:
    rows = max((figure.rows for figure in leaks.violated), default=0)
    if rows:
        kinds = ", ".join(figure.kind.replace("_", " ") for figure in leaks.violated)
        sentence = (
            f"The leak check found {rows:,} test reviews known from training ({kinds}), which the split promises not "
            "to happen: every score is too good."
        )
    else:
        sentence = "The leak check found every promise of the split kept."
    return RuleResult(
        name="no_leaks", sentence=sentence, figure=rows, bound=0, passed=not leaks.violated, if_failed="refuse"
    )


def _more_than_one_answer(best: EvaluationSummary) -> RuleResult:
    matrix = best.scores.confusion
    positive = matrix.true_positive + matrix.false_positive
    negative = matrix.true_negative + matrix.false_negative
    rarer = min(positive, negative)
    if rarer:
        sentence = f"It gives both answers: 'positive' {positive:,} times, 'negative' {negative:,} times."
    else:
        sentence = f"It says '{'positive' if positive else 'negative'}' of every review."
    return RuleResult(
        name="more_than_one_answer",
        sentence=sentence,
        figure=rarer,
        bound=1,
        passed=rarer >= 1,
        if_failed="refuse",
    )


def _enough_rows(best: EvaluationSummary) -> RuleResult:
    rows = min(best.scores.negative.rows, best.scores.positive.rows)
    kind = "negative" if best.scores.negative.rows == rows else "positive"
    enough = rows >= MIN_RARE_ROWS
    return RuleResult(
        name="enough_rows",
        sentence=f"The test part holds {rows:,} {kind} reviews, the smaller class; "
        + (
            f"{MIN_RARE_ROWS} keep its part of the interval within five points."
            if enough
            else f"with fewer than {MIN_RARE_ROWS} its part of the interval may pass five points."
        ),
        figure=rows,
        bound=MIN_RARE_ROWS,
        passed=enough,
        if_failed="cannot_tell",
    )


def _better_than_majority(best: EvaluationSummary) -> RuleResult:
    low = best.scores.balanced_accuracy.low
    passed = clears_majority(best.scores) and not best.no_better_than_majority
    return RuleResult(
        name="better_than_majority",
        sentence=f"The interval of its balanced accuracy starts at {low:.3f}, "
        + (
            f"above {MAJORITY_BOUND}: it is better than always giving the same answer (0.5)."
            if passed
            else f"and must start above {MAJORITY_BOUND}: it is not shown to be better than always giving the same "
            "answer (0.5)."
        ),
        figure=_finite(low),
        bound=MAJORITY_BOUND,
        passed=passed,
        if_failed="refuse",
    )


def _not_below_tfidf(pair: Comparison, margin: float) -> RuleResult:
    """Non-inferiority: the interval of the difference lies above −``margin``; in between nothing can be told."""
    difference = pair.balanced_accuracy_difference
    passed = difference.low >= -margin and difference.value >= -margin
    points = f"{100 * margin:.3g}"
    measured = f"Against TF-IDF with logistic regression its balanced accuracy is {against(difference.value)}"
    if passed:
        sentence = f"{measured}, and at worst {against(difference.low)}: not below by more than {points} points."
    elif difference.value >= -margin:
        sentence = (
            f"{measured}, but its interval reaches {against(difference.low)}: whether it is below by more than "
            f"{points} points cannot be told."
        )
    else:
        sentence = f"{measured}: below by more than {points} points, so that a model which costs nothing is better."
    return RuleResult(
        name="not_below_tfidf",
        sentence=sentence,
        figure=_finite(difference.low),
        bound=-margin,
        passed=passed,
        if_failed="cannot_tell" if difference.value >= -margin else "refuse",
    )


def _sentence(
    decision: Decision, best: EvaluationSummary, pair: Comparison, failed: RuleResult | None, *, demo: bool
) -> str:
    data = DEMO_WORDS if demo else ""
    if failed is None:
        balanced = best.scores.balanced_accuracy
        return (
            f"{data}{best.title} {'passes every rule' if demo else 'may be used'}: balanced accuracy "
            f"{balanced.value:.2f} ({balanced.low:.2f} to {balanced.high:.2f}) on {best.scores.rows:,} test reviews, "
            f"{against(pair.balanced_accuracy_difference.value)} against TF-IDF with logistic regression."
        )
    opening = {"refuse": "must not be used", "cannot_tell": "cannot be judged", "accept": ""}[decision]
    # The rule's sentence goes on after a colon here.
    reason = failed.sentence[0].lower() + failed.sentence[1:]
    return f"{data}{best.title} {opening}: {reason}"


def against(difference: float) -> str:
    """Return a difference of shares as signed percentage points, for a sentence."""
    if not math.isfinite(difference):
        return "not a number"
    return f"{100 * difference:+.1f} points".replace("-", "−").replace("−0.0", "+0.0")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def floats(value: object) -> Iterator[float]:
    """Yield every float in nested dicts, lists and tuples."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from floats(item)
