"""Stops the run if a data contract is violated, with a message that says what to do."""

from __future__ import annotations

from pipeline.errors import MESSAGE_LIMIT, ContractViolationError, shortened
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.validation.records import ExpectationResult, ValidationSummary

LONGEST_PART = 260
"""Longest observed or expected value in the message, in characters."""


def enforce_contract(validated: ArtifactReference, store: ArtifactStore) -> None:
    """Stop the run if the data contract is violated.

    Args:
        validated: An artifact of ``validate_raw`` or ``validate_clean``.
        store: The store.

    Raises:
        ContractViolationError: The message has the observed value, the expected value and the next step of each failed
            expectation.
        ArtifactError: The artifact is missing or damaged.
    """
    summary = store.summary(validated, ValidationSummary)
    if not summary.contract.success:
        raise ContractViolationError(violation_message(summary, validated))


def violation_message(summary: ValidationSummary, validated: ArtifactReference) -> str:
    """Return the message about a violated contract, at most ``MESSAGE_LIMIT`` characters long."""
    failed, expectations = summary.contract.failed, len(summary.contract.expectations)
    head = (
        f"The {summary.data_set} data violate their contract: {len(failed)} of {expectations} expectations failed, so "
        "no model is trained on them."
    )
    tail = f"All expectations: {summary.data_docs or 'summary.json'} of artifact {validated}."
    lines: list[str] = []
    room = MESSAGE_LIMIT - len(head) - len(tail) - len("\n- and 99 more.") - 2
    for expectation in failed:
        line = _line(expectation)
        if lines and len(line) + 1 > room:
            lines.append(f"- and {len(failed) - len(lines)} more.")
            break
        lines.append(line)
        room -= len(line) + 1
    return "\n".join([head, *lines, tail])


def _line(result: ExpectationResult) -> str:
    return (
        f"- {result.title}: observed {shortened(result.observed, LONGEST_PART)}; expected "
        f"{shortened(result.expected, LONGEST_PART)}. Next: {shortened(result.advice, 2 * LONGEST_PART)}"
    )
