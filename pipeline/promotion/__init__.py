"""From judged models to the one in service: the verdict, the challenge, the gate, and the champion's history.

``docs/explanation/evaluation.md`` lists the rules of the acceptance check and their bounds,
``docs/explanation/promotion.md`` those of the gate.
"""

from pipeline.promotion.acceptance import MARGIN, MIN_RARE_ROWS, acceptance, check_acceptance
from pipeline.promotion.champions import (
    ChampionChange,
    ChampionChangedError,
    ChampionModel,
    NoChampionError,
    champion,
    champion_changes,
    change_champion,
    roll_back,
    rolled_back,
)
from pipeline.promotion.gate import Evidence, GateError, gate, gate_decision, promote
from pipeline.promotion.head_to_head import ReviewScorer, challenge
from pipeline.promotion.records import (
    AcceptanceResult,
    Candidate,
    ComparedSlice,
    Decision,
    GateDecision,
    GateRule,
    HeadToHeadSummary,
    RowSet,
    RuleResult,
)

__all__ = [
    "MARGIN",
    "MIN_RARE_ROWS",
    "AcceptanceResult",
    "Candidate",
    "ChampionChange",
    "ChampionChangedError",
    "ChampionModel",
    "ComparedSlice",
    "Decision",
    "Evidence",
    "GateDecision",
    "GateError",
    "GateRule",
    "HeadToHeadSummary",
    "NoChampionError",
    "ReviewScorer",
    "RowSet",
    "RuleResult",
    "acceptance",
    "challenge",
    "champion",
    "champion_changes",
    "change_champion",
    "check_acceptance",
    "gate",
    "gate_decision",
    "promote",
    "roll_back",
    "rolled_back",
]
