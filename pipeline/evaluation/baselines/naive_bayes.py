"""NB-SVM: a linear model on words and pairs of words that naive Bayes has weighted (Wang and Manning 2012).

A term has the value r = ln((p / ‖p‖₁) / (q / ‖q‖₁)) in every review that contains it, and 0 in the others. p and q are
the numbers of positive and negative training reviews that contain it, plus 1. The linear model is a logistic
regression instead of a support vector machine, since it gives probabilities; its C, chosen on validation, takes the
place of the paper's interpolation.

S. Wang, C. D. Manning: Baselines and Bigrams: Simple, Good Sentiment and Topic Classification. ACL 2012.
https://aclanthology.org/P12-2018
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.evaluation.baselines.fitting import fit_logistic_regression, fit_terms
from pipeline.evaluation.baselines.texts import Reviews, SplitReviews
from pipeline.evaluation.linear_model import sigmoid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import CountVectorizer

TITLE = "NB-SVM"
FILE = "naive_bayes_model.parquet"
TERMS: dict[str, Any] = {"token_pattern": r"[^ ]+", "lowercase": False, "ngram_range": (1, 2), "binary": True}
"""What scikit-learn's ``CountVectorizer`` is told: words as cleaned and pairs of neighboring words, present or not."""
SMOOTHING = 1.0
INVERSE_REGULARIZATIONS = (0.1, 1.0, 10.0)
"""C of the logistic regression, tried on validation. The scaled values are larger than those of TF-IDF, so the best
C is smaller."""


@dataclass(frozen=True)
class NaiveBayes:
    """The fitted model: float64 ``[terms]`` weights of binary counts, log-count ratio included, and the intercept."""

    weights: NDArray[np.float64]
    intercept: float
    vectorizer: CountVectorizer

    def probabilities(self, reviews: SplitReviews) -> NDArray[np.float64]:
        """Return the probability that each review is positive, float64 ``[rows]``."""
        return sigmoid(self.vectorizer.transform(reviews.words) @ self.weights + self.intercept)

    def save(self, folder: Path) -> int:
        """Write ``naive_bayes_model.parquet`` with a term and its weight per row; return its bytes."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        terms = pa.array(self.vectorizer.get_feature_names_out().tolist(), pa.string())
        table = pa.table({"term": terms, "weight": pa.array(self.weights, pa.float64())})
        pq.write_table(table, folder / FILE, compression="zstd")
        return (folder / FILE).stat().st_size


def fit(reviews: Reviews) -> NaiveBayes:
    """Fit the model.

    Raises:
        BaselinesError: No training review holds a word.
    """
    from scipy.sparse import diags
    from sklearn.feature_extraction.text import CountVectorizer

    train, validation = reviews["train"], reviews["validation"]
    vectorizer, present = fit_terms(CountVectorizer, train.words, **TERMS)
    ratios = log_count_ratios(present, train.labels)
    scale = diags(ratios)
    fitted = fit_logistic_regression(
        present @ scale,
        train.labels,
        vectorizer.transform(validation.words) @ scale,
        validation.labels,
        INVERSE_REGULARIZATIONS,
    )
    return NaiveBayes(fitted.weights * ratios, fitted.intercept, vectorizer)


def log_count_ratios(present: csr_matrix, labels: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return r of each term, float64 ``[terms]``; above zero it speaks for positive.

    Args:
        present: 0 or 1, ``[rows, terms]``.
        labels: int8 ``[rows]``.
    """
    import numpy as np

    positive = present.T @ (labels == 1).astype(np.float64) + SMOOTHING
    negative = present.T @ (labels == 0).astype(np.float64) + SMOOTHING
    ratios: NDArray[np.float64] = np.log((positive / positive.sum()) / (negative / negative.sum()))
    return ratios
