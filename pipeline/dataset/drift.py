"""Stops a run whose dump differs from the champion's training data by more than the configured limits."""

from __future__ import annotations

from pipeline.config import DriftConfig
from pipeline.errors import DriftError
from pipeline.profiling.records import ProfileSummary
from pipeline.store import ArtifactReference, ArtifactStore


def enforce_drift_limits(profiled: ArtifactReference, config: DriftConfig, store: ArtifactStore) -> None:
    """Stop the run if the dump differs from the champion's training data by more than a limit.

    Args:
        profiled: Artifact of ``profile``, compared with the champion's reviews.
        config: The limits.
        store: The store.

    Raises:
        DriftError: A limit is exceeded; the message has all figures above their limits.
    """
    comparison = store.summary(profiled, ProfileSummary).comparison
    if comparison is None:
        return
    found = []
    shift = comparison.positive_share_shift
    # The end of the interval next to zero: a small dump may differ by chance.
    if min(abs(shift.low), abs(shift.high)) > config.max_label_shift and shift.low * shift.high > 0:
        found.append(
            f"- Share of positive reviews: {100 * shift.value:+.1f} points ({100 * shift.low:+.1f} to "
            f"{100 * shift.high:+.1f}); allowed are {100 * config.max_label_shift:.0f}. Next: look whether stars or "
            "labels were turned round; if the reviews really changed, raise 'Maximum label shift' (max_label_shift)."
        )
    if config.max_psi is not None:
        found += [
            f"- {column.title}: population stability index {column.stability_index:.3f}; allowed is "
            f"{config.max_psi:g}. Next: look at the column in the report; if it really changed, raise "
            "'Maximum PSI' (max_psi)."
            for column in comparison.columns
            if column.stability_index > config.max_psi
        ]
    if found:
        figures = "a figure beyond its limit" if len(found) == 1 else f"{len(found)} figures beyond their limits"
        head = f"The dump differs from what the champion was trained on by {figures}:"
        raise DriftError("\n".join([head, *found, "It was not added to the collection, and nothing was trained."]))
