"""The overview: champion, newest report, inbox and batches."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from pipeline.airflow.ui.champions import KINDS, current_champion, run_of
from pipeline.airflow.ui.dumps import inbox
from pipeline.airflow.ui.pages import attempt, page
from pipeline.airflow.ui.runs import pages_in_airflow
from pipeline.dataset import batches
from pipeline.reporting.history import read_history
from pipeline.store.run_names import safe_run_name
from pipeline.workflow import default_store

router = APIRouter()

PAGE_DUMPS = 25
MAX_PAGE = 10_000


@router.get("/", response_class=HTMLResponse)
def overview(number: Annotated[int, Query(alias="page", ge=1, le=MAX_PAGE)] = 1) -> HTMLResponse:
    """Show the overview."""
    store = default_store()
    runs = read_history(store).runs
    change, champion_problem = current_champion(store)
    received, batches_problem = attempt(lambda: batches(store), ())
    receivers = {safe_run_name(batch.run_name) for batch in received}
    names = [run.run_name for run in (*(() if change is None else (change.model,)), *runs, *received)]
    first = (number - 1) * PAGE_DUMPS
    return page(
        "overview.html.j2",
        here="/",
        change=change,
        champion_problem=champion_problem,
        kinds=KINDS,
        scored=run_of(change.model, runs) if change is not None else None,
        newest=runs[0] if runs else None,
        model=next((run for run in runs if run.exported is not None), None),
        inbox=inbox(received),
        received=len(received),
        batches_problem=batches_problem,
        batches=received[first : first + PAGE_DUMPS],
        number=number,
        pages=max(1, -(-len(received) // PAGE_DUMPS)),
        published={run.folder: run for run in runs},
        folder_of=safe_run_name,
        beside=[run for run in runs if run.folder not in receivers][:PAGE_DUMPS],
        airflow_pages=pages_in_airflow(names),
    )
