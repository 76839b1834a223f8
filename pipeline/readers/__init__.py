"""Reading raw files, whatever their format, into typed rows (docs/how-to/use_your_own_reviews.md).

The stage ``ingest`` writes ``reviews.parquet``. A row that cannot be read as a review is kept with the reason.
"""

from pipeline.readers.columns import read_column_mapping
from pipeline.readers.reading import check_dump, ingest
from pipeline.readers.records import IngestSummary

__all__ = ["IngestSummary", "check_dump", "ingest", "read_column_mapping"]
