"""Results of behavioral tests, and explained mistakes."""

from __future__ import annotations

from typing import Literal

from pipeline.statistics import Interval
from pipeline.store import Record

BehaviorKind = Literal["minimum_functionality", "negation", "invariance", "direction"]


class BehaviorCase(Record):
    """One text, or a pair of texts, with the model's answers."""

    text: str
    changed: str | None
    """The same text after the change; ``None`` in tests of single texts."""
    probability: float
    changed_probability: float | None


class BehaviorTest(Record):
    """Cases of one behavior that any reader answers correctly (CheckList: Ribeiro et al. 2020)."""

    kind: BehaviorKind
    name: str
    title: str
    expectation: str
    """When a case passes, in a sentence."""
    cases: int
    passed: int
    pass_rate: Interval
    """Wilson interval."""
    failures: tuple[BehaviorCase, ...]
    """The worst failures, worst first."""


class WordEffect(Record):
    """A piece of a review and its effect on the model's answer."""

    text: str
    """The word and everything up to the next word; the pieces joined are the review. Untrusted input."""
    effect: float
    """Log-odds of positive with the piece minus without it; above zero it moves the answer to positive."""


class ExplainedMistake(Record):
    """A review that the model gets wrong, with the effect of each word (leave one word out)."""

    row: int
    label: int
    probability: float
    words: tuple[WordEffect, ...]


class BehavioralTestsSummary(Record):
    """Behavioral tests and explained mistakes of one model."""

    model: str
    title: str
    threshold: float
    tests: tuple[BehaviorTest, ...]
    explained: tuple[ExplainedMistake, ...]
