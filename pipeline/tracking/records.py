"""Results and errors of tracking."""

from __future__ import annotations

from pipeline.errors import PipelineError, SourceUnavailableError
from pipeline.store import Record


class TrackingError(PipelineError):
    """MLflow refused a request, or its database belongs to another store; repeating the request does not help."""

    exit_status = 7


class TrackingUnavailableError(SourceUnavailableError):
    """MLflow cannot be reached at the moment; tasks retry the request."""

    exit_status = 7


class TrackedVariant(Record):
    """One variant's run in MLflow."""

    name: str
    """Variant, e.g. ``bi-seed1``."""
    run_id: str
    """MLflow's id of the run, 32 hexadecimal digits."""


class TrackedRun(Record):
    """A run in MLflow."""

    address: str | None
    """MLflow's address, without a login; ``None`` if tracking is off."""
    experiment_id: str | None = None
    variants: tuple[TrackedVariant, ...] = ()
    best: str | None = None
    """The best variant; ``None`` without an acceptance check."""
    model_id: str | None = None
    """MLflow's id of the best variant's model; ``None`` if none was exported."""
    logged: int = 0
    """Number of variants that were not complete in MLflow before."""


class MirroredChampion(Record):
    """MLflow's registered model after mirroring the store's champions."""

    address: str | None
    """MLflow's address, without a login; ``None`` if tracking is off."""
    number: int | None = None
    """The newest change of the champion; ``None`` if there is none."""
    version: int | None = None
    """Version of the registered model that the alias ``champion`` names."""
    previous_version: int | None = None
    """Version that the alias ``previous`` names: the one that a rollback would restore."""
    registered: tuple[int, ...] = ()
    """Versions that this call added."""
    repaired: tuple[str, ...] = ()
    """Aliases that a user had moved or removed in MLflow, and that this call restored."""
