"""Which pictures stand in which section of the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.reporting import figures
from pipeline.reporting.figures import Figure
from pipeline.reporting.records import ReportContents


@dataclass(frozen=True)
class Pictures:
    """The pictures of each part of the page, in their order; a part may have none."""

    scores: tuple[Figure, ...]
    comparison: tuple[Figure, ...]
    article: tuple[Figure, ...]
    ranking: tuple[Figure, ...]
    probabilities: tuple[Figure, ...]
    training: tuple[Figure, ...]
    slices: tuple[Figure, ...]
    behavior: tuple[Figure, ...]
    words: tuple[Figure, ...]
    funnel: tuple[Figure, ...]
    window: tuple[Figure, ...]
    labels: tuple[Figure, ...]
    lengths: tuple[Figure, ...]
    drift: tuple[Figure, ...]


def pictures(contents: ReportContents) -> Pictures:
    """Return every picture that the figures of a run allow."""
    judged = contents.evaluations
    best = contents.best.evaluated if contents.best is not None else None
    before = contents.data_profile.comparison if contents.data_profile is not None else None
    groups = contents.comparison.seed_groups if contents.comparison is not None else ()
    several = any(len(group.seeds) > 1 for group in groups)
    collapsed = (variant for variant in contents.variants if variant.evaluated and variant.trained)
    return Pictures(
        scores=_drawn([figures.score_forest(judged)]),
        comparison=_drawn([figures.seed_spread(groups, judged)]) if several else (),
        article=_drawn(
            figures.article_collapse(variant)
            for variant in collapsed
            if variant.evaluated is not None and variant.evaluated.no_better_than_majority
        )
        if contents.article is not None
        else (),
        ranking=_drawn([figures.roc(judged), figures.precision_recall_negative(judged)]),
        probabilities=_drawn(
            [figures.calibration(judged), figures.distributions(best) if best is not None else None],
        ),
        training=_drawn(figures.learning_curves(contents.variants)),
        slices=_drawn([figures.slices(best) if best is not None else None]),
        behavior=_drawn([figures.behavior(contents.examinations, judged)]),
        words=_drawn([figures.model_words(contents.baselines)]),
        funnel=_drawn([figures.funnel(contents.funnel, contents.split if contents.window is None else None)]),
        window=_drawn([figures.window_funnel(contents.window_funnel, contents.split)]),
        labels=_drawn([figures.label_share(contents.data_profile)]),
        lengths=_drawn([figures.lengths(contents.encoding)]),
        drift=_drawn(
            [
                figures.drift(before),
                *(
                    figures.column_drift(column)
                    for column in (before.columns if before is not None else ())
                    if column.moved
                ),
            ]
        ),
    )


def _drawn(found: Iterable[Figure | None]) -> tuple[Figure, ...]:
    return tuple(figure for figure in found if figure is not None)
