"""The verdict, the challenge and the gate's decision, with the rules behind them."""

from __future__ import annotations

from typing import Literal

from pipeline.promotion.champions import ChampionModel
from pipeline.statistics import Interval
from pipeline.store import Record

Decision = Literal["accept", "refuse", "cannot_tell"]
GateAnswer = Literal["promote", "keep", "refuse", "needs_person"]
RowSetName = Literal["new_test", "old_test"]


class RuleResult(Record):
    """One rule, applied to the best model."""

    name: str
    sentence: str
    """The rule and its outcome in plain words."""
    figure: float | None
    """What was measured; ``None`` where it is not a number."""
    bound: float
    """What the figure had to reach or not to pass."""
    passed: bool
    if_failed: Literal["refuse", "cannot_tell"]
    """The decision where this is the first rule that failed."""


class Candidate(Record):
    """One model that stood for election."""

    model: str
    title: str
    validation_balanced_accuracy: float | None
    """The figure by which the best was chosen."""


class AcceptanceResult(Record):
    """The decision, its reason, and every rule behind it."""

    decision: Decision
    best_model: str
    best_title: str
    sentence: str
    rules: tuple[RuleResult, ...]
    """In the order in which they decide: the first that failed gives the decision."""
    candidates: tuple[Candidate, ...]
    """All models, the best first."""
    demo: bool


class PairedTally(Record):
    """Rows of one class by which of challenger and champion is right."""

    both: int = 0
    only_challenger: int = 0
    only_champion: int = 0
    neither: int = 0

    @property
    def rows(self) -> int:
        """Rows of the class."""
        return self.both + self.only_challenger + self.only_champion + self.neither


class Differences(Record):
    """Challenger minus champion on the same rows, in shares, with paired 95 % bootstrap intervals."""

    balanced_accuracy: Interval
    accuracy: Interval
    negative_recall: Interval


class ComparedModel(Record):
    """What one of the two models does on a row set."""

    balanced_accuracy: float
    accuracy: float
    negative_recall: float
    calibration_error: float
    """As in ``Scores``; 0 without rows."""
    unusable: int
    """Rows whose probability was no number of 0–1; they count as 0.5."""


class ComparedSlice(Record):
    """Reviews of one kind, and how far the challenger lies from the champion on them."""

    dimension: str
    dimension_title: str
    label: str
    """See ``evaluation.Slice``."""
    rows: int
    only_challenger: int
    """Rows on which just the challenger is right."""
    only_champion: int
    difference: Interval
    """Of the accuracy, challenger minus champion; 95 % by itself, not corrected for the number of slices."""


class RowSet(Record):
    """Test reviews that both models scored from their raw text."""

    name: RowSetName
    rows: int
    """Rows compared."""
    known_to_challenger: int
    known_to_champion: int
    """Rows left out because the model met the same text in training or validation; a row may count in both."""
    left_out: int
    """Rows left out in all."""
    sentence: str
    """What was compared and what was left out."""
    negative: PairedTally
    positive: PairedTally
    differences: Differences | None
    """``None`` without rows."""
    challenger: ComparedModel
    champion: ComparedModel
    slices: tuple[ComparedSlice, ...] = ()
    """Of ``new_test`` alone, in the order of the dimensions."""


class HeadToHeadSummary(Record):
    """Challenger and champion on the same rows."""

    challenger: str
    challenger_title: str
    champion: str
    champion_title: str
    new_test: RowSet
    """The challenger's own test part."""
    old_test: RowSet | None
    """The champion's own test part; ``None`` where it is the challenger's."""


class GateRule(Record):
    """One rule of the gate, applied."""

    name: str
    sentence: str
    """The rule and its outcome in plain words."""
    figure: float | None
    """What was measured; ``None`` where it is no number or was not measured."""
    bound: float | None
    """What the figure had to reach or not to pass; ``None`` where there is no number to pass."""
    passed: bool
    if_failed: Literal["refuse", "keep", "cannot_tell"]


class GateDecision(Record):
    """What becomes of a challenger, and why."""

    decision: GateAnswer
    sentence: str
    rules: tuple[GateRule, ...]
    challenger: ChampionModel
    replacing: int
    """Number of the change that made the present champion; 0 if there is none."""
    champion_title: str | None
    first: bool
    """Whether there was no champion to be compared with: none at all, or one of generated reviews."""
    forced: bool
    """Whether a person promotes it whatever the rules say."""
    demo: bool
    """Whether the challenger was trained on generated reviews."""
