"""Stratified assignment of whole groups of rows to the splits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.splitting.splits import TRAIN
from pipeline.splitting.texts import mixed

MAX_GROUP_SIZE = 1.5
"""Largest group that validation or test may get, as a multiple of the target rows of the split."""


def assign_groups(
    group_of_row: npt.NDArray[np.int64],
    label: npt.NDArray[np.int8],
    digest_of_row: npt.NDArray[np.uint64],
    shares: npt.NDArray[np.float64],
    seed: int,
) -> npt.NDArray[np.int8]:
    """Return the split of each row, int8 [rows]. Rows of one group get the same split.

    Groups are assigned from large to small. Groups of similar size (same power of two) are ordered by a seeded digest
    of their texts. Each group goes to the split that needs its labels most, relative to the rows assigned so far.
    Every split therefore gets its share of large and small groups, and the single rows at the end balance what the
    large groups left uneven. A group goes to training if it would not bring validation or test closer to its target,
    or if it exceeds ``MAX_GROUP_SIZE`` times the target. The result does not depend on the order of the rows.

    Args:
        group_of_row: int64 [rows], numbered from 0 without gaps.
        label: int8 [rows], 0 or 1.
        digest_of_row: uint64 [rows], digest of the content of each row.
        shares: float64 [splits], target shares of the rows, training first.
        seed: Determines the order of groups of similar size.
    """
    positive = np.bincount(group_of_row, weights=label).astype(np.int64)
    size = np.bincount(group_of_row)
    # A sum does not depend on the order of the rows. Unsigned integers wrap around, which is fine for a digest.
    digest = np.zeros(len(size), dtype=np.uint64)
    np.add.at(digest, group_of_row, mixed(digest_of_row ^ mixed(np.array([seed + 1], dtype=np.uint64))))
    magnitude = np.floor(np.log2(size)).astype(np.int64)
    order = np.lexsort((mixed(digest), -magnitude))
    split = np.empty(len(size), dtype=np.int8)
    split[order] = _assign(size[order] - positive[order], positive[order], shares)
    return split[group_of_row]


def _assign(
    negative: npt.NDArray[np.int64], positive: npt.NDArray[np.int64], shares: npt.NDArray[np.float64]
) -> npt.NDArray[np.int8]:
    """Assign one group after the other so that all splits stay closest to their shares.

    The distance is Σ (rows − target)² / target over splits and labels (Pearson's χ²). For groups of equal size and
    one label this is the Sainte-Laguë method.
    """
    targets = shares.tolist()
    # Dividing by the frequency of the label balances the rare class as well as the frequent one.
    scale_negative, scale_positive = 1 / max(int(negative.sum()), 1), 1 / max(int(positive.sum()), 1)
    target_rows = (shares * int((negative + positive).sum())).tolist()
    assigned_rows = [0] * len(targets)
    excess_negative, excess_positive = [0.0] * len(targets), [0.0] * len(targets)
    result = np.empty(len(negative), dtype=np.int8)
    for index, (group_negative, group_positive) in enumerate(zip(negative.tolist(), positive.tolist(), strict=True)):
        size = group_negative + group_positive
        chosen, smallest = TRAIN, float("inf")
        for split, share in enumerate(targets):
            excess_negative[split] -= share * group_negative
            excess_positive[split] -= share * group_positive
            missing = target_rows[split] - assigned_rows[split]
            if split != TRAIN and (size > MAX_GROUP_SIZE * target_rows[split] or size >= 2 * missing):
                continue
            change = (
                scale_negative * group_negative * (group_negative + 2 * excess_negative[split])
                + scale_positive * group_positive * (group_positive + 2 * excess_positive[split])
            ) / share
            if change < smallest:
                chosen, smallest = split, change
        assigned_rows[chosen] += size
        excess_negative[chosen] += group_negative
        excess_positive[chosen] += group_positive
        result[index] = chosen
    return result
