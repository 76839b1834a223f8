"""The questions of the first screen, answered from the evidence of a run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from pipeline.behavioral_tests.records import BehaviorTest
from pipeline.evaluation.records import Comparison, ComparisonSummary, EvaluationSummary, Slice
from pipeline.evaluation.rules import TFIDF
from pipeline.evaluation.text import negated
from pipeline.promotion.records import AcceptanceResult, RowSet
from pipeline.promotion.rule_text import row_set_sentence
from pipeline.reporting import formatting
from pipeline.reporting.gate_text import gate_told, has_both_classes
from pipeline.reporting.records import (
    ReportWarning,
    RunEvidence,
    RunOutcome,
    Status,
    SummaryQuestion,
    SummaryQuestions,
    VariantReport,
)
from pipeline.statistics import Interval

FRESH = timedelta(days=365)
"""Maximum age of the newest review of fresh data: a year includes every season once."""
MAX_FAILURES = 2
"""Slices, and behavioral tests, that an answer names."""
MAX_DUMPS = 3
"""File names that an answer lists."""
CHANCE = 0.5


def answer_summary_questions(
    evidence: RunEvidence, outcome: RunOutcome, warnings: Sequence[ReportWarning], made_at: datetime
) -> SummaryQuestions:
    """Return the questions that the evidence answers.

    Args:
        evidence: The summaries of the run.
        outcome: How the run ended.
        warnings: The warnings of the report.
        made_at: When the run was made; the age of the data refers to it.
    """
    best = evidence.best
    evaluated = best if best is not None and best.evaluated is not None else None
    return SummaryQuestions(
        usable=_usable(evidence, outcome, warnings),
        better_than_majority=_better_than_majority(evaluated, evidence.majority),
        better_than_tfidf=_better_than_tfidf(evaluated, evidence.comparison),
        better_than_other_variant=_better_than_other_variant(evaluated, evidence),
        better_than_champion=_better_than_champion(evaluated, outcome, evidence),
        data=_data(evidence, made_at),
        weaknesses=_weaknesses(evaluated),
    )


def _usable(evidence: RunEvidence, outcome: RunOutcome, warnings: Sequence[ReportWarning]) -> SummaryQuestion:
    serious = [warning for warning in warnings if warning.serious]
    answers: dict[RunOutcome, tuple[str, Status]] = {
        "accepted": ("Yes", "good"),
        "rejected": ("No", "bad"),
        "inconclusive": ("Inconclusive", "unknown"),
        "stopped": ("There is no model", "bad"),
        "undecided": ("Not evaluated yet", "unknown"),
    }
    answer, status = answers[outcome]
    if outcome == "accepted" and evidence.fetch.demo:
        answer, status = "Not for real reviews", "unknown"
    elif outcome == "accepted" and serious:
        answer, status = "Read the warnings first", "unknown"
    if serious:
        titles = "; ".join(warning.title for warning in serious)
        counted = f"{formatting.plural(len(serious), 'serious warning')}: {titles}."
    else:
        counted = f"{formatting.plural(len(warnings), 'warning')}, none of them serious."
    return SummaryQuestion(
        question="Can I use this model?",
        answer=answer,
        evidence=f"{_rules(outcome, evidence.acceptance)} {counted}",
        status=status,
    )


def _rules(outcome: RunOutcome, acceptance: AcceptanceResult | None) -> str:
    if acceptance is None or not acceptance.rules:
        return "The run stopped before a model was evaluated." if outcome == "stopped" else "No model is evaluated yet."
    rules = formatting.plural(len(acceptance.rules), "rule")
    failed = sum(not rule.passed for rule in acceptance.rules)
    if not failed:
        return f"{acceptance.best_title} passes all {rules} of the acceptance check."
    return f"{acceptance.best_title} fails {formatting.count(failed)} of {rules} of the acceptance check."


def _better_than_majority(best: VariantReport | None, majority: EvaluationSummary | None) -> SummaryQuestion | None:
    if best is None or best.evaluated is None or majority is None:
        return None
    scores, constant = best.evaluated.scores, majority.scores
    better = not best.evaluated.no_better_than_majority
    minority = "negative" if constant.predicted_positive_share >= CHANCE else "positive"
    found = scores.negative.recall if minority == "negative" else scores.positive.recall
    return SummaryQuestion(
        question="Is it better than always predicting the majority class?",
        answer="Yes" if better else "Not shown",
        evidence=f"Balanced accuracy {formatting.score(scores.balanced_accuracy.value)} "
        f"({formatting.interval(scores.balanced_accuracy)}); the majority class has "
        f"{formatting.score(constant.balanced_accuracy.value)}. The model finds {formatting.share(found.value)} "
        f"({formatting.share_interval(found)}) of the {minority} reviews; the majority class finds none.",
        status="good" if better else "bad",
    )


def _better_than_tfidf(best: VariantReport | None, comparison: ComparisonSummary | None) -> SummaryQuestion | None:
    pair = None if best is None else _with_first(best.name, TFIDF, comparison)
    return None if pair is None else _compared("Is it better than TF-IDF with logistic regression?", pair)


def _better_than_other_variant(best: VariantReport | None, evidence: RunEvidence) -> SummaryQuestion | None:
    if best is None:
        return None
    others = [variant for variant in evidence.variants if variant.name != best.name]
    # The other direction first: that comparison is more informative than one with another seed.
    others.sort(key=lambda variant: _direction(variant) == _direction(best))
    for other in others:
        pair = _with_first(best.name, other.name, evidence.comparison)
        if pair is not None:
            return _compared(f"Is it better than {other.title}?", pair)
    return None


def _better_than_champion(
    best: VariantReport | None, outcome: RunOutcome, evidence: RunEvidence
) -> SummaryQuestion | None:
    acceptance, gate, challenge = evidence.acceptance, evidence.gate, evidence.challenge
    # A run that stopped before the gate has no information about a champion.
    if best is None or acceptance is None or (gate is None and outcome == "stopped"):
        return None
    question = "Is it better than the champion?"
    answer: str
    status: Status = "unknown"
    compared = None if challenge is None else challenge.challenger_test
    if gate is None or gate.champion_title is None:
        answer, sentence = "No champion yet", "No model is in production yet."
    elif any(rule.code == "new_model" and not rule.passed for rule in gate.rules):
        answer, sentence = "It is the champion", f"{best.title} of this run is in production."
    elif gate.first:
        answer = "Not compared"
        sentence = f"{gate.champion_title} is in production, but was trained on generated reviews."
    elif compared is None:
        answer = "Not compared"
        sentence = f"{gate.champion_title} is in production; the two were not compared on the same reviews."
    elif compared.differences is None or not has_both_classes(compared):
        answer, sentence = "Not compared", f"Reviews of both classes are needed. {row_set_sentence(compared)}"
    else:
        difference = compared.differences.balanced_accuracy
        answer, status = _significance(difference, significant=difference.low > 0 or difference.high < 0)
        sentence = (
            f"{_difference(difference, gate.champion_title)} on "
            f"{formatting.plural(compared.rows, 'review')} that neither model was trained on. "
            + _only_right(_alone(compared, "only_first"), _alone(compared, "only_second"))
        )
    if gate is not None:
        sentence += f" {gate_told(gate)}"
    return SummaryQuestion(question=question, answer=answer, evidence=sentence, status=status)


def _alone(row_set: RowSet, who: Literal["only_first", "only_second"]) -> int:
    return sum(getattr(tally, who) for tally in (row_set.negative, row_set.positive))


def _direction(variant: VariantReport) -> str | None:
    return variant.trained.variant.direction if variant.trained is not None else None


def _with_first(first: str, second: str, comparison: ComparisonSummary | None) -> Comparison | None:
    """Return a comparison with ``first`` as its first model, in whichever order the two were compared."""
    if comparison is None:
        return None
    pair = comparison.between(first, second)
    reverse = comparison.between(second, first)
    if pair is not None or reverse is None:
        return pair
    return reverse.model_copy(
        update={
            "first": reverse.second,
            "second": reverse.first,
            "first_title": reverse.second_title,
            "second_title": reverse.first_title,
            "only_first_right": reverse.only_second_right,
            "only_second_right": reverse.only_first_right,
            "balanced_accuracy_difference": negated(reverse.balanced_accuracy_difference),
        }
    )


def _compared(question: str, pair: Comparison) -> SummaryQuestion:
    difference = pair.balanced_accuracy_difference
    answer, status = _significance(difference, significant=pair.significant)
    return SummaryQuestion(
        question=question,
        answer=answer,
        evidence=f"{_difference(difference, pair.second_title)}. "
        + _only_right(pair.only_first_right, pair.only_second_right),
        status=status,
    )


def _difference(difference: Interval, other: str) -> str:
    return (
        f"{formatting.points(difference.value)} of balanced accuracy compared with {other} "
        f"({formatting.points_interval(difference)})"
    )


def _only_right(this: int, other: int) -> str:
    return (
        f"Only this model is right on {formatting.plural(this, 'review')}, only the other on {formatting.count(other)}."
    )


def _significance(difference: Interval, *, significant: bool) -> tuple[str, Status]:
    if not significant:
        return "Not shown", "unknown"
    return ("Yes", "good") if difference.value > 0 else ("No, worse", "bad")


def _data(evidence: RunEvidence, made_at: datetime) -> SummaryQuestion:
    fetch, ingest, clean, profile = evidence.fetch, evidence.ingest, evidence.clean, evidence.data_profile
    names = [file.name for file in fetch.files]
    sentence = ", ".join(names[:MAX_DUMPS])
    if len(names) > MAX_DUMPS:
        sentence += f" and {formatting.plural(len(names) - MAX_DUMPS, 'more file')}"
    if ingest is not None:
        sentence += f": {formatting.plural(ingest.rows, 'row')}"
    if ingest is not None and clean is not None:
        rows = clean.positive + clean.negative
        kept = formatting.share(rows / ingest.rows) if ingest.rows else formatting.NOT_DEFINED
        sentence += f", {formatting.count(rows)} ({kept}) after cleaning"
    sentence += "."
    if evidence.window is not None:
        merged = sum(dump.rows - dump.repeated for dump in evidence.window.dumps)
        sentence += (
            f" The training window has {formatting.plural(merged, 'review')} of "
            f"{formatting.plural(len(evidence.window.dumps), 'dump')}."
        )
    answer = "Reviews of unknown age"
    status: Status = "unknown"
    newest = profile.newest if profile is not None else None
    if newest is not None:
        age = formatting.age(newest, made_at)
        answer = f"Newest review {age} old"
        if made_at - newest <= FRESH:
            answer, status = "Fresh reviews", "good"
        sentence += f" Newest review: {formatting.day(newest)} ({age} old)."
    elif profile is not None:
        sentence += " The dump has no review dates."
    if fetch.demo:
        answer, status = "Generated reviews", "unknown"
    return SummaryQuestion(question="Which data was it trained on?", answer=answer, evidence=sentence, status=status)


def _weaknesses(best: VariantReport | None) -> SummaryQuestion | None:
    if best is None or best.evaluated is None or not (best.evaluated.slices or best.behavioral_tests):
        return None
    slices = worst_slices(best.evaluated)[:MAX_FAILURES]
    tests = worst_tests(best.behavioral_tests.tests if best.behavioral_tests is not None else ())[:MAX_FAILURES]
    figures = [
        f"{test.title}: {formatting.count(test.passed)} of {formatting.plural(test.cases, 'case')} passed "
        f"({formatting.share_interval(test.pass_rate)})"
        for test in tests
    ]
    figures += [
        f"{found.dimension_title}, {found.label} ({formatting.plural(found.rows, 'review')}): accuracy "
        f"{formatting.points(found.gap.value)} from the one expected for its class mix "
        f"({formatting.points_interval(found.gap)})"
        for found in slices
    ]
    names = [test.title for test in tests if test.pass_rate.high < CHANCE]
    names += [f"{found.dimension_title}: {found.label}" for found in slices]
    question = "Where does it fail?"
    if names:
        return SummaryQuestion(
            question=question,
            answer="; ".join(names[:MAX_FAILURES]),
            evidence="; ".join(figures) + ".",
            status="bad",
        )
    sentence = "No slice of the test split is significantly worse than the rest."
    if figures:
        sentence += f" The lowest results: {'; '.join(figures)}."
    return SummaryQuestion(question=question, answer="No weak slice found", evidence=sentence, status="good")


def worst_slices(evaluation: EvaluationSummary) -> list[Slice]:
    """Return the slices with enough rows and a gap significantly below zero, the worst first."""
    worse = [found for found in evaluation.slices if not found.too_small and found.gap.high < 0]
    return sorted(worse, key=lambda found: found.gap.value)


def worst_tests(tests: Sequence[BehaviorTest]) -> list[BehaviorTest]:
    """Return the behavioral tests with failing cases, the lowest pass rate first."""
    return sorted((test for test in tests if test.passed < test.cases), key=lambda test: test.pass_rate.value)
