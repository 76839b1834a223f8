"""From judged models to the one in service: the verdict, the challenge, the gate, and the champion's history.

``docs/evaluation.md`` lists the verdict's rules and their bounds, ``docs/promotion.md`` the gate's.
"""

from pipeline.promotion.challenge import ReviewScorer, challenge
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
from pipeline.promotion.records import (
    Candidate,
    ChallengeSummary,
    ComparedSlice,
    Decision,
    GateDecision,
    GateRule,
    RowSet,
    RuleResult,
    Verdict,
)
from pipeline.promotion.verdict import MARGIN, MIN_RARE_ROWS, decide, verdict

__all__ = [
    "MARGIN",
    "MIN_RARE_ROWS",
    "Candidate",
    "ChallengeSummary",
    "ChampionChange",
    "ChampionChangedError",
    "ChampionModel",
    "ComparedSlice",
    "Decision",
    "Evidence",
    "GateDecision",
    "GateError",
    "GateRule",
    "NoChampionError",
    "ReviewScorer",
    "RowSet",
    "RuleResult",
    "Verdict",
    "challenge",
    "champion",
    "champion_changes",
    "change_champion",
    "decide",
    "gate",
    "gate_decision",
    "promote",
    "roll_back",
    "rolled_back",
    "verdict",
]
