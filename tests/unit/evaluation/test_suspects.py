"""Suspected labels and the spread over seeds."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.evaluation.predictions import part_predictions
from pipeline.evaluation.seeds import seed_groups
from pipeline.evaluation.suspects import SHOWN, suspected_labels
from pipeline.store import ArtifactStore
from tests.unit.evaluation.factories import evaluation, reviews, variant


def test_only_reviews_of_which_both_models_are_sure_are_suspected(store: ArtifactStore) -> None:
    labels = np.array([0, 0, 0, 1, 1], dtype=np.int8)
    model = part_predictions(np.arange(5), labels, np.array([0.99, 0.99, 0.5, 0.02, 0.9]))
    # The baseline's rows stand in another order.
    order = np.array([4, 3, 2, 1, 0])
    baseline = part_predictions(order, labels[order], np.array([0.01, 0.05, 0.99, 0.6, 0.97]))
    cleaned = reviews(
        store, labels, texts=["Great!", "b", "c", "Awful <script>", "e"], score=pa.array([1, 1, 2, 5, 4], pa.int8())
    )
    count, found = suspected_labels(model, baseline, cleaned, store)
    assert count == 2
    assert [(one.row, one.stars, one.text) for one in found] == [(0, 1, "Great!"), (3, 5, "Awful <script>")]
    assert (found[0].probability, found[0].baseline_probability) == (0.99, 0.97)


def test_the_surest_are_shown_and_all_are_counted(store: ArtifactStore) -> None:
    labels = np.zeros(40, dtype=np.int8)
    probabilities = np.linspace(0.92, 0.999, 40)
    part = part_predictions(np.arange(40), labels, probabilities)
    count, found = suspected_labels(part, part, reviews(store, labels), store)
    assert count == 40
    assert [one.row for one in found] == list(range(39, 39 - SHOWN, -1))


def test_variants_that_differ_in_their_seed_alone_are_one_group() -> None:
    judged = [
        evaluation(variant=variant("bi", 1, 64), value=0.90),
        evaluation(variant=variant("bi", 2, 64), value=0.94),
        evaluation(variant=variant("bi", 1, 128), value=0.8),
    ]
    wide, narrow = seed_groups(judged)
    assert (wide.name, wide.title, wide.seeds) == ("bi-units64", "Bidirectional LSTM, LSTM units 64", (1, 2))
    assert wide.balanced_accuracy.mean == pytest.approx(0.92)
    assert wide.balanced_accuracy.standard_deviation == pytest.approx(0.02 * np.sqrt(2))
    assert (wide.balanced_accuracy.low, wide.balanced_accuracy.high) == (0.90, 0.94)
    assert (narrow.seeds, narrow.balanced_accuracy.standard_deviation) == ((1,), 0)
