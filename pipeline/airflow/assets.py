"""What the workflow leaves behind, as Airflow's Assets page lists it: each event tells of one run's result."""

from __future__ import annotations

from airflow.sdk import Asset

CLEAN_REVIEWS = Asset(name="clean_reviews", group="review_sentiment")
"""Labeled reviews with their words; an event has rows and the artifact."""
MODEL = Asset(name="judged_model", group="review_sentiment")
"""The best variant of a run; an event has the verdict, the scores and the exported model."""
REPORT = Asset(name="evaluation_report", group="review_sentiment")
"""A published report; an event has its place and the verdict in a sentence."""
CHAMPION = Asset(name="champion", group="review_sentiment")
"""The model in service; an event tells of each change: the model, who, why."""
