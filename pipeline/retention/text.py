"""A plan and a result in plain words, for a shell and for a task's log."""

from __future__ import annotations

from pipeline.errors import quoted
from pipeline.retention.records import CleanUpFigures, CleanUpResult, Reason

REASONS: dict[Reason, str] = {
    "champion": "for a champion that serves or that one can go back to",
    "record": "named by the collection or another record",
    "report": "for a report that is kept",
    "in_use": "made or used within the grace period",
    "unreadable": "or what they were made of cannot be read",
}
SHOWN_SPARED = 10


def figures_as_text(figures: CleanUpFigures) -> str:
    """Return a plan as a table of what would go, and lines on what stays."""
    from pipeline.reporting.formatting import plural, size

    rows = [
        (stage, figures.artifacts_by_stage[stage], size(figures.bytes_by_stage[stage]))
        for stage in figures.bytes_by_stage
    ]
    lines = [f"{'artifacts of':<24}{'would go':>10}{'bytes':>12}"] if rows else []
    lines += [f"{stage:<24}{number:>10}{amount:>12}" for stage, number, amount in rows]
    lines.append(
        f"Would go: {plural(figures.artifacts, 'artifact')}, {plural(figures.reports, 'report')}, "
        f"{plural(figures.strays, 'leftover')} of killed runs; {size(figures.bytes)} in all."
    )
    lines.append(
        f"Stays: {plural(figures.kept_reports, 'report')} and {plural(sum(figures.kept.values()), 'artifact')}"
    )
    lines += [f"{figures.kept[reason]:>8}  {words}" for reason, words in REASONS.items() if reason in figures.kept]
    lines += [f"Unreadable, stays: {quoted(problem, 300)}" for problem in figures.unreadable]
    if figures.unreadable_count > len(figures.unreadable):
        lines.append(f"… and {figures.unreadable_count - len(figures.unreadable)} more that cannot be read.")
    return "\n".join(lines)


def result_as_text(result: CleanUpResult) -> str:
    """Return what a clean-up removed, and what it spared."""
    from pipeline.reporting.formatting import plural, size

    removed = (
        plural(len(result.artifacts), "artifact"),
        plural(len(result.reports), "report"),
        plural(len(result.strays), "leftover"),
    )
    lines = [f"Removed {removed[0]}, {removed[1]} and {removed[2]} of killed runs: {size(result.bytes)}."]
    lines += [f"Spared {quoted(spared.name)}: {spared.why}" for spared in result.spared[:SHOWN_SPARED]]
    if len(result.spared) > SHOWN_SPARED:
        lines.append(f"… and {len(result.spared) - SHOWN_SPARED} more.")
    return "\n".join(lines)
