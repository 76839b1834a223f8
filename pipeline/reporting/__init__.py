"""The evaluation report: page, JSON, message and model card of one frozen object, and where they go.

``docs/reference/report.md`` explains the page to its reader.
"""

from pipeline.reporting.gathering import gather
from pipeline.reporting.publishing import publish
from pipeline.reporting.records import ReportContents
from pipeline.reporting.report import report
from pipeline.reporting.schema import report_schema

__all__ = [
    "ReportContents",
    "gather",
    "publish",
    "report",
    "report_schema",
]
