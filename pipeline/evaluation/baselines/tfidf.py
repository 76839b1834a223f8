"""TF-IDF with logistic regression: sublinear counts of words and pairs of words, rows of unit length."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.evaluation.baselines.fitting import fit_logistic_regression, fit_terms
from pipeline.evaluation.baselines.texts import Reviews, SplitReviews
from pipeline.evaluation.linear_model import LINEAR_MODEL, VECTORISATION, LinearModel
from pipeline.evaluation.records import WordWeight

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TITLE = "TF-IDF with logistic regression"
INVERSE_REGULARIZATIONS = (1.0, 4.0, 16.0)
"""C of the logistic regression, tried on validation: the usual optimum of TF-IDF text models lies among them."""
LISTED_TERMS = 20


@dataclass(frozen=True)
class Tfidf:
    """The fitted model and the C that was chosen."""

    model: LinearModel
    inverse_regularization: float

    def probabilities(self, reviews: SplitReviews) -> NDArray[np.float64]:
        """Return the probability that each review is positive, float64 ``[rows]``."""
        return self.model.probabilities(reviews.words)

    def save(self, folder: Path) -> int:
        """Write ``linear_model.parquet``; return its bytes."""
        self.model.save(folder)
        return (folder / LINEAR_MODEL).stat().st_size

    def strongest_terms(self, *, positive: bool) -> tuple[WordWeight, ...]:
        """Return the terms that speak most for a class, strongest first."""
        import numpy as np

        sign = 1.0 if positive else -1.0
        order = np.argsort(self.model.weights, kind="stable")
        strongest = (order[::-1] if positive else order)[:LISTED_TERMS]
        return tuple(
            WordWeight(term=self.model.terms[place], weight=float(self.model.weights[place]))
            for place in strongest
            if sign * self.model.weights[place] > 0
        )


def fit(reviews: Reviews) -> Tfidf:
    """Fit the model.

    Raises:
        BaselinesError: No training review holds a word.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    train, validation = reviews["train"], reviews["validation"]
    vectorizer, matrix = fit_terms(TfidfVectorizer, train.words, **VECTORISATION)
    fitted = fit_logistic_regression(
        matrix, train.labels, vectorizer.transform(validation.words), validation.labels, INVERSE_REGULARIZATIONS
    )
    terms = vectorizer.get_feature_names_out().tolist()
    return Tfidf(
        LinearModel.of(terms, vectorizer.idf_, fitted.weights, fitted.intercept), fitted.inverse_regularization
    )
