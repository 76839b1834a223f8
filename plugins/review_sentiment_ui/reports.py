"""One run's published report and what belongs to it."""

from __future__ import annotations

from enum import StrEnum

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from pipeline.reporting.publishing import REPORTS, safe_run_name
from pipeline.workflow import default_store
from review_sentiment_ui.pages import page

router = APIRouter()

REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""The report names its one style sheet by digest in a policy of its own; both hold."""


class Document(StrEnum):
    """The files of a published report that may be fetched."""

    JSON = "report.json"
    MESSAGE = "report.md"
    CARD = "model_card.md"


MEDIA_TYPES = {
    Document.JSON: "application/json",
    Document.MESSAGE: "text/markdown; charset=utf-8",
    Document.CARD: "text/markdown; charset=utf-8",
}


@router.get("/runs/{run_id}", response_class=HTMLResponse)
def report(run_id: str) -> Response:
    """Show the report of a run."""
    found = _read(run_id, "report.html")
    if found is None:
        return page("no_report.html.j2", status=404, run_id=run_id)
    return HTMLResponse(found, headers={"Content-Security-Policy": REPORT_POLICY})


@router.get("/runs/{run_id}/{document}")
def document(run_id: str, document: Document) -> Response:
    """Hand out the report's figures, short form or model card as a file."""
    found = _read(run_id, document.value)
    if found is None:
        return page("no_report.html.j2", status=404, run_id=run_id)
    return Response(
        found,
        media_type=MEDIA_TYPES[document],
        headers={"Content-Disposition": f'attachment; filename="{document.value}"'},
    )


def _read(run_id: str, name: str) -> bytes | None:
    """Return a file of the folder that was published for a run, never one that a request names by path."""
    try:
        return (default_store().root / REPORTS / safe_run_name(run_id) / name).read_bytes()
    except OSError:
        return None
