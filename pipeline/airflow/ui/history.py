"""Every published run, its scores and verdict over time, any two side by side, and the changes of champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from pipeline.airflow.ui.champions import KINDS, Succession, succession
from pipeline.airflow.ui.pages import page
from pipeline.reporting.history import PublishedRun, read_history
from pipeline.store.run_names import safe_run_name
from pipeline.workflow import default_store

router = APIRouter()

MOST_RUNS = 500
MOST_CHANGES = 200
WIDTH, HEIGHT, EDGE = 640, 160, 12
"""Pixels of the picture of scores over time."""
LABEL_EDGE = 120
"""Pixels from either side within which a label is written towards the middle."""


@dataclass(frozen=True)
class Point:
    """A run's best model in the picture.

    Attributes:
        x: Pixels from the left.
        y: Pixels from the top, of the value.
        high: Of its interval's upper end.
        low: Of its lower end.
        words: What it says aloud.
        mark: ``champion``, ``previous champion`` or ``None``.
    """

    x: float
    y: float
    high: float
    low: float
    words: str
    mark: str | None

    @property
    def anchor(self) -> str:
        """Which end of a label stands at the point, so that it stays inside the picture."""
        return "start" if self.x < LABEL_EDGE else "end" if self.x > WIDTH - LABEL_EDGE else "middle"


@router.get("/history", response_class=HTMLResponse)
def history(compare: Annotated[list[str] | None, Query()] = None) -> HTMLResponse:
    """List every run, newest first; with two of them named, show those beside each other."""
    store = default_store()
    found = read_history(store)
    row = succession(store)
    ticked = [run for run in found.runs if run.folder in (compare or ())]
    shown = found.runs[:MOST_RUNS]
    return page(
        "history.html.j2",
        here="/history",
        runs=shown,
        left_out=len(found.runs) - len(shown),
        # A report of another version may still be opened, if its name was made by us.
        unreadable=[(name, safe_run_name(name) == name) for name in found.unreadable],
        ticked=len(ticked) if compare else None,
        chosen=ticked[:2],
        points=_points(shown, row),
        marks={run.folder: mark for run in shown if (mark := row.mark(run)) is not None},
        succession=row,
        changes=row.changes[:MOST_CHANGES],
        older_changes=max(0, len(row.changes) - MOST_CHANGES),
        kinds=KINDS,
        published={run.folder: run for run in found.runs},
        folder_of=safe_run_name,
    )


def _points(runs: tuple[PublishedRun, ...], row: Succession) -> list[Point]:
    """Return the runs with a judged model as points, oldest first."""
    judged = [run for run in reversed(runs) if run.balanced_accuracy is not None]
    if not judged:
        return []
    step = (WIDTH - 2 * EDGE) / max(len(judged) - 1, 1)

    def height(value: float) -> float:
        # From chance, one half, at the bottom to 1 at the top.
        return round(EDGE + (HEIGHT - 2 * EDGE) * (1 - (min(max(value, 0.5), 1.0) - 0.5) / 0.5), 1)

    points = []
    for number, run in enumerate(judged):
        if (figure := run.balanced_accuracy) is None:
            continue
        mark = row.mark(run)
        points.append(
            Point(
                x=round(EDGE + number * step, 1),
                y=height(figure.value),
                high=height(figure.high),
                low=height(figure.low),
                words=f"{run.run_name}: {figure.value:.3f}" + (f", {mark}" if mark else ""),
                mark=mark,
            )
        )
    return points
