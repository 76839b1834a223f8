"""What can go wrong between a trained model and a scored review."""

from __future__ import annotations

from pipeline.errors import ArtifactError


class ExportMismatchError(ArtifactError):
    """The exported model reads or scores reviews otherwise than the model that was judged."""
