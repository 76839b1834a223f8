"""FetchResult dumps as they came and reading them into typed rows (docs/bring_your_own_reviews.md).

``fetch`` keeps the raw bytes of every dump in the store; ``ingest`` reads them, whatever their format, into
``reviews.parquet``, where a row that cannot be read as a review is kept with the reason.
"""

from pipeline.ingest.columns import read_column_mapping
from pipeline.ingest.fetching import FetchResult, SeenFiles, UnreadableFile, fetch, fetch_new
from pipeline.ingest.inbox import InboxFile
from pipeline.ingest.reading import ingest
from pipeline.ingest.records import FetchedFile, FetchSummary, IngestedFile, IngestSummary

__all__ = [
    "FetchResult",
    "FetchSummary",
    "FetchedFile",
    "InboxFile",
    "IngestSummary",
    "IngestedFile",
    "SeenFiles",
    "UnreadableFile",
    "fetch",
    "fetch_new",
    "ingest",
    "read_column_mapping",
]
