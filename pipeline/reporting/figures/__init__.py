"""The figures of the report: functions from frozen records to a :class:`Figure`, or ``None`` without data."""

from pipeline.reporting.figures.behavior import behavior
from pipeline.reporting.figures.curves import calibration, distributions, precision_recall_negative, roc
from pipeline.reporting.figures.data import funnel, label_share, lengths, window_funnel
from pipeline.reporting.figures.drift import column_drift, drift
from pipeline.reporting.figures.scores import score_forest, seed_spread
from pipeline.reporting.figures.slices import slices
from pipeline.reporting.figures.svg import Figure, FigureTable
from pipeline.reporting.figures.training import article_collapse, learning_curves
from pipeline.reporting.figures.words import model_words

__all__ = [
    "Figure",
    "FigureTable",
    "article_collapse",
    "behavior",
    "calibration",
    "column_drift",
    "distributions",
    "drift",
    "funnel",
    "label_share",
    "learning_curves",
    "lengths",
    "model_words",
    "precision_recall_negative",
    "roc",
    "score_forest",
    "seed_spread",
    "slices",
    "window_funnel",
]
