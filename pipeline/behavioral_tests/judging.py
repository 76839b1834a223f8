"""What a model says to the texts of the behavior tests, and which of its answers fail."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.behavioral_tests.behavior import TOLERANCE, Behavior, Case
from pipeline.behavioral_tests.records import BehaviorCase, BehaviorTest
from pipeline.behavioral_tests.templates import behaviors
from pipeline.statistics import wilson_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

SHOWN_FAILURES = 5
UNKNOWN = 0.5
"""Shown where a model gave no probability; such a case fails whatever was expected."""


class TextScorer(Protocol):
    """Whatever says of raw reviews how probably each is positive."""

    def probabilities(self, texts: Sequence[str], /) -> NDArray[np.floating[Any]]:
        """Return the probability that each raw review is positive, ``[len(texts)]``, in the order given."""


def judge(scorer: TextScorer, threshold: float, tests: Sequence[Behavior] | None = None) -> tuple[BehaviorTest, ...]:
    """Ask a model every text of the behavior tests, all at once, and say which cases it passes.

    A single text passes if it is called as expected: positive from the threshold on. A pair passes if the probability
    moves by no more than ``TOLERANCE`` at all, or against the expected direction. A probability that is no number of
    0–1 fails its case and is shown as 0.5.

    Args:
        scorer: The model.
        threshold: Probability from which a review counts as positive.
        tests: Other tests than the project's own.
    """
    tests = behaviors() if tests is None else tests
    asked = dict.fromkeys(
        text for test in tests for case in test.cases for text in (case.text, case.changed) if text is not None
    )
    answers = dict(zip(asked, usable(scorer, list(asked)), strict=True))
    if unusable := sum(answer is None for answer in answers.values()):
        log.warning("The model gave no probability for %d of %d test texts; their cases fail.", unusable, len(asked))
    return tuple(_judged(test, answers, threshold) for test in tests)


def usable(scorer: TextScorer, texts: Sequence[str]) -> list[float | None]:
    """Return each text's probability, or ``None`` where the model gives no number of 0–1."""
    return [answer if 0 <= answer <= 1 else None for answer in map(float, scorer.probabilities(texts))]


def _judged(test: Behavior, answers: dict[str, float | None], threshold: float) -> BehaviorTest:
    failed: list[tuple[float, BehaviorCase]] = []
    for case in test.cases:
        before = answers[case.text]
        after = None if case.changed is None else answers[case.changed]
        distance = _distance_from_passing(case, before, after, threshold)
        if distance is not None:
            failed.append((distance, _shown(case, before, after)))
    # Sorting is stable: of equal ones the first in the test stand first.
    failed.sort(key=lambda failure: -failure[0])
    passed = len(test.cases) - len(failed)
    return BehaviorTest(
        kind=test.kind,
        name=test.name,
        title=test.title,
        expectation=test.expectation,
        cases=len(test.cases),
        passed=passed,
        pass_rate=wilson_interval(passed, len(test.cases)),
        failures=tuple(case for _, case in failed[:SHOWN_FAILURES]),
    )


def _distance_from_passing(case: Case, before: float | None, after: float | None, threshold: float) -> float | None:
    """Return by how much a case fails, or ``None`` where it passes."""
    if before is None or (case.changed is not None and after is None):
        return float("inf")
    if after is None:
        called_positive = before >= threshold
        return None if called_positive == (case.expected == "positive") else abs(before - threshold)
    rise = after - before
    excess = {"same": abs(rise), "not_higher": rise, "not_lower": -rise}[case.expected] - TOLERANCE
    return excess if excess > 0 else None


def _shown(case: Case, before: float | None, after: float | None) -> BehaviorCase:
    return BehaviorCase(
        text=case.text,
        changed=case.changed,
        probability=UNKNOWN if before is None else before,
        changed_probability=None if case.changed is None else UNKNOWN if after is None else after,
    )
