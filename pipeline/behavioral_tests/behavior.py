"""What a behavior test is made of: texts with what any reader of reviews would say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.behavioral_tests.records import BehaviorKind

Expected = Literal["positive", "negative", "same", "not_higher", "not_lower"]
"""Of a single text: how it must be called. Of a pair: what the change may do to the probability of positive."""

TOLERANCE = 0.1
"""By how much a probability may move where it should not, or against a change's direction (CheckList's own bound)."""


@dataclass(frozen=True)
class Case:
    """One text, or a text before and after a change.

    Attributes:
        text: What the model is asked.
        expected: What a reader would say.
        changed: The text after the change; ``None`` in tests of single texts.
    """

    text: str
    expected: Expected
    changed: str | None = None


@dataclass(frozen=True)
class Behavior:
    """Cases that ask for the same thing.

    Attributes:
        kind: Which of CheckList's kinds of test it is; negation is one of its capabilities, kept apart here.
        name: Short and unique.
        title: For a reader.
        expectation: When a case passes, in a sentence.
        cases: Distinct cases.
    """

    kind: BehaviorKind
    name: str
    title: str
    expectation: str
    cases: tuple[Case, ...]
