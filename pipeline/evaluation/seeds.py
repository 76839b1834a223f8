"""What a score owes to the luck of a seed: variants that differ in nothing else, put side by side."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence

from pipeline.evaluation.records import EvaluationSummary, SeedGroup, Spread

_SEED_IN_NAME = re.compile(r"-seed(-?\d+)(?=-|$)")
_SEED_IN_TITLE = re.compile(r", seed -?\d+")


def seed_groups(evaluations: Sequence[EvaluationSummary]) -> tuple[SeedGroup, ...]:
    """Return the variants by what they have in common besides the seed, in their order, each with its seeds ascending.

    A variant's name holds its seed (``bi-seed1-units64``: :class:`pipeline.config.VariantConfig`); one without a seed
    in its name makes no group.
    """
    members: dict[str, list[tuple[int, EvaluationSummary]]] = {}
    for summary in evaluations:
        if found := _SEED_IN_NAME.search(summary.model):
            members.setdefault(_SEED_IN_NAME.sub("", summary.model), []).append((int(found[1]), summary))
    groups = []
    for name, group in members.items():
        group.sort(key=lambda member: member[0])
        judged = [summary.scores for _, summary in group]
        groups.append(
            SeedGroup(
                name=name,
                title=_SEED_IN_TITLE.sub("", group[0][1].title),
                seeds=tuple(seed for seed, _ in group),
                accuracy=_spread([scores.accuracy.value for scores in judged]),
                balanced_accuracy=_spread([scores.balanced_accuracy.value for scores in judged]),
                roc_auc=_spread([scores.roc_auc.value for scores in judged]),
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
