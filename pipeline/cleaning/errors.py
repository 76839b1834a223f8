"""What can go wrong while cleaning."""

from __future__ import annotations

from pipeline.errors import PipelineError


class CleaningError(PipelineError):
    """Cleaning cannot start or cannot go on."""
