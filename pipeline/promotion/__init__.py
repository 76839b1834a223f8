"""From evaluated models to the one in production: acceptance check, head-to-head evaluation, gate and champions.

``docs/explanation/evaluation.md`` lists the rules of the acceptance check, ``docs/explanation/promotion.md`` those of
the gate.
"""

from pipeline.promotion.acceptance import acceptance, check_acceptance
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
from pipeline.promotion.gate import GateError, gate, gate_decision, promote
from pipeline.promotion.head_to_head import compare_to_champion
from pipeline.promotion.records import (
    AcceptanceDecision,
    AcceptanceResult,
    Candidate,
    ComparedSlice,
    GateAnswer,
    GateDecision,
    HeadToHeadSummary,
    RowSet,
    Rule,
)
from pipeline.promotion.rules import MARGIN, MIN_CLASS_ROWS, Evidence

__all__ = [
    "MARGIN",
    "MIN_CLASS_ROWS",
    "AcceptanceDecision",
    "AcceptanceResult",
    "Candidate",
    "ChampionChange",
    "ChampionChangedError",
    "ChampionModel",
    "ComparedSlice",
    "Evidence",
    "GateAnswer",
    "GateDecision",
    "GateError",
    "HeadToHeadSummary",
    "NoChampionError",
    "RowSet",
    "Rule",
    "acceptance",
    "champion",
    "champion_changes",
    "change_champion",
    "check_acceptance",
    "compare_to_champion",
    "gate",
    "gate_decision",
    "promote",
    "roll_back",
    "rolled_back",
]
