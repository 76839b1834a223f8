"""Two reports side by side."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from pipeline.airflow.ui.pages import POLICY, page
from pipeline.errors import PipelineError
from pipeline.reporting.history import PublishedRun, find_published_run
from pipeline.reporting.publishing import PAGE, REPORTS
from pipeline.store import ArtifactStore
from pipeline.store.run_names import safe_run_name
from pipeline.workflow import default_store

router = APIRouter()

POLICY_WITH_FRAMES = f"{POLICY}; frame-src 'self'"


@dataclass(frozen=True)
class Side:
    """A report and where it is.

    ``run`` is ``None`` for a report of an older version.
    """

    name: str
    folder: str
    run: PublishedRun | None


@router.get("/compare", response_class=HTMLResponse)
def compare(first: str = "", second: str = "") -> HTMLResponse:
    """Show two reports, each in a frame."""
    store = default_store()
    asked = [name for name in (first, second) if name]
    sides = [side for name in dict.fromkeys(asked) if (side := _side(store, name)) is not None]
    missing = [name for name in asked if safe_run_name(name) not in {side.folder for side in sides}]
    if len(sides) != 2:  # noqa: PLR2004 - two sides
        return page("no_comparison.html.j2", status=404, here="/history", sides=sides, missing=missing)
    return page("comparison.html.j2", here="/history", policy=POLICY_WITH_FRAMES, sides=sides)


def _side(store: ArtifactStore, name: str) -> Side | None:
    """Return a run's report, if there is one; the name is made safe before it becomes a path."""
    folder = safe_run_name(name)
    try:
        if not (store.root / REPORTS / folder / PAGE).is_file():
            return None
    except PipelineError:
        raise
    except OSError:
        return None
    run = find_published_run(store, folder)
    return Side(run.run_name if run is not None else folder, folder, run)
