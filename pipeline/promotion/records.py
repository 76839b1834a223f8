"""Records of promotion: rules, acceptance result, head-to-head evaluation and gate decision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, model_validator

from pipeline.evaluation.records import PairedCounts, PairedDifferences
from pipeline.promotion.champions import ChampionModel
from pipeline.promotion.rule_text import acceptance_sentence, gate_sentence, rule_sentence
from pipeline.statistics import Interval
from pipeline.store import Record

AcceptanceDecision = Literal["accepted", "rejected", "inconclusive"]
GateAnswer = Literal["promoted", "kept", "rejected", "needs_approval"]
"""``kept``: the champion stays, or no model is promoted if there is none."""
Failure = Literal["rejected", "kept", "inconclusive"]
FAILURES: tuple[Failure, ...] = ("rejected", "kept", "inconclusive")
"""Of several failed rules, the first of these decides."""
RuleCode = Literal[
    "finite_scores",
    "no_leakage",
    "both_classes_predicted",
    "enough_test_rows",
    "better_than_majority",
    "not_below_tfidf",
    "data_contract",
    "finite_evidence",
    "export_matches",
    "calibration",
    "model_size",
    "real_data",
    "new_model",
    "behavior",
    "compared",
    "enough_compared_rows",
    "not_below_champion",
    "not_below_on_champion_test",
    "no_slice_worse",
    "improvement",
]
RowSetName = Literal["challenger_test", "champion_test"]


class Rule(Record):
    """One rule, applied to a model; :mod:`pipeline.promotion.rule_text` makes its sentence."""

    code: RuleCode
    passed: bool
    if_failed: Failure
    value: float | None = None
    """What was measured; ``None`` if nothing was, or if it is not finite."""
    bound: float | None = None
    """Smallest or largest value that passes; ``None`` for a rule without a number."""
    details: dict[str, int | float | str | None] = Field(default_factory=dict)
    """What else its sentence names."""

    @property
    def sentence(self) -> str:
        """The rule and its outcome in plain words."""
        return rule_sentence(self)


def deciding_rule(rules: Iterable[Rule]) -> Rule | None:
    """Return the failed rule that decides, or ``None`` if every rule passed."""
    failed = [rule for rule in rules if not rule.passed]
    return min(failed, key=lambda rule: FAILURES.index(rule.if_failed), default=None)


class Candidate(Record):
    """One model of the run."""

    model: str
    title: str
    validation_balanced_accuracy: float | None
    """The figure by which the best was chosen."""


class AcceptanceResult(Record):
    """Whether the best model of a run may be used, and every rule behind it."""

    decision: AcceptanceDecision
    best_model: str
    best_title: str
    rules: tuple[Rule, ...]
    candidates: tuple[Candidate, ...]
    """All models, the best first."""
    demo: bool
    """Whether the reviews are generated."""

    @model_validator(mode="after")
    def _decision_follows_from_rules(self) -> AcceptanceResult:
        reason = deciding_rule(self.rules)
        expected = "accepted" if reason is None else reason.if_failed
        if self.decision != expected:
            raise ValueError(f"The decision is {self.decision}, but the rules give {expected}.")
        return self

    @property
    def sentence(self) -> str:
        """The decision and its reason in plain words."""
        return acceptance_sentence(self, deciding_rule(self.rules))


class ComparedModel(Record):
    """Metrics of one of the two models on a row set."""

    balanced_accuracy: float
    accuracy: float
    negative_recall: float
    calibration_error: float
    """As in ``Scores``; 0 without rows."""
    unusable: int
    """Rows whose prediction is not a number in 0–1; they count as 0.5."""


class ComparedSlice(Record):
    """A slice of the reviews, and the difference between challenger and champion on it."""

    dimension: str
    dimension_title: str
    label: str
    """See ``evaluation.Slice``."""
    rows: int
    only_challenger: int
    """Rows on which only the challenger is right."""
    only_champion: int
    difference: Interval
    """Accuracy of the challenger minus that of the champion; 95 %, not corrected for the number of slices."""


class RowSet(Record):
    """Test reviews that both models scored from their raw text."""

    name: RowSetName
    rows: int
    """Rows compared."""
    known_to_challenger: int
    known_to_champion: int
    """Rows excluded because the model saw the same text in training or validation; a row may count in both."""
    excluded: int
    negative: PairedCounts
    """The challenger is the first model, the champion the second."""
    positive: PairedCounts
    differences: PairedDifferences | None
    """Challenger minus champion; ``None`` without rows."""
    challenger: ComparedModel
    champion: ComparedModel
    slices: tuple[ComparedSlice, ...] = ()
    """Of ``challenger_test`` only, in the order of the dimensions."""


class HeadToHeadSummary(Record):
    """Challenger and champion on the same rows."""

    challenger: str
    challenger_title: str
    champion: str
    champion_title: str
    challenger_test: RowSet
    """Test split of the challenger."""
    champion_test: RowSet | None
    """Test split of the champion; ``None`` if both models share one split."""


class GateDecision(Record):
    """Whether a challenger replaces the champion, and every rule behind it."""

    decision: GateAnswer
    rules: tuple[Rule, ...]
    """Those of the acceptance check, then those of the gate."""
    challenger: ChampionModel
    replacing: int
    """Number of the change that made the current champion; 0 if there is none."""
    champion_title: str | None
    first: bool
    """Whether there is no champion to compare with: none at all, or one trained on generated reviews."""
    force_reason: str | None = None
    """Why a user promotes the challenger regardless of the rules; hostile input."""

    @property
    def forced(self) -> bool:
        """Whether a user promotes the challenger regardless of the rules."""
        return self.force_reason is not None

    @property
    def demo(self) -> bool:
        """Whether the challenger was trained on generated reviews."""
        return self.challenger.demo

    @property
    def sentence(self) -> str:
        """The decision and its reason in plain words."""
        return gate_sentence(self, deciding_rule(self.rules))
