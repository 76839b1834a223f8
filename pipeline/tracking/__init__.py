"""MLflow as a mirror of the store: a run for each trained variant, a model version for each champion, and the aliases.

The store is the source of truth. Everything that MLflow lacks is read from the store again, so a task that failed while
the tracking server was unreachable can be repeated. User documentation: ``docs/how-to/track_with_mlflow.md``.
"""

from pipeline.tracking.records import MirroredChampion, TrackedRun
from pipeline.tracking.registry import mirror_champion
from pipeline.tracking.runs import track_run

__all__ = ["MirroredChampion", "TrackedRun", "mirror_champion", "track_run"]
