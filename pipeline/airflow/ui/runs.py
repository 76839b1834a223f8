"""What Airflow knows of the training DAG's runs: which exist, how one stands, and the addresses of their pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from urllib.parse import quote

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select

from pipeline.airflow.plugin import DAG_ID, PREFIX
from pipeline.airflow.ui.pages import base

FAILED = "failed"
MAX_RUNS = 2_000
"""Names that one page looks up."""


@dataclass(frozen=True)
class RunStatus:
    """How a run stands.

    Attributes:
        state: ``queued``, ``running``, ``success`` or ``failed``.
        failed_task: The task that failed first, with its map index; ``None`` if none failed.
        page: Address of the run in Airflow.
        log: Address of that task in Airflow, which shows its log.
    """

    state: str
    failed_task: str | None
    page: str
    log: str | None


def run_page(run_id: str) -> str:
    """Return the address of a run's page in Airflow."""
    airflow = base.get().removesuffix(PREFIX)
    return f"{airflow}/dags/{DAG_ID}/runs/{quote(run_id, safe='')}"


def pages_in_airflow(run_names: Iterable[str]) -> Mapping[str, str]:
    """Return the addresses in Airflow of those runs that it knows, by name: it knows none of the command line."""
    names = set(islice(run_names, MAX_RUNS))
    asked = select(DagRun.run_id).where(DagRun.dag_id == DAG_ID, DagRun.run_id.in_(names))
    with create_session(scoped=False) as session:
        return {run_id: run_page(run_id) for run_id in session.scalars(asked)}


def run_status(run_id: str) -> RunStatus | None:
    """Return how a run stands; ``None`` if Airflow does not know it."""
    state = select(DagRun.state).where(DagRun.dag_id == DAG_ID, DagRun.run_id == run_id)
    failed = (
        select(TaskInstance.task_id, TaskInstance.map_index)
        .where(TaskInstance.dag_id == DAG_ID, TaskInstance.run_id == run_id, TaskInstance.state == FAILED)
        .order_by(TaskInstance.end_date)
    )
    with create_session(scoped=False) as session:
        found, first = session.scalar(state), session.execute(failed).first()
    if found is None:
        return None
    page = run_page(run_id)
    if first is None:
        return RunStatus(str(found), None, page, None)
    task = f"{page}/tasks/{first.task_id}"
    return RunStatus(
        str(found), first.task_id, page, task if first.map_index < 0 else f"{task}/mapped/{first.map_index}"
    )
