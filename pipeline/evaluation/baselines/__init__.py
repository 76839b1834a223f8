"""The baselines: simple models that a network must beat to be worth its cost.

Each has a module of its own with a function ``fit``. ``docs/explanation/evaluation.md`` describes them.
"""

from pipeline.evaluation.baselines.stage import baselines
from pipeline.evaluation.baselines.texts import BaselinesError

__all__ = ["BaselinesError", "baselines"]
