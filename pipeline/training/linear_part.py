"""The linear part of a network: a logistic regression over the words of a review and its pairs of words.

A linear model over TF-IDF values and an LSTM make different mistakes, and the mean of both log-odds ranks reviews
better than either (docs/explanation/network.md). The combination follows Cheng et al. 2016, "Wide & Deep Learning for
Recommender Systems" (https://arxiv.org/abs/1606.07792), but both parts are trained on their own and then weighted on
the validation split (stacking, Wolpert 1992).

Words in a text of a few words mean more than in a long one, and something else: "not bad" is praise on its own, but
reviews that contain it are worse than the average one. Short texts therefore have weights of their own, added to those
of all texts (Daumé 2007, "Frustratingly Easy Domain Adaptation", https://aclanthology.org/P07-1033/).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.encoding import Sequences
from pipeline.training.records import LinearPartSummary
from pipeline.training.word_pairs import WordPairs

if TYPE_CHECKING:
    from scipy.sparse import csr_array

log = logging.getLogger(__name__)

SHORT_WORDS = 8
"""Words up to which a text has the weights of short texts too."""
SHORT_SCALE = 2.0
"""Scale of the values that the weights of short texts are multiplied by: larger values are regularized less."""
MIN_TEXTS = 2
"""Training texts that a term needs."""
INVERSE_REGULARIZATION = 10.0
"""C of the logistic regression. On real reviews 3, 10 and 30 differ by less than 0.001 ROC-AUC on validation."""
MAX_ITERATIONS = 200
TINY = 1e-12
"""Added to a squared length, so that a text without known terms is no division by zero."""


@dataclass(frozen=True)
class LinearPart:
    """Weights of all terms. A text's log-odds: ``Σ idf · weight / √Σ idf² + intercept`` over its distinct terms.

    Attributes:
        words: float32 ``[vocabulary_size, 3]``: idf², idf · weight, idf · weight in short texts, for each word id.
        pairs: float32 ``[pairs + 1, 3]``, the same for each number of a pair of words; zeros for number 0.
        intercept: Log-odds of a text without known terms.
        short_intercept: What is added to it for a short text.
    """

    words: npt.NDArray[np.float32]
    pairs: npt.NDArray[np.float32]
    intercept: float
    short_intercept: float

    def log_odds(self, sequences: Sequences, pairs: WordPairs | None) -> npt.NDArray[np.float64]:
        """Return the log-odds that each text is positive, float64 ``[rows]``."""
        table = np.concatenate([self.words, self.pairs]).astype(np.float64)
        sums = _distinct_terms(sequences, len(self.words), pairs) @ table
        short = sequences.lengths <= SHORT_WORDS
        weighted = sums[:, 1] + short * sums[:, 2]
        return np.asarray(weighted / np.sqrt(sums[:, 0] + TINY) + self.intercept + short * self.short_intercept)


@dataclass(frozen=True)
class Blend:
    """How the log-odds of the network and the linear part are added.

    Attributes:
        network: Weight of the network's log-odds.
        linear: Weight of the linear part's.
        intercept: What is added to both.
    """

    network: float
    linear: float
    intercept: float


def fit_linear_part(training: Sequences, vocabulary_size: int, pairs: WordPairs | None) -> LinearPart:
    """Fit the logistic regression on the training texts.

    Args:
        training: Training texts of both classes.
        vocabulary_size: Number of word ids.
        pairs: Pairs of words with a number; ``None``: single words only.
    """
    from scipy.sparse import csr_array, diags_array, hstack
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    terms = _distinct_terms(training, vocabulary_size, pairs)
    texts = np.bincount(terms.indices, minlength=terms.shape[1])
    # The smoothed idf of scikit-learn's TfidfVectorizer.
    idf = np.where(texts >= MIN_TEXTS, np.log((1 + len(training)) / (1 + texts)) + 1, 0.0)
    values = terms @ diags_array(idf)
    norms = np.sqrt(terms @ idf**2 + TINY)
    values = diags_array(1 / norms) @ values
    short = (training.lengths <= SHORT_WORDS).astype(np.float64)
    features = hstack(
        [values, diags_array(short * SHORT_SCALE) @ values, csr_array(short[:, np.newaxis])], format="csr"
    )
    features.eliminate_zeros()
    model = LogisticRegression(C=INVERSE_REGULARIZATION, max_iter=MAX_ITERATIONS)
    # Sums over several threads would depend on the number of cores.
    with threadpool_limits(limits=1):
        model.fit(features, training.label)
    size = terms.shape[1]
    weights = model.coef_[0]
    table = np.stack([idf**2, idf * weights[:size], idf * SHORT_SCALE * weights[size : 2 * size]], axis=-1)
    table = table.astype(np.float32)
    return LinearPart(table[:vocabulary_size], table[vocabulary_size:], float(model.intercept_[0]), float(weights[-1]))


def fit_blend(
    labels: npt.NDArray[np.int8],
    network: npt.NDArray[np.float32],
    linear: npt.NDArray[np.float64],
) -> tuple[Blend, LinearPartSummary]:
    """Weight the two parts by a logistic regression on the validation split.

    A part whose weight would be negative gets none, so a network that has learned nothing does no harm.

    Args:
        labels: int8 ``[rows]`` of the validation split, both classes.
        network: float32 ``[rows]``, probabilities of the network.
        linear: float64 ``[rows]``, log-odds of the linear part.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    inside = np.clip(network.astype(np.float64), 1e-7, 1 - 1e-7)
    parts = np.stack([np.log(inside) - np.log1p(-inside), linear], axis=-1)
    model = LogisticRegression().fit(parts, labels)
    weights = np.maximum(model.coef_[0], 0.0)
    if not weights.any():
        weights = np.array([1.0, 0.0])
    blend = Blend(float(weights[0]), float(weights[1]), float(model.intercept_[0]))
    areas = [float(roc_auc_score(labels, margin)) for margin in (parts[:, 0], linear, parts @ weights)]
    summary = LinearPartSummary(
        network_weight=blend.network,
        linear_weight=blend.linear,
        network_validation_auc=areas[0],
        linear_validation_auc=areas[1],
        validation_auc=areas[2],
    )
    log.info("Validation AUC: network %.4f, linear part %.4f, both %.4f", *areas)
    return blend, summary


def _distinct_terms(sequences: Sequences, vocabulary_size: int, pairs: WordPairs | None) -> csr_array:
    """Return which words and pairs each text has, float64 ones ``[rows, vocabulary_size + pairs + 1]``."""
    from scipy.sparse import csr_array

    rows = np.repeat(np.arange(len(sequences)), sequences.lengths)
    columns, size = sequences.ids.astype(np.int64), vocabulary_size + 1
    if pairs is not None:
        numbers = pairs.numbers(sequences)
        with_pair = np.flatnonzero(numbers)
        rows = np.concatenate([rows, rows[with_pair]])
        columns = np.concatenate([columns, vocabulary_size + numbers[with_pair]])
        size = vocabulary_size + len(pairs) + 1
    keys = np.unique(rows * size + columns)
    offsets = np.searchsorted(keys, np.arange(len(sequences) + 1) * size)
    return csr_array((np.ones(len(keys)), keys % size, offsets), shape=(len(sequences), size))
