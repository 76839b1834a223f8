"""The evaluation report: page, JSON, message and model card of one frozen object, and where they go.

``docs/reference/report.md`` explains the page to its reader.
"""

from pipeline.reporting.publishing import publish
from pipeline.reporting.report import report

__all__ = ["publish", "report"]
