"""Writes a note on each run of the workflow: decision, figures and the report's place, or why there is none.

The scheduler calls this listener when a run ends. It imports nothing else of the project and reads only the lines that
the run's tasks pushed to XCom (:mod:`pipeline.airflow.notes`). The note is written in a savepoint; an error is only
logged.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

DAG_IDS = frozenset({"train_review_sentiment", "roll_back_champion", "score_reviews", "clean_up_artifacts"})
NOTE_KEY = "review_sentiment_note"
AUTHOR = "review-sentiment"
"""Author of these notes: they are replaced when a run is cleared; a user's own note is kept."""
MAX_CHARACTERS = 1000
"""Limit of Airflow's database."""
MAX_NOTES = 50
"""Lines of tasks that are read: every variant of a large sweep may fail."""
MAX_FAILED_TASKS = 5


class RunNotes:
    """Airflow's listener."""

    @hookimpl
    def on_dag_run_success(self, dag_run: DagRun, msg: str) -> None:
        """Write the note of a run that succeeded."""
        _note(dag_run, msg)

    @hookimpl
    def on_dag_run_failed(self, dag_run: DagRun, msg: str) -> None:
        """Write the note of a run that failed."""
        _note(dag_run, msg)


class ReviewSentimentNotes(AirflowPlugin):
    """Registers the listener with Airflow."""

    name = "review_sentiment_notes"
    listeners: list[Any] = [RunNotes()]  # noqa: RUF012 - Airflow's own interface


def _note(dag_run: DagRun, reason: str) -> None:
    if dag_run.dag_id not in DAG_IDS:
        return
    try:
        from airflow.utils.session import create_session
        from sqlalchemy.orm import object_session

        session = object_session(dag_run)
        if session is None:
            # In `dag.test()`.
            with create_session() as own:
                _write(own, dag_run, reason)
            return
        with session.no_autoflush:
            _write(session, dag_run, reason)
            # A later write in the same session must find this row instead of adding a second one.
            session.expire(dag_run, ["dag_run_note"])
    except Exception:
        log.exception("The run %s gets no note.", dag_run.run_id)


def _write(session: Session, dag_run: DagRun, reason: str) -> None:
    from airflow.models.dagrun import DagRunNote
    from sqlalchemy import insert, select, update

    # The connection's savepoint, not the session's: the scheduler forbids a session's commits, nested ones included.
    connection = session.connection()
    with connection.begin_nested():
        this = DagRunNote.dag_run_id == dag_run.id
        there = connection.execute(select(DagRunNote.user_id, DagRunNote.content).where(this)).first()
        if there is not None and there.user_id != AUTHOR and there.content:
            return
        text = _text(connection, dag_run, reason)
        if text is None:
            return
        if there is None:
            connection.execute(insert(DagRunNote).values(dag_run_id=dag_run.id, user_id=AUTHOR, content=text))
        else:
            connection.execute(update(DagRunNote).where(this).values(user_id=AUTHOR, content=text))


def _text(connection: Connection, dag_run: DagRun, reason: str) -> str | None:
    """Return the tasks' lines in the order in which they were pushed, or the names of the failed tasks."""
    from airflow.models.xcom import XComModel
    from sqlalchemy import select

    left = connection.execute(
        select(XComModel.value)
        .where(XComModel.dag_run_id == dag_run.id, XComModel.key == NOTE_KEY)
        .order_by(XComModel.timestamp)
        .limit(MAX_NOTES)
    )
    notes = [note for value in left.scalars() if (note := _read(value)) is not None]
    reported = any(note["kind"] == "stopped" for note in notes)
    # The report of a rejected run repeats the message of the gate.
    texts = [note["text"] for note in notes if not (reported and note["kind"] == "refused")]
    if reason == "timed_out":
        texts.append("**Failed**: The run exceeded the time limit of the DAG.")
    elif str(dag_run.state) == "failed" and not any(note["kind"] in {"failed", "refused"} for note in notes):
        texts.extend(_failed(connection, dag_run))
    text = "\n\n".join(dict.fromkeys(texts))
    return (text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…") or None


def _read(value: object) -> dict[str, str] | None:
    """Return a task's lines; ``None`` for a value of another form."""
    found = json.loads(value) if isinstance(value, str) else value
    if isinstance(found, dict) and all(isinstance(found.get(name), str) for name in ("kind", "text")):
        return found
    return None


def _failed(connection: Connection, dag_run: DagRun) -> list[str]:
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    failed = connection.execute(
        select(TaskInstance.task_id)
        .where(TaskInstance.dag_id == dag_run.dag_id, TaskInstance.run_id == dag_run.run_id)
        .where(TaskInstance.state == "failed")
        .distinct()
        .limit(MAX_FAILED_TASKS)
    )
    names = ", ".join(f"`{name}`" for name in failed.scalars())
    return [f"**Failed**: {names}; see the log of the task."] if names else []
