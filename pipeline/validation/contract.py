"""The gate: a broken contract stops the run, in words that say what to do."""

from __future__ import annotations

from pipeline.errors import MESSAGE_LIMIT, ContractViolationError
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.validation.records import ExpectationResult, ValidationSummary

LONGEST_PART = 260
"""Characters that one figure or advice may take of the message."""


def enforce_contract(validated: ArtifactReference, store: ArtifactStore) -> None:
    """Let the run go on only if the contract holds.

    Args:
        validated: An artifact of ``validate_raw`` or ``validate_clean``.
        store: Where it lies.

    Raises:
        ContractViolationError: Names each broken clause with what was observed, what was expected and what to do.
        ArtifactError: The artifact is missing or damaged.
    """
    summary = store.summary(validated, ValidationSummary)
    if not summary.contract.success:
        raise ContractViolationError(_message(summary, validated))


def _message(summary: ValidationSummary, validated: ArtifactReference) -> str:
    broken, clauses = summary.contract.broken, len(summary.contract.expectations)
    verb = "is" if len(broken) == 1 else "are"
    head = (
        f"The {summary.data_set} data break their contract: {len(broken)} of {clauses} clauses {verb} broken, so "
        "nothing is trained on them."
    )
    tail = f"Every clause: {summary.data_docs or 'summary.json'} of artifact {validated}."
    lines: list[str] = []
    room = MESSAGE_LIMIT - len(head) - len(tail) - len("\n- and 99 more.") - 2
    for clause in broken:
        line = _line(clause)
        if lines and len(line) + 1 > room:
            lines.append(f"- and {len(broken) - len(lines)} more.")
            break
        lines.append(line)
        room -= len(line) + 1
    return "\n".join([head, *lines, tail])


def _line(clause: ExpectationResult) -> str:
    return (
        f"- {clause.title}: observed {_short(clause.observed)}; expected {_short(clause.expected)}. "
        f"Next: {_short(clause.advice, 2 * LONGEST_PART)}"
    )


def _short(text: str, limit: int = LONGEST_PART) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
