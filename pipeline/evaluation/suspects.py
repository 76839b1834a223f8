"""Reviews whose stars may be wrong: two models that have little in common both say so, and both are sure."""

from __future__ import annotations

import numpy as np

from pipeline.evaluation.assessment import cut
from pipeline.evaluation.predictions import PartPredictions, review_texts
from pipeline.evaluation.records import SuspectedLabel
from pipeline.store import ArtifactReference, ArtifactStore

SURE = 0.1
"""Probability of the given label below which a model counts as sure that it is wrong."""
SHOWN = 10


def suspected_labels(
    model: PartPredictions, baseline: PartPredictions, cleaned: ArtifactReference, store: ArtifactStore
) -> tuple[int, tuple[SuspectedLabel, ...]]:
    """Return how many test rows are suspected, and the surest of them, by the less sure of the two models.

    A network that reads word after word and a linear model that counts words err in different ways; where both are
    sure and the stars say otherwise, it is often the stars (confident learning: Northcutt et al. 2021).

    Args:
        model: The best model on the test part.
        baseline: TF-IDF with logistic regression on the same rows, in any order.
        cleaned: The reviews, for texts and stars.
        store: Where they lie.
    """
    order = np.argsort(baseline.rows)
    other = baseline.probabilities[order][np.searchsorted(baseline.rows, model.rows, sorter=order)]
    of_label, other_of_label = (
        np.where(model.labels == 1, probability, 1 - probability) for probability in (model.probabilities, other)
    )
    least_sure = np.maximum(of_label, other_of_label)
    suspected = np.flatnonzero(least_sure < SURE)
    chosen = suspected[np.lexsort((model.rows[suspected], least_sure[suspected]))[:SHOWN]]
    texts = review_texts(store, cleaned, model.rows[chosen].tolist())
    return len(suspected), tuple(
        SuspectedLabel(
            row=row,
            label=int(model.labels[place]),
            stars=texts[row].stars,
            probability=float(model.probabilities[place]),
            baseline_probability=float(other[place]),
            text=cut(texts[row].text),
            summary=None if (summary := texts[row].summary) is None else cut(summary),
        )
        for place in chosen
        if (row := int(model.rows[place])) in texts
    )
