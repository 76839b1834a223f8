"""The stage ``gate``: the rules between a challenger and the champion (docs/explanation/promotion.md)."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from pipeline.behavioral_tests import BehavioralTestsSummary
from pipeline.config import PromotionConfig
from pipeline.errors import ArtifactError, quoted
from pipeline.evaluation import EvaluationSummary
from pipeline.promotion.acceptance import DEMO_WORDS, against, floats
from pipeline.promotion.champions import ChampionChange, ChampionModel, change_champion
from pipeline.promotion.paired import highest_difference, rows_needed
from pipeline.promotion.records import (
    AcceptanceResult,
    ComparedSlice,
    GateAnswer,
    GateDecision,
    GateRule,
    HeadToHeadSummary,
    RowSet,
)
from pipeline.statistics import Interval, share_of
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage
from pipeline.training.records import ExportSummary
from pipeline.validation.records import ValidationSummary

log = logging.getLogger(__name__)

STAGE = Stage("gate", version=1)

LARGEST_EXPORT_DIFFERENCE = 1e-4
"""Of a probability from raw text and the one that was judged; exporting holds to the same figure."""
EQUAL = 1e-12
"""Differences of shares that are closer than this are rounding."""

METRIC_WORDS = {
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "negative_recall": "the share of negative reviews found",
}

IfFailed = Literal["refuse", "keep", "cannot_tell"]


class GateError(ArtifactError):
    """What the gate is asked about does not belong together."""


class GateParams(BaseModel):
    """What the gate's decision depends on, besides its inputs."""

    rules: PromotionConfig
    challenger: ChampionModel
    present: ChampionModel | None
    replacing: int


@dataclass(frozen=True)
class Evidence:
    """All that the gate looks at.

    Attributes:
        acceptance: Of the challenger's run.
        evaluation: Of the challenger.
        contract: Of the newest raw reviews.
        exported: Of the challenger.
        behavioral_tests: Of the challenger.
        champion_examined: Of the champion; ``None`` where there is none.
        head_to_head: Challenger and champion on the same rows; ``None`` where they were not compared.
    """

    acceptance: AcceptanceResult
    evaluation: EvaluationSummary
    contract: ValidationSummary
    exported: ExportSummary
    behavioral_tests: BehavioralTestsSummary
    champion_examined: BehavioralTestsSummary | None = None
    head_to_head: HeadToHeadSummary | None = None


