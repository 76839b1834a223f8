"""The three ways to deal reviews: in ProductId order, by whole groups, by time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import SplitConfig
from pipeline.splitting.assignment import assign_groups
from pipeline.splitting.components import connected
from pipeline.splitting.errors import SplitImpossibleError
from pipeline.splitting.near_duplicates import NearDuplicates, near_duplicates
from pipeline.splitting.splits import EXCLUDED_CODE, TEST, TRAIN, VALIDATION
from pipeline.splitting.texts import empty_as_missing

GROUP_COLUMNS = {
    "product": ("product_id",),
    "user": ("user_id",),
    "product_and_user": ("product_id", "user_id"),
    "nothing": (),
}
MOST_UNDATED_SHARE = 0.1
"""Share of reviews without a time above which an order in time means nothing."""
LEAST_DIFFERENT_TIMES = 3

Codes = npt.NDArray[np.int8]


@dataclass(frozen=True)
class SplitAssignment:
    """What a strategy has decided.

    Attributes:
        split_of_row: int8 [rows], place in ``SPLIT_NAMES``, or ``EXCLUDED_CODE``.
        notes: What could not be done as asked, in sentences.
        groups: Number of groups that were kept whole, if any were.
        largest_group: Rows of the largest.
    """

    split_of_row: Codes
    notes: tuple[str, ...] = field(default=())
    groups: int | None = None
    largest_group: int | None = None


def assign_in_order(rows: int, config: SplitConfig) -> SplitAssignment:
    """Assign rows as the article did: the last rows are the test split, the last of the others the validation split.

    Source: docs/explanation/replicated_experiment.md, "Vocabulary, sequences and split".

    Both cuts round the earlier part down, as the article's slices do: 364,171 rows at a share of 0.1 give
    327,753 and 36,418.
    """
    before_test = _floor_share(rows, config.test_size)
    train = _floor_share(before_test, config.validation_size)
    part = np.full(rows, TEST, dtype=np.int8)
    part[:before_test] = VALIDATION
    part[:train] = TRAIN
    return SplitAssignment(part)


def assign_by_group(reviews: pa.Table, config: SplitConfig) -> SplitAssignment:
    """Deal whole groups: rows that share a product or user (as configured) or are near-duplicates stay together."""
    copies = near_duplicates(reviews.column("words"), config.near_duplicate_threshold)
    notes = _assumed_note(copies)
    rows, nodes = reviews.num_rows, reviews.num_rows
    left, right = [np.arange(rows)], [nodes + copies.family_of_row]
    nodes += int(copies.family_of_row.max(initial=-1)) + 1
    for column in GROUP_COLUMNS[config.group_by]:
        keys = empty_as_missing(reviews.column(column)).combine_chunks().dictionary_encode()
        given = np.flatnonzero(keys.indices.is_valid().to_numpy(zero_copy_only=False))
        notes += _missing_note(column, rows - len(given), rows)
        left.append(given)
        right.append(nodes + pc.drop_null(keys.indices).to_numpy(zero_copy_only=False).astype(np.int64))
        nodes += len(keys.dictionary)
    labels = connected(nodes, np.concatenate(left), np.concatenate(right))[:rows]
    _, group_of_row = np.unique(labels, return_inverse=True)
    shares = wanted_shares(config)
    part = assign_groups(
        group_of_row, reviews.column("label").to_numpy(), copies.digest_of_row, shares, config.split_seed
    )
    sizes = np.bincount(group_of_row)
    return SplitAssignment(part, notes, groups=len(sizes), largest_group=int(sizes.max(initial=0)))


def assign_by_time(reviews: pa.Table, config: SplitConfig) -> SplitAssignment:
    """Deal by time: the newest reviews are the test, the ones before them validate.

    Reviews of one moment are never cut apart. A near-duplicate of a review in an earlier part has been seen before its
    time and is excluded; chains of copies count as one family.

    Raises:
        SplitImpossibleError: The reviews have no usable times.
    """
    time = reviews.column("time").combine_chunks()
    dated = time.is_valid().to_numpy(zero_copy_only=False)
    undated = len(dated) - int(dated.sum())
    moments, place, counts = np.unique(
        pc.drop_null(time).to_numpy(zero_copy_only=False), return_inverse=True, return_counts=True
    )
    if len(moments) < LEAST_DIFFERENT_TIMES or undated > MOST_UNDATED_SHARE * len(dated):
        raise SplitImpossibleError(
            f"The split by time (strategy 'temporal') needs a time in nearly every review: {undated:,} of "
            f"{len(dated):,} reviews have none, the others {len(moments)} different ones. Map the dump's time column "
            "(Column mapping, field 'time'), or choose the strategy 'grouped'."
        )
    newest_first = np.cumsum(counts[::-1])[::-1]
    # A cut at c makes the moments from c on the later part; each part keeps at least one moment.
    test_cut = _nearest_cut(newest_first, config.test_size * len(dated), low=2, high=len(moments))
    before_test = newest_first - newest_first[test_cut]
    wanted = config.validation_size * (len(dated) - newest_first[test_cut])
    validation_cut = _nearest_cut(before_test, wanted, low=1, high=test_cut)
    part = np.full(len(dated), TRAIN, dtype=np.int8)
    part_of_dated = np.full(len(place), TRAIN, dtype=np.int8)
    part_of_dated[place >= validation_cut] = VALIDATION
    part_of_dated[place >= test_cut] = TEST
    part[dated] = part_of_dated

    copies = near_duplicates(reviews.column("words"), config.near_duplicate_threshold)
    earliest = np.full(int(copies.family_of_row.max(initial=-1)) + 1, TEST, dtype=np.int8)
    np.minimum.at(earliest, copies.family_of_row, part)
    part[part > earliest[copies.family_of_row]] = EXCLUDED_CODE
    notes = _assumed_note(copies)
    if undated:
        notes += (f"{undated:,} reviews without a time are taken as the oldest and stand in the training part.",)
    return SplitAssignment(part, notes)


def wanted_shares(config: SplitConfig) -> npt.NDArray[np.float64]:
    """Return the wanted share of all rows for each part in ``SPLIT_NAMES``, float64 [3]."""
    rest = 1 - config.test_size
    return np.array([rest * (1 - config.validation_size), rest * config.validation_size, config.test_size])


def _floor_share(rows: int, share_behind: float) -> int:
    """Return ⌊rows · (1 − share)⌋ in decimal arithmetic: a tenth of a multiple of ten leaves no fraction."""
    return math.floor(rows * (1 - Decimal(str(share_behind))))


def _nearest_cut(rows_from: npt.NDArray[np.int64], wanted: float, *, low: int, high: int) -> int:
    """Return the cut in [low, high) behind which the number of rows is closest to the wanted one."""
    return low + int(np.argmin(np.abs(rows_from[low:high] - wanted)))


def _missing_note(column: str, missing: int, rows: int) -> tuple[str, ...]:
    if not missing:
        return ()
    if missing == rows:
        note = f"No review has a {column}: nothing can be kept together by it. Map the column if the dump has one."
        return (note,)
    return (f"{missing:,} reviews without a {column} count as groups of their own.",)


def _assumed_note(copies: NearDuplicates) -> tuple[str, ...]:
    if not copies.assumed:
        return ()
    note = (
        f"{copies.assumed:,} texts share rare phrases with so many others that they were counted as near-duplicates "
        "without comparing each pair. A higher near-duplicate similarity makes the search sharper."
    )
    return (note,)
