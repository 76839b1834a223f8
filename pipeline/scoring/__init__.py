"""From a trained variant to probabilities of reviews: the stages ``predict`` and ``export``, and the scorer.

And from an exported model to the predictions of a whole dump: ``score``, shard by shard (docs/how-to/score_reviews.md).
"""

from pipeline.scoring.bulk import BulkScorer
from pipeline.scoring.dump import (
    Publication,
    PublishedPredictions,
    choose_model,
    publish_predictions,
    score_dump,
    told_of_predictions,
)
from pipeline.scoring.errors import ExportMismatchError
from pipeline.scoring.exporting import export
from pipeline.scoring.prediction import predict
from pipeline.scoring.records import ExportSummary, ModelCard, PredictSummary
from pipeline.scoring.scorer import Scorer, find_export, load_scorer
from pipeline.scoring.shards import ROWS_PER_SHARD, ScoreSummary, Shard, ShardPlan, plan_shards, score_shard

__all__ = [
    "ROWS_PER_SHARD",
    "BulkScorer",
    "ExportMismatchError",
    "ExportSummary",
    "ModelCard",
    "PredictSummary",
    "Publication",
    "PublishedPredictions",
    "ScoreSummary",
    "Scorer",
    "Shard",
    "ShardPlan",
    "choose_model",
    "export",
    "find_export",
    "load_scorer",
    "plan_shards",
    "predict",
    "publish_predictions",
    "score_dump",
    "score_shard",
    "told_of_predictions",
]
