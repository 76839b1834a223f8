"""The model history: every published run, scores over time, two runs side by side, and the champion changes."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from pipeline.airflow.ui.champions import KINDS, ChampionHistory, champion_history
from pipeline.airflow.ui.pages import page
from pipeline.airflow.ui.runs import pages_in_airflow
from pipeline.reporting.figures.scales import multiples, with_decimals_of
from pipeline.reporting.figures.svg import Align, Drawing, Figure, Shape
from pipeline.reporting.history import PublishedRun, read_history
from pipeline.store.run_names import safe_run_name
from pipeline.workflow import default_store

router = APIRouter()

MAX_RUNS = 500
MAX_CHANGES = 200
WIDTH, HEIGHT = 640, 210
"""Size of the figure in pixels."""
MAX_DATES = 7
"""Dates below the axis."""
MARKS: dict[str | None, tuple[Shape, bool]] = {
    "champion": ("diamond", False),
    "previous champion": ("square", True),
    None: ("circle", False),
}
"""Shape of a run's mark, and whether it is hollow."""


@router.get("/history", response_class=HTMLResponse)
def history(compare: Annotated[list[str] | None, Query()] = None) -> HTMLResponse:
    """List every run, newest first; with two runs in ``compare``, also show them side by side."""
    store = default_store()
    found = read_history(store)
    row = champion_history(store)
    ticked = [run for run in found.runs if run.folder in (compare or ())]
    shown, changes = found.runs[:MAX_RUNS], row.changes[:MAX_CHANGES]
    return page(
        "history.html.j2",
        here="/history",
        runs=shown,
        unlisted=len(found.runs) - len(shown),
        # A report of another version may still be opened, if its name was made by us.
        unreadable=[(name, safe_run_name(name) == name) for name in found.unreadable],
        ticked=len(ticked) if compare else None,
        chosen=ticked[:2],
        figure=_figure(shown, row),
        marks={run.folder: mark for run in shown if (mark := row.mark(run)) is not None},
        champion_history=row,
        changes=changes,
        older_changes=max(0, len(row.changes) - MAX_CHANGES),
        kinds=KINDS,
        published={run.folder: run for run in found.runs},
        folder_of=safe_run_name,
        airflow_pages=pages_in_airflow([run.run_name for run in shown] + [change.model.run_name for change in changes]),
    )


def _figure(runs: tuple[PublishedRun, ...], changes: ChampionHistory) -> Figure | None:
    """Draw the balanced accuracy of the best model of each run with its interval, oldest first."""
    points = [(run, run.balanced_accuracy) for run in reversed(runs) if run.balanced_accuracy is not None]
    if not points:
        return None
    # 0.5 is chance; a model below it extends the axis.
    low = min(0.5, *(math.floor(10 * score.low) / 10 for _, score in points))
    drawing = Drawing(HEIGHT, WIDTH)
    panel = drawing.panel((40, 34, 20, 36), (-0.5, len(points) - 0.5), (low, 1))
    panel.y_ticks(multiples(low, 1, 0.1), with_decimals_of(0.1), title="balanced accuracy")
    dated = range(0, len(points), math.ceil(len(points) / MAX_DATES))
    panel.x_ticks(dated, lambda number: f"{points[number][0].made_at:%Y-%m-%d}", grid=False, title="run")
    panel.line(range(len(points)), [score.value for _, score in points], "series-1", 1.5)
    # Marked runs are drawn last, so that no other mark covers them.
    for number, (run, score) in sorted(enumerate(points), key=lambda point: changes.mark(point[1][0]) is not None):
        name = changes.mark(run)
        shape, hollow = MARKS[name]
        panel.line([number, number], [score.low, score.high], "series-1")
        panel.mark(number, score.value, "ink" if name else "series-1", shape, 11 if name else 7, hollow=hollow)
        if name is not None:
            align: Align = "right" if number > len(points) / 2 else "left"
            panel.text(number, score.high, name, align=align, up=6 if name == "champion" else 18, halo=True)
    return drawing.figure(
        "balanced-accuracy",
        "Balanced accuracy of the best model of each run on its own test split, oldest first",
        "; ".join(
            f"{run.run_name}: {score.value:.3f}" + (f", {mark}" if (mark := changes.mark(run)) else "")
            for run, score in points
        ),
        ("Run", "Balanced accuracy"),
        ((run.run_name, f"{score.value:.3f}") for run, score in points),
    )
