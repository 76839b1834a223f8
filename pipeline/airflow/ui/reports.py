"""A run's published report, its files and Data Docs."""

from __future__ import annotations

import mimetypes
from enum import StrEnum

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from pipeline.airflow.plugin import DAG_ID
from pipeline.airflow.ui.pages import page
from pipeline.airflow.ui.runs import run_status
from pipeline.errors import PipelineError
from pipeline.reporting.publishing import DATA_DOCS, REPORTS
from pipeline.store.files import read_within
from pipeline.store.run_names import safe_run_name
from pipeline.workflow import default_store

router = APIRouter()

REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""The report has a policy of its own that allows its one style sheet by digest; both apply."""


DATA_DOCS_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""Data Docs have inline styles; their scripts, which fold and sort, do not run."""


WAY_BACK = b'<nav aria-label="Review sentiment"><a href="../../">Overview of all reports</a></nav>'


class DataDocs(StrEnum):
    """The folders of Data Docs of a report."""

    RAW = DATA_DOCS["validate_raw"]
    CLEAN = DATA_DOCS["validate_clean"]


class Document(StrEnum):
    """The files of a report that can be downloaded."""

    JSON = "report.json"
    MESSAGE = "report.md"
    CARD = "model_card.md"


MEDIA_TYPES = {
    Document.JSON: "application/json",
    Document.MESSAGE: "text/markdown; charset=utf-8",
    Document.CARD: "text/markdown; charset=utf-8",
}


# The trailing slash makes the report's relative links work.
@router.get("/runs/{run_id}/", response_class=HTMLResponse)
def report(run_id: str, dag_id: str = DAG_ID) -> Response:
    """Show the report of a run, with a link to the overview; ``dag_id`` is the DAG of the run."""
    found = _read(run_id, "report.html") if dag_id == DAG_ID else None
    if found is None:
        return _no_report(run_id, None if dag_id == DAG_ID else dag_id)
    # The published file has no such link: it is also read outside Airflow.
    shown = found.replace(b"<body>", b"<body>" + WAY_BACK, 1)
    return HTMLResponse(shown, headers={"Content-Security-Policy": REPORT_POLICY})


@router.get("/runs/{run_id}/{document}")
def document(run_id: str, document: Document) -> Response:
    """Return the report's JSON, Markdown summary or model card as a file."""
    found = _read(run_id, document.value)
    if found is None:
        return _no_report(run_id)
    return Response(
        found,
        media_type=MEDIA_TYPES[document],
        headers={"Content-Disposition": f'attachment; filename="{document.value}"'},
    )


@router.get("/runs/{run_id}/{docs}/{name:path}")
def data_docs(run_id: str, docs: DataDocs, name: str) -> Response:
    """Show a page of Great Expectations' Data Docs of a run."""
    home = default_store().root / REPORTS / safe_run_name(run_id) / docs.value
    # Compared with the existing files: the name never becomes a path.
    known = any(file.is_file() and str(file).removeprefix(str(home)).lstrip("/") == name for file in home.rglob("*"))
    found = _read(run_id, docs.value, *name.split("/")) if known else None
    if found is None:
        return _no_report(run_id)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(found, media_type=kind, headers={"Content-Security-Policy": DATA_DOCS_POLICY})


def _no_report(run_id: str, other_dag: str | None = None) -> HTMLResponse:
    """Say why there is no report: it is a run of another DAG, it failed, or it has not ended yet."""
    status = run_status(run_id) if other_dag is None else None
    return page(
        "no_report.html.j2",
        status=404,
        run_id=run_id,
        run_status=status,
        training_dag=DAG_ID,
        other_dag=other_dag,
    )


def _read(run_id: str, *parts: str) -> bytes | None:
    """Return a file of a run's published folder, or ``None`` if there is none."""
    try:
        return read_within(default_store().root, REPORTS, safe_run_name(run_id), *parts)
    except PipelineError:
        # An unreachable store has an error page of its own.
        raise
    except OSError:
        return None
