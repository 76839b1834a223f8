"""The question to the user who decides about a promotion: what speaks against the model, its figures, its rules."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.evaluation.records import EvaluationSummary
from pipeline.promotion.records import GateDecision
from pipeline.promotion.rule_text import DEMO_NOTE
from pipeline.reporting import formatting
from pipeline.reporting.records import ReportContents
from pipeline.store import Record

MAX_WARNINGS = 6
"""Serious warnings that are quoted."""
MAX_RULES = 12
"""Failed rules that are listed."""
MAX_CHARACTERS = 600
"""Maximum length of a warning or a rule."""


class ApprovalQuestion(Record):
    """A question for Airflow's page of required actions."""

    subject: str
    """One line of plain text."""
    body: str
    """Markdown; outside texts are escaped."""


def approval_question(
    decision: GateDecision,
    contents: ReportContents,
    champion: EvaluationSummary | None,
    *,
    report_url: str,
    hours: float,
) -> ApprovalQuestion:
    """Return the question whether the challenger is promoted.

    Args:
        decision: The decision of the gate.
        contents: The contents of the run's report.
        champion: The evaluation of the champion on its own test split; ``None`` without a champion, or if the
            evaluation is not in the store any more.
        report_url: Address of the report.
        hours: Time until the question is answered with *no*.
    """
    serious = sum(warning.serious for warning in contents.warnings)
    best = contents.best
    scores = best.evaluated.scores if best is not None and best.evaluated is not None else None
    facts = [] if scores is None else [f"Balanced accuracy {formatting.estimate(scores.balanced_accuracy)}"]
    facts += [formatting.plural(serious, "serious warning")] if serious else []
    otherwise = "no model is promoted" if decision.champion_title is None else "the champion stays"
    sections = (
        _warnings(contents, serious),
        _figures(decision, contents, champion),
        _comparisons(contents),
        _rules(decision),
        [f"[Evaluation report]({report_url}). Without an answer within {hours:g} hours, {otherwise}."],
    )
    return ApprovalQuestion(
        subject=" ".join([f"Promote {formatting.visible(decision.challenger.title)}?", ", ".join(facts)]).strip(),
        body="\n\n".join(text for lines in sections if (text := "\n".join(lines))),
    )


def _warnings(contents: ReportContents, serious: int) -> Iterator[str]:
    """Yield the serious warnings with their texts, and how many others there are."""
    if contents.demo:
        yield f"**{DEMO_NOTE}**\n"
    quoted = contents.warnings[: min(serious, MAX_WARNINGS)]
    if quoted:
        yield f"**{formatting.plural(serious, 'serious warning')}**\n"
    for warning in quoted:
        yield f"- **{formatting.markdown(warning.title)}**: {formatting.markdown(warning.text, MAX_CHARACTERS)}"
    others = len(contents.warnings) - len(quoted)
    if quoted and others:
        yield f"\n{formatting.plural(others, 'other warning')} in the report."
    elif others:
        yield f"{formatting.plural(others, 'warning')} in the report, none of them serious."


def _figures(decision: GateDecision, contents: ReportContents, champion: EvaluationSummary | None) -> Iterator[str]:
    """Yield the balanced accuracy of challenger, champion and TF-IDF."""
    yield "**Balanced accuracy, with its 95 % interval**\n"
    best = contents.best
    if best is not None and best.evaluated is not None:
        yield _figure(f"Challenger, {best.title}", best.evaluated, "test reviews")
    if champion is not None:
        yield _figure(f"Champion, {decision.champion_title}", champion, "test reviews of its own")
    else:
        title = decision.champion_title
        yield "- Champion: none" if title is None else f"- Champion, {formatting.markdown(title)}: unknown"
    if contents.tfidf is not None:
        yield _figure(contents.tfidf.title, contents.tfidf, "test reviews of the challenger")


def _figure(title: str, evaluation: EvaluationSummary, rows: str) -> str:
    scores = evaluation.scores
    return (
        f"- {formatting.markdown(title)}: {formatting.estimate(scores.balanced_accuracy)} on "
        f"{formatting.count(scores.rows)} {rows}"
    )


def _comparisons(contents: ReportContents) -> Iterator[str]:
    """Yield the answers of the report's first page about champion and TF-IDF."""
    answers = contents.summary_questions
    yield "**Comparisons**\n"
    for question in (answers.better_than_champion, answers.better_than_tfidf):
        if question is not None:
            answer = f"**{formatting.markdown(question.answer)}**. {formatting.markdown(question.evidence)}"
            yield f"- {formatting.markdown(question.question)} {answer}"


def _rules(decision: GateDecision) -> Iterator[str]:
    """Yield the rules that failed."""
    failed = [rule for rule in decision.rules if not rule.passed]
    rules = formatting.plural(len(decision.rules), "rule")
    if not failed:
        yield f"**The model passes all {rules}**"
        return
    yield f"**The model fails {formatting.count(len(failed))} of {rules}**\n"
    for rule in failed[:MAX_RULES]:
        yield f"- {formatting.markdown(rule.sentence, MAX_CHARACTERS)}"
