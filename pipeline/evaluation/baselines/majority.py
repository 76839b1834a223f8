"""Always the majority: every review has the training split's share of positive reviews as its probability."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.evaluation.baselines.texts import Reviews, SplitReviews

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TITLE = "Always the majority"


@dataclass(frozen=True)
class Majority:
    """The share of positive reviews in the training split."""

    share: float

    def probabilities(self, reviews: SplitReviews) -> NDArray[np.float64]:
        """Return the share for each review, float64 ``[rows]``."""
        import numpy as np

        return np.full(len(reviews.rows), self.share)

    def save(self, folder: Path) -> int:  # noqa: ARG002 - the model has no file
        """Return 0: the model is one number."""
        return 0


def fit(reviews: Reviews) -> Majority:
    """Count the labels of the training split."""
    return Majority(float(reviews["train"].labels.mean()))
