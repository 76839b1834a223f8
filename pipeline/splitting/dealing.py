"""Deals whole groups of rows to the three parts, each a fair sample of all rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.splitting.texts import mixed


def deal_groups(
    group_of_row: npt.NDArray[np.int64],
    label: npt.NDArray[np.int8],
    digest_of_row: npt.NDArray[np.uint64],
    shares: npt.NDArray[np.float64],
    seed: int,
) -> npt.NDArray[np.int8]:
    """Return the part of each row, int8 [rows]; rows of one group stay together.

    Groups come in order of their size, from large to small and by a seeded digest of their texts among those of
    about one size (same power of two), and each goes to the part that lacks most of its labels so far. So
    every part gets its share of large and of small groups, and the single rows at the end even out what the
    large ones have left uneven. Nothing depends on the order of the rows.

    Args:
        group_of_row: int64 [rows], numbered from 0 without gaps.
        label: int8 [rows], 0 or 1.
        digest_of_row: uint64 [rows], a digest of each row's content.
        shares: float64 [parts], wanted share of the rows; where parts lack equally, the first is served.
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
    """Serve, group by group, the part whose lack of labels, in standard units, the group mends most.

    The rule is the greedy step on Σ (rows − wanted rows)² / rows of the label, over parts and labels.
    """
    parts = range(len(shares))
    wanted = shares.tolist()
    # A lack counts in proportion to the label's own frequency, so that the rare class is balanced as well.
    weight_negative = 1 / max(int(negative.sum()), 1)
    weight_positive = 1 / max(int(positive.sum()), 1)
    excess_negative = [0.0] * len(shares)
    excess_positive = [0.0] * len(shares)
    result = np.empty(len(negative), dtype=np.int8)
    for index, (group_negative, group_positive) in enumerate(zip(negative.tolist(), positive.tolist(), strict=True)):
        towards_negative, towards_positive = group_negative * weight_negative, group_positive * weight_positive
        chosen, lowest = 0, float("inf")
        for part in parts:
            excess_negative[part] -= group_negative * wanted[part]
            excess_positive[part] -= group_positive * wanted[part]
            cost = towards_negative * excess_negative[part] + towards_positive * excess_positive[part]
            if cost < lowest:
                chosen, lowest = part, cost
        excess_negative[chosen] += group_negative
        excess_positive[chosen] += group_positive
        result[index] = chosen
    return result
