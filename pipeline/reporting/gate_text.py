"""The decision of the gate in a few words, for the page, the message and the model card."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.promotion.records import ComparedSlice, GateAnswer, GateDecision, HeadToHeadSummary, RowSet

HISTORY_HINT = (
    "This is the decision of the gate at the time of this report. The champion page and its history show whether the "
    "model was promoted: a promotion may need manual approval, or another run may have changed the champion first."
)

FAILURE_WORDS = {"rejected": "rejects it", "kept": "keeps the champion", "inconclusive": "is inconclusive"}
"""Effect of a failed rule of the gate."""

ROW_SET_TITLES = {
    "challenger_test": "On the test split of the challenger",
    "champion_test": "On the test split of the champion",
}


DECISIONS: dict[GateAnswer, tuple[str, str]] = {
    "promoted": ("Promoted", "The gate promotes it."),
    "kept": ("Not promoted", "The gate keeps the champion."),
    "rejected": ("Rejected", "The gate rejects it."),
    "needs_approval": ("Needs approval", "Its promotion needs manual approval."),
}


def gate_word(gate: GateDecision) -> str:
    """Return the decision in a word or two."""
    return "Promoted by force" if gate.forced else DECISIONS[gate.decision][0]


def gate_told(gate: GateDecision) -> str:
    """Return the decision as a short sentence."""
    if gate.forced:
        return "A user promotes it regardless of the rules."
    if gate.decision == "kept" and gate.champion_title is None:
        return "The gate promotes no model."
    return DECISIONS[gate.decision][1]


def gate_notes(gate: GateDecision) -> Iterator[str]:
    """Yield notes on a forced decision, a first champion and generated reviews."""
    if gate.forced:
        yield "By force: a user promotes it. The results of the rules are shown below."
    if gate.first:
        yield (
            "First champion: no model is in production yet, so there is none to compare with."
            if gate.champion_title is None
            else f"First champion of real reviews: {gate.champion_title}, now in production, was trained on generated "
            "reviews, so the two are not compared."
        )
    if gate.demo:
        yield "Demo: it was trained on generated reviews. The first accepted model of real reviews replaces it."


def has_both_classes(row_set: RowSet) -> bool:
    """Return whether a row set has reviews of both classes, which balanced accuracy needs."""
    return bool(row_set.negative.rows and row_set.positive.rows)


def worst_differences(challenge: HeadToHeadSummary | None, most: int) -> tuple[ComparedSlice, ...]:
    """Return the slices with the lowest difference between challenger and champion, the worst first.

    Args:
        challenge: The comparison, if there is one.
        most: How many at most.
    """
    found = challenge.challenger_test.slices if challenge is not None else ()
    return tuple(sorted(found, key=lambda one: one.difference.value)[:most])
