"""The way of the rows, from the dump to the three parts: every one that leaves, leaves for a named reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipeline.cleaning.records import CleanSummary
from pipeline.dataset.merging import REPEATED
from pipeline.dataset.records import Window
from pipeline.readers.records import IngestSummary
from pipeline.reporting.records import FunnelStage
from pipeline.splitting.records import SplitSummary
from pipeline.validation.records import ValidationSummary

REASON_TITLES = {
    "unparseable": "Cannot be read as a review",
    "bad_score": "Score is not 1 to 5",
    "bad_helpfulness": "Helpfulness is not a pair of counts",
    "bad_time": "Time is not a moment",
    "empty_text": "Text is empty",
    "neutral_score": "Neutral score (3)",
    "duplicate": "Duplicate of an earlier review",
    "helpfulness_above_denominator": "More helpful votes than votes",
    "no_words": "No words left after cleaning",
    REPEATED: "Copy of a review of an earlier dump",
    "near_duplicate_across_splits": "Near-duplicate of a row in another part",
}
"""The reasons of docs/reference/artifacts.md in words; a reason without an entry is shown by its name."""


def funnel(
    ingest: IngestSummary | None,
    validation: ValidationSummary | None,
    clean: CleanSummary | None,
    split: SplitSummary | None,
    split_set_aside: Mapping[str, int],
) -> tuple[FunnelStage, ...]:
    """Return the steps from the run's own dump to the parts, as far as the run came.

    Args:
        ingest: Its rows are where the funnel begins; without it there is none.
        validation: Quarantined rows by reason.
        clean: The steps of the cleaning; its first step is what came in.
        split: The parts; ``None`` where they were made of a window of several dumps (:func:`window_funnel`).
        split_set_aside: Rows that splitting excluded, by reason.
    """
    if ingest is None:
        return ()
    gone: list[tuple[str, int]] = []
    if validation is not None:
        gone += list(validation.quarantined.items())
    if clean is not None:
        rows = [step.rows for step in clean.steps]
        gone += [
            (step.reason, before - step.rows)
            for before, step in zip(rows, clean.steps[1:], strict=False)
            if step.reason is not None
        ]
    if split is not None:
        gone += list(split_set_aside.items())
    return _steps("Read from the dump", ingest.rows, gone)


def window_funnel(
    window: Window | None, split: SplitSummary | None, split_set_aside: Mapping[str, int]
) -> tuple[FunnelStage, ...]:
    """Return the steps from the clean reviews of a window's dumps to the parts; none without a window.

    Args:
        window: The dumps that were laid together.
        split: The parts.
        split_set_aside: Rows that splitting excluded, by reason.
    """
    if window is None:
        return ()
    gone = [(REPEATED, sum(dump.repeated for dump in window.dumps))]
    if split is not None:
        gone += list(split_set_aside.items())
    title = f"Clean reviews of {len(window.dumps):,} dumps"
    return _steps(title, sum(dump.rows for dump in window.dumps), gone)


def _steps(title: str, rows: int, gone: Iterable[tuple[str, int]]) -> tuple[FunnelStage, ...]:
    left = rows
    steps = [FunnelStage(title=title, reason=None, excluded=0, rows_left=left)]
    for reason, rows_gone in gone:
        left -= rows_gone
        steps.append(
            FunnelStage(title=REASON_TITLES.get(reason, reason), reason=reason, excluded=rows_gone, rows_left=left)
        )
    return tuple(steps)
