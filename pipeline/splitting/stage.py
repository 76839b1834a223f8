"""The stage ``split``: assigns cleaned reviews to the train, validation and test splits."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.config import SplitConfig
from pipeline.profiling.periods import moment
from pipeline.splitting.records import SPLIT_NAMES, SplitInfo, SplitName, SplitSummary, UnusableSplitError
from pipeline.splitting.splits import EXCLUDED_CODE, SPLITS_FILE, SPLITS_SCHEMA
from pipeline.splitting.strategies import (
    SplitAssignment,
    assign_by_column,
    assign_by_group,
    assign_by_time,
    assign_in_order,
    target_shares,
)
from pipeline.splitting.texts import empty_as_missing
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Record, RowAccount, Stage, Workspace

STAGE = Stage("split", version=2)
EXCLUDED_FILE = "excluded.parquet"
EXCLUDED_REASONS = {"temporal": "near_duplicate_across_splits", "column": "no_official_split"}
"""Reason of the rows that a strategy excludes; the other strategies exclude none."""
EXCLUDED_SCHEMA = pa.schema(
    [pa.field("row", pa.int64(), nullable=False), pa.field("reason", pa.string(), nullable=False)]
)
MIN_ROWS = 10
"""Rows below which there are too few for three splits of two classes."""
NOTED_ROW_SHARE = 0.02
"""Deviation of the share of rows of a split from its target above which there is a note, 0–1."""
NOTED_LABEL_SHARE = 0.05
"""Deviation of the positive share of a split from that of all rows above which there is a note, 0–1."""


class _Params(Record):
    """The fields that the strategy reads. The others are ``None``, so they do not change the key."""

    strategy: str
    test_size: float | None
    validation_size: float
    group_by: str | None
    near_duplicate_threshold: float | None
    split_seed: int | None


def split(cleaned: ArtifactReference, config: SplitConfig, store: ArtifactStore) -> ArtifactReference:
    """Assign the cleaned reviews to the train, validation and test splits.

    Args:
        cleaned: The reviews: artifact of ``build_dataset``.
        config: Strategy and sizes.
        store: Artifact store.

    Returns:
        The artifact with ``splits.parquet``, ``excluded.parquet`` and a ``SplitSummary``.

    Raises:
        SplitImpossibleError: The reviews lack a value that the strategy needs, e.g. times or official splits.
        UnusableSplitError: There are too few reviews, or a split is empty or has reviews of one class only.
    """
    grouped, by_content = config.strategy in {"grouped", "column"}, config.strategy != "article"
    params = _Params(
        strategy=config.strategy,
        test_size=None if config.strategy == "column" else config.test_size,
        validation_size=config.validation_size,
        group_by=config.group_by if grouped else None,
        near_duplicate_threshold=config.near_duplicate_threshold if by_content else None,
        split_seed=config.split_seed if grouped else None,
    )
    return store.produce(
        STAGE, inputs={"cleaned": cleaned}, params=params, build=lambda work: _build(cleaned, config, store, work)
    )


def _build(cleaned: ArtifactReference, config: SplitConfig, store: ArtifactStore, work: Workspace) -> Outcome:
    columns = ["row", "label", "product_id", "user_id", "time"]
    if config.strategy != "article":
        columns.append("words")
    if config.strategy == "column":
        columns.append("split")
    reviews = pq.read_table(store.folder(cleaned) / "reviews.parquet", columns=columns)
    if reviews.num_rows < MIN_ROWS:
        raise UnusableSplitError(
            f"After cleaning, {reviews.num_rows} reviews are left. The splits need at least {MIN_ROWS}, and a useful "
            "model needs thousands. Use a larger dump."
        )
    assignment = _assign(reviews, config)
    split_of_row = assignment.split_of_row
    splits = tuple(_split_info(name, reviews.filter(split_of_row == code)) for code, name in enumerate(SPLIT_NAMES))
    _check_usable(splits, config, assignment)

    kept = split_of_row != EXCLUDED_CODE
    rows = reviews.column("row").to_numpy()
    names = pa.DictionaryArray.from_arrays(pa.array(split_of_row[kept]), pa.array(SPLIT_NAMES)).cast(pa.string())
    excluded = len(rows) - int(kept.sum())
    reason = EXCLUDED_REASONS.get(config.strategy)
    reasons = pa.array([reason] * excluded, pa.string())
    for file, table in (
        (SPLITS_FILE, pa.table([rows[kept], names], schema=SPLITS_SCHEMA)),
        (EXCLUDED_FILE, pa.table([rows[~kept], reasons], schema=EXCLUDED_SCHEMA)),
    ):
        pq.write_table(table, work.folder / file, compression="zstd")
    summary = SplitSummary(
        strategy=config.strategy,
        group_by="nothing" if assignment.groups is None else config.group_by,
        splits=splits,
        notes=assignment.notes + _notes(reviews, splits, config, assignment),
        groups=assignment.groups,
        largest_group=assignment.largest_group,
    )
    account = RowAccount(
        rows_in=len(rows),
        kept=int(kept.sum()),
        excluded={} if reason is None else {reason: excluded},
    )
    return Outcome(summary, rows=account)


def _assign(reviews: pa.Table, config: SplitConfig) -> SplitAssignment:
    if config.strategy == "article":
        return assign_in_order(reviews.num_rows, config)
    if config.strategy == "grouped":
        return assign_by_group(reviews, config)
    if config.strategy == "column":
        return assign_by_column(reviews, config)
    return assign_by_time(reviews, config)


def _split_info(name: SplitName, rows: pa.Table) -> SplitInfo:
    times = pc.min_max(rows.column("time"))
    return SplitInfo(
        name=name,
        rows=rows.num_rows,
        positive=int(pc.sum(rows.column("label")).as_py() or 0),
        products=_distinct(rows.column("product_id")),
        users=_distinct(rows.column("user_id")),
        first_review=moment(times["min"].as_py()),
        last_review=moment(times["max"].as_py()),
    )


def _distinct(column: pa.ChunkedArray) -> int | None:
    return pc.count_distinct(empty_as_missing(column)).as_py() or None


def _check_usable(splits: tuple[SplitInfo, ...], config: SplitConfig, assignment: SplitAssignment) -> None:
    if all(0 < split.positive < split.rows for split in splits):
        return
    found = "; ".join(
        f"{split.name} has {split.positive:,} positive and {split.rows - split.positive:,} negative reviews"
        for split in splits
    )
    if config.strategy == "column":
        advice = (
            "These are the official splits of the dump's column 'split'; use the whole dump. Without official "
            f"validation rows, validation_size (now {config.validation_size:g}) of the training rows validate."
        )
    elif assignment.groups is not None and assignment.largest_group is not None:
        advice = (
            f"The rows form {assignment.groups:,} groups that are not divided; the largest has "
            f"{assignment.largest_group:,} rows. Group less (group_by, now '{config.group_by}'), raise "
            f"near_duplicate_threshold (now {config.near_duplicate_threshold:g}), or use a larger dump."
        )
    else:
        advice = (
            f"Raise test_size (now {config.test_size:g}) or validation_size (now {config.validation_size:g}), choose "
            "the strategy 'grouped', which is stratified by class, or use a larger dump."
        )
    raise UnusableSplitError(
        f"Each split needs reviews of both classes, but with the strategy '{config.strategy}' {found}. {advice}"
    )


def _notes(
    reviews: pa.Table, splits: tuple[SplitInfo, ...], config: SplitConfig, assignment: SplitAssignment
) -> tuple[str, ...]:
    notes = []
    kept = sum(split.rows for split in splits)
    if config.strategy == "article" and reviews.column("product_id").null_count == reviews.num_rows:
        notes.append("No review has a product_id, so the rows were split in the order of the dump.")
    reason = {
        "grouped": f" Groups are not divided, and the largest has {assignment.largest_group or 0:,} rows.",
        "temporal": " Reviews with the same time are not divided, and near-duplicates of earlier ones were excluded.",
    }.get(config.strategy, "")
    # An official split has no target.
    targets = [] if config.strategy == "column" else list(zip(splits, target_shares(config).tolist(), strict=True))
    for split, target in targets:
        if abs(split.rows / kept - target) > NOTED_ROW_SHARE:
            notes.append(
                f"The {split.name} split has {split.rows / kept:.1%} of the rows instead of {target:.1%}.{reason}"
            )
    overall = sum(split.positive for split in splits) / kept
    notes.extend(
        f"The {split.name} split is {split.positive_share:.1%} positive, all rows are {overall:.1%}. Scores on it do "
        "not apply to the whole."
        for split in splits
        if abs(split.positive_share - overall) > NOTED_LABEL_SHARE
    )
    return tuple(notes)
