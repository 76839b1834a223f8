"""Stops a run whose dump differs from the champion's training data by more than the configured limits."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config import DriftConfig
from pipeline.errors import DriftError
from pipeline.profiling.records import DumpComparison, ProfileSummary
from pipeline.store import ArtifactReference, ArtifactStore

HEADLINE = "The dump differs from the champion's training data"


@dataclass(frozen=True)
class DriftFinding:
    """A figure above its limit.

    ``figure`` names its value and its limit.
    """

    figure: str
    advice: str


def find_drift(comparison: DumpComparison | None, limits: DriftConfig) -> tuple[DriftFinding, ...]:
    """Return the figures of a comparison with the champion's training data that are above their limits."""
    if comparison is None:
        return ()
    found = []
    shift = comparison.positive_share_shift
    # The end of the interval next to zero: a small dump may differ by chance.
    if min(abs(shift.low), abs(shift.high)) > limits.max_label_shift and shift.low * shift.high > 0:
        figure = (
            f"Share of positive reviews: {100 * shift.value:+.1f} points ({100 * shift.low:+.1f} to "
            f"{100 * shift.high:+.1f}); the limit is {100 * limits.max_label_shift:.0f}"
        )
        advice = (
            "Check whether stars or labels were inverted; if the reviews really changed, raise 'Maximum label shift' "
            "(max_label_shift)."
        )
        found.append(DriftFinding(figure, advice))
    if limits.max_psi is not None:
        advice = "Check the columns in the report; if they really changed, raise 'Maximum PSI' (max_psi)."
        found += [
            DriftFinding(
                f"{column.title}: population stability index {column.stability_index:.3f}; the limit is "
                f"{limits.max_psi:g}",
                advice,
            )
            for column in comparison.columns
            if column.stability_index > limits.max_psi
        ]
    return tuple(found)


def drift_message(findings: tuple[DriftFinding, ...]) -> str:
    """Return the message of a run that was stopped for drift."""
    lines = [f"- {finding.figure}." for finding in findings]
    advice = dict.fromkeys(finding.advice for finding in findings)
    return "\n".join([f"{HEADLINE}:", *lines, *advice, "It was not added to the dataset, and nothing was trained."])


def enforce_drift_limits(profiled: ArtifactReference, config: DriftConfig, store: ArtifactStore) -> None:
    """Stop the run if the dump differs from the champion's training data by more than a limit.

    Args:
        profiled: Artifact of ``profile``, compared with the champion's reviews.
        config: The limits.
        store: The store.

    Raises:
        DriftError: A limit is exceeded; the message has all figures above their limits.
    """
    if findings := find_drift(store.summary(profiled, ProfileSummary).comparison, config):
        raise DriftError(drift_message(findings))
