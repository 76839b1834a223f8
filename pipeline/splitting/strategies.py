"""The four strategies: in ProductId order, by whole groups, by time, by a column of the dump."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import SplitConfig
from pipeline.errors import quoted
from pipeline.splitting.assignment import assign_groups
from pipeline.splitting.near_duplicates import NearDuplicates, connected, near_duplicates
from pipeline.splitting.records import SplitImpossibleError
from pipeline.splitting.splits import EXCLUDED_CODE, TEST, TRAIN, VALIDATION
from pipeline.splitting.texts import empty_as_missing

GROUP_COLUMNS = {
    "product": ("product_id",),
    "user": ("user_id",),
    "product_and_user": ("product_id", "user_id"),
    "nothing": (),
}
MAX_UNDATED_SHARE = 0.1
"""Share of reviews without a time (0–1) above which a split by time is refused."""
MIN_DISTINCT_TIMES = 3
SPLIT_VALUES = {
    "train": TRAIN,
    "training": TRAIN,
    "validation": VALIDATION,
    "valid": VALIDATION,
    "val": VALIDATION,
    "dev": VALIDATION,
    "test": TEST,
    "unsup": EXCLUDED_CODE,
    "unsupervised": EXCLUDED_CODE,
}
"""The values of the column ``split``, in any case. Rows of an unsupervised split have no label and are excluded."""
MAX_UNKNOWN_SHARE = 0.1
"""Share of reviews whose value of ``split`` is missing or unknown (0–1) above which a split by column is refused."""
LISTED_VALUES = 5
"""Most values of ``split`` that a message lists."""


@dataclass(frozen=True)
class SplitAssignment:
    """Result of a strategy.

    Attributes:
        split_of_row: int8 [rows], index in ``SPLIT_NAMES``, or ``EXCLUDED_CODE``.
        notes: Deviations from the configuration, as sentences.
        groups: Number of groups, where groups were assigned.
        largest_group: Rows of the largest group.
    """

    split_of_row: npt.NDArray[np.int8]
    notes: tuple[str, ...] = ()
    groups: int | None = None
    largest_group: int | None = None


def assign_in_order(rows: int, config: SplitConfig) -> SplitAssignment:
    """Assign the last rows to test and the last of the remaining rows to validation.

    Source: docs/explanation/replicated_experiment.md, "Vocabulary, sequences and split". Both cuts round the earlier
    split down, as the slices of the article do: 364,171 rows at a share of 0.1 give 327,753 and 36,418.
    """
    before_test = _floor_share(rows, config.test_size)
    split = np.full(rows, TEST, dtype=np.int8)
    split[:before_test] = VALIDATION
    split[: _floor_share(before_test, config.validation_size)] = TRAIN
    return SplitAssignment(split)


def assign_by_group(reviews: pa.Table, config: SplitConfig) -> SplitAssignment:
    """Assign whole groups. Near-duplicates and rows with a common product or user (``group_by``) form a group."""
    return _assign_groups_of(reviews, target_shares(config), config)


def _assign_groups_of(reviews: pa.Table, shares: npt.NDArray[np.float64], config: SplitConfig) -> SplitAssignment:
    duplicates = near_duplicates(reviews.column("words"), config.near_duplicate_threshold)
    notes = _uncompared_note(duplicates)
    rows = nodes = reviews.num_rows
    left, right = [np.arange(rows)], [nodes + duplicates.cluster_of_row]
    nodes += int(duplicates.cluster_of_row.max(initial=-1)) + 1
    for column in GROUP_COLUMNS[config.group_by]:
        keys = empty_as_missing(reviews.column(column)).combine_chunks().dictionary_encode()
        present = np.flatnonzero(keys.indices.is_valid().to_numpy(zero_copy_only=False))
        notes += _missing_note(column, rows - len(present), rows)
        left.append(present)
        right.append(nodes + pc.drop_null(keys.indices).to_numpy(zero_copy_only=False).astype(np.int64))
        nodes += len(keys.dictionary)
    labels = connected(nodes, np.concatenate(left), np.concatenate(right))[:rows]
    _, group_of_row = np.unique(labels, return_inverse=True)
    split = assign_groups(
        group_of_row,
        reviews.column("label").to_numpy(),
        duplicates.digest_of_row,
        shares,
        config.split_seed,
    )
    sizes = np.bincount(group_of_row)
    return SplitAssignment(split, notes, groups=len(sizes), largest_group=int(sizes.max(initial=0)))


def assign_by_time(reviews: pa.Table, config: SplitConfig) -> SplitAssignment:
    """Assign the newest reviews to test and the ones before them to validation.

    Reviews with the same time get the same split. A near-duplicate of a review in an earlier split is excluded. Chains
    of near-duplicates count as one cluster.

    Raises:
        SplitImpossibleError: Too many reviews lack a time, or there are too few distinct times.
    """
    time = reviews.column("time").combine_chunks()
    dated = time.is_valid().to_numpy(zero_copy_only=False)
    undated = len(dated) - int(dated.sum())
    times, place, counts = np.unique(
        pc.drop_null(time).to_numpy(zero_copy_only=False), return_inverse=True, return_counts=True
    )
    if len(times) < MIN_DISTINCT_TIMES or undated > MAX_UNDATED_SHARE * len(dated):
        raise SplitImpossibleError(
            f"The strategy 'temporal' needs times: {undated:,} of {len(dated):,} reviews have none (at most "
            f"{MAX_UNDATED_SHARE:.0%}), the others have {len(times)} distinct ones ({MIN_DISTINCT_TIMES} needed). Map "
            "the time column of the dump (Column mapping, field 'time'), or choose the strategy 'grouped'."
        )
    rows_from = np.cumsum(counts[::-1])[::-1]
    # A cut at c starts the later split at times[c]. Each split keeps at least one time.
    test_cut = _nearest_cut(rows_from, config.test_size * len(dated), low=2, high=len(times))
    target = config.validation_size * (len(dated) - rows_from[test_cut])
    validation_cut = _nearest_cut(rows_from - rows_from[test_cut], target, low=1, high=test_cut)
    split = np.full(len(dated), TRAIN, dtype=np.int8)
    split[dated] = np.select([place >= test_cut, place >= validation_cut], [TEST, VALIDATION], TRAIN)

    duplicates = near_duplicates(reviews.column("words"), config.near_duplicate_threshold)
    earliest = np.full(int(duplicates.cluster_of_row.max(initial=-1)) + 1, TEST, dtype=np.int8)
    np.minimum.at(earliest, duplicates.cluster_of_row, split)
    split[split > earliest[duplicates.cluster_of_row]] = EXCLUDED_CODE
    notes = _uncompared_note(duplicates)
    excluded = int((split == EXCLUDED_CODE).sum())
    if excluded:
        notes += (f"{excluded:,} near-duplicates of reviews in an earlier split were excluded.",)
    if undated:
        notes += (f"{undated:,} reviews without a time count as the oldest; they are in the train split.",)
    return SplitAssignment(split, notes)


def assign_by_column(reviews: pa.Table, config: SplitConfig) -> SplitAssignment:
    """Assign the official splits, which the column ``split`` names; ``SPLIT_VALUES`` lists its values.

    Without validation rows, a share of the training rows (``validation_size``) validates, assigned in whole groups as
    in :func:`assign_by_group`. Rows of an unsupervised split, and the few without a known value, are excluded.

    Raises:
        SplitImpossibleError: No row is in the official train or test split, or too many have no known value.
    """
    values = reviews.column("split").combine_chunks().dictionary_encode(null_encoding="encode")
    names = values.dictionary.to_pylist()
    codes = [None if name is None else SPLIT_VALUES.get(name.strip().casefold()) for name in names]
    place = values.indices.to_numpy()
    unknown = np.array([code is None for code in codes])[place]
    split = np.array([EXCLUDED_CODE if code is None else code for code in codes], dtype=np.int8)[place]
    train = split == TRAIN
    if not train.any() or not (split == TEST).any() or unknown.sum() > MAX_UNKNOWN_SHARE * len(split):
        raise SplitImpossibleError(
            f"The strategy 'column' needs the official split of the reviews in the column 'split': "
            f"{', '.join(SPLIT_VALUES)}. Train and test rows must exist, and at most {MAX_UNKNOWN_SHARE:.0%} of the "
            f"rows may have another value or none. Found: {_values_in_words(names, place)}. Map the column of the dump "
            '(Column mapping, e.g. {"split": "fold"}), or choose the strategy \'grouped\'.'
        )
    excluded = int((split == EXCLUDED_CODE).sum())
    notes = (f"{excluded:,} reviews in no official split were excluded.",) if excluded else ()
    if (split == VALIDATION).any():
        return SplitAssignment(split, notes)
    # The first two shares are those of training and validation: the codes of the two splits.
    shares = np.array([1 - config.validation_size, config.validation_size])
    drawn = _assign_groups_of(reviews.filter(pa.array(train)), shares, config)
    split[train] = drawn.split_of_row
    note = (
        f"The official split has no validation rows: {int((split == VALIDATION).sum()):,} of its {int(train.sum()):,} "
        "training rows validate."
    )
    return SplitAssignment(split, (*notes, note, *drawn.notes), drawn.groups, drawn.largest_group)


def _values_in_words(names: list[str | None], place: npt.NDArray[np.int32]) -> str:
    rows = np.bincount(place, minlength=len(names)).tolist()
    most = sorted(zip(rows, names, strict=True), key=lambda pair: -pair[0])
    listed = [f"{'no value' if name is None else quoted(name, 20)} in {count:,} rows" for count, name in most]
    more = [f"{len(most) - LISTED_VALUES:,} more values"] if len(most) > LISTED_VALUES else []
    return ", ".join(listed[:LISTED_VALUES] + more)


def target_shares(config: SplitConfig) -> npt.NDArray[np.float64]:
    """Return the target share of the rows for each split in ``SPLIT_NAMES``, float64 [3]."""
    rest = 1 - config.test_size
    return np.array([rest * (1 - config.validation_size), rest * config.validation_size, config.test_size])


def _floor_share(rows: int, share_after: float) -> int:
    """Return ⌊rows · (1 − share)⌋ in decimal arithmetic, which represents a share such as 0.1 exactly."""
    return math.floor(rows * (1 - Decimal(str(share_after))))


def _nearest_cut(rows_from: npt.NDArray[np.int64], target: float, *, low: int, high: int) -> int:
    """Return the cut in [low, high) after which the number of rows is closest to the target."""
    return low + int(np.argmin(np.abs(rows_from[low:high] - target)))


def _missing_note(column: str, missing: int, rows: int) -> tuple[str, ...]:
    if not missing:
        return ()
    if missing == rows:
        return (f"No review has a {column}, so reviews cannot be grouped by it. Map the column if the dump has it.",)
    return (f"{missing:,} reviews without a {column} are groups of their own.",)


def _uncompared_note(duplicates: NearDuplicates) -> tuple[str, ...]:
    if not duplicates.uncompared:
        return ()
    note = (
        f"{duplicates.uncompared:,} texts share rare phrases with so many others that they count as near-duplicates "
        "without comparing each pair. A higher near_duplicate_threshold makes the search more precise."
    )
    return (note,)
