"""Landing dumps as they came and reading them into typed rows (docs/bring_your_own_reviews.md).

``land`` keeps the raw bytes of every dump in the store; ``ingest`` reads them, whatever their format, into
``reviews.parquet``, where a row that cannot be read as a review is kept with the reason.
"""

from pipeline.ingest.columns import read_column_mapping
from pipeline.ingest.inbox import InboxFile
from pipeline.ingest.landing import KnownFiles, Landing, UnreadableFile, land, land_new
from pipeline.ingest.reading import ingest
from pipeline.ingest.records import IngestedFile, IngestSummary, LandedFile, LandSummary

__all__ = [
    "InboxFile",
    "IngestSummary",
    "IngestedFile",
    "KnownFiles",
    "LandSummary",
    "LandedFile",
    "Landing",
    "UnreadableFile",
    "ingest",
    "land",
    "land_new",
    "read_column_mapping",
]
