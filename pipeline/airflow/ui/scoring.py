"""Try a review: what the champion, or else the newest model, says of it, and which of its words speak for what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse

from pipeline.airflow.ui.champions import in_service
from pipeline.airflow.ui.pages import page
from pipeline.behavioral_tests import word_effects
from pipeline.errors import PipelineError
from pipeline.reporting.history import published_runs
from pipeline.scoring.light import LightScorer
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.store.run_names import safe_run_name
from pipeline.workflow import default_store

router = APIRouter()

LONGEST_REVIEW = 5_000
"""Characters; nobody types more, and each word costs one more pass through the model."""


@dataclass(frozen=True)
class Answering:
    """The model that answers.

    Attributes:
        title: What it is.
        run_name: The run that trained it.
        folder: Where that run's report is.
        demo: Whether it knows generated reviews only.
        exported: Its artifact.
        champion: Number of the change that put it into service; ``None`` if it is the newest model instead.
        problem: Why it is not the champion, where that one's record cannot be read.
    """

    title: str
    run_name: str
    folder: str
    demo: bool
    exported: ArtifactReference
    champion: int | None = None
    problem: str | None = None


@router.get("/score", response_class=HTMLResponse)
def ask() -> HTMLResponse:
    """Show the empty box."""
    return page("score.html.j2", here="/score", text="", model=_answering(default_store()), answer=None, problem=None)


@router.post("/score", response_class=HTMLResponse)
def answer(review: Annotated[str, Form(max_length=LONGEST_REVIEW)]) -> HTMLResponse:
    """Show the model's answer, with the effect of each word."""
    store = default_store()
    model = _answering(store)
    if model is None:
        return page("score.html.j2", here="/score", text=review, model=None, answer=None, problem=None)
    try:
        scorer = _scorer(str(store.folder(model.exported)))
    except PipelineError as error:
        return page(
            "score.html.j2", here="/score", text=review, model=model, answer=None, problem=str(error), status=503
        )
    answered = _answer(scorer, review)
    problem = None if answered else "The model gives no probability for this review: its weights are damaged."
    return page("score.html.j2", here="/score", text=review, model=model, answer=answered, problem=problem)


def _answering(store: ArtifactStore) -> Answering | None:
    """Return the champion, else the best model of the newest run that ended with one."""
    serving = in_service(store)
    if serving.change is not None:
        model = serving.change.model
        return Answering(
            model.title,
            model.run_name,
            safe_run_name(model.run_name),
            model.demo,
            model.exported,
            champion=serving.change.number,
        )
    for run in published_runs(store):
        if run.exported is not None:
            title = run.best_title or "The best model"
            return Answering(title, run.run_name, run.folder, run.demo, run.exported, problem=serving.problem)
    return None


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
