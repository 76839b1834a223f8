"""Spread over seeds: variants that differ only in their seed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from pipeline.evaluation.records import EvaluationSummary, SeedGroup, Spread, VariantIdentity


def seed_groups(evaluations: Sequence[EvaluationSummary]) -> tuple[SeedGroup, ...]:
    """Return the variants by group, in their order, each group with its seeds ascending; baselines have no group."""
    members: dict[str, list[tuple[VariantIdentity, EvaluationSummary]]] = {}
    for summary in evaluations:
        if summary.variant is not None:
            members.setdefault(summary.variant.group, []).append((summary.variant, summary))
    groups = []
    for name, group in members.items():
        group.sort(key=lambda member: member[0].seed)
        found = [summary.scores for _, summary in group]
        groups.append(
            SeedGroup(
                name=name,
                title=group[0][0].group_title,
                seeds=tuple(variant.seed for variant, _ in group),
                accuracy=_spread([scores.accuracy.value for scores in found]),
                balanced_accuracy=_spread([scores.balanced_accuracy.value for scores in found]),
                roc_auc=_spread([scores.roc_auc.value for scores in found]),
            )
        )
    return tuple(groups)


def _spread(values: Sequence[float]) -> Spread:
    return Spread(
        mean=statistics.fmean(values),
        standard_deviation=statistics.stdev(values) if len(values) > 1 else 0.0,
        low=min(values),
        high=max(values),
    )
