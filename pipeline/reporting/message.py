"""A short form of the report as Markdown, for chat messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipeline.evaluation.records import Scores
from pipeline.reporting import formatting
from pipeline.reporting.gate_text import gate_word
from pipeline.reporting.html import OUTCOME_TITLES
from pipeline.reporting.records import ReportContents
from pipeline.statistics import Interval

MAX_WARNINGS = 3
MAX_SENTENCE = 300
"""Maximum characters of a sentence, of the gate's sentence, and of a short answer or a title."""
MAX_DECISION = 160
MAX_TITLE = 120


def render_message(contents: ReportContents) -> str:
    """Return the outcome, the main figures, the warnings and the command that repeats the run."""
    return "\n".join(_lines(contents)) + "\n"


def _lines(contents: ReportContents) -> Iterator[str]:
    yield f"**{OUTCOME_TITLES[contents.outcome]}**: {_cut(contents.headline)}"
    yield ""
    if contents.gate is not None:
        yield f"Promotion: **{gate_word(contents.gate)}**: {_cut(contents.gate.sentence, MAX_DECISION)}"
        yield ""
    if contents.demo:
        yield "_Demo data: the reviews are generated; the figures do not apply to real reviews._"
        yield ""
    figures = list(_figures(contents))
    if figures:
        yield from figures
        yield ""
    if contents.next_step:
        yield f"Next step: {_cut(contents.next_step)}"
        yield ""
    yield from _warnings(contents)
    run = formatting.code((contents.run_name or "without a name")[:MAX_SENTENCE])
    yield f"Run {run}, profile {contents.profile}. Repeat it with:"
    yield ""
    yield f"    {' '.join(contents.reproduce.split())}"


def _figures(contents: ReportContents) -> Iterator[str]:
    best = contents.best
    if best is not None and best.evaluated is not None:
        scores = best.evaluated.scores
        yield _score(contents, scores, "Balanced accuracy", lambda one: one.balanced_accuracy)
        yield _score(contents, scores, "Accuracy", lambda one: one.accuracy)
        recall, matrix = scores.negative.recall, scores.confusion
        precision = formatting.share(scores.negative.precision.value)
        if not matrix.true_negative + matrix.false_negative:
            precision = formatting.NOT_DEFINED
        yield (
            f"- Negative reviews: recall {formatting.share(recall.value)} ({formatting.share_interval(recall)}), "
            f"precision {precision}"
        )
        questions = contents.summary_questions
        for question in (questions.better_than_other_variant, questions.weaknesses):
            if question is not None:
                yield f"- {_cut(question.question, MAX_TITLE)} {_cut(question.answer, MAX_TITLE)}"
    elif contents.funnel:
        yield (
            f"- {formatting.plural(contents.funnel[0].rows_left, 'row')} read, "
            f"{formatting.count(contents.funnel[-1].rows_left)} left after the last completed step"
        )
        for expectation in contents.broken_expectations:
            yield (
                f"- Broken: {_cut(expectation.title)}; observed {_cut(expectation.observed)}, "
                f"expected {_cut(expectation.expected)}"
            )


def _score(contents: ReportContents, scores: Scores, name: str, of: Callable[[Scores], Interval]) -> str:
    """Return a score of the best variant next to those of the baselines."""
    value = of(scores)
    baselines = "".join(
        f"; {title}: {formatting.score(of(baseline.scores).value)}"
        for title, baseline in (("majority class", contents.majority), ("TF-IDF", contents.tfidf))
        if baseline is not None
    )
    return f"- {name} {formatting.score(value.value)} ({formatting.interval(value)}{baselines})"


def _warnings(contents: ReportContents) -> Iterator[str]:
    """Yield serious warnings in full, the others by their title."""
    if not contents.warnings:
        return
    yield "Warnings:"
    for warning in contents.warnings[:MAX_WARNINGS]:
        if warning.serious:
            yield f"- **Serious.** {_cut(warning.title)}: {_cut(warning.text)}"
        else:
            yield f"- {_cut(warning.title)}"
    if len(contents.warnings) > MAX_WARNINGS:
        yield f"- and {len(contents.warnings) - MAX_WARNINGS} more in the report"
    yield ""


def _cut(text: str, most: int = MAX_SENTENCE) -> str:
    return formatting.markdown(text, most)
