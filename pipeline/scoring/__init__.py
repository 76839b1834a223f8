"""From a trained variant to probabilities of reviews: the stages ``predict`` and ``export``, and the ``Scorer``.

An exported model also scores a whole dump, shard by shard: ``score_dump`` (docs/how-to/score_reviews.md).

Public names are imported on first use: a process that scores one sentence loads neither the readers of dumps nor
anything that only an export needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.scoring.dump import Publication, PublishedPredictions, publish_predictions, score_dump
    from pipeline.scoring.export_stage import export
    from pipeline.scoring.exports import choose_model, find_export
    from pipeline.scoring.predict_stage import predict
    from pipeline.scoring.records import ExportedModel, ExportMismatchError, ExportSummary, PredictSummary
    from pipeline.scoring.scorer import Scorer, load_scorer
    from pipeline.scoring.shards import ROWS_PER_SHARD, ScoreSummary, Shard, ShardPlan, plan_shards, score_shard

_MODULES = {
    "ROWS_PER_SHARD": "shards",
    "ExportMismatchError": "records",
    "ExportSummary": "records",
    "ExportedModel": "records",
    "PredictSummary": "records",
    "Publication": "dump",
    "PublishedPredictions": "dump",
    "ScoreSummary": "shards",
    "Scorer": "scorer",
    "Shard": "shards",
    "ShardPlan": "shards",
    "choose_model": "exports",
    "export": "export_stage",
    "find_export": "exports",
    "load_scorer": "scorer",
    "plan_shards": "shards",
    "predict": "predict_stage",
    "publish_predictions": "dump",
    "score_dump": "dump",
    "score_shard": "shards",
}
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
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the module's own type
    """Import a public name from its module."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
