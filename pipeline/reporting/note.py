"""A note on a run in a few lines: for Airflow's list of runs, mails and chat messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from pipeline.reporting import formatting
from pipeline.reporting.history import PublishedRun
from pipeline.reporting.html import OUTCOME_TITLES
from pipeline.sources.naming import without_secrets
from pipeline.statistics import Interval
from pipeline.store import Record

NOTE_CHARACTERS = 900
"""Maximum length; Airflow allows 1,000 characters, and a promotion may add a line."""
MAX_CHARACTERS = 400
"""Maximum length of the sentence and of the report's address."""

NoteKind = Literal["judged", "stopped", "refused", "failed", "skipped", "promoted", "done"]

_DECISIONS = ("accepted", "rejected", "inconclusive")


class RunNote(Record):
    """A note on a run, as plain text."""

    kind: NoteKind
    """``judged``: a model was evaluated. ``stopped``: none was. ``refused``: a data contract or a guarantee stopped the
    run. ``failed``: a task failed. ``skipped``: there was nothing to do. ``promoted``: the model was promoted.
    ``done``: a run without a report did its work."""
    heading: str
    """One or two words."""
    sentence: str
    """The result of the run, or why there is none."""
    figures: tuple[str, ...] = ()
    """Balanced accuracy with its interval, ROC-AUC and negative recall, if known."""
    report: str | None = None
    """Path or URL of the report, without credentials."""


def note_of_run(run: PublishedRun, report: str) -> RunNote:
    """Return the note of a published run.

    Args:
        run: The run.
        report: Path or URL of the report.
    """
    # A later version may have more outcomes.
    heading = {str(outcome): title for outcome, title in OUTCOME_TITLES.items()}.get(run.outcome, run.outcome)
    return RunNote(
        kind="judged" if run.outcome in _DECISIONS else "stopped",
        heading=f"{heading} (demo data)" if run.demo else heading,
        sentence=run.headline,
        figures=figure_texts(run.figures),
        report=without_secrets(report),
    )


def render_note(note: RunNote) -> str:
    """Return a note as Markdown of at most ``NOTE_CHARACTERS`` characters; outside texts are escaped."""
    lines = [f"**{formatting.markdown(note.heading)}**: {formatting.markdown(note.sentence, MAX_CHARACTERS)}"]
    if note.figures:
        lines.append(" · ".join(formatting.markdown(figure) for figure in note.figures))
    if note.report is not None:
        # Cut at the front: the end of an address identifies the report.
        lines.append(f"Report: {formatting.code(formatting.visible(note.report)[-MAX_CHARACTERS:])}")
    text = "\n\n".join(lines)
    return text if len(text) <= NOTE_CHARACTERS else text[: NOTE_CHARACTERS - 1].rstrip("\\&") + "…"


def figure_texts(figures: Mapping[str, Interval]) -> tuple[str, ...]:
    """Return the main figures of a run (``PublishedRun.figures``) as texts: those that are known."""
    forms: dict[str, Callable[[Interval], str]] = {
        "balanced_accuracy": lambda figure: f"Balanced accuracy {formatting.estimate(figure)}",
        "roc_auc": lambda figure: f"ROC-AUC {formatting.score(figure.value)}",
        "negative_recall": lambda figure: f"Negative recall {formatting.share(figure.value)}",
    }
    return tuple(form(figures[name]) for name, form in forms.items() if name in figures)
