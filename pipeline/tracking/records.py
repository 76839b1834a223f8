"""What the mirror tells of itself."""

from __future__ import annotations

from pipeline.store import Record


class TrackedVariant(Record):
    """One variant's run in MLflow."""

    name: str
    """Variant, e.g. ``bi-seed1``."""
    run_id: str
    """MLflow's name of the run, 32 hexadecimal digits."""


class TrackedRun(Record):
    """What MLflow holds of a run."""

    address: str | None
    """Where MLflow is, without a login; ``None`` where tracking is off."""
    experiment_id: str | None = None
    variants: tuple[TrackedVariant, ...] = ()
    best: str | None = None
    """The best variant; ``None`` without a verdict."""
    model_id: str | None = None
    """MLflow's name of the best variant's model; ``None`` if none was exported."""
    logged: int = 0
    """How many of the variants were not complete in MLflow before."""


class MirroredChampion(Record):
    """How MLflow's registered model stands to the store's champions."""

    address: str | None
    """Where MLflow is, without a login; ``None`` where tracking is off."""
    number: int | None = None
    """The newest change of the champion; ``None`` while there is none."""
    version: int | None = None
    """Version of the registered model that the alias ``champion`` names."""
    previous_version: int | None = None
    """Version that the alias ``previous`` names: what a roll-back would put into service."""
    registered: tuple[int, ...] = ()
    """Versions that were added now."""
    repaired: tuple[str, ...] = ()
    """Aliases that somebody had moved or removed in MLflow, and that were put back."""
