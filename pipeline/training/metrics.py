"""The few figures that are followed while a model trains; the evaluation stage judges it in full."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SMALLEST_PROBABILITY = 1e-7
"""Probabilities are kept this far from 0 and 1 before the logarithm, as Keras does (``keras.config.epsilon``)."""


def log_losses(label: npt.NDArray[np.int8], probability: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the binary cross-entropy of each row in nats. int8 and float32 ``[rows]`` → float64 ``[rows]``."""
    clipped = np.clip(probability.astype(np.float64), SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return -np.log(np.where(label == 1, clipped, 1 - clipped))


def roc_auc(label: npt.NDArray[np.int8], probability: npt.NDArray[np.float32]) -> float:
    """Return the area under the ROC curve: how often a positive row outranks a negative one, ties counting half.

    Computed from ranks (Mann-Whitney U), so that equal probabilities are treated exactly. Both classes must occur.
    """
    _, place, counts = np.unique(probability, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2
    positive = label == 1
    above = int(positive.sum())
    below = len(label) - above
    return float((rank[place[positive]].sum() - above * (above + 1) / 2) / (above * below))


def label_entropy(label: npt.NDArray[np.int8]) -> float:
    """Return the entropy of the labels in nats: the loss of a model that knows nothing but their share."""
    share = float(label.mean())
    return float(-sum(p * np.log(p) for p in (share, 1 - share) if p > 0))
