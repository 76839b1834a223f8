"""The artifact store: one folder per stage result, addressed by what went into it."""

from pipeline.store.artifacts import ArtifactStore, Outcome, Stage, Workspace
from pipeline.store.manifest import ArtifactReference, Manifest, Record, RowAccount

__all__ = [
    "ArtifactReference",
    "ArtifactStore",
    "Manifest",
    "Outcome",
    "Record",
    "RowAccount",
    "Stage",
    "Workspace",
]
