"""The figures of each section of the page."""

from __future__ import annotations

from pipeline.reporting import figures
from pipeline.reporting.figures import Figure
from pipeline.reporting.records import ReportContents


def figures_by_section(contents: ReportContents) -> dict[str, tuple[Figure, ...]]:
    """Return the figures that the data of a run allow, in the order of the page; a section may have none."""
    evaluations = contents.evaluations
    best = contents.best.evaluated if contents.best is not None else None
    drift = contents.data_profile.comparison if contents.data_profile is not None else None
    groups = contents.comparison.seed_groups if contents.comparison is not None else ()
    collapsed = [
        variant
        for variant in contents.variants
        if variant.evaluated is not None and variant.evaluated.no_better_than_majority
    ]
    sections: dict[str, list[Figure | None]] = {
        "scores": [figures.score_forest(evaluations)],
        "seeds": [figures.seed_spread(groups, evaluations)],
        "article": [figures.article_collapse(variant) for variant in collapsed] if contents.article is not None else [],
        "ranking": [figures.roc(evaluations), figures.precision_recall_negative(evaluations)],
        "probabilities": [figures.calibration(evaluations), figures.distributions(best) if best is not None else None],
        "training": [*figures.learning_curves(contents.variants)],
        "slices": [figures.slices(best) if best is not None else None],
        "behavior": [figures.behavior(contents.behavioral_tests, evaluations)],
        "words": [figures.model_words(contents.baselines)],
        "funnel": [figures.funnel(contents.funnel, contents.split if contents.window is None else None)],
        "window": [figures.window_funnel(contents.window_funnel, contents.split)],
        "labels": [figures.label_share(contents.data_profile)],
        "lengths": [figures.lengths(contents.encoding)],
        "drift": [
            figures.drift(drift),
            *(figures.column_drift(column) for column in (drift.columns if drift is not None else ()) if column.moved),
        ],
    }
    return {name: tuple(figure for figure in found if figure is not None) for name, found in sections.items()}
