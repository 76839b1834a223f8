"""Registers the pages and the run notes with Airflow; `pipeline.airflow` holds them.

Every Airflow process loads this file, each task's included, so it imports next to nothing.
"""

from __future__ import annotations

from pipeline.airflow.plugin import ReviewSentimentPlugin
from pipeline.airflow.run_notes import ReviewSentimentNotes

__all__ = ["ReviewSentimentNotes", "ReviewSentimentPlugin"]
