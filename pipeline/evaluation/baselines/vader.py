"""VADER: a list of words with their sentiment and rules for negation, emphasis and case (Hutto and Gilbert 2014).

It needs no training and reads the review as it was written, because punctuation and capitals count. Its compound score
(−1 to 1) becomes a probability by a logistic regression on that one figure, fitted on validation.

C. J. Hutto, E. Gilbert: VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text. ICWSM 2014.
https://ojs.aaai.org/index.php/ICWSM/article/view/14550

The engine and the list are those of the authors' package vaderSentiment. NLTK's copy of the engine has no list of its
own, and measured against these it was slower and ranked real reviews worse (docs/explanation/evaluation.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.evaluation.baselines.texts import Reviews, SplitReviews
from pipeline.evaluation.linear_model import sigmoid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TITLE = "VADER"
MAX_CHARACTERS = 4_000
"""Characters of a review that are read: the time grows with the square of the length, and texts come from outside."""
MAX_CALIBRATION_ROWS = 5_000
"""Validation reviews that the logistic regression is fitted on; two numbers need no more."""


@dataclass(frozen=True)
class Vader:
    """The logistic regression on the compound score."""

    slope: float
    intercept: float

    def probabilities(self, reviews: SplitReviews) -> NDArray[np.float64]:
        """Return the probability that each review is positive, float64 ``[rows]``."""
        return sigmoid(self.slope * compound_scores(reviews.texts) + self.intercept)

    def save(self, folder: Path) -> int:  # noqa: ARG002 - the list belongs to the package
        """Return the bytes of the list of words."""
        from vaderSentiment import vaderSentiment

        return (Path(vaderSentiment.__file__).parent / "vader_lexicon.txt").stat().st_size


def fit(reviews: Reviews) -> Vader:
    """Fit the logistic regression on validation; of one class, the compound score is taken as the log-odds."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    validation = reviews["validation"]
    step = -(-len(validation.rows) // MAX_CALIBRATION_ROWS) or 1
    labels = validation.labels[::step]
    if len(np.unique(labels)) < 2:  # noqa: PLR2004 - two classes
        return Vader(1.0, 0.0)
    model = LogisticRegression().fit(compound_scores(validation.texts[::step])[:, np.newaxis], labels)
    return Vader(float(model.coef_[0, 0]), float(model.intercept_[0]))


def compound_scores(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return VADER's compound score of each text, float64 ``[texts]``, from −1 (negative) to 1 (positive)."""
    import numpy as np

    score = _analyzer().polarity_scores
    return np.array([score(text[:MAX_CHARACTERS])["compound"] for text in texts], dtype=np.float64)


@cache
def _analyzer() -> Any:  # noqa: ANN401 - vaderSentiment has no types
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
