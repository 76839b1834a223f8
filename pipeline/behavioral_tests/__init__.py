"""Behavioral tests of a model with texts written for that purpose, and explanations of its mistakes, word by word.

``docs/explanation/behavioral_tests.md`` explains the tests. A model is passed in as a
``TextScorer``, so this package needs no TensorFlow.
"""

from pipeline.behavioral_tests.explanation import word_effects
from pipeline.behavioral_tests.records import (
    BehavioralTestsSummary,
    BehaviorCase,
    BehaviorTest,
    ExplainedMistake,
    WordEffect,
)
from pipeline.behavioral_tests.running import TextScorer, run_tests
from pipeline.behavioral_tests.stage import run_baseline_behavioral_tests, run_behavioral_tests

__all__ = [
    "BehaviorCase",
    "BehaviorTest",
    "BehavioralTestsSummary",
    "ExplainedMistake",
    "TextScorer",
    "WordEffect",
    "run_baseline_behavioral_tests",
    "run_behavioral_tests",
    "run_tests",
    "word_effects",
]
