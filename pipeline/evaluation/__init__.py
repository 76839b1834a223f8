"""How models are evaluated: the scores of one, simple baselines, and pairs on the same rows.

``docs/explanation/evaluation.md`` explains each figure and rule.
"""

from pipeline.evaluation.baselines import baselines
from pipeline.evaluation.comparison import compare
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.records import (
    BaselinesSummary,
    ClassScores,
    Comparison,
    ComparisonSummary,
    ConfusionMatrix,
    Curves,
    EvaluationSummary,
    Mistake,
    ModelCost,
    OperatingPoint,
    Scores,
    SeedGroup,
    Slice,
    SuspectedLabel,
    WordWeight,
)
from pipeline.evaluation.rules import MAJORITY, MAJORITY_BOUND, NAIVE_BAYES, TFIDF, VADER, best_first, clears_majority
from pipeline.evaluation.text import comparison_sentence

__all__ = [
    "MAJORITY",
    "MAJORITY_BOUND",
    "NAIVE_BAYES",
    "TFIDF",
    "VADER",
    "BaselinesSummary",
    "ClassScores",
    "Comparison",
    "ComparisonSummary",
    "ConfusionMatrix",
    "Curves",
    "EvaluationSummary",
    "Mistake",
    "ModelCost",
    "OperatingPoint",
    "Scores",
    "SeedGroup",
    "Slice",
    "SuspectedLabel",
    "WordWeight",
    "baselines",
    "best_first",
    "clears_majority",
    "compare",
    "comparison_sentence",
    "evaluate",
]
