"""The page "Try a review": the champion's answer, or the newest model's, and the effect of each word on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse

from pipeline.airflow.ui.champions import current_champion
from pipeline.airflow.ui.pages import page
from pipeline.behavioral_tests import word_effects
from pipeline.errors import PipelineError
from pipeline.reporting.history import read_history
from pipeline.scoring import Scorer, Sentiment
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.store.run_names import safe_run_name
from pipeline.workflow import default_store

router = APIRouter()

MAX_REVIEW_CHARACTERS = 5_000
"""Each word adds one text to score."""


@dataclass(frozen=True)
class AnsweringModel:
    """The model that answers.

    ``champion`` is the number of the change that promoted it, ``None`` if it is the newest model instead of the
    champion. ``problem`` says why the champion's record cannot be read.
    """

    title: str
    run_name: str
    folder: str
    demo: bool
    exported: ArtifactReference
    champion: int | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Answer:
    """A model's answer to a review.

    ``words`` are the pieces of the review with their effects on the log-odds of positive.
    """

    sentiment: Sentiment
    probability: float
    threshold: float
    words: list[tuple[str, float]]


@router.get("/score", response_class=HTMLResponse)
def show_form() -> HTMLResponse:
    """Return the page with an empty form."""
    return _page(_answering_model(default_store()))


@router.post("/score", response_class=HTMLResponse)
def score_review(review: Annotated[str, Form(max_length=MAX_REVIEW_CHARACTERS)]) -> HTMLResponse:
    """Return the page with the model's answer."""
    store = default_store()
    model = _answering_model(store)
    if model is None:
        return _page(None, review)
    try:
        scorer = _scorer(str(store.folder(model.exported)))
    except PipelineError as error:
        return _page(model, review, problem=str(error), status=503)
    found = word_effects(scorer, review)
    if found is None:
        problem = "The model's answer is not a probability: its weights are damaged. Export it again."
        return _page(model, review, problem=problem)
    probability, words = found
    (sentiment,) = scorer.answers(scorer.score_texts([review]))
    effects = [(word.text.strip(), word.effect) for word in words]
    return _page(model, review, Answer(sentiment, probability, scorer.threshold, effects))


def _page(
    model: AnsweringModel | None,
    text: str = "",
    answer: Answer | None = None,
    *,
    problem: str | None = None,
    status: int = 200,
) -> HTMLResponse:
    return page(
        "score.html.j2",
        status=status,
        here="/score",
        model=model,
        text=text,
        max_characters=MAX_REVIEW_CHARACTERS,
        answer=answer,
        problem=problem,
    )


def _answering_model(store: ArtifactStore) -> AnsweringModel | None:
    """Return the champion, or else the best model of the newest run that exported one."""
    change, champion_problem = current_champion(store)
    if change is not None:
        model = change.model
        return AnsweringModel(
            model.title,
            model.run_name,
            safe_run_name(model.run_name),
            model.demo,
            model.exported,
            champion=change.number,
        )
    for run in read_history(store).runs:
        if run.exported is not None:
            title = run.best_title or "The best model"
            return AnsweringModel(title, run.run_name, run.folder, run.demo, run.exported, problem=champion_problem)
    return None


@lru_cache(maxsize=2)
def _scorer(folder: str) -> Scorer:
    return Scorer.load(Path(folder))
