"""Run the behavioral tests: a model's answers to the test texts, and the cases that fail."""

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

MAX_FAILURES = 5
"""Failing cases that the result lists."""
INVALID_PROBABILITY = 0.5
"""Recorded for an answer that is not a probability; its case fails, whatever is expected."""


class TextScorer(Protocol):
    """A model that scores raw reviews, e.g. :class:`pipeline.scoring.Scorer`."""

    @property
    def threshold(self) -> float:
        """Probability from which a review counts as positive."""

    def probabilities(
        self, texts: Sequence[str], summaries: Sequence[str] | None = None, /
    ) -> NDArray[np.floating[Any]]:
        """Return the probability that each raw review is positive, ``[len(texts)]``, in the same order.

        ``summaries`` stand in front of the texts if the model was trained with summaries; other models ignore them.
        """


def run_tests(scorer: TextScorer, tests: Sequence[Behavior] | None = None) -> tuple[BehaviorTest, ...]:
    """Score every text of the behavioral tests in one call, and return the cases that pass and fail.

    A single text passes if it is classified as expected. A pair passes if the probability moves by at most
    ``TOLERANCE``: in either direction, or against the expected one. An answer that is not a number from 0 to 1 fails.

    Args:
        scorer: The model.
        tests: By default the project's own tests.
    """
    tests = behaviors() if tests is None else tests
    texts = dict.fromkeys(
        text for test in tests for case in test.cases for text in (case.text, case.changed) if text is not None
    )
    answers = dict(zip(texts, valid_probabilities(scorer, list(texts)), strict=True))
    if invalid := sum(answer is None for answer in answers.values()):
        log.warning("The model gave no probability for %d of %d test texts; their cases fail.", invalid, len(texts))
    return tuple(_run_test(test, answers, scorer.threshold) for test in tests)


def valid_probabilities(scorer: TextScorer, texts: Sequence[str]) -> list[float | None]:
    """Return each text's probability, or ``None`` if the model's answer is not a number from 0 to 1."""
    return [answer if 0 <= answer <= 1 else None for answer in map(float, scorer.probabilities(texts))]


def _run_test(test: Behavior, answers: dict[str, float | None], threshold: float) -> BehaviorTest:
    failed: list[tuple[float, BehaviorCase]] = []
    for case in test.cases:
        before = answers[case.text]
        after = None if case.changed is None else answers[case.changed]
        distance = _distance_from_passing(case, before, after, threshold)
        if distance is not None:
            failed.append((distance, _failure(case, before, after)))
    # Sorting is stable: equal failures keep their order in the test.
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
        failures=tuple(case for _, case in failed[:MAX_FAILURES]),
    )


def _distance_from_passing(case: Case, before: float | None, after: float | None, threshold: float) -> float | None:
    """Return by how much a case fails, or ``None`` if it passes."""
    if before is None or (case.changed is not None and after is None):
        return float("inf")
    if after is None:
        is_positive = before >= threshold
        return None if is_positive == (case.expected == "positive") else abs(before - threshold)
    rise = after - before
    excess = {"same": abs(rise), "not_higher": rise, "not_lower": -rise}[case.expected] - TOLERANCE
    return excess if excess > 0 else None


def _failure(case: Case, before: float | None, after: float | None) -> BehaviorCase:
    return BehaviorCase(
        text=case.text,
        changed=case.changed,
        probability=INVALID_PROBABILITY if before is None else before,
        changed_probability=None if case.changed is None else INVALID_PROBABILITY if after is None else after,
    )
