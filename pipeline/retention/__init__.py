"""Retention: a clean-up removes what nothing references any more (``docs/how-to/clean_up.md``)."""

from pipeline.retention.planning import plan_clean_up
from pipeline.retention.records import PARAMETERS, CleanUpFigures, RetentionPolicy, policy_from
from pipeline.retention.removal import clean_up
from pipeline.retention.text import figures_as_text, plan_sentence, result_as_text, result_sentence

__all__ = [
    "PARAMETERS",
    "CleanUpFigures",
    "RetentionPolicy",
    "clean_up",
    "figures_as_text",
    "plan_clean_up",
    "plan_sentence",
    "policy_from",
    "result_as_text",
    "result_sentence",
]
