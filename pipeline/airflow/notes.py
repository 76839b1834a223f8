"""What each task has to say of its run, left where the plugin finds it when the run ends.

Airflow lets no task write a run's note, and its scheduler should neither read the store nor import ``pipeline``. So
tasks leave their lines as XComs under one key, and ``plugins/review_sentiment_notes.py`` puts them together.
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


def say_report(result: RunResult) -> RunNote | None:
    """Leave the verdict, its figures and the report's place; ``None`` where the run's record cannot be read.

    Args:
        result: What was just published.
    """
    from pipeline.reporting.note import note_of_run
    from pipeline.workflow import default_store

    note = note_of_run(result.run_name, result.report, default_store())
    if note is not None:
        _leave(get_current_context(), note)
    return note


def say(kind: NoteKind, heading: str, sentence: str, figures: Sequence[str] = ()) -> RunNote:
    """Leave a line of a task's own, such as that there was nothing new, or that a model went into service."""
    from pipeline.reporting.note import RunNote

    note = RunNote(kind=kind, heading=heading, sentence=sentence, figures=tuple(figures))
    _leave(get_current_context(), note)
    return note


def say_failure(context: Mapping[str, Any]) -> None:
    """Leave why a task failed: the ``on_failure_callback`` of every task.

    Our own errors are meant for people and stand there as they are; of any other only its name, for it may hold
    anything.
    """
    from pipeline.reporting.note import RunNote

    error = context.get("exception")
    refused = isinstance(error, ContractViolationError | DataLeakageError)
    told = str(error) if isinstance(error, PipelineError) else f"{type(error).__name__}; the task's log says more."
    _leave(
        context,
        RunNote(
            kind="refused" if refused else "failed",
            heading="Refused" if refused else "Failed",
            sentence=f"{context['ti'].task_id}: {told}",
        ),
    )


def _leave(context: Mapping[str, Any], note: RunNote) -> None:
    from pipeline.reporting.note import render_note

    try:
        context["ti"].xcom_push(key=NOTE_KEY, value={**note.model_dump(mode="json"), "text": render_note(note)})
    except Exception:
        # A task that a lost worker left behind is told of elsewhere, where XComs cannot be written.
        log.warning("The run gets no note from this task.", exc_info=True)
