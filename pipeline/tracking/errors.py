"""What can go wrong between the store and MLflow."""

from __future__ import annotations

from pipeline.errors import PipelineError, SourceUnavailableError


class TrackingError(PipelineError):
    """MLflow refused, or its database does not belong to this store; repeating the request changes nothing."""

    exit_status = 7


class TrackingUnavailableError(SourceUnavailableError):
    """MLflow cannot be reached right now; the same request may succeed later, so tasks retry it."""

    exit_status = 7
