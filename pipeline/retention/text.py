"""Plan and result of a clean-up as text, for the command line and the task log."""

from __future__ import annotations

from pipeline.errors import quoted
from pipeline.retention.records import CleanUpFigures, CleanUpResult, Reason

REASONS: dict[Reason, str] = {
    "champion": "needed by a champion, or by a rollback target",
    "record": "referenced by a batch or another record",
    "report": "needed by a report that stays",
    "in_use": "produced or used within the grace period",
    "unreadable": "unreadable, or input of something unreadable",
}
MAX_LISTED_SKIPPED = 10


def figures_as_text(figures: CleanUpFigures) -> str:
    """Return the figures of a plan: a table of what would be removed, and lines on what stays."""
    from pipeline.reporting.formatting import plural, size

    rows = [
        (stage, figures.artifacts_by_stage[stage], size(figures.bytes_by_stage[stage]))
        for stage in figures.bytes_by_stage
    ]
    lines = [f"{'artifacts of':<24}{'to remove':>10}{'bytes':>12}"] if rows else []
    lines += [f"{stage:<24}{number:>10}{amount:>12}" for stage, number, amount in rows]
    lines.append(plan_sentence(figures))
    lines.append(
        f"To keep: {plural(figures.kept_reports, 'report')} and {plural(sum(figures.kept.values()), 'artifact')}"
    )
    lines += [f"{figures.kept[reason]:>8}  {words}" for reason, words in REASONS.items() if reason in figures.kept]
    lines += [f"Unreadable, kept: {quoted(problem, 300)}" for problem in figures.unreadable]
    if figures.unreadable_count > len(figures.unreadable):
        lines.append(f"… and {figures.unreadable_count - len(figures.unreadable)} more that cannot be read.")
    return "\n".join(lines)


def plan_sentence(figures: CleanUpFigures) -> str:
    """Return how much a plan would remove."""
    from pipeline.reporting.formatting import plural, size

    return (
        f"To remove: {plural(figures.artifacts, 'artifact')}, {plural(figures.reports, 'report')}, "
        f"{plural(figures.orphans, 'leftover')} of killed runs; {size(figures.bytes)} in all."
    )


def result_sentence(result: CleanUpResult) -> str:
    """Return how much a clean-up removed, and how much it skipped."""
    from pipeline.reporting.formatting import plural, size

    removed = (
        plural(len(result.artifacts), "artifact"),
        plural(len(result.reports), "report"),
        plural(len(result.orphans), "leftover"),
    )
    sentence = f"Removed {removed[0]}, {removed[1]} and {removed[2]} of killed runs: {size(result.bytes)}."
    return f"{sentence} Skipped {plural(len(result.skipped), 'item')}." if result.skipped else sentence


def result_as_text(result: CleanUpResult) -> str:
    """Return what a clean-up removed and skipped."""
    lines = [result_sentence(result)]
    lines += [f"Skipped {quoted(skipped.name)}: {skipped.reason}" for skipped in result.skipped[:MAX_LISTED_SKIPPED]]
    if len(result.skipped) > MAX_LISTED_SKIPPED:
        lines.append(f"… and {len(result.skipped) - MAX_LISTED_SKIPPED} more.")
    return "\n".join(lines)
