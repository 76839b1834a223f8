"""The evaluation report: a page, a JSON file and a message of one frozen object, and where they are published.

``docs/report.md`` explains the page to its reader.
"""

from pipeline.reporting.contents import gather
from pipeline.reporting.publishing import publish, safe_run_name
from pipeline.reporting.records import ReportContents, ReportReferences, VariantReferences
from pipeline.reporting.report import report
from pipeline.reporting.schema import report_schema

__all__ = [
    "ReportContents",
    "ReportReferences",
    "VariantReferences",
    "gather",
    "publish",
    "report",
    "report_schema",
    "safe_run_name",
]
