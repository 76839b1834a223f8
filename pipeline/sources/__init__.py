"""Fetching dumps of reviews: bytes from outside become raw files in the store (docs/how-to/use_your_own_reviews.md).

The stage ``fetch`` keeps the bytes of every dump as received. ``pipeline.readers`` reads them.
"""

from pipeline.sources.fetching import UnreadableFile, fetch, fetch_new
from pipeline.sources.records import FetchSummary
from pipeline.sources.source import InboxFile, SeenFiles

__all__ = ["FetchSummary", "InboxFile", "SeenFiles", "UnreadableFile", "fetch", "fetch_new"]
