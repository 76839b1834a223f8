"""Fetching dumps of reviews: bytes from outside become raw files in the store (docs/how-to/use_your_own_reviews.md).

The stage ``fetch`` keeps the bytes of every dump as they came. What they mean is the concern of ``pipeline.readers``.
"""

from pipeline.sources.fetching import DumpCheck, FetchResult, SeenFiles, UnreadableFile, fetch, fetch_new
from pipeline.sources.inbox import InboxFile
from pipeline.sources.records import FetchedFile, FetchSummary

__all__ = [
    "DumpCheck",
    "FetchResult",
    "FetchSummary",
    "FetchedFile",
    "InboxFile",
    "SeenFiles",
    "UnreadableFile",
    "fetch",
    "fetch_new",
]
