"""From a trained variant to probabilities of reviews: the stages ``predict`` and ``export``, and the scorer."""

from pipeline.scoring.errors import ExportMismatchError
from pipeline.scoring.exporting import export
from pipeline.scoring.prediction import predict
from pipeline.scoring.records import ExportSummary, ModelCard, PredictSummary
from pipeline.scoring.scorer import Scorer, load_scorer

__all__ = [
    "ExportMismatchError",
    "ExportSummary",
    "ModelCard",
    "PredictSummary",
    "Scorer",
    "export",
    "load_scorer",
    "predict",
]
