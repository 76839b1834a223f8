"""The first page: the newest report, the newest model, and what became of each dump."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from pipeline.reporting.history import published_runs
from pipeline.workflow import default_store
from review_sentiment_ui.pages import page

router = APIRouter()

SHOWN_DUMPS = 50


@router.get("/", response_class=HTMLResponse)
def overview() -> HTMLResponse:
    """Show where things stand."""
    runs = published_runs(default_store())
    return page(
        "overview.html.j2",
        here="/",
        newest=runs[0] if runs else None,
        model=next((run for run in runs if run.exported is not None), None),
        dumps=runs[:SHOWN_DUMPS],
    )
