"""Retention: what nobody can reach any more leaves the store, and nothing else does.

``docs/how-to/clean_up.md`` says what goes, what never goes, and how to run it.
"""

from pipeline.retention.inventory import RetentionError
from pipeline.retention.planning import plan_clean_up
from pipeline.retention.records import (
    KNOBS,
    CleanUpFigures,
    CleanUpPlan,
    CleanUpResult,
    KeptArtifact,
    OldArtifact,
    OldReport,
    Reason,
    RetentionPolicy,
    Spared,
    Stray,
    policy_from,
)
from pipeline.retention.removal import clean_up
from pipeline.retention.text import figures_as_text, result_as_text

__all__ = [
    "KNOBS",
    "CleanUpFigures",
    "CleanUpPlan",
    "CleanUpResult",
    "KeptArtifact",
    "OldArtifact",
    "OldReport",
    "Reason",
    "RetentionError",
    "RetentionPolicy",
    "Spared",
    "Stray",
    "clean_up",
    "figures_as_text",
    "plan_clean_up",
    "policy_from",
    "result_as_text",
]
