"""The figures of the report: functions from frozen records to a :class:`Figure`, or ``None`` without data."""

from __future__ import annotations

from pipeline.reporting.figures.behavior import behavior
from pipeline.reporting.figures.curves import calibration, distributions, precision_recall_negative, roc
from pipeline.reporting.figures.data import funnel, label_share, lengths, window_funnel
from pipeline.reporting.figures.drift import column_drift, drift
from pipeline.reporting.figures.scores import score_forest, seed_spread
from pipeline.reporting.figures.slices import slices
from pipeline.reporting.figures.svg import Figure
from pipeline.reporting.figures.training import article_collapse, learning_curves
from pipeline.reporting.figures.words import model_words
from pipeline.reporting.records import ReportContents


def figures_by_section(contents: ReportContents) -> dict[str, tuple[Figure, ...]]:
    """Return the figures that the data of a run allow, in the order of the page; a section may have none."""
    evaluations = contents.evaluations
    best = contents.best.evaluated if contents.best is not None else None
    compared = contents.data_profile.comparison if contents.data_profile is not None else None
    groups = contents.comparison.seed_groups if contents.comparison is not None else ()
    collapsed = [
        variant
        for variant in contents.variants
        if variant.evaluated is not None and variant.evaluated.no_better_than_majority
    ]
    sections: dict[str, list[Figure | None]] = {
        "scores": [score_forest(evaluations)],
        "seeds": [seed_spread(groups, evaluations)],
        "article": [article_collapse(variant) for variant in collapsed] if contents.article is not None else [],
        "ranking": [roc(evaluations), precision_recall_negative(evaluations)],
        "probabilities": [calibration(evaluations), distributions(best) if best is not None else None],
        "training": [*learning_curves(contents.variants)],
        "slices": [slices(best) if best is not None else None],
        "behavior": [behavior(contents.behavioral_tests, evaluations)],
        "words": [model_words(contents.baselines)],
        "funnel": [funnel(contents.funnel, contents.split if contents.window is None else None)],
        "window": [window_funnel(contents.window_funnel, contents.split)],
        "labels": [label_share(contents.data_profile)],
        "lengths": [lengths(contents.encoding)],
        "drift": [
            drift(compared),
            *(column_drift(column) for column in (compared.columns if compared is not None else ()) if column.moved),
        ],
    }
    return {name: tuple(figure for figure in found if figure is not None) for name, found in sections.items()}
