"""MLflow as a mirror: each trained variant as a run, each champion as a version, the aliases as the store says.

The store is the truth (``docs/decisions/0007-retraining.md``). Whatever MLflow lacks is read from the store again, so
that a task that failed while the tracking server was away is simply repeated.
``docs/how-to/track_with_mlflow.md`` is the user's page.
"""

from pipeline.tracking.address import URI_VARIABLE, shown_address, tracking_uri
from pipeline.tracking.errors import TrackingError, TrackingUnavailableError
from pipeline.tracking.records import MirroredChampion, TrackedRun, TrackedVariant
from pipeline.tracking.registry import mirror_champion
from pipeline.tracking.runs import track_run

__all__ = [
    "URI_VARIABLE",
    "MirroredChampion",
    "TrackedRun",
    "TrackedVariant",
    "TrackingError",
    "TrackingUnavailableError",
    "mirror_champion",
    "shown_address",
    "track_run",
    "tracking_uri",
]
