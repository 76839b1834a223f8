"""What the gate decided on a run's best model, in words: for the page, the message and the model card."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.promotion.records import ComparedSlice, GateDecision, HeadToHeadSummary, RowSet

HISTORY_HINT = (
    "This is what the gate decided before this report was published. Whether the model really went into service is "
    "told on the page of the champion and in its history: a person may be asked afterwards, and another run may have "
    "been first."
)

FAILURE_WORDS = {"refuse": "refuses it", "keep": "keeps the champion", "cannot_tell": "cannot tell"}
"""What a failed rule of the gate leads to."""

ROW_SET_TITLES = {"new_test": "On this run's test part", "old_test": "On the champion's test part"}


def gate_word(gate: GateDecision) -> str:
    """Return the decision in a word or two, as they stand in front of its sentence."""
    if gate.forced:
        return "Yes, by force"
    return {"promote": "Yes", "keep": "No", "refuse": "No, refused", "needs_person": "Not settled"}[gate.decision]


def gate_told(gate: GateDecision) -> str:
    """Return the decision as a short sentence behind another one."""
    if gate.forced:
        return "A person puts it into service whatever the gate says."
    return {
        "promote": "The gate promotes it.",
        "keep": "The gate promotes no model." if gate.champion_title is None else "The gate keeps the champion.",
        "refuse": "The gate refuses it.",
        "needs_person": "The gate leaves it to a person.",
    }[gate.decision]


def gate_notes(gate: GateDecision) -> Iterator[str]:
    """Yield what is special about a decision: by force, without a champion to compare with, on generated reviews."""
    if gate.forced:
        yield "By force: a person puts it into service. The rules were applied all the same and are shown below."
    if gate.first:
        yield (
            "First champion: no model is in service yet, so there is none to compare it with."
            if gate.champion_title is None
            else f"First champion of real reviews: {gate.champion_title}, which is in service, was trained on "
            "generated ones, so there is nothing to compare."
        )
    if gate.demo:
        yield "Demo: it was trained on generated reviews. It gives way to the first good model of real ones."


def has_both_classes(row_set: RowSet) -> bool:
    """Return whether a row set holds reviews of both classes, without which balanced accuracy means nothing."""
    return bool(row_set.negative.rows and row_set.positive.rows)


def worst_differences(challenge: HeadToHeadSummary | None, most: int) -> tuple[ComparedSlice, ...]:
    """Return the kinds of reviews on which the challenger lies lowest against the champion, the worst first.

    Args:
        challenge: The comparison, if there is one.
        most: How many at most.
    """
    found = challenge.new_test.slices if challenge is not None else ()
    return tuple(sorted(found, key=lambda one: one.difference.value)[:most])
