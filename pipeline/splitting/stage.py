"""The stage ``split``: splits, what was excluded, and whether the splits can be used."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.config import SplitConfig
from pipeline.splitting.errors import UnusableSplitError
from pipeline.splitting.records import SPLIT_NAMES, SplitInfo, SplitName, SplitSummary
from pipeline.splitting.splits import EXCLUDED_CODE, SPLITS_FILE, SPLITS_SCHEMA
from pipeline.splitting.strategies import (
    SplitAssignment,
    assign_by_group,
    assign_by_time,
    assign_in_order,
    wanted_shares,
)
from pipeline.splitting.texts import empty_as_missing
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Record, RowAccount, Stage, Workspace

STAGE = Stage("split", version=1)
EXCLUDED_FILE = "excluded.parquet"
EXCLUDED_REASON = "near_duplicate_across_splits"
EXCLUDED_SCHEMA = pa.schema(
    [pa.field("row", pa.int64(), nullable=False), pa.field("reason", pa.string(), nullable=False)]
)
LEAST_ROWS = 10
"""Rows below which three splits of two classes are not worth the name."""
NOTED_ROW_SHARE = 0.02
"""Deviation of a part's share of the rows from the wanted one that is worth a note, 0–1."""
NOTED_LABEL_SHARE = 0.05
"""Deviation of a part's positive share from that of all rows that is worth a note, 0–1."""

_COLUMNS = {
    "article": ("row", "label", "product_id", "user_id", "time"),
    "grouped": ("row", "label", "product_id", "user_id", "time", "words"),
    "temporal": ("row", "label", "product_id", "user_id", "time", "words"),
}


class _Params(Record):
    """The fields that the strategy reads; the others are ``None``, so that they cannot change the key."""

    strategy: str
    test_size: float
    validation_size: float
    group_by: str | None
    near_duplicate_threshold: float | None
    split_seed: int | None


def split(cleaned: ArtifactReference, config: SplitConfig, store: ArtifactStore) -> ArtifactReference:
    """Deal the cleaned reviews to training, validation and test.

    Args:
        cleaned: Artifact of ``clean``.
        config: Strategy and shares.
        store: Where the artifacts lie.

    Returns:
        The artifact with ``splits.parquet``, ``excluded.parquet`` and a ``SplitSummary``.

    Raises:
        SplitImpossibleError: The strategy needs what the reviews do not have, such as times.
        UnusableSplitError: There are too few reviews, or a part is empty or holds one class only.
    """
    grouped, by_content = config.strategy == "grouped", config.strategy != "article"
    params = _Params(
        strategy=config.strategy,
        test_size=config.test_size,
        validation_size=config.validation_size,
        group_by=config.group_by if grouped else None,
        near_duplicate_threshold=config.near_duplicate_threshold if by_content else None,
        split_seed=config.split_seed if grouped else None,
    )
    return store.produce(
        STAGE, inputs={"cleaned": cleaned}, params=params, build=lambda work: _build(cleaned, config, store, work)
    )


def _build(cleaned: ArtifactReference, config: SplitConfig, store: ArtifactStore, work: Workspace) -> Outcome:
    columns = list(_COLUMNS[config.strategy])
    reviews = pq.read_table(store.folder(cleaned) / "reviews.parquet", columns=columns)
    if reviews.num_rows < LEAST_ROWS:
        raise UnusableSplitError(
            f"Cleaning left {reviews.num_rows} reviews; a split into training, validation and test needs at least "
            f"{LEAST_ROWS} (and a useful model thousands). Give a larger dump."
        )
    assignment = _deal(reviews, config)
    split_of_row = assignment.split_of_row
    splits = tuple(_split_info(name, reviews.filter(split_of_row == code)) for code, name in enumerate(SPLIT_NAMES))
    _require_usable(splits, config, assignment)

    kept = split_of_row != EXCLUDED_CODE
    names = pa.DictionaryArray.from_arrays(pa.array(split_of_row[kept]), pa.array(SPLIT_NAMES)).cast(pa.string())
    rows = reviews.column("row").to_numpy()
    _write(work, SPLITS_FILE, SPLITS_SCHEMA, [rows[kept], names])
    gone = len(rows) - int(kept.sum())
    _write(work, EXCLUDED_FILE, EXCLUDED_SCHEMA, [rows[~kept], pa.array([EXCLUDED_REASON] * gone, pa.string())])
    summary = SplitSummary(
        strategy=config.strategy,
        group_by=config.group_by if config.strategy == "grouped" else "nothing",
        splits=splits,
        notes=assignment.notes + _notes(reviews, splits, config, assignment),
        groups=assignment.groups,
        largest_group=assignment.largest_group,
    )
    excluded = {EXCLUDED_REASON: gone} if config.strategy == "temporal" else {}
    return Outcome(summary, rows=RowAccount(rows_in=len(rows), kept=int(kept.sum()), excluded=excluded))


