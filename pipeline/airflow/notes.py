"""The lines that tasks contribute to the note of their run.

Airflow's tasks cannot write a run's note, and its scheduler should not read the store. So each task pushes its lines to
XCom under one key, and :mod:`pipeline.airflow.run_notes` puts them together when the run ends.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context

from pipeline.errors import ContractViolationError, DataLeakageError, PipelineError

if TYPE_CHECKING:
    from pipeline.reporting.note import NoteKind, RunNote
    from pipeline.scoring import Publication
    from pipeline.statistics import Interval
    from pipeline.workflow import RunResult

log = logging.getLogger(__name__)

NOTE_KEY = "review_sentiment_note"
"""Key of the XCom; its value is a ``RunNote`` as JSON, with the note's Markdown as ``text``."""


def leave_report_note(result: RunResult) -> dict[str, Interval]:
    """Push decision, figures and place of a published report; return the figures, none if its record is damaged."""
    from pipeline.reporting.history import find_published_run
    from pipeline.reporting.note import note_of_run
    from pipeline.store.run_names import safe_run_name
    from pipeline.workflow import default_store

    run = find_published_run(default_store(), safe_run_name(result.run_name))
    if run is None:
        return {}
    _push(get_current_context(), note_of_run(run, result.report))
    return run.figures


def leave_scoring_note(published: Publication) -> None:
    """Push what a scoring found: warnings first, then rows and model, then the shares of the answers."""
    from pipeline.reporting import formatting

    summary = published.summary
    answered = summary.rows - summary.unknown
    figures = []
    if summary.positive_share is not None:
        shares = {
            "positive": summary.positive_share,
            "negative": 1 - summary.positive_share,
            "unsure": summary.unsure / answered,
        }
        figures = [f"{formatting.share(share)} {name}" for name, share in shares.items()]
    if summary.unknown_words is not None:
        figures.append(f"{formatting.share(summary.unknown_words.mean)} unknown words")
    heading = f"Scored, {formatting.plural(len(summary.warnings), 'warning')}" if summary.warnings else "Scored"
    scored = (
        f"{summary.model} ({summary.model_version}) scored {formatting.count(summary.rows)} of "
        f"{formatting.plural(summary.rows_in, 'row')}."
    )
    leave_note(
        "done", f"{heading} (demo data)" if summary.demo else heading, " ".join([*summary.warnings, scored]), figures
    )


def leave_note(kind: NoteKind, heading: str, sentence: str, figures: Sequence[str] = ()) -> None:
    """Push a line of the running task, for example that there was nothing new or that a model was promoted."""
    from pipeline.reporting.note import RunNote

    _push(get_current_context(), RunNote(kind=kind, heading=heading, sentence=sentence, figures=tuple(figures)))


def leave_failure_note(context: Mapping[str, Any]) -> None:
    """Push why a task failed: the ``on_failure_callback`` of every task.

    The project's own errors are quoted whole. Of any other error only the name is used: its text may hold secrets.
    """
    from pipeline.reporting.note import RunNote

    error = context.get("exception")
    refused = isinstance(error, ContractViolationError | DataLeakageError)
    message = str(error) if isinstance(error, PipelineError) else f"{type(error).__name__}; see the task's log."
    _push(
        context,
        RunNote(
            kind="refused" if refused else "failed",
            heading="Refused" if refused else "Failed",
            sentence=f"{context['ti'].task_id}: {message}",
        ),
    )


def _push(context: Mapping[str, Any], note: RunNote) -> None:
    from pipeline.reporting.note import render_note

    try:
        context["ti"].xcom_push(key=NOTE_KEY, value={**note.model_dump(mode="json"), "text": render_note(note)})
    except Exception:
        # The callback of a task whose worker was lost runs where XComs cannot be written.
        log.warning("This task adds nothing to the note of the run.", exc_info=True)
