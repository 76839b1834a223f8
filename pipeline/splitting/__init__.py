"""Deals reviews to training, validation and test, and proves that the test part is new to the model.

``split`` deals by one of three strategies, ``check_leaks`` counts afterwards, by other means, what the test part
shares with the other two, and ``require_no_leak`` stops a run whose split breaks its promise. The reasons are in
docs/decisions/0003-splitting.md.
"""

from pipeline.splitting.errors import PartUnusableError, SplitImpossibleError
from pipeline.splitting.leaks import check_leaks, require_no_leak
from pipeline.splitting.parts import SET_ASIDE_CODE, part_codes
from pipeline.splitting.records import PART_NAMES, LeakFigure, LeakSummary, PartName, PartSummary, SplitSummary
from pipeline.splitting.stage import split

__all__ = [
    "PART_NAMES",
    "SET_ASIDE_CODE",
    "LeakFigure",
    "LeakSummary",
    "PartName",
    "PartSummary",
    "PartUnusableError",
    "SplitImpossibleError",
    "SplitSummary",
    "check_leaks",
    "part_codes",
    "require_no_leak",
    "split",
]
