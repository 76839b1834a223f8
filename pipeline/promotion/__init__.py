"""The verdict: whether the best model may go into service, and why.

``docs/evaluation.md`` lists the rules and their bounds.
"""

from pipeline.promotion.records import Candidate, Decision, RuleResult, Verdict
from pipeline.promotion.verdict import MARGIN, MIN_RARE_ROWS, decide, verdict

__all__ = ["MARGIN", "MIN_RARE_ROWS", "Candidate", "Decision", "RuleResult", "Verdict", "decide", "verdict"]
