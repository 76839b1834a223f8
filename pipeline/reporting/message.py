"""The report in short, as Markdown that fits a chat message."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.reporting import formatting
from pipeline.reporting.gate_text import gate_word
from pipeline.reporting.html import acceptance_word
from pipeline.reporting.records import ReportContents

MOST_CAUTIONS = 3
MOST_CHARACTERS = 300
"""Of each sentence that comes from elsewhere."""
MOST_OF_DECISION = 160
"""Characters of the gate's sentence, whose beginning tells most."""
MOST_WORDS = 120
"""Characters of a short answer or a title."""


def render_message(contents: ReportContents) -> str:
    """Return the verdict, a few figures, the answers, the warnings and how to run it again."""
    return "\n".join(_lines(contents)) + "\n"


def _lines(contents: ReportContents) -> Iterator[str]:
    yield f"**{acceptance_word(contents)}**: {_cut(contents.headline)}"
    yield ""
    if contents.gate is not None:
        yield f"Promotion: **{gate_word(contents.gate)}**: {_cut(contents.gate.sentence, MOST_OF_DECISION)}"
        yield ""
    if contents.demo:
        yield "_Demo data: these reviews were generated; the figures say nothing about real ones._"
        yield ""
    figures = list(_figures(contents))
    if figures:
        yield from figures
        yield ""
    if contents.next_step:
        yield f"Next step: {_cut(contents.next_step)}"
        yield ""
    yield from _warnings(contents)
    yield f"Run {_code(contents.run_name or 'without a name')}, profile {contents.profile}; again with:"
    yield ""
    yield f"    {' '.join(contents.reproduce.split())}"


def _figures(contents: ReportContents) -> Iterator[str]:
    best, majority, words = contents.best, contents.majority, contents.word_counts
    if best is not None and best.evaluated is not None:
        scores = best.evaluated.scores
        always, counted = (None if found is None else found.scores for found in (majority, words))
        for title, figure, same, counts in (
            (
                "Balanced accuracy",
                scores.balanced_accuracy,
                always.balanced_accuracy if always else None,
                counted.balanced_accuracy if counted else None,
            ),
            (
                "Accuracy",
                scores.accuracy,
                always.accuracy if always else None,
                counted.accuracy if counted else None,
            ),
        ):
            beside = f"; always the majority: {formatting.score(same.value)}" if same is not None else ""
            beside += f"; counting words: {formatting.score(counts.value)}" if counts is not None else ""
            yield f"- {title} {formatting.score(figure.value)} ({formatting.interval(figure)}{beside})"
        recall, precision = scores.negative.recall, scores.negative.precision
        alarms = scores.confusion.true_negative + scores.confusion.false_negative
        yield (
            f"- Negative reviews: {formatting.share(recall.value)} found ({formatting.share_interval(recall)}), "
            + ("no alarms" if not alarms else f"{formatting.share(precision.value)} of the alarms right")
        )
        for answer in (contents.answers.against_other_variant, contents.answers.weakness):
            if answer is not None:
                yield f"- {_cut(answer.question, MOST_WORDS)} {_cut(answer.answer, MOST_WORDS)}"
    elif contents.funnel:
        yield (
            f"- {formatting.plural(contents.funnel[0].rows_left, 'row')} read, "
            f"{formatting.count(contents.funnel[-1].rows_left)} left after the last finished step"
        )
        for expectation in contents.broken_expectations:
            yield (
                f"- Broken: {_cut(expectation.title)}; observed {_cut(expectation.observed)}, "
                f"expected {_cut(expectation.expected)}"
            )


def _warnings(contents: ReportContents) -> Iterator[str]:
    """Tell serious warnings in full, the others by their title."""
    if not contents.warnings:
        return
    yield "Before you trust the figures:"
    for warning in contents.warnings[:MOST_CAUTIONS]:
        if warning.serious:
            yield f"- **Serious.** {_cut(warning.title)}: {_cut(warning.text)}"
        else:
            yield f"- {_cut(warning.title)}"
    if len(contents.warnings) > MOST_CAUTIONS:
        yield f"- and {len(contents.warnings) - MOST_CAUTIONS} more in the report"
    yield ""


def _cut(text: str, most: int = MOST_CHARACTERS) -> str:
    return formatting.markdown(text if len(text) <= most else text[: most - 1] + "…")


def _code(text: str) -> str:
    return "`" + " ".join(text.replace("`", "'").split())[:MOST_CHARACTERS] + "`"
