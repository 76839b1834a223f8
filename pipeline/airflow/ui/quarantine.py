"""The quarantine browser: counts by reason, pages of rows, a CSV download."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated

import pyarrow.compute as pc
import pyarrow.dataset as ds
from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from pipeline.airflow.ui.pages import page
from pipeline.errors import PipelineError
from pipeline.reporting.history import PublishedRun, find_published_run
from pipeline.store.run_names import safe_run_name
from pipeline.workflow import default_store

router = APIRouter()

PAGE_ROWS = 25
MAX_PAGE = 4_000
"""100,000 rows; use the CSV file beyond that."""
COLUMNS = ("file", "line", "reason", "detail", "raw")
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""Spreadsheets read a cell that begins with one of these as a formula; the cells are outside text."""


@router.get("/runs/{run_id}/quarantine", response_class=HTMLResponse)
def quarantine(
    run_id: str, reason: str | None = None, number: Annotated[int, Query(alias="page", ge=1, le=MAX_PAGE)] = 1
) -> Response:
    """Show the reasons with their counts and a page of rows."""
    run = _run(run_id)
    rows = _rows(run)
    if run is None or rows is None:
        return page("no_quarantine.html.j2", status=404, run_id=run_id)
    counts = _counts(tuple(rows.files))
    wanted = reason if reason in counts else None
    total = counts[wanted] if wanted is not None else sum(counts.values())
    return page(
        "quarantine.html.j2",
        run=run,
        counts=counts,
        reason=wanted,
        number=number,
        pages=max(1, -(-total // PAGE_ROWS)),
        rows=_page_of_rows(rows, wanted, number),
    )


@router.get("/runs/{run_id}/quarantine.csv")
def download(run_id: str, reason: str | None = None) -> Response:
    """Return all quarantined rows, or those of one reason, as CSV."""
    rows = _rows(_run(run_id))
    if rows is None:
        return page("no_quarantine.html.j2", status=404, run_id=run_id)
    return StreamingResponse(
        _csv(rows, reason),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="quarantine.csv"'},
    )


def _run(run_id: str) -> PublishedRun | None:
    return find_published_run(default_store(), safe_run_name(run_id))


def _rows(run: PublishedRun | None) -> ds.Dataset | None:
    """Return a run's quarantined rows; ``None`` if they are not available."""
    if run is None or run.validated_raw is None:
        return None
    try:
        file = default_store().folder(run.validated_raw) / "quarantine.parquet"
        return ds.dataset(file, format="parquet")
    except (PipelineError, OSError):
        return None


# An artifact never changes.
@lru_cache(maxsize=64)
def _counts(files: tuple[str, ...]) -> dict[str, int]:
    counted = (
        ds.dataset(list(files), format="parquet").to_table(columns=["reason"])["reason"].value_counts().to_pylist()
    )
    return {item["values"]: item["counts"] for item in sorted(counted, key=lambda item: -item["counts"])}


def _page_of_rows(rows: ds.Dataset, reason: str | None, number: int) -> list[dict[str, object]]:
    chosen = pc.field("reason") == reason if reason is not None else None
    first = (number - 1) * PAGE_ROWS
    table = rows.scanner(columns=list(COLUMNS), filter=chosen, batch_size=4_096).head(first + PAGE_ROWS)
    found: list[dict[str, object]] = table.slice(first).to_pylist()
    return found


def _csv(rows: ds.Dataset, reason: str | None) -> Iterator[str]:
    chosen = pc.field("reason") == reason if reason is not None else None
    sink = io.StringIO()
    writer = csv.writer(sink)
    writer.writerow(COLUMNS)
    for batch in rows.to_batches(columns=list(COLUMNS), filter=chosen, batch_size=4_096):
        for row in batch.to_pylist():
            writer.writerow([_inert(row[name]) for name in COLUMNS])
        yield sink.getvalue()
        sink.seek(0)
        sink.truncate()
    yield sink.getvalue()


def _inert(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_SIGNS) else value
