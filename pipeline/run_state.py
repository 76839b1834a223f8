"""What a run has produced so far: what one step hands to the next, and what the report reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import Field

from pipeline.config import Direction, VariantConfig
from pipeline.errors import StageOrderError
from pipeline.store import ArtifactReference, Record
from pipeline.training.records import DeviceRecord


class Produced(Record):
    """Artifacts by the name of the stage that made them, in the order of the stages."""

    artifacts: dict[str, ArtifactReference] = Field(default_factory=dict)

    def __getitem__(self, stage: str) -> ArtifactReference:
        """Return a stage's artifact.

        Raises:
            StageOrderError: The stage has not run.
        """
        if stage not in self.artifacts:
            raise StageOrderError(
                f"The stage `{stage}` has not run yet, and a later one needs its artifact. Run the stages in order, "
                f"for example with `review-sentiment run --until {stage}`."
            )
        return self.artifacts[stage]

    def get(self, stage: str) -> ArtifactReference | None:
        """Return a stage's artifact, or ``None`` if the stage has not run."""
        return self.artifacts.get(stage)

    def with_artifact(self, stage: str, reference: ArtifactReference) -> Self:
        """Return a copy that also holds a stage's artifact."""
        return self.model_copy(update={"artifacts": {**self.artifacts, stage: reference}})


class VariantState(Produced):
    """The artifacts of one variant."""

    name: str
    direction: Direction

    @classmethod
    def of(cls, config: VariantConfig) -> Self:
        """Return the state of a variant of which nothing has run yet."""
        return cls(name=config.name, direction=config.direction)


class RunState(Produced):
    """The artifacts of a run; one that stopped early holds the first of them only."""

    device: DeviceRecord | None = None
    """What the models are trained on."""
    variants: tuple[VariantState, ...] = ()
    refusal: str | None = None
    """The message that stopped the run."""

    @property
    def is_merged(self) -> bool:
        """Whether the training window joins the reviews of several dumps; otherwise it is this run's own reviews."""
        merged = self.get("build_dataset")
        return merged is not None and merged != self.get("clean")

    def inputs(self) -> dict[str, ArtifactReference]:
        """Return every artifact by its role: the stage, and for a variant also its name (``train uni-seed1``)."""
        of_variants = {
            f"{stage} {variant.name}": reference
            for variant in self.variants
            for stage, reference in variant.artifacts.items()
        }
        return self.artifacts | of_variants

    @classmethod
    def merge(cls, states: Iterable[RunState]) -> RunState:
        """Return one state with everything that any of the given states holds."""
        merged = cls()
        for state in states:
            variants = {variant.name: variant for variant in merged.variants}
            for variant in state.variants:
                known = variants.get(variant.name, variant)
                artifacts = known.artifacts | variant.artifacts
                variants[variant.name] = known.model_copy(update={"artifacts": artifacts})
            merged = cls(
                artifacts=merged.artifacts | state.artifacts,
                device=merged.device or state.device,
                variants=tuple(variants.values()),
                refusal=merged.refusal or state.refusal,
            )
        return merged
