"""From a trained variant to probabilities of reviews: the stages ``predict`` and ``export``, and the ``Scorer``.

An exported model also scores a whole dump, shard by shard: ``score_dump`` (docs/how-to/score_reviews.md).
"""

from pipeline.scoring.dump import Publication, PublishedPredictions, publish_predictions, require_fit_model, score_dump
from pipeline.scoring.export_stage import export
from pipeline.scoring.exports import choose_model, find_export
from pipeline.scoring.predict_stage import predict
from pipeline.scoring.records import ExportedModel, ExportMismatchError, ExportSummary, PredictSummary
from pipeline.scoring.scorer import Scorer, Sentiment, load_scorer
from pipeline.scoring.shards import ROWS_PER_SHARD, ScoreSummary, Shard, plan_shards, score_shard

__all__ = [
    "ROWS_PER_SHARD",
    "ExportMismatchError",
    "ExportSummary",
    "ExportedModel",
    "PredictSummary",
    "Publication",
    "PublishedPredictions",
    "ScoreSummary",
    "Scorer",
    "Sentiment",
    "Shard",
    "choose_model",
    "export",
    "find_export",
    "load_scorer",
    "plan_shards",
    "predict",
    "publish_predictions",
    "require_fit_model",
    "score_dump",
    "score_shard",
]
