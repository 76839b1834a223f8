"""Pairs of neighboring words that have a vector of their own.

TF-IDF with pairs of words classifies reviews better than an LSTM over single words; without its pairs it does not
(docs/explanation/network.md). The network finds the number of a pair in a hash table, because this needs only layers
of Keras and operators of ONNX: a slot names the only pair that may be there, and the words of that pair are compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.encoding import Sequences

MULTIPLIER = 563
"""Factor of the first word's id in the hash. The pairs of the 563 most frequent words never collide in a table of at
least 563² slots, and the product fits into an int32 up to 3.8 million words."""
SLOTS_PER_PAIR = 4
"""Slots of the hash table per pair. About one pair in nine has a more frequent pair in its slot and stays without a
vector; the rarest pairs lose most."""
MIN_FREQUENCY = 2
"""Occurrences that a pair needs in the training rows."""


@dataclass(frozen=True)
class WordPairs:
    """Pairs with a number, from 1; number 0 is every other pair.

    Attributes:
        members: int32 ``[pairs + 1, 2]``, ids of the first and second word of each pair; zeros for number 0.
        slots: int32 ``[slots]``, number of the pair in each slot of the hash table; 0 for none.
    """

    members: npt.NDArray[np.int32]
    slots: npt.NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.members) - 1

    def numbers(self, sequences: Sequences) -> npt.NDArray[np.int64]:
        """Return the number of the pair of each word and the word before it, int64 ``[tokens]``; 0 for none."""
        ids = sequences.ids.astype(np.int64)
        before = np.concatenate([np.zeros(min(1, len(ids)), dtype=np.int64), ids[:-1]])
        before[sequences.offsets[:-1][sequences.lengths > 0]] = 0
        found = self.slots[(before * MULTIPLIER + ids) % len(self.slots)].astype(np.int64)
        known = (self.members[found] == np.stack([before, ids], axis=-1)).all(axis=-1)
        return np.where(known, found, 0)


def fit_word_pairs(sequences: Sequences, vocabulary_size: int, first_word_id: int, max_pairs: int) -> WordPairs:
    """Choose the most frequent pairs of known words.

    Args:
        sequences: The training rows.
        vocabulary_size: Number of ids.
        first_word_id: Smaller ids are padding and the unknown word, which belong to no pair.
        max_pairs: Pairs to keep; of equally frequent ones those with the smaller ids.
    """
    ids = sequences.ids.astype(np.int64)
    neighbors = (ids[:-1] >= first_word_id) & (ids[1:] >= first_word_id)
    starts = sequences.offsets[1:-1]
    neighbors[starts[(starts > 0) & (starts < len(ids))] - 1] = False
    keys, counts = np.unique((ids[:-1] * vocabulary_size + ids[1:])[neighbors], return_counts=True)
    frequent = np.flatnonzero(counts >= MIN_FREQUENCY)
    chosen = keys[frequent[np.argsort(-counts[frequent], kind="stable")][:max_pairs]]
    members = np.zeros((len(chosen) + 1, 2), dtype=np.int32)
    members[1:, 0], members[1:, 1] = np.divmod(chosen, vocabulary_size)
    slots = np.zeros(_next_prime(max(SLOTS_PER_PAIR * len(chosen), MULTIPLIER**2)), dtype=np.int32)
    places = (chosen // vocabulary_size * MULTIPLIER + chosen % vocabulary_size) % len(slots)
    # Written from the rarest pair to the most frequent one, so that the latter stays.
    slots[places[::-1]] = np.arange(len(chosen), 0, -1)
    return WordPairs(members, slots)


def _next_prime(number: int) -> int:
    """Return the smallest prime that is not below ``number``: a prime spreads the ids over all slots."""
    while any(number % divisor == 0 for divisor in range(2, int(number**0.5) + 1)):
        number += 1
    return number
