"""What a model does with texts written to test it, and which words led it astray.

``docs/explanation/behavioral_tests.md`` explains the tests. The package does not import TensorFlow: callers pass a
model as a ``TextScorer``.
"""

from pipeline.behavioral_tests.explanation import word_effects
from pipeline.behavioral_tests.judging import TextScorer, judge
from pipeline.behavioral_tests.records import (
    BehavioralTestsSummary,
    BehaviorCase,
    BehaviorTest,
    ExplainedMistake,
    WordEffect,
)
from pipeline.behavioral_tests.stage import run_baseline_behavioral_tests, run_behavioral_tests

__all__ = [
    "BehaviorCase",
    "BehaviorTest",
    "BehavioralTestsSummary",
    "ExplainedMistake",
    "TextScorer",
    "WordEffect",
    "judge",
    "run_baseline_behavioral_tests",
    "run_behavioral_tests",
    "word_effects",
]
