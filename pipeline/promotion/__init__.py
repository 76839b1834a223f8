"""From evaluated models to the one in production: acceptance check, head-to-head evaluation, gate and champions.

``docs/explanation/evaluation.md`` lists the rules of the acceptance check, ``docs/explanation/promotion.md`` those of
the gate.
"""

from pipeline.promotion.acceptance import check_acceptance
from pipeline.promotion.champions import ChampionChange, champion_changes, roll_back
from pipeline.promotion.gate import gate, promote
from pipeline.promotion.head_to_head import compare_to_champion
from pipeline.promotion.records import AcceptanceResult, GateDecision

__all__ = [
    "AcceptanceResult",
    "ChampionChange",
    "GateDecision",
    "champion_changes",
    "check_acceptance",
    "compare_to_champion",
    "gate",
    "promote",
    "roll_back",
]