def _deal(reviews: pa.Table, config: SplitConfig) -> SplitAssignment:
    if config.strategy == "article":
        return assign_in_order(reviews.num_rows, config)
    if config.strategy == "grouped":
        return assign_by_group(reviews, config)
    return assign_by_time(reviews, config)


def _split_info(name: SplitName, rows: pa.Table) -> SplitInfo:
    moments = pc.min_max(rows.column("time"))
    return SplitInfo(
        name=name,
        rows=rows.num_rows,
        positive=int(pc.sum(rows.column("label")).as_py() or 0),
        products=_distinct(rows.column("product_id")),
        users=_distinct(rows.column("user_id")),
        first_review=_moment(moments["min"].as_py()),
        last_review=_moment(moments["max"].as_py()),
    )


def _distinct(column: pa.ChunkedArray) -> int | None:
    return pc.count_distinct(empty_as_missing(column)).as_py() or None


def _moment(seconds: int | None) -> datetime | None:
    """Return the time in words of the calendar; ``None`` for a number that no calendar holds."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _require_usable(splits: tuple[SplitInfo, ...], config: SplitConfig, assignment: SplitAssignment) -> None:
    unusable = [part for part in splits if not 0 < part.positive < part.rows]
    if not unusable:
        return
    found = "; ".join(
        f"{part.name} holds {part.positive:,} positive and {part.rows - part.positive:,} negative reviews"
        for part in splits
    )
    raise UnusableSplitError(
        f"Each part needs reviews of both classes, but after the split '{config.strategy}' {found}. "
        + _advice(config, assignment)
    )


def _advice(config: SplitConfig, assignment: SplitAssignment) -> str:
    if config.strategy == "grouped" and assignment.groups is not None and assignment.largest_group is not None:
        return (
            f"The rows form {assignment.groups:,} groups that may not be divided; the largest has "
            f"{assignment.largest_group:,} rows. Keep less together (group_by, now '{config.group_by}'), raise "
            f"near_duplicate_threshold (now {config.near_duplicate_threshold:g}), or give a larger dump."
        )
    return (
        f"Raise test_size (now {config.test_size:g}) or validation_size (now {config.validation_size:g}), "
        "choose the strategy 'grouped', which spreads both classes, or give a larger dump."
    )


def _notes(
    reviews: pa.Table, splits: tuple[SplitInfo, ...], config: SplitConfig, assignment: SplitAssignment
) -> tuple[str, ...]:
    notes = []
    kept = sum(part.rows for part in splits)
    gone = reviews.num_rows - kept
    if gone:
        notes.append(f"{gone:,} near-duplicates of reviews in an earlier part were excluded ({EXCLUDED_REASON}).")
    if config.strategy == "article" and reviews.column("product_id").null_count == reviews.num_rows:
        notes.append("No review has a product_id: the order that is cut is that of the dump.")
    for part, wanted in zip(splits, wanted_shares(config).tolist(), strict=True):
        if abs(part.rows / kept - wanted) > NOTED_ROW_SHARE:
            reason = {
                "grouped": f"; groups may not be divided, and the largest has {assignment.largest_group or 0:,} rows",
                "temporal": "; reviews of one moment are not cut apart, and near-duplicates of earlier ones were "
                "excluded",
            }.get(config.strategy, "")
            notes.append(
                f"The {part.name} part holds {part.rows / kept:.1%} of the rows instead of {wanted:.1%}{reason}."
            )
    overall = sum(part.positive for part in splits) / kept
    notes.extend(
        f"The {part.name} part is {part.positive_share:.1%} positive, all rows are {overall:.1%}: scores on it do not "
        "carry over to the whole."
        for part in splits
        if abs(part.positive_share - overall) > NOTED_LABEL_SHARE
    )
    return tuple(notes)


def _write(work: Workspace, name: str, schema: pa.Schema, columns: list[pa.Array | npt.NDArray[np.int64]]) -> None:
    pq.write_table(pa.table(columns, schema=schema), work.folder / name, compression="zstd")
