"""Deals reviews to training, validation and test, and proves that the test part is new to the model.

``split`` deals by one of three strategies, ``check_leakage`` counts afterwards, by other means, what the test part
shares with the other two, and ``enforce_no_leakage`` stops a run whose split breaks its promise. The reasons are in
docs/decisions/0003-splitting.md.
"""

from pipeline.splitting.errors import PartUnusableError, SplitImpossibleError
from pipeline.splitting.leakage import check_leakage, enforce_no_leakage
from pipeline.splitting.parts import EXCLUDED_CODE, part_codes
from pipeline.splitting.records import PART_NAMES, LeakageFigure, LeakageSummary, PartName, PartSummary, SplitSummary
from pipeline.splitting.stage import split

__all__ = [
    "EXCLUDED_CODE",
    "PART_NAMES",
    "LeakageFigure",
    "LeakageSummary",
    "PartName",
    "PartSummary",
    "PartUnusableError",
    "SplitImpossibleError",
    "SplitSummary",
    "check_leakage",
    "enforce_no_leakage",
    "part_codes",
    "split",
]
