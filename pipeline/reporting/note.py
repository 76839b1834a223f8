"""A run in a few lines: what stands beside it in Airflow's list of runs, and in a mail or a chat about it."""

from __future__ import annotations

from typing import Literal

from pipeline.reporting import formatting
from pipeline.reporting.history import PublishedRun, find_published_run
from pipeline.reporting.html import VERDICT_WORDS
from pipeline.sources.naming import without_secrets
from pipeline.store import ArtifactStore, Record
from pipeline.store.run_names import safe_run_name

NOTE_CHARACTERS = 900
"""Longest note in characters; Airflow keeps 1,000 for a run, and a promotion may add a line."""
MOST_CHARACTERS = 400
"""Of the sentence, and of the report's place."""

NoteKind = Literal["judged", "stopped", "refused", "failed", "skipped", "promoted"]

_DECISIONS = ("accepted", "rejected", "inconclusive")


class RunNote(Record):
    """What a run has to say in a few lines, as plain text."""

    kind: NoteKind
    """``judged``: the report has a verdict. ``stopped``: it has none. ``refused``: a contract or a promise stopped the
    run. ``failed``: a step broke. ``skipped``: there was nothing to do. ``promoted``: the model went into service."""
    heading: str
    """One or two words."""
    sentence: str
    """What came of the run, or why nothing did."""
    figures: tuple[str, ...] = ()
    """Balanced accuracy with its interval, ROC-AUC, and the share of negative reviews found, where they are known."""
    report: str | None = None
    """Path or URL of the report, without credentials."""


def note_of_run(run_name: str, report: str, store: ArtifactStore) -> RunNote | None:
    """Return what a published run has to say; ``None`` where its record cannot be read.

    Args:
        run_name: The run's name, as it was published under.
        report: The report's place.
        store: Where it was published.
    """
    run = find_published_run(store, safe_run_name(run_name))
    if run is None:
        return None
    # A later version may know more outcomes.
    heading = {str(outcome): word for outcome, word in VERDICT_WORDS.items()}.get(run.outcome, run.outcome)
    return RunNote(
        kind="judged" if run.outcome in _DECISIONS else "stopped",
        heading=f"{heading} (demo data)" if run.demo else heading,
        sentence=run.headline,
        figures=_figures(run),
        report=without_secrets(report) if "://" in report else report,
    )


def render_note(note: RunNote) -> str:
    """Return a note as Markdown of at most ``NOTE_CHARACTERS`` characters, outside texts harmless."""
    lines = [f"**{formatting.markdown(note.heading)}**: {_cut(note.sentence)}"]
    if note.figures:
        lines.append(" · ".join(formatting.markdown(figure) for figure in note.figures))
    if note.report is not None:
        # Without an ending of its own a place is cut at the front: its end tells most.
        place = formatting.visible(note.report).replace("`", "'")[-MOST_CHARACTERS:]
        lines.append(f"Report: `{' '.join(place.split())}`")
    text = "\n\n".join(lines)
    return text if len(text) <= NOTE_CHARACTERS else text[: NOTE_CHARACTERS - 1].rstrip("\\&") + "…"


def _figures(run: PublishedRun) -> tuple[str, ...]:
    balanced, ranked, found = run.balanced_accuracy, run.roc_auc, run.negative_recall
    figures = []
    if balanced is not None:
        figures.append(f"Balanced accuracy {formatting.score(balanced.value)} ({formatting.interval(balanced)})")
    if ranked is not None:
        figures.append(f"ROC-AUC {formatting.score(ranked.value)}")
    if found is not None:
        figures.append(f"Negative reviews found {formatting.share(found.value)}")
    return tuple(figures)


def _cut(text: str) -> str:
    return formatting.markdown(text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…")
