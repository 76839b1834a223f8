"""What a model does with texts written to test it, and which words led it astray.

``docs/behaviour.md`` explains the tests. The room imports no TensorFlow: a model is handed in as a ``TextScorer``.
"""

from pipeline.examination.explanation import word_effects
from pipeline.examination.judging import TextScorer, judge
from pipeline.examination.records import (
    BehaviourCase,
    BehaviourTest,
    ExaminationSummary,
    ExplainedMistake,
    WordEffect,
)
from pipeline.examination.stage import examine, examine_baseline

__all__ = [
    "BehaviourCase",
    "BehaviourTest",
    "ExaminationSummary",
    "ExplainedMistake",
    "TextScorer",
    "WordEffect",
    "examine",
    "examine_baseline",
    "judge",
    "word_effects",
]
