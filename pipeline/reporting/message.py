"""The report in short, as Markdown that fits a chat message."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.reporting import formatting
from pipeline.reporting.html import verdict_word
from pipeline.reporting.records import ReportContents

MOST_CAUTIONS = 5
MOST_CHARACTERS = 500
"""Of each sentence that comes from elsewhere."""


def render_message(contents: ReportContents) -> str:
    """Return the verdict, a few figures, the warnings and how to run it again."""
    return "\n".join(_lines(contents)) + "\n"


def _lines(contents: ReportContents) -> Iterator[str]:
    yield f"**{verdict_word(contents)}**: {_cut(contents.headline)}"
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
    if contents.cautions:
        yield "Before you trust the figures:"
        for caution in contents.cautions[:MOST_CAUTIONS]:
            yield f"- {'**Serious.** ' if caution.serious else ''}{_cut(caution.title)}: {_cut(caution.text)}"
        if len(contents.cautions) > MOST_CAUTIONS:
            yield f"- and {len(contents.cautions) - MOST_CAUTIONS} more in the report"
        yield ""
    yield f"Run {_code(contents.run_name or 'without a name')}, profile {contents.profile}; again with:"
    yield ""
    yield f"    {' '.join(contents.reproduce.split())}"


def _figures(contents: ReportContents) -> Iterator[str]:
    best, majority = contents.best, contents.majority
    if best is not None and best.evaluated is not None:
        scores = best.evaluated.scores
        reference = None if majority is None else majority.scores
        for title, figure, always in (
            ("Balanced accuracy", scores.balanced_accuracy, reference.balanced_accuracy if reference else None),
            ("Accuracy", scores.accuracy, reference.accuracy if reference else None),
            ("ROC-AUC", scores.roc_auc, reference.roc_auc if reference else None),
        ):
            beside = f"; always the majority: {formatting.score(always.value)}" if always is not None else ""
            yield f"- {title} {formatting.score(figure.value)} ({formatting.interval(figure)}{beside})"
        yield (
            f"- Negative reviews: {formatting.share(scores.negative.recall)} found, "
            f"{formatting.share(scores.negative.precision)} of the alarms right"
        )
        yield f"- {_cut(best.title)}, on {formatting.count(scores.rows)} test reviews"
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


def _cut(text: str) -> str:
    return formatting.markdown(text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…")


def _code(text: str) -> str:
    return "`" + " ".join(text.replace("`", "'").split())[:MOST_CHARACTERS] + "`"
