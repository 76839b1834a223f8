"""Assigns reviews to the train, validation and test splits, and checks for data leakage.

``split`` assigns rows by one of four strategies. ``check_leakage`` then counts, with independent code, the test rows
that are known from training or validation. ``enforce_no_leakage`` stops a run whose split violates a guarantee.
Reasons: docs/decisions/0003-splitting.md.
"""

from pipeline.splitting.leakage import check_leakage, enforce_no_leakage
from pipeline.splitting.stage import split

__all__ = ["check_leakage", "enforce_no_leakage", "split"]
