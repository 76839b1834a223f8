"""The artifacts that stand for one dump when it is profiled."""

from __future__ import annotations

from pipeline.store import ArtifactReference, Record


class ProfiledDump(Record):
    """One dump: as fetched, as validated and as cleaned."""

    fetched: ArtifactReference
    validated_raw: ArtifactReference
    cleaned: ArtifactReference

    def inputs(self, prefix: str = "") -> dict[str, ArtifactReference]:
        """Return the artifacts by their role, each role with ``prefix`` in front."""
        return {prefix + role: getattr(self, role) for role in ProfiledDump.model_fields}
