"""The questions that a reader comes with, answered in plain words from a run's own figures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from pipeline.behavioral_tests.records import BehaviorTest
from pipeline.cleaning.records import CleanSummary
from pipeline.dataset.records import Window
from pipeline.evaluation.records import Comparison, ComparisonSummary, EvaluationSummary, Slice
from pipeline.evaluation.rules import TFIDF
from pipeline.evaluation.text import negated
from pipeline.profiling.records import ProfileSummary
from pipeline.promotion.records import AcceptanceResult, GateDecision, HeadToHeadSummary, RowSet
from pipeline.promotion.rule_text import row_set_sentence
from pipeline.readers.records import IngestSummary
from pipeline.reporting import formatting
from pipeline.reporting.gate_text import gate_told, has_both_classes
from pipeline.reporting.records import Answer, Answers, Outcome, ReportWarning, Tone, VariantReport
from pipeline.sources.records import FetchSummary
from pipeline.statistics import Interval

FRESH = timedelta(days=365)
"""Age of the newest review up to which the data count as fresh: a year holds every season once."""

MOST_FAILURES = 2
"""Slices, and behavior tests, that the first screen names."""

MOST_DUMPS = 3
"""File names that the first screen spells out."""

CHANCE = 0.5


def answers(
    *,
    outcome: Outcome,
    made_at: datetime,
    fetch: FetchSummary,
    ingest: IngestSummary | None,
    clean: CleanSummary | None,
    data_profile: ProfileSummary | None,
    best: VariantReport | None,
    majority: EvaluationSummary | None,
    variants: Sequence[VariantReport],
    comparison: ComparisonSummary | None,
    acceptance: AcceptanceResult | None,
    gate: GateDecision | None,
    challenge: HeadToHeadSummary | None,
    window: Window | None,
    warnings: Sequence[ReportWarning],
) -> Answers:
    """Return the answers that the figures allow; a comparison that was not made is no answer.

    Args:
        outcome: How the run ended.
        made_at: The report's moment, against which the data's age is told.
        fetch: The raw files.
        ingest: What was read of them.
        clean: What was left.
        data_profile: Oldest and newest review.
        best: The variant that is best on the validation part.
        majority: The baseline that gives every review the same answer.
        variants: All variants.
        comparison: The pairs of models.
        acceptance: Whether the best variant may be used.
        gate: Whether it goes into service.
        challenge: It and the model in service on the same rows.
        window: The dumps that were laid together, if several were.
        warnings: What the report warns of.
    """
    judged = best if best is not None and best.evaluated is not None else None
    return Answers(
        trust=_trust(outcome, acceptance, warnings, demo=fetch.demo),
        against_majority=_against_majority(judged, majority),
        against_word_counts=_against_word_counts(judged, comparison),
        against_other_variant=_against_other_variant(judged, variants, comparison),
        against_champion=_against_champion(judged, outcome, acceptance, gate, challenge),
        data=_data(fetch, ingest, clean, data_profile, window=window, made_at=made_at),
        weakness=_weakness(judged),
    )


def _trust(
    outcome: Outcome, acceptance: AcceptanceResult | None, warnings: Sequence[ReportWarning], *, demo: bool
) -> Answer:
    serious = [warning for warning in warnings if warning.serious]
    words: dict[Outcome, tuple[str, Tone]] = {
        "accepted": ("Yes", "good"),
        "rejected": ("No", "bad"),
        "inconclusive": ("Inconclusive", "unknown"),
        "stopped": ("There is none", "bad"),
        "undecided": ("Not yet known", "unknown"),
    }
    answer, tone = words[outcome]
    if outcome == "accepted" and demo:
        answer, tone = "Not for real reviews", "unknown"
    elif outcome == "accepted" and serious:
        answer, tone = "Not before reading the warnings", "unknown"
    sentence = _rules(outcome, acceptance)
    if serious:
        told = "; ".join(warning.title for warning in serious)
        sentence += f" {formatting.plural(len(serious), 'serious warning')}: {told}."
    else:
        sentence += f" Serious warnings: none; others: {formatting.count(len(warnings))}."
    return Answer(question="May I trust this model?", answer=answer, sentence=sentence, tone=tone)


def _rules(outcome: Outcome, acceptance: AcceptanceResult | None) -> str:
    if acceptance is None or not acceptance.rules:
        return "The run stopped before a model was judged." if outcome == "stopped" else "No model is judged yet."
    failed = [rule for rule in acceptance.rules if not rule.passed]
    if not failed:
        return (
            f"All {formatting.plural(len(acceptance.rules), 'rule')} of the verdict hold for {acceptance.best_title}."
        )
    return (
        f"{formatting.count(len(failed))} of {formatting.plural(len(acceptance.rules), 'rule')} of the verdict "
        f"{'fails' if len(failed) == 1 else 'fail'} for {acceptance.best_title}."
    )


def _against_majority(best: VariantReport | None, majority: EvaluationSummary | None) -> Answer | None:
    if best is None or best.evaluated is None or majority is None:
        return None
    scores, always = best.evaluated.scores, majority.scores
    better = not best.evaluated.no_better_than_majority
    silent = "negative" if always.predicted_positive_share >= CHANCE else "positive"
    found = scores.negative.recall if silent == "negative" else scores.positive.recall
    return Answer(
        question="Is it better than doing nothing?",
        answer="Yes" if better else "Not shown",
        sentence=f"Balanced accuracy {formatting.score(scores.balanced_accuracy.value)} "
        f"({formatting.interval(scores.balanced_accuracy)}); always giving the same answer has "
        f"{formatting.score(always.balanced_accuracy.value)}. Of the {silent} reviews it finds "
        f"{formatting.share(found.value)} ({formatting.share_interval(found)}), where the same answer for all finds "
        "none.",
        tone="good" if better else "bad",
    )


def _against_word_counts(best: VariantReport | None, comparison: ComparisonSummary | None) -> Answer | None:
    pair = None if best is None else _turned(best.name, TFIDF, comparison)
    return None if pair is None else _compared("Is it better than counting words?", pair)


def _against_other_variant(
    best: VariantReport | None, variants: Sequence[VariantReport], comparison: ComparisonSummary | None
) -> Answer | None:
    """Prefer the other direction, whose comparison tells more than that with another seed."""
    if best is None or comparison is None:
        return None
    others = [variant for variant in variants if variant.name != best.name]
    others.sort(key=lambda variant: _direction(variant) == _direction(best))
    for other in others:
        pair = _turned(best.name, other.name, comparison)
        if pair is not None:
            return _compared(f"Is it better than {other.title}?", pair)
    return None


def _against_champion(
    best: VariantReport | None,
    outcome: Outcome,
    acceptance: AcceptanceResult | None,
    gate: GateDecision | None,
    challenge: HeadToHeadSummary | None,
) -> Answer | None:
    """Answer from the challenge; a run that was stopped in front of the gate knows nothing of a champion."""
    if best is None or acceptance is None or (gate is None and outcome == "stopped"):
        return None
    question = "Is it better than the model in service?"
    answer: str
    tone: Tone = "unknown"
    compared = None if challenge is None else challenge.challenger_test
    if gate is None or gate.champion_title is None:
        answer, sentence = "None yet", "No model is in service yet, so there is none to beat."
    elif any(rule.code == "new_model" and not rule.passed for rule in gate.rules):
        answer, sentence = "It is that model", f"{best.title} of this run is the model in service."
    elif gate.first:
        answer = "Not compared"
        sentence = f"{gate.champion_title} is in service, but was trained on generated reviews."
    elif compared is None:
        answer = "Not compared"
        sentence = f"{gate.champion_title} is in service; no comparison on the same reviews was made."
    elif compared.differences is None or not has_both_classes(compared):
        answer, sentence = "Not compared", f"Reviews of both classes are needed. {row_set_sentence(compared)}"
    else:
        difference = compared.differences.balanced_accuracy
        answer, tone = _shown(difference, shown=difference.low > 0 or difference.high < 0)
        sentence = (
            f"{formatting.points(difference.value)} of balanced accuracy against {gate.champion_title} "
            f"({formatting.points_interval(difference)}) on {formatting.plural(compared.rows, 'review')} that neither "
            f"had met. It alone is right on {formatting.plural(_alone(compared, 'only_first'), 'review')}, the "
            f"other alone on {formatting.count(_alone(compared, 'only_second'))}."
        )
    told = "" if gate is None else f" {gate_told(gate)}"
    return Answer(question=question, answer=answer, sentence=sentence + told, tone=tone)


def _alone(row_set: RowSet, who: Literal["only_first", "only_second"]) -> int:
    return sum(getattr(tally, who) for tally in (row_set.negative, row_set.positive))


def _direction(variant: VariantReport) -> str | None:
    return variant.trained.variant.direction if variant.trained is not None else None


def _turned(first: str, second: str, comparison: ComparisonSummary | None) -> Comparison | None:
    """Return a pair with ``first`` as its first model, whichever way round it was compared."""
    if comparison is None:
        return None
    pair = comparison.between(first, second)
    other_way = comparison.between(second, first)
    if pair is not None or other_way is None:
        return pair
    return other_way.model_copy(
        update={
            "first": other_way.second,
            "second": other_way.first,
            "first_title": other_way.second_title,
            "second_title": other_way.first_title,
            "only_first_right": other_way.only_second_right,
            "only_second_right": other_way.only_first_right,
            "balanced_accuracy_difference": negated(other_way.balanced_accuracy_difference),
        }
    )


def _compared(question: str, pair: Comparison) -> Answer:
    difference = pair.balanced_accuracy_difference
    answer, tone = _shown(difference, shown=pair.significant)
    sentence = (
        f"{formatting.points(difference.value)} of balanced accuracy against {pair.second_title} "
        f"({formatting.points_interval(difference)}). It alone is right on "
        f"{formatting.plural(pair.only_first_right, 'review')}, the other alone on "
        f"{formatting.count(pair.only_second_right)}."
    )
    return Answer(question=question, answer=answer, sentence=sentence, tone=tone)


def _shown(difference: Interval, *, shown: bool) -> tuple[str, Tone]:
    if not shown:
        return "Not shown", "unknown"
    return ("Yes", "good") if difference.value > 0 else ("No, worse", "bad")


def _data(
    fetch: FetchSummary,
    ingest: IngestSummary | None,
    clean: CleanSummary | None,
    data_profile: ProfileSummary | None,
    *,
    window: Window | None,
    made_at: datetime,
) -> Answer:
    names = [file.name for file in fetch.files]
    named = ", ".join(names[:MOST_DUMPS]) + (
        f" and {formatting.plural(len(names) - MOST_DUMPS, 'more file')}" if len(names) > MOST_DUMPS else ""
    )
    sentence = named if ingest is None else f"{named}: {formatting.plural(ingest.rows, 'row')}"
    rows = clean.positive + clean.negative if clean is not None else None
    if rows is not None and ingest is not None:
        kept = formatting.share(rows / ingest.rows) if ingest.rows else formatting.NOT_DEFINED
        sentence += f", {formatting.count(rows)} ({kept}) left after cleaning"
    sentence += "."
    if window is not None:
        together = sum(dump.rows - dump.repeated for dump in window.dumps)
        sentence += (
            f" With those of earlier dumps it was trained and judged on {formatting.plural(together, 'review')} of "
            f"{formatting.plural(len(window.dumps), 'dump')}."
        )
    answer, tone = _freshness(data_profile.newest if data_profile is not None else None, made_at)
    if data_profile is not None and data_profile.newest is not None:
        sentence += (
            f" The newest review is of {formatting.day(data_profile.newest)}, "
            f"{formatting.age(data_profile.newest, made_at)} before this report."
        )
    elif data_profile is not None:
        sentence += " The dump does not tell when its reviews were written."
    if fetch.demo:
        answer, tone = "Generated reviews", "unknown"
    return Answer(question="On what data?", answer=answer, sentence=sentence, tone=tone)


def _freshness(newest: datetime | None, made_at: datetime) -> tuple[str, Tone]:
    if newest is None:
        return "Of unknown age", "unknown"
    if made_at - newest <= FRESH:
        return "Fresh", "good"
    return f"Newest review {formatting.age(newest, made_at)} old", "unknown"


def _weakness(best: VariantReport | None) -> Answer | None:
    if best is None or best.evaluated is None or not (best.evaluated.slices or best.behavioral_tests):
        return None
    slices = worst_slices(best.evaluated)[:MOST_FAILURES]
    tests = worst_tests(best.behavioral_tests.tests if best.behavioral_tests is not None else ())[:MOST_FAILURES]
    told = [
        f"{test.title}: {formatting.count(test.passed)} of {formatting.plural(test.cases, 'case')} passed "
        f"({formatting.share_interval(test.pass_rate)})"
        for test in tests
    ]
    told += [_of_slice(found) for found in slices]
    broken = [test for test in tests if test.pass_rate.high < CHANCE]
    names = [test.title for test in broken] + [f"{found.dimension_title}: {found.label}" for found in slices]
    if names:
        return Answer(
            question="Where does it fail?",
            answer="; ".join(names[:MOST_FAILURES]),
            sentence="; ".join(told) + ".",
            tone="bad",
        )
    sentence = "No kind of review is shown to fare worse than the rest" + (
        f". The least good: {'; '.join(told)}." if told else "."
    )
    return Answer(question="Where does it fail?", answer="Nowhere in particular", sentence=sentence, tone="good")


def _of_slice(found: Slice) -> str:
    return (
        f"{found.dimension_title}, {found.label} ({formatting.plural(found.rows, 'review')}): "
        f"{formatting.points(found.gap.value)} ({formatting.points_interval(found.gap)}) against what its mix of "
        "classes lets expect"
    )


def worst_slices(evaluation: EvaluationSummary) -> list[Slice]:
    """Return the slices that are large enough to tell and shown to fall short, the worst gap first."""
    telling = [found for found in evaluation.slices if not found.too_small and found.gap.high < 0]
    return sorted(telling, key=lambda found: found.gap.value)


def worst_tests(tests: Sequence[BehaviorTest]) -> list[BehaviorTest]:
    """Return the behavior tests with failing cases, the lowest pass rate first."""
    return sorted((test for test in tests if test.passed < test.cases), key=lambda test: test.pass_rate.value)
