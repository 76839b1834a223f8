"""The artifacts that stand for one dump when it is profiled."""

from __future__ import annotations

from pipeline.store import ArtifactReference, Record

STAGE_OF = {"fetched": "fetch", "validated_raw": "validate_raw", "cleaned": "clean"}
"""The stage that makes each of a dump's artifacts."""


class ProfiledDump(Record):
    """One dump: as fetched, as validated and as cleaned."""

    fetched: ArtifactReference
    validated_raw: ArtifactReference
    cleaned: ArtifactReference

    def inputs(self, prefix: str = "") -> dict[str, ArtifactReference]:
        """Return the artifacts by their stage, with ``prefix`` before each name."""
        return {prefix + stage: getattr(self, field) for field, stage in STAGE_OF.items()}
