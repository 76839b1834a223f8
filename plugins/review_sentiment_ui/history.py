"""Every published run, its scores and verdict over time, and any two reports side by side."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from pipeline.reporting.history import PublishedRun, published_runs
from pipeline.workflow import default_store
from review_sentiment_ui.pages import page

router = APIRouter()

MOST_RUNS = 500
WIDTH, HEIGHT, EDGE = 640, 160, 12
"""Pixels of the picture of scores over time."""


@router.get("/history", response_class=HTMLResponse)
def history(compare: Annotated[list[str] | None, Query()] = None) -> HTMLResponse:
    """List every run, newest first; with two of them named, show those beside each other."""
    runs = published_runs(default_store())
    chosen = [run for run in runs if run.folder in (compare or ())][:2]
    shown = runs[:MOST_RUNS]
    return page(
        "history.html.j2",
        here="/history",
        runs=shown,
        left_out=len(runs) - len(shown),
        chosen=chosen,
        points=_points(shown),
    )


def _points(runs: tuple[PublishedRun, ...]) -> list[tuple[float, float, float, float, str]]:
    """Return x, y of the value, y of its interval's ends, and words, oldest first, of runs with a judged model."""
    judged = [run for run in reversed(runs) if run.balanced_accuracy is not None]
    if not judged:
        return []
    step = (WIDTH - 2 * EDGE) / max(len(judged) - 1, 1)

    def height(value: float) -> float:
        # From chance, one half, at the bottom to 1 at the top.
        return round(EDGE + (HEIGHT - 2 * EDGE) * (1 - (min(max(value, 0.5), 1.0) - 0.5) / 0.5), 1)

    return [
        (
            round(EDGE + number * step, 1),
            height(figure.value),
            height(figure.high),
            height(figure.low),
            f"{run.run_name}: {figure.value:.3f}",
        )
        for number, run in enumerate(judged)
        if (figure := run.balanced_accuracy) is not None
    ]
