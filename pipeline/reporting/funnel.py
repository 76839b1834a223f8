"""The row funnel from the dump to the splits; every excluded row has a named reason."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.dataset.merging import REPEATED
from pipeline.reporting.records import FunnelStage, RunEvidence

REASON_TITLES = {
    "unparseable": "Cannot be read as a review",
    "bad_score": "Score is not a rating",
    "empty_text": "Text is empty",
    "neutral_score": "Neutral score (3)",
    "duplicate": "Duplicate of an earlier review",
    "helpfulness_above_denominator": "More helpful votes than votes",
    "no_words": "No words left after cleaning",
    REPEATED: "Duplicate of a review of an earlier dump",
    "near_duplicate_across_splits": "Near-duplicate of a row in another split",
    "no_official_split": "In no official split",
}
"""The reasons of docs/reference/artifacts.md for readers; a reason without an entry is shown by its name."""


def funnel(evidence: RunEvidence) -> tuple[FunnelStage, ...]:
    """Return the steps from this run's dump to the splits, or to its clean reviews if a training window follows."""
    ingest, validation, clean = evidence.ingest, evidence.validation_raw, evidence.clean
    if ingest is None:
        return ()
    excluded: list[tuple[str, int]] = []
    if validation is not None:
        excluded += validation.quarantined.items()
    if clean is not None:
        rows = [step.rows for step in clean.steps]
        excluded += [
            (step.reason, before - step.rows)
            for before, step in zip(rows, clean.steps[1:], strict=False)
            if step.reason is not None
        ]
    if evidence.window is None:
        excluded += _excluded_by_split(evidence)
    return _steps("Read from the dump", ingest.rows, excluded)


def window_funnel(evidence: RunEvidence) -> tuple[FunnelStage, ...]:
    """Return the steps from the clean reviews of the training window to the splits; empty without a window."""
    if evidence.window is None:
        return ()
    dumps = evidence.window.dumps
    excluded = [(REPEATED, sum(dump.repeated for dump in dumps)), *_excluded_by_split(evidence)]
    return _steps(f"Clean reviews of {len(dumps):,} dumps", sum(dump.rows for dump in dumps), excluded)


def _excluded_by_split(evidence: RunEvidence) -> list[tuple[str, int]]:
    accounts = (stage.rows for stage in evidence.stages if stage.stage == "split")
    return [item for rows in accounts if rows is not None for item in rows.excluded.items()]


def _steps(title: str, rows: int, excluded: Iterable[tuple[str, int]]) -> tuple[FunnelStage, ...]:
    left = rows
    steps = [FunnelStage(title=title, reason=None, excluded=0, rows_left=left)]
    for reason, count in excluded:
        left -= count
        steps.append(
            FunnelStage(title=REASON_TITLES.get(reason, reason), reason=reason, excluded=count, rows_left=left)
        )
    return tuple(steps)
