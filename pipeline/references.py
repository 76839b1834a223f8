"""Which artifacts a run has come to, in the order of the stages: what its steps hand on and its report reads."""

from __future__ import annotations

from pipeline.errors import PipelineError
from pipeline.store import ArtifactReference, Record
from pipeline.training.records import DeviceRecord


class DataReferences(Record):
    """The artifacts from the raw files to encoded sequences; later ones are missing while a run is on its way."""

    fetched: ArtifactReference
    ingested: ArtifactReference | None = None
    validated_raw: ArtifactReference | None = None
    cleaned: ArtifactReference | None = None
    validated_clean: ArtifactReference | None = None
    profiled: ArtifactReference | None = None
    merged: ArtifactReference | None = None
    """The reviews of the window: those of this run's dumps alone, or laid together with earlier ones."""
    parts: ArtifactReference | None = None
    leaks: ArtifactReference | None = None
    vocabulary: ArtifactReference | None = None
    encoded: ArtifactReference | None = None

    @property
    def reviews(self) -> ArtifactReference:
        """The clean reviews that are split, trained on and judged by.

        Raises:
            PipelineError: The run has not come so far.
        """
        if self.merged is None:
            raise PipelineError("A step was called before the steps that it builds on; run them first.")
        return self.merged


class VariantReferences(Record):
    """The artifacts of one variant; later ones are missing while it is on its way."""

    name: str
    trained: ArtifactReference
    predicted: ArtifactReference | None = None
    evaluated: ArtifactReference | None = None
    exported: ArtifactReference | None = None
    behavioral_tests: ArtifactReference | None = None


class ModelReferences(Record):
    """The artifacts from training to the verdict; empty while a run has not come so far."""

    device: DeviceRecord | None = None
    baselines: ArtifactReference | None = None
    baseline_behavioral_tests: ArtifactReference | None = None
    variants: tuple[VariantReferences, ...] = ()
    comparison: ArtifactReference | None = None
    acceptance: ArtifactReference | None = None
    head_to_head: ArtifactReference | None = None
    gate_result: ArtifactReference | None = None


class RunReferences(Record):
    """Everything that a run has come to; one that was refused has the first artifacts only."""

    data: DataReferences
    models: ModelReferences = ModelReferences()
    refusal: str | None = None
    """The message that stopped the run."""

    def inputs(self) -> dict[str, ArtifactReference]:
        """Return every artifact by its role, a variant's as ``trained uni-seed1``, in the order of the stages."""
        found: dict[str, ArtifactReference | None] = {
            name: getattr(self.data, name) for name in DataReferences.model_fields
        }
        found |= {name: getattr(self.models, name) for name in ("baselines", "baseline_behavioral_tests")}
        for variant in self.models.variants:
            for role in VariantReferences.model_fields:
                if role != "name":
                    found[f"{role} {variant.name}"] = getattr(variant, role)
        found |= {
            name: getattr(self.models, name) for name in ("comparison", "acceptance", "head_to_head", "gate_result")
        }
        return {role: reference for role, reference in found.items() if reference is not None}
