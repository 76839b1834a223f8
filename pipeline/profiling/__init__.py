"""What a dump looks like, and how it differs from the dump before (docs/explanation/drift.md).

Importing the package is cheap; pandas and pyarrow load when a dump is read.
"""

from pipeline.profiling.dump import ProfiledDump
from pipeline.profiling.previous import previous_dump
from pipeline.profiling.records import ColumnDrift, DriftBin, DumpComparison, NewWord, PeriodShare, ProfileSummary
from pipeline.profiling.stage import profile

__all__ = [
    "ColumnDrift",
    "DriftBin",
    "DumpComparison",
    "NewWord",
    "PeriodShare",
    "ProfileSummary",
    "ProfiledDump",
    "previous_dump",
    "profile",
]