def gate(
    challenger: ChampionModel,
    present: ChampionChange | None,
    acceptance: ArtifactReference,
    head_to_head: ArtifactReference | None,
    *,
    config: PromotionConfig,
    store: ArtifactStore,
) -> ArtifactReference:
    """Decide whether a challenger takes the champion's place.

    Args:
        challenger: The best model of this run.
        present: The change that put the present champion into service; ``None`` without one.
        acceptance: The ``decide`` artifact of this run.
        head_to_head: The ``challenge`` artifact of the two; ``None`` where there is no champion to compare with.
        config: Figures, margins, and whether a person decides.
        store: Where artifacts lie.

    Returns:
        An artifact whose summary is a ``GateDecision``.

    Raises:
        GateError: The verdict is of another model, or the challenge of other models.
    """
    inputs = {
        "acceptance": acceptance,
        "exported": challenger.exported,
        "evaluated": challenger.evaluated,
        "behavioral_tests": challenger.behavioral_tests,
        "validated_raw": challenger.validated_raw,
    }
    if present is not None:
        inputs["champion behavioral_tests"] = present.model.behavioral_tests
    if head_to_head is not None:
        inputs["head_to_head"] = head_to_head

    def build(_: object) -> Outcome:
        if head_to_head is not None:
            _require_same_models(store, head_to_head, challenger, present)
        evidence = Evidence(
            acceptance=store.summary(acceptance, AcceptanceResult),
            evaluation=store.summary(challenger.evaluated, EvaluationSummary),
            contract=store.summary(challenger.validated_raw, ValidationSummary),
            exported=store.summary(challenger.exported, ExportSummary),
            behavioral_tests=store.summary(challenger.behavioral_tests, BehavioralTestsSummary),
            champion_examined=None
            if present is None or _gives_way(present.model, challenger)
            else store.summary(present.model.behavioral_tests, BehavioralTestsSummary),
            head_to_head=None if head_to_head is None else store.summary(head_to_head, HeadToHeadSummary),
        )
        decision = gate_decision(challenger, present, evidence, config)
        log.info("%s", decision.sentence)
        return Outcome(decision)

    return store.produce(
        STAGE,
        inputs=inputs,
        params=GateParams(
            # How long a person may take changes nothing of what is asked.
            rules=config.model_copy(update={"approval_hours": PromotionConfig().approval_hours}),
            challenger=challenger,
            present=None if present is None else present.model,
            replacing=0 if present is None else present.number,
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
    """Put the challenger into service if the gate, or the person whom it asked, says so.

    Args:
        decided: The ``gate`` artifact.
        store: Where it lies and the champion is recorded.
        run_name: This run.
        who: The person who forced or approved it, else ``the gate``.
        approved: Whether the person whom the gate asked said yes.

    Returns:
        The change, or ``None`` where the champion stays.

    Raises:
        ChampionChangedError: The champion is no longer the one that the gate compared with.
    """
    decision = store.summary(decided, GateDecision)
    if decision.decision != "promote" and not (decision.decision == "needs_person" and approved):
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
    challenger: ChampionModel, present: ChampionChange | None, evidence: Evidence, config: PromotionConfig
) -> GateDecision:
    """Apply the rules: a failed ``refuse`` refuses, a failed ``keep`` keeps the champion, then doubts count.

    A challenger that is no improvement is not asked about, whatever else is in doubt: the champion would stay anyway.

    Raises:
        GateError: The verdict, the evaluation, the export or the examination is of another model.
    """
    found = {
        "acceptance": evidence.acceptance.best_model,
        "evaluation": evidence.evaluation.model,
        "export": evidence.exported.variant,
        "examination": evidence.behavioral_tests.model,
    }
    if strays := {what: name for what, name in found.items() if name != challenger.name}:
        what, name = next(iter(strays.items()))
        raise GateError(
            f"The {what} is of {quoted(name)}, but the challenger is {quoted(challenger.name)}; give the gate what "
            "belongs to one model of one run."
        )
    first = present is None or _gives_way(present.model, challenger)
    rules = tuple(_rules(challenger, present, evidence, config, first=first))
    answer, reason = _answer(rules, config)
    told = _promotion(challenger, present, evidence, config, first=first)
    sentence = _sentence(answer, reason, challenger, present, told)
    # To force what is in service already would only add a change to the row that changes nothing.
    forced = config.force_promotion_reason is not None and all(
        rule.passed for rule in rules if rule.name == "new_model"
    )
    if forced:
        sentence = (
            f"{challenger.title} goes into service because a person says so: "
            f"{quoted(config.force_promotion_reason, 500)}. "
            f"The gate would have said: {_lowered(sentence)}"
        )
    return GateDecision(
        decision="promote" if forced else answer,
        sentence=sentence,
        rules=rules,
        challenger=challenger,
        replacing=0 if present is None else present.number,
        champion_title=None if present is None else present.model.title,
        first=first,
        forced=forced,
        demo=challenger.demo,
    )


def _gives_way(champion: ChampionModel, challenger: ChampionModel) -> bool:
    """Return whether a champion of generated reviews meets a challenger of real ones: there is nothing to compare."""
    return champion.demo and not challenger.demo


def _answer(rules: tuple[GateRule, ...], config: PromotionConfig) -> tuple[GateAnswer, GateRule | None]:
    """Return the answer and the rule that gave it, if one did."""
    failed: dict[IfFailed, GateRule] = {}
    for rule in rules:
        if not rule.passed:
            failed.setdefault(rule.if_failed, rule)
    if "refuse" in failed:
        return "refuse", failed["refuse"]
    if "keep" in failed:
        return "keep", failed["keep"]
    if "cannot_tell" in failed:
        return "keep" if config.approval == "auto" else "needs_person", failed["cannot_tell"]
    return "needs_person" if config.approval == "always" else "promote", None


def _rules(
    challenger: ChampionModel,
    present: ChampionChange | None,
    evidence: Evidence,
    config: PromotionConfig,
    *,
    first: bool,
) -> Iterator[GateRule]:
    yield _verdict(evidence.acceptance)
    yield _contract(evidence.contract)
    yield _no_leaks(evidence.acceptance)
    yield _numbers(evidence)
    yield _export_agrees(evidence.exported)
    yield _calibration(evidence.evaluation, config.max_calibration_error)
    if present is None:
        return
    yield _no_demo(challenger, present.model)
    yield _new_model(challenger, present)
    if first or challenger.exported == present.model.exported:
        return
    yield _behavior(evidence, config.behavior_margin)
    if evidence.head_to_head is None:
        yield _rule(
            "compared", "They were not compared on the same reviews.", None, None, passed=False, if_failed="cannot_tell"
        )
        return
    new_test, old_test = evidence.head_to_head.new_test, evidence.head_to_head.old_test
    yield _enough_rows(new_test, config)
    yield _not_below(new_test, config)
    if old_test is not None:
        yield _not_below_on_old_rows(old_test, config)
    yield _no_slice_worse(new_test, config)
    yield _improvement(new_test, config)


def _verdict(acceptance: AcceptanceResult) -> GateRule:
    return _rule(
        "acceptance",
        f"The verdict on it by itself: {_said(acceptance)}",
        None,
        None,
        passed=acceptance.decision == "accept",
        if_failed="refuse" if acceptance.decision == "refuse" else "cannot_tell",
    )


def _contract(summary: ValidationSummary) -> GateRule:
    broken = len(summary.contract.failed)
    return _rule(
        "contract",
        "The newest reviews keep their contract."
        if summary.contract.success
        else f"The newest reviews break {broken} clauses of their contract.",
        broken,
        0,
        passed=summary.contract.success and not broken,
        if_failed="refuse",
    )


def _no_leaks(acceptance: AcceptanceResult) -> GateRule:
    found = next((rule for rule in acceptance.rules if rule.name == "no_leaks"), None)
    return _rule(
        "no_leaks",
        "The verdict knows of no leak check." if found is None else found.sentence,
        None if found is None else found.figure,
        0,
        passed=found is not None and found.passed,
        if_failed="refuse",
    )


def _numbers(evidence: Evidence) -> GateRule:
    figures = [
        evidence.evaluation.model_dump(exclude={"mistakes"}),
        evidence.exported.model_dump(),
        [test.model_dump(include={"pass_rate"}) for test in evidence.behavioral_tests.tests],
    ]
    unusable = evidence.evaluation.unusable_probabilities
    if evidence.head_to_head is not None:
        figures.append(evidence.head_to_head.model_dump())
        row_sets = (evidence.head_to_head.new_test, evidence.head_to_head.old_test)
        unusable += sum(row_set.challenger.unusable for row_set in row_sets if row_set is not None)
    broken = sum(not math.isfinite(value) for value in floats(figures))
    bad = unusable + broken
    return _rule(
        "numbers",
        "Every probability and every figure of it is a number."
        if not bad
        else f"Of it {unusable:,} probabilities and {broken:,} figures are not numbers: it is damaged.",
        bad,
        0,
        passed=bad == 0,
        if_failed="refuse",
    )


def _export_agrees(exported: ExportSummary) -> GateRule:
    agrees = exported.checked_rows > 0 and exported.largest_difference <= LARGEST_EXPORT_DIFFERENCE
    if not exported.checked_rows:
        sentence = "The exported model was not checked on a single review."
    else:
        sentence = (
            f"From the raw text of {exported.checked_rows:,} test reviews the exported model gives the probabilities "
            f"that were judged {'to within' if agrees else 'but for up to'} {exported.largest_difference:.1g}."
        )
    return _rule(
        "export_agrees",
        sentence,
        exported.largest_difference,
        LARGEST_EXPORT_DIFFERENCE,
        passed=agrees,
        if_failed="refuse",
    )


def _calibration(evaluation: EvaluationSummary, bound: float) -> GateRule:
    error = evaluation.scores.calibration_error.value
    passed = error <= bound
    return _rule(
        "calibration",
        f"Its probabilities are {error:.3f} from what came true on average, "
        f"{'within' if passed else 'more than'} the {bound:g} that are allowed.",
        error,
        bound,
        passed=passed,
        if_failed="refuse",
    )


def _no_demo(challenger: ChampionModel, champion: ChampionModel) -> GateRule:
    passed = champion.demo or not challenger.demo
    return _rule(
        "no_demo",
        "It does not put a model of generated reviews in the place of one of real ones."
        if passed
        else "It was trained on generated reviews and the champion on real ones.",
        None,
        None,
        passed=passed,
        if_failed="refuse",
    )


def _new_model(challenger: ChampionModel, present: ChampionChange) -> GateRule:
    passed = challenger.exported != present.model.exported
    return _rule(
        "new_model",
        "It is another model than the champion."
        if passed
        else f"It is the champion itself, in service since run {quoted(present.run_name)}.",
        None,
        None,
        passed=passed,
        if_failed="keep",
    )


def _behavior(evidence: Evidence, margin: float) -> GateRule:
    ours = {(test.kind, test.name, test.cases): test.passed for test in evidence.behavioral_tests.tests}
    champion = () if evidence.champion_examined is None else evidence.champion_examined.tests
    theirs = {(test.kind, test.name, test.cases): test.passed for test in champion}
    common = [test for test in ours if test in theirs]
    cases = sum(cases for *_, cases in common)
    if not cases:
        return _rule(
            "behavior",
            "No behavior test was put to both models in the same form.",
            None,
            -margin,
            passed=False,
            if_failed="cannot_tell",
        )
    passed, their_passed = sum(ours[test] for test in common), sum(theirs[test] for test in common)
    difference = share_of(passed, cases) - share_of(their_passed, cases)
    holds = difference >= -margin - EQUAL
    return _rule(
        "behavior",
        f"Of {cases:,} behavior cases it passes {passed:,} and the champion {their_passed:,}: "
        f"{against(difference)}, {'not below' if holds else 'below'} by more than {_points(margin)} points.",
        difference,
        -margin,
        passed=holds,
        if_failed="refuse",
    )


def _enough_rows(row_set: RowSet, config: PromotionConfig) -> GateRule:
    rows, needed, kind = _rows_that_count(row_set, config)
    enough, points = rows >= needed, _points(config.non_inferiority_margin)
    return _rule(
        "enough_rows",
        f"They were compared on {rows:,} {kind}; {needed:,} {'suffice' if enough else 'are needed'} to tell "
        f"{points} points.",
        rows,
        needed,
        passed=enough,
        if_failed="cannot_tell",
    )


def _not_below(row_set: RowSet, config: PromotionConfig) -> GateRule:
    return _non_inferior("not_below_champion", "On this run's test reviews", row_set, config)


def _not_below_on_old_rows(row_set: RowSet, config: PromotionConfig) -> GateRule:
    name, where = "not_below_on_old_rows", "On the champion's own test reviews"
    rows, needed, kind = _rows_that_count(row_set, config)
    if rows < needed:
        return _rule(
            name,
            f"{where} are {rows:,} {kind}; with fewer than {needed:,} they take no part.",
            None,
            -config.non_inferiority_margin,
            passed=True,
            if_failed="cannot_tell",
        )
    return _non_inferior(name, where, row_set, config)


def _non_inferior(name: str, where: str, row_set: RowSet, config: PromotionConfig) -> GateRule:
    """The interval of the difference starts at −margin or above; in between nothing can be told."""
    margin, difference = config.non_inferiority_margin, _difference(row_set, config)
    points, words = _points(margin), METRIC_WORDS[config.metric]
    if difference is None:
        return _rule(
            name, f"{where} there is nothing to compare.", None, -margin, passed=False, if_failed="cannot_tell"
        )
    passed = difference.low >= -margin and difference.value >= -margin
    below = difference.value < -margin
    measured = f"{where} {words} is {against(difference.value)} against the champion"
    if passed:
        sentence = f"{measured}, and at worst {against(difference.low)}: not below by more than {points} points."
    elif below:
        sentence = f"{measured}: below by more than {points} points."
    else:
        sentence = (
            f"{measured}, but the interval reaches {against(difference.low)}: whether it is below by more than "
            f"{points} points cannot be told."
        )
    return _rule(
        name,
        sentence,
        difference.low,
        -margin,
        passed=passed,
        if_failed="refuse" if below else "cannot_tell",
    )


def _no_slice_worse(row_set: RowSet, config: PromotionConfig) -> GateRule:
    """No simultaneous upper bound of a slice's difference lies below −margin (Bonferroni)."""
    margin, points = config.slice_margin, _points(config.slice_margin)
    slices = [one for one in row_set.slices if one.rows >= config.slice_rows]
    if not slices:
        return _rule(
            "no_slice_worse",
            f"No kind of reviews has {config.slice_rows:,} rows to be looked at.",
            None,
            -margin,
            passed=True,
            if_failed="refuse",
        )

    def highest(one: ComparedSlice) -> float:
        return highest_difference(one.only_challenger, one.only_champion, one.rows, len(slices))

    bounds = {place: highest(one) for place, one in enumerate(slices)}
    place = min(bounds, key=lambda number: (bounds[number], slices[number].difference.value))
    worst, bound = slices[place], bounds[place]
    passed = bound >= -margin
    if passed:
        sentence = f"On none of {len(slices)} kinds of reviews it is shown to be below by more than {points} points."
    else:
        shown_worse = sum(value < -margin for value in bounds.values())
        sentence = (
            f"On {shown_worse} of {len(slices)} kinds of reviews it is shown to be below by more than {points} points, "
            f"first of all on {worst.dimension_title.lower()}: {worst.label} ({worst.rows:,} reviews), where its "
            f"accuracy is {against(worst.difference.value)} and at best {against(bound)}."
        )
    return _rule("no_slice_worse", sentence, bound, -margin, passed=passed, if_failed="refuse")


def _improvement(row_set: RowSet, config: PromotionConfig) -> GateRule:
    asked, difference = config.required_improvement, _difference(row_set, config)
    if difference is None:
        return _rule("improvement", "There is nothing to compare.", None, asked, passed=False, if_failed="cannot_tell")
    passed = difference.value > asked + EQUAL
    more = f"more than {_points(asked)} points above" if asked else "above"
    measured = f"By {METRIC_WORDS[config.metric]} ({against(difference.value)})"
    return _rule(
        "improvement",
        f"{measured} it is {'' if passed else 'not '}{more} the champion.",
        difference.value,
        asked,
        passed=passed,
        if_failed="keep",
    )


def _difference(row_set: RowSet, config: PromotionConfig) -> Interval | None:
    """Return the difference that decides, or ``None`` where the rows that it is made of are missing."""
    both = row_set.negative.rows and row_set.positive.rows
    if row_set.differences is None or (config.metric != "accuracy" and not row_set.negative.rows):
        return None
    if config.metric == "balanced_accuracy" and not both:
        return None
    found: Interval = getattr(row_set.differences, config.metric)
    return found


def _rows_that_count(row_set: RowSet, config: PromotionConfig) -> tuple[int, int, str]:
    """Return how many rows the figure hangs on, how many it needs, and what they are."""
    margin = config.non_inferiority_margin
    negative, positive = row_set.negative.rows, row_set.positive.rows
    if config.metric == "accuracy":
        return negative + positive, rows_needed(margin, 1), "reviews"
    if config.metric == "negative_recall":
        return negative, rows_needed(margin, 1), "negative reviews"
    kind = "negative" if negative <= positive else "positive"
    return min(negative, positive), rows_needed(margin, 0.5), f"{kind} reviews, the smaller class"


def _sentence(
    answer: GateAnswer, reason: GateRule | None, challenger: ChampionModel, present: ChampionChange | None, told: str
) -> str:
    """Say what is done and why; ``told`` is what is said of a promotion."""
    data = DEMO_WORDS if challenger.demo else ""
    title = challenger.title
    champion = None if present is None else present.model.title
    because = "every rule is passed, and a person decides on every promotion."
    if reason is not None:
        because = _lowered(reason.sentence)
    if answer == "refuse":
        told = f"{title} is refused: {because}{'' if champion is None else f' {champion} stays in service.'}"
    elif answer == "keep":
        stays = "No model goes into service" if champion is None else f"{champion} stays in service"
        told = f"{stays}: {because}"
    elif answer == "needs_person":
        place = "becomes the champion" if champion is None else f"takes the place of {champion}"
        told = f"A person decides whether {title} {place}: {because}"
    return f"{data}{told}"


def _promotion(
    challenger: ChampionModel,
    present: ChampionChange | None,
    evidence: Evidence,
    config: PromotionConfig,
    *,
    first: bool,
) -> str:
    """Say what is said where the challenger is promoted."""
    if present is None:
        return f"{challenger.title} becomes the first champion: {_said(evidence.acceptance)}"
    told = f"{challenger.title} takes the place of {present.model.title}"
    if first:
        return f"{told}, which was trained on generated reviews."
    difference = None if evidence.head_to_head is None else _difference(evidence.head_to_head.new_test, config)
    if evidence.head_to_head is None or difference is None:
        return f"{told}."
    return (
        f"{told}: {METRIC_WORDS[config.metric]} {against(difference.value)} ({against(difference.low)} to "
        f"{against(difference.high)}) on {evidence.head_to_head.new_test.rows:,} reviews that neither had met."
    )


def _require_same_models(
    store: ArtifactStore, head_to_head: ArtifactReference, challenger: ChampionModel, present: ChampionChange | None
) -> None:
    compared = store.manifest(head_to_head).inputs
    expected = {"challenger exported": challenger.exported}
    if present is not None:
        expected["champion exported"] = present.model.exported
    for role, reference in expected.items():
        if compared.get(role) != reference:
            raise GateError(
                f"{head_to_head} compared {compared.get(role)} as {role.partition(' ')[0]}, but the gate is asked "
                "about "
                f"{reference}; compare the present champion with this challenger again."
            )


def _rule(
    name: str, sentence: str, figure: float | None, bound: float | None, *, passed: bool, if_failed: IfFailed
) -> GateRule:
    measured = figure if figure is not None and math.isfinite(figure) else None
    return GateRule(name=name, sentence=sentence, figure=measured, bound=bound, passed=passed, if_failed=if_failed)


def _points(share: float) -> str:
    return f"{100 * share:.3g}"


def _said(acceptance: AcceptanceResult) -> str:
    """Return the verdict's sentence as it goes on after a colon; what is demo data is said in front of it all."""
    return _lowered(acceptance.sentence.removeprefix(DEMO_WORDS))


def _lowered(sentence: str) -> str:
    """Return a sentence as it goes on after a colon; a title keeps its capital."""
    first, second = sentence[:1], sentence[1:2]
    return sentence if second.isupper() else first.lower() + sentence[1:]
