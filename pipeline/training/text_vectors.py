"""Word vectors from the training rows themselves, to initialize the embedding.

Words that occur near the same words get similar vectors: a singular value decomposition of the positive pointwise
mutual information (PPMI) of words and their neighbors, with the smoothed contexts of Levy, Goldberg and Dagan [1]_.

.. [1] Improving Distributional Similarity with Lessons Learned from Word Embeddings, TACL 3 (2015), 211–225.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.encoding import Sequences
from pipeline.training.vectors import MISSING_RANGE

WINDOW_WORDS = 5
"""Words to the left and right that count as neighbors; the weight falls linearly with the distance."""
CONTEXT_POWER = 0.75
"""Exponent of the contexts' counts, which makes rare contexts less surprising."""
EIGENVALUE_POWER = 0.5
MIN_LENGTH = 1e-6
"""Length below which a vector is a rounding error, relative to the longest one."""
COMPONENT_SIZE = 0.1
"""Root mean square of the components of a vector, near that of the pair vectors after training."""


def text_vectors(
    sequences: Sequences, *, vocabulary_size: int, first_word_id: int, embedding_dim: int, seed: int
) -> npt.NDArray[np.float32]:
    """Return a vector for each word.

    Args:
        sequences: The training rows.
        vocabulary_size: Number of ids.
        first_word_id: Smaller ids are padding and the unknown word.
        embedding_dim: Dimensions of the vectors.
        seed: Of the decomposition and of the vectors of words without neighbors.

    Returns:
        float32 ``[vocabulary_size, embedding_dim]``. Padding is zero; the unknown word and words without neighbors are
        random.
    """
    import scipy.sparse as sp
    from sklearn.utils.extmath import randomized_svd

    vectors = np.random.default_rng(seed).uniform(-MISSING_RANGE, MISSING_RANGE, (vocabulary_size, embedding_dim))
    vectors[0] = 0
    row = np.repeat(np.arange(len(sequences)), sequences.lengths)
    counts = sp.csr_array((vocabulary_size, vocabulary_size))
    for distance in range(1, WINDOW_WORDS + 1):
        first, second = sequences.ids[:-distance], sequences.ids[distance:]
        near = (row[:-distance] == row[distance:]) & (first >= first_word_id) & (second >= first_word_id)
        weights = np.full(int(near.sum()), 1 - (distance - 1) / WINDOW_WORDS)
        at_distance = sp.coo_array((weights, (first[near], second[near])), shape=counts.shape).tocsr()
        counts = counts + at_distance + at_distance.T
    of_word = counts.sum(axis=1)
    context_share = of_word**CONTEXT_POWER / (of_word**CONTEXT_POWER).sum()
    pairs = counts.tocoo()
    information = np.log(pairs.data / (of_word[pairs.row] * context_share[pairs.col]))
    positive = information > 0
    if min(vocabulary_size, int(positive.sum())) <= embedding_dim:
        return vectors.astype(np.float32)
    matrix = sp.csr_array((information[positive], (pairs.row[positive], pairs.col[positive])), shape=counts.shape)
    left, eigenvalues, _ = randomized_svd(matrix, embedding_dim, random_state=seed)
    found = left * eigenvalues**EIGENVALUE_POWER
    length = np.linalg.norm(found, axis=1)
    # Shorter vectors are rounding errors.
    clear = length > MIN_LENGTH * length.max()
    vectors[clear] = found[clear] / length[clear, np.newaxis] * COMPONENT_SIZE * np.sqrt(embedding_dim)
    return vectors.astype(np.float32)
