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
    from pipeline.workflow import RunResult

log = logging.getLogger(__name__)

NOTE_KEY = "review_sentiment_note"
"""Key of the XCom; its value is a ``RunNote`` as JSON, with the note's Markdown as ``text``."""


def leave_report_note(result: RunResult) -> RunNote | None:
    """Push decision, figures and place of a published report; return ``None`` if the run's record cannot be read."""
    from pipeline.reporting.note import note_of_run
    from pipeline.workflow import default_store

    note = note_of_run(result.run_name, result.report, default_store())
    if note is not None:
        _push(get_current_context(), note)
    return note


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
