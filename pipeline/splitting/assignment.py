"""Deals whole groups of rows to the three splits, each a fair sample of all rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.splitting.splits import TRAIN
from pipeline.splitting.texts import mixed

LARGEST_GROUP = 1.5
"""Rows of a group, as a multiple of a part's wanted rows, above which only training may take it."""


def assign_groups(
    group_of_row: npt.NDArray[np.int64],
    label: npt.NDArray[np.int8],
    digest_of_row: npt.NDArray[np.uint64],
    shares: npt.NDArray[np.float64],
    seed: int,
) -> npt.NDArray[np.int8]:
    """Return the part of each row, int8 [rows]; rows of one group stay together.

    Groups come in order of their size, from large to small and by a seeded digest of their texts among those of
    about one size (same power of two), and each goes to the part that lacks its labels most, measured by what
    the part should have of the rows assignment so far. So every part gets its share of large and of small groups,
    and the single rows at the end even out what the large ones have left uneven. A group that would bring
    validation or test no closer to its wanted size, or is larger than ``LARGEST_GROUP`` times it, goes to training.
    Nothing depends on the order of the rows.

    Args:
        group_of_row: int64 [rows], numbered from 0 without gaps.
        label: int8 [rows], 0 or 1.
        digest_of_row: uint64 [rows], a digest of each row's content.
        shares: float64 [splits], wanted share of the rows, training first; of equals, the first is served.
        seed: Changes the order of groups of about one size.
    """
    positive = np.bincount(group_of_row, weights=label).astype(np.int64)
    size = np.bincount(group_of_row)
    # Sums do not depend on the order of the rows; unsigned integers wrap, which a digest may.
    digest = np.zeros(len(size), dtype=np.uint64)
    np.add.at(digest, group_of_row, mixed(digest_of_row ^ mixed(np.array([seed + 1], dtype=np.uint64))))
    magnitude = np.floor(np.log2(size)).astype(np.int64)
    order = np.lexsort((mixed(digest), -magnitude))
    part = np.empty(len(size), dtype=np.int8)
    part[order] = _deal(size[order] - positive[order], positive[order], shares)
    return part[group_of_row]


def _deal(
    negative: npt.NDArray[np.int64], positive: npt.NDArray[np.int64], shares: npt.NDArray[np.float64]
) -> npt.NDArray[np.int8]:
    """Serve, group by group, the part that keeps all splits closest to their shares.

    Closest is the least Σ (rows − wanted rows)² / wanted rows over splits and labels (Pearson's χ²; for equal
    groups of one label this is the Sainte-Laguë rule that apportions seats to shares of votes).
    """
    wanted = shares.tolist()
    # Dividing by the label's frequency balances the rare class as carefully as the frequent one.
    scale_negative, scale_positive = 1 / max(int(negative.sum()), 1), 1 / max(int(positive.sum()), 1)
    rows_wanted = (shares * int((negative + positive).sum())).tolist()
    rows_dealt = [0] * len(wanted)
    excess_negative, excess_positive = [0.0] * len(wanted), [0.0] * len(wanted)
    result = np.empty(len(negative), dtype=np.int8)
    for index, (group_negative, group_positive) in enumerate(zip(negative.tolist(), positive.tolist(), strict=True)):
        size = group_negative + group_positive
        chosen, least = TRAIN, float("inf")
        for part, share in enumerate(wanted):
            excess_negative[part] -= share * group_negative
            excess_positive[part] -= share * group_positive
            lack = rows_wanted[part] - rows_dealt[part]
            if part != TRAIN and (size > LARGEST_GROUP * rows_wanted[part] or size >= 2 * lack):
                continue
            change = (
                scale_negative * group_negative * (group_negative + 2 * excess_negative[part])
                + scale_positive * group_positive * (group_positive + 2 * excess_positive[part])
            ) / share
            if change < least:
                chosen, least = part, change
        rows_dealt[chosen] += size
        excess_negative[chosen] += group_negative
        excess_positive[chosen] += group_positive
        result[index] = chosen
    return result
