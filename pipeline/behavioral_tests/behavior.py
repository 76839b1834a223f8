"""The parts of a behavioral test: texts with the answer that any reader would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.behavioral_tests.records import BehaviorKind

Expected = Literal["positive", "negative", "same", "not_higher", "not_lower"]
"""For one text: its class. For a pair: what the change may do to the probability of positive."""

TOLERANCE = 0.1
"""Maximum move of a probability that should not move, or moves against the expected direction (CheckList's bound)."""


@dataclass(frozen=True)
class Case:
    """One text, or a text before and after a change.

    Attributes:
        text: The model's input.
        expected: The answer of a reader.
        changed: The text after the change; ``None`` in tests of single texts.
    """

    text: str
    expected: Expected
    changed: str | None = None


@dataclass(frozen=True)
class Behavior:
    """Cases of one behavior.

    Attributes:
        kind: CheckList's type of test; negation, a capability in CheckList, is a kind of its own here.
        name: Short and unique.
        title: For people.
        expectation: When a case passes, in a sentence.
        cases: Distinct cases.
    """

    kind: BehaviorKind
    name: str
    title: str
    expectation: str
    cases: tuple[Case, ...]
