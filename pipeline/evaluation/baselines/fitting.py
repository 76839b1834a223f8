"""What the linear baselines share: the terms that they count, and the choice of the regularization on validation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pipeline.evaluation.baselines.texts import BaselinesError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import CountVectorizer

    Vectorizer = TypeVar("Vectorizer", bound=CountVectorizer)

log = logging.getLogger(__name__)

MIN_ROWS = 2
"""A term of one training review cannot help with another one."""
MOST_TERMS = 500_000
"""Bounds time and memory whatever the dump; the most frequent terms are kept."""
MOST_ITERATIONS = 200
TOLERANCE = 1e-5
"""Largest gradient component at which fitting stops. scikit-learn's 1e-4 ends early on unit-length TF-IDF rows (the
chosen C then has no effect); 1e-6 costs twice the steps and changes the fourth digit."""
CHANCE = 0.5
"""ROC-AUC of a ranking that knows nothing."""


class LogisticFit(NamedTuple):
    """A logistic regression: float64 ``[terms]`` weights, the intercept, and its C."""

    weights: NDArray[np.float64]
    intercept: float
    inverse_regularization: float


def fit_terms(kind: type[Vectorizer], words: Sequence[str], **options: Any) -> tuple[Vectorizer, csr_matrix]:  # noqa: ANN401 - scikit-learn's options
    """Return the vectorizer fitted on the training reviews and their matrix, float64 ``[texts, terms]``.

    A term must stand in ``MIN_ROWS`` texts; where no term does, in a handful of reviews, every term is kept.

    Raises:
        BaselinesError: The texts hold no word at all.
    """
    import numpy as np

    for least in (MIN_ROWS, 1):
        vectorizer = kind(min_df=least, max_features=MOST_TERMS, dtype=np.float64, **options)
        try:
            return vectorizer, vectorizer.fit_transform(words)
        except ValueError as error:
            log.info("%s: no term stands in %d reviews (%s)", kind.__name__, least, error)
    raise BaselinesError("No review of the training part holds a word; look at the cleaning stage's figures.")


def fit_logistic_regression(
    train: csr_matrix,
    labels: NDArray[np.int8],
    validation: csr_matrix,
    validation_labels: NDArray[np.int8],
    inverse_regularizations: Sequence[float],
) -> LogisticFit:
    """Fit a logistic regression for each C, and return the one with the highest ROC-AUC on validation.

    Of a validation part with one class any C is as good as another: the first one is returned.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from threadpoolctl import threadpool_limits

    model = LogisticRegression(solver="lbfgs", max_iter=MOST_ITERATIONS, tol=TOLERANCE, warm_start=True)
    both_classes = len(np.unique(validation_labels)) == 2  # noqa: PLR2004 - two classes
    best: tuple[float, LogisticFit] | None = None
    # Sums over several threads would depend on the number of cores.
    with threadpool_limits(limits=1):
        for inverse in inverse_regularizations:
            model.set_params(C=inverse)
            model.fit(train, labels)
            margin = validation @ model.coef_[0] + model.intercept_[0]
            area = float(roc_auc_score(validation_labels, margin)) if both_classes else CHANCE
            log.info("C %g: %d iterations, validation ROC-AUC %.4f", inverse, int(model.n_iter_[0]), area)
            if best is None or area > best[0]:
                best = area, LogisticFit(model.coef_[0].copy(), float(model.intercept_[0]), inverse)
    assert best is not None  # noqa: S101 - the grid is not empty
    return best[1]
