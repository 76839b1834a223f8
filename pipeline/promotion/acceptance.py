"""The stage ``check_acceptance``: may the best model on validation be used?"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from pipeline.errors import ArtifactError, quoted
from pipeline.evaluation import TFIDF, BaselinesSummary, ComparisonSummary, EvaluationSummary, best_first
from pipeline.promotion.records import AcceptanceDecision, AcceptanceResult, Candidate, deciding_rule
from pipeline.promotion.rules import MARGIN, acceptance_rules
from pipeline.splitting.records import LeakageSummary
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage

log = logging.getLogger(__name__)

STAGE = Stage("check_acceptance", version=3)


class AcceptanceParams(BaseModel):
    """What the result depends on, besides its inputs."""

    demo: bool
    margin: float


class AcceptanceError(ArtifactError):
    """No model was evaluated, or the artifacts do not belong together."""


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
        store: Where artifacts are kept.
        demo: Whether the reviews are generated.
        margin: Balanced accuracy (0–1) by which the best model may be below TF-IDF.

    Returns:
        An artifact whose summary is an ``AcceptanceResult``.

    Raises:
        AcceptanceError: There is no model, or the comparison of the best model with TF-IDF is missing.
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
    leakage: LeakageSummary,
    comparisons: ComparisonSummary,
    *,
    demo: bool,
    margin: float = MARGIN,
) -> AcceptanceResult:
    """Apply the rules to the model that is best on validation.

    Raises:
        AcceptanceError: There is no model, or the comparison of the best model with TF-IDF is missing.
    """
    if not evaluations:
        raise AcceptanceError("There is no evaluated model; train at least one variant.")
    ranked = best_first(evaluations)
    best = ranked[0]
    pair = comparisons.between(best.model, TFIDF)
    if pair is None or all(summary.model != TFIDF for summary in baselines.evaluations):
        raise AcceptanceError(
            f"The comparison of {quoted(best.model)} with the baseline {TFIDF} is missing; compare the same models "
            "that are checked."
        )
    rules = acceptance_rules(best, pair, leakage, margin)
    reason = deciding_rule(rules)
    decision: AcceptanceDecision = "accepted"
    if reason is not None:
        decision = "rejected" if reason.if_failed == "rejected" else "inconclusive"
    return AcceptanceResult(
        decision=decision,
        best_model=best.model,
        best_title=best.title,
        rules=rules,
        candidates=tuple(
            Candidate(
                model=summary.model,
                title=summary.title,
                validation_balanced_accuracy=summary.validation_balanced_accuracy
                if math.isfinite(summary.validation_balanced_accuracy)
                else None,
            )
            for summary in ranked
        ),
        demo=demo,
    )
