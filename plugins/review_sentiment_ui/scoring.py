"""Try a review: what the newest model says of it, and which of its words speak for what."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse

from pipeline.errors import PipelineError
from pipeline.examination import word_effects
from pipeline.reporting.history import PublishedRun, published_runs
from pipeline.scoring.light import LightScorer
from pipeline.workflow import default_store
from review_sentiment_ui.pages import page

router = APIRouter()

LONGEST_REVIEW = 5_000
"""Characters; nobody types more, and each word costs one more pass through the model."""


@router.get("/score", response_class=HTMLResponse)
def ask() -> HTMLResponse:
    """Show the empty box."""
    return page("score.html.j2", here="/score", text="", run=_newest(), answer=None, problem=None)


@router.post("/score", response_class=HTMLResponse)
def answer(review: Annotated[str, Form(max_length=LONGEST_REVIEW)]) -> HTMLResponse:
    """Show the model's answer, with the effect of each word."""
    run = _newest()
    if run is None or run.exported is None:
        return page("score.html.j2", here="/score", text=review, run=None, answer=None, problem=None)
    try:
        scorer = _scorer(str(default_store().folder(run.exported)))
    except PipelineError as error:
        return page("score.html.j2", here="/score", text=review, run=run, answer=None, problem=str(error), status=503)
    answered = _answer(scorer, review)
    problem = None if answered else "The model gives no probability for this review: its weights are damaged."
    return page("score.html.j2", here="/score", text=review, run=run, answer=answered, problem=problem)


def _newest() -> PublishedRun | None:
    """Return the newest run that ended with a model."""
    return next((run for run in published_runs(default_store()) if run.exported is not None), None)


@lru_cache(maxsize=2)
def _scorer(folder: str) -> LightScorer:
    return LightScorer.load(Path(folder))


def _answer(scorer: LightScorer, review: str) -> dict[str, object] | None:
    """Return what the page shows, or ``None`` where the model gives no probability."""
    found = word_effects(scorer, review)
    if found is None:
        return None
    probability, words = found
    return {
        "probability": probability,
        "positive": probability >= scorer.threshold,
        "threshold": scorer.threshold,
        "words": [(word.text.strip(), word.effect) for word in words],
    }
