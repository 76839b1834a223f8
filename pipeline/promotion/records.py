"""The verdict and the rules behind it."""

from __future__ import annotations

from typing import Literal

from pipeline.store import Record

Decision = Literal["accept", "refuse", "cannot_tell"]


class RuleResult(Record):
    """One rule, applied to the best model."""

    name: str
    sentence: str
    """The rule and its outcome in plain words."""
    figure: float | None
    """What was measured; ``None`` where it is not a number."""
    bound: float
    """What the figure had to reach or not to pass."""
    passed: bool
    if_failed: Literal["refuse", "cannot_tell"]
    """The decision where this is the first rule that failed."""


class Candidate(Record):
    """One model that stood for election."""

    model: str
    title: str
    validation_balanced_accuracy: float | None
    """The figure by which the best was chosen."""


class Verdict(Record):
    """The decision, its reason, and every rule behind it."""

    decision: Decision
    best_model: str
    best_title: str
    sentence: str
    rules: tuple[RuleResult, ...]
    """In the order in which they decide: the first that failed gives the decision."""
    candidates: tuple[Candidate, ...]
    """All models, the best first."""
    demo: bool
    champion: str | None = None
    """The model in service that the best was also compared with; ``None`` while there is none."""
