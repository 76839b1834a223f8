"""Deals reviews to training, validation and test, and proves that the test part is new to the model.

``split`` deals by one of three strategies, ``check_leakage`` counts afterwards, by other means, what the test part
shares with the other two, and ``enforce_no_leakage`` stops a run whose split breaks its promise. The reasons are in
docs/decisions/0003-splitting.md.
"""

from pipeline.splitting.errors import SplitImpossibleError, UnusableSplitError
from pipeline.splitting.leakage import check_leakage, enforce_no_leakage
from pipeline.splitting.records import SPLIT_NAMES, LeakageFigure, LeakageSummary, SplitInfo, SplitName, SplitSummary
from pipeline.splitting.splits import EXCLUDED_CODE, split_codes
from pipeline.splitting.stage import split

__all__ = [
    "EXCLUDED_CODE",
    "SPLIT_NAMES",
    "LeakageFigure",
    "LeakageSummary",
    "SplitImpossibleError",
    "SplitInfo",
    "SplitName",
    "SplitSummary",
    "UnusableSplitError",
    "check_leakage",
    "enforce_no_leakage",
    "split",
    "split_codes",
]
