"""See docs/data.md."""

from pipeline.cleaning import rules
from pipeline.cleaning.records import CleanSummary, FunnelStep

__all__ = ["CleanSummary", "FunnelStep", "rules"]
