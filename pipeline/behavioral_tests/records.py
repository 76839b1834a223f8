"""What an examination holds: behavior tests and explained mistakes of one model."""

from __future__ import annotations

from typing import Literal

from pipeline.statistics import Interval
from pipeline.store import Record

BehaviorKind = Literal["minimum_functionality", "negation", "invariance", "direction"]


class BehaviorCase(Record):
    """One text, or a pair of texts, that the model was asked about."""

    text: str
    changed: str | None
    """The same text after the change; ``None`` in tests of single texts."""
    probability: float
    changed_probability: float | None


class BehaviorTest(Record):
    """Cases of one kind that a reader of reviews gets right without thinking (CheckList: Ribeiro et al. 2020)."""

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
    """The worst failing cases."""


class WordEffect(Record):
    """A piece of a review and what it does to the model's answer."""

    text: str
    """As written, with what follows it up to the next word; the pieces joined are the review. Hostile input."""
    effect: float
    """Log-odds of positive with the word minus without it; above zero it speaks for positive."""


class ExplainedMistake(Record):
    """A review that the model gets wrong, taken apart word by word (leave one word out)."""

    row: int
    label: int
    probability: float
    words: tuple[WordEffect, ...]


class BehavioralTestsSummary(Record):
    """One model examined with texts written for that purpose, and on its own mistakes."""

    model: str
    title: str
    threshold: float
    tests: tuple[BehaviorTest, ...]
    explained: tuple[ExplainedMistake, ...]
