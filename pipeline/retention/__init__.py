"""Retention: a clean-up removes what nothing references any more (``docs/how-to/clean_up.md``)."""

from pipeline.retention.inventory import RetentionError
from pipeline.retention.planning import plan_clean_up
from pipeline.retention.records import (
    PARAMETERS,
    CleanUpFigures,
    CleanUpPlan,
    CleanUpResult,
    KeptArtifact,
    OldArtifact,
    OldReport,
    Orphan,
    Reason,
    RetentionPolicy,
    Skipped,
    policy_from,
)
from pipeline.retention.removal import clean_up
from pipeline.retention.text import figures_as_text, result_as_text

__all__ = [
    "PARAMETERS",
    "CleanUpFigures",
    "CleanUpPlan",
    "CleanUpResult",
    "KeptArtifact",
    "OldArtifact",
    "OldReport",
    "Orphan",
    "Reason",
    "RetentionError",
    "RetentionPolicy",
    "Skipped",
    "clean_up",
    "figures_as_text",
    "plan_clean_up",
    "policy_from",
    "result_as_text",
]
