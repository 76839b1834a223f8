"""The stage ``gate``: does the challenger replace the champion? See ``docs/explanation/promotion.md``."""

from __future__ import annotations

import logging

from pydantic import BaseModel

from pipeline.behavioral_tests import BehavioralTestsSummary
from pipeline.config import PromotionConfig
from pipeline.errors import ArtifactError, quoted
from pipeline.evaluation import EvaluationSummary
from pipeline.promotion.champions import ChampionChange, ChampionModel, change_champion
from pipeline.promotion.records import (
    AcceptanceResult,
    GateAnswer,
    GateDecision,
    HeadToHeadSummary,
    Rule,
    deciding_rule,
)
from pipeline.promotion.rules import Evidence, gate_rules, replaces_demo
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage
from pipeline.training.records import ExportSummary
from pipeline.validation.records import ValidationSummary

log = logging.getLogger(__name__)

STAGE = Stage("gate", version=3)


class GateError(ArtifactError):
    """The artifacts that the gate was given do not belong together."""


class GateParams(BaseModel):
    """What the decision depends on, besides its inputs."""

    rules: PromotionConfig
    challenger: ChampionModel
    current: ChampionModel | None
    replacing: int


def gate(
    challenger: ChampionModel,
    current: ChampionChange | None,
    acceptance: ArtifactReference,
    head_to_head: ArtifactReference | None,
    *,
    config: PromotionConfig,
    store: ArtifactStore,
) -> ArtifactReference:
    """Decide whether a challenger replaces the champion.

    Args:
        challenger: The best model of this run.
        current: The change that made the current champion; ``None`` without a champion.
        acceptance: The ``check_acceptance`` artifact of this run.
        head_to_head: The ``compare_to_champion`` artifact of the two; ``None`` if they were not compared.
        config: Metric, margins and manual approval.
        store: Where artifacts are kept.

    Returns:
        An artifact whose summary is a ``GateDecision``.

    Raises:
        GateError: The acceptance result is of another model, or the comparison of other models.
    """
    inputs = {
        "acceptance": acceptance,
        "exported": challenger.exported,
        "evaluated": challenger.evaluated,
        "behavioral_tests": challenger.behavioral_tests,
        "validated_raw": challenger.validated_raw,
    }
    if current is not None:
        inputs["champion behavioral_tests"] = current.model.behavioral_tests
    if head_to_head is not None:
        inputs["head_to_head"] = head_to_head

    def build(_: object) -> Outcome:
        if head_to_head is not None:
            _require_same_models(store, head_to_head, challenger, current)
        evidence = Evidence(
            acceptance=store.summary(acceptance, AcceptanceResult),
            evaluation=store.summary(challenger.evaluated, EvaluationSummary),
            contract=store.summary(challenger.validated_raw, ValidationSummary),
            exported=store.summary(challenger.exported, ExportSummary),
            behavioral_tests=store.summary(challenger.behavioral_tests, BehavioralTestsSummary),
            champion_behavioral_tests=None
            if current is None or replaces_demo(current.model, challenger)
            else store.summary(current.model.behavioral_tests, BehavioralTestsSummary),
            head_to_head=None if head_to_head is None else store.summary(head_to_head, HeadToHeadSummary),
        )
        decision = gate_decision(challenger, current, evidence, config)
        log.info("%s", decision.sentence)
        return Outcome(decision)

    return store.produce(
        STAGE,
        inputs=inputs,
        params=GateParams(
            # The approval timeout does not change the decision.
            rules=config.model_copy(update={"approval_hours": PromotionConfig().approval_hours}),
            challenger=challenger,
            current=None if current is None else current.model,
            replacing=0 if current is None else current.number,
        ),
        build=build,
    )


def promote(
    decided: ArtifactReference,
    store: ArtifactStore,
    *,
    run_name: str,
    who: str = "the gate",
    approved: bool = False,
) -> ChampionChange | None:
    """Make the challenger the champion if the gate promotes it or a user approved it.

    Args:
        decided: The ``gate`` artifact.
        store: Where artifacts and the champion record are kept.
        run_name: This run.
        who: The user who forced or approved the promotion, else ``the gate``.
        approved: Whether a user approved a promotion that needs approval.

    Returns:
        The change, or ``None`` if the champion stays.

    Raises:
        ChampionChangedError: The champion is no longer the one that the gate compared with.
    """
    decision = store.summary(decided, GateDecision)
    if decision.decision != "promoted" and not (decision.decision == "needs_approval" and approved):
        return None
    return change_champion(
        store,
        decision.challenger,
        kind="force" if decision.forced else "promote",
        replacing=decision.replacing,
        who=who,
        why=decision.sentence,
        run_name=run_name,
        decided=decided,
    )


def gate_decision(
    challenger: ChampionModel, current: ChampionChange | None, evidence: Evidence, config: PromotionConfig
) -> GateDecision:
    """Apply the rules: a rejecting rule decides first, then one that keeps the champion, then an inconclusive one.

    A challenger without an improvement never needs approval, since the champion would stay anyway.

    Raises:
        GateError: The acceptance result, the evaluation, the export or the behavioral tests are of another model.
    """
    models = {
        "acceptance result": evidence.acceptance.best_model,
        "evaluation": evidence.evaluation.model,
        "export": evidence.exported.variant,
        "behavioral test result": evidence.behavioral_tests.model,
    }
    for what, name in models.items():
        if name != challenger.name:
            raise GateError(
                f"The {what} is of {quoted(name)}, but the challenger is {quoted(challenger.name)}; give the gate the "
                "artifacts of one model of one run."
            )
    rules = tuple(gate_rules(challenger, current, evidence, config))
    # Forcing the model that is already in production would add a change without effect.
    new_model = all(rule.passed for rule in rules if rule.code == "new_model")
    force_reason = config.force_promotion_reason if new_model else None
    return GateDecision(
        decision="promoted" if force_reason is not None else _answer(deciding_rule(rules), config),
        rules=rules,
        challenger=challenger,
        replacing=0 if current is None else current.number,
        champion_title=None if current is None else current.model.title,
        first=current is None or replaces_demo(current.model, challenger),
        force_reason=force_reason,
    )


def _answer(reason: Rule | None, config: PromotionConfig) -> GateAnswer:
    if reason is None:
        return "needs_approval" if config.approval == "always" else "promoted"
    if reason.if_failed == "inconclusive":
        return "kept" if config.approval == "auto" else "needs_approval"
    return reason.if_failed


def _require_same_models(
    store: ArtifactStore, head_to_head: ArtifactReference, challenger: ChampionModel, current: ChampionChange | None
) -> None:
    compared = store.manifest(head_to_head).inputs
    expected = {"challenger": challenger.exported}
    if current is not None:
        expected["champion"] = current.model.exported
    for side, reference in expected.items():
        found = compared.get(f"{side} exported")
        if found != reference:
            raise GateError(
                f"{head_to_head} compared {found} as the {side}, not {reference}. Compare the current champion with "
                "this challenger again."
            )
