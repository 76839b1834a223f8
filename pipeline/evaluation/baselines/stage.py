"""The stage ``baselines``: fits every baseline on the training split and evaluates it like any model."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel

from pipeline.config import EvaluationConfig
from pipeline.evaluation.baselines import majority, naive_bayes, tfidf, vader
from pipeline.evaluation.baselines.texts import (
    HELD_OUT,
    BaselinesError,
    FittedBaseline,
    Reviews,
    SplitName,
    SplitReviews,
    read_reviews,
)
from pipeline.evaluation.records import BaselinesSummary, ModelCost
from pipeline.evaluation.rules import MAJORITY, NAIVE_BAYES, TFIDF, VADER
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

STAGE = Stage("baselines", version=3)
SHORTEST = 1e-6
"""Seconds that scoring takes at least, so that a rate is a number."""


@dataclass(frozen=True)
class Baseline:
    """A baseline: its name in files, its title in reports, and how it is fitted."""

    model: str
    title: str
    fit: Callable[[Reviews], FittedBaseline]


BASELINES = (
    Baseline(MAJORITY, majority.TITLE, majority.fit),
    Baseline(TFIDF, tfidf.TITLE, tfidf.fit),
    Baseline(NAIVE_BAYES, naive_bayes.TITLE, naive_bayes.fit),
    Baseline(VADER, vader.TITLE, vader.fit),
)


class BaselinesParams(BaseModel):
    """What the baselines' result depends on, besides their inputs."""

    evaluation: EvaluationConfig


def baselines(
    cleaned: ArtifactReference, parts: ArtifactReference, config: EvaluationConfig, store: ArtifactStore
) -> ArtifactReference:
    """Fit the baselines on the training split and evaluate them like any model.

    Args:
        cleaned: The cleaned reviews; the models read ``words``, and VADER the texts as written.
        parts: The split.
        config: How thresholds are chosen and how many resamples are behind an interval.
        store: Where artifacts lie.

    Returns:
        An artifact with ``predictions.parquet`` (with the column ``model``), ``linear_model.parquet``,
        ``naive_bayes_model.parquet`` and a ``BaselinesSummary``.

    Raises:
        BaselinesError: The training split is empty or of one class, or the split is of other reviews.
    """
    return store.produce(
        STAGE,
        inputs={"cleaned": cleaned, "parts": parts},
        params=BaselinesParams(evaluation=config),
        build=lambda work: _build(work, cleaned, parts, config, store),
    )


def _build(
    work: Workspace,
    cleaned: ArtifactReference,
    parts: ArtifactReference,
    config: EvaluationConfig,
    store: ArtifactStore,
) -> Outcome:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline.evaluation.assessment import evaluate_predictions
    from pipeline.evaluation.predictions import PREDICTIONS, Predictions, part_predictions

    reviews = read_reviews(cleaned, parts, store)
    labels = reviews["train"].labels
    if len(np.unique(labels)) < 2:  # noqa: PLR2004 - two classes
        raise BaselinesError(
            f"The training part of {parts} holds {len(labels):,} reviews of fewer than two classes; nothing can "
            "be learned from it. Give a dump with negative and positive reviews, or another split strategy."
        )
    tables, evaluations, costs = [], [], []
    linear: tfidf.Tfidf | None = None
    for baseline in BASELINES:
        started = time.perf_counter()
        fitted = baseline.fit(reviews)
        trained = time.perf_counter()
        # The file holds float32; what is evaluated must be what it holds.
        stored = {name: fitted.probabilities(reviews[name]).astype(np.float32) for name in HELD_OUT}
        scored = time.perf_counter()
        cost = ModelCost(
            model=baseline.model,
            training_seconds=round(trained - started, 3),
            scoring_rate=sum(map(len, stored.values())) / max(scored - trained, SHORTEST),
            model_bytes=fitted.save(work.folder),
        )
        log.info("%s: fitted in %.1f s, %.0f reviews/s", baseline.title, cost.training_seconds, cost.scoring_rate)
        if baseline.model != MAJORITY:
            costs.append(cost)
        tables += [_table(reviews[name], name, stored[name], baseline.model) for name in HELD_OUT]
        validation, test = (
            part_predictions(reviews[name].rows, reviews[name].labels, stored[name]) for name in HELD_OUT
        )
        evaluations.append(
            evaluate_predictions(
                Predictions(validation=validation, test=test),
                # Always the majority needs no threshold: from one half on it says what is more frequent.
                config.model_copy(update={"threshold": "half"}) if baseline.model == MAJORITY else config,
                model=baseline.model,
                title=baseline.title,
                kind="baseline",
                store=store,
                cleaned=cleaned,
            )
        )
        if isinstance(fitted, tfidf.Tfidf):
            linear = fitted
    assert linear is not None  # noqa: S101 - one of the baselines is TF-IDF
    pq.write_table(pa.concat_tables(tables), work.folder / PREDICTIONS, compression="zstd")
    return Outcome(
        BaselinesSummary(
            evaluations=tuple(evaluations),
            costs=tuple(costs),
            positive_terms=linear.strongest_terms(positive=True),
            negative_terms=linear.strongest_terms(positive=False),
            terms=len(linear.model.terms),
            inverse_regularization=linear.inverse_regularization,
            intercept=linear.model.intercept,
        )
    )


def _table(reviews: SplitReviews, split: SplitName, probabilities: NDArray[np.float32], model: str) -> pa.Table:
    """Return the rows of ``predictions.parquet`` of one baseline and split."""
    import pyarrow as pa

    rows = len(reviews.rows)
    return pa.table(
        {
            "row": pa.array(reviews.rows, pa.int64()),
            "split": pa.array([split] * rows, pa.string()),
            "label": pa.array(reviews.labels, pa.int8()),
            "probability": pa.array(probabilities, pa.float32()),
            "model": pa.array([model] * rows, pa.string()),
        }
    )
