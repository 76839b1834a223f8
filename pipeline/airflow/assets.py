"""The assets of the workflow, as Airflow's Assets page lists them; each event describes the result of one run."""

from __future__ import annotations

from airflow.sdk import Asset

CLEAN_REVIEWS = Asset(name="clean_reviews", group="review_sentiment")
"""Labeled and normalized reviews; an event names the artifact and counts the reviews."""
MODEL = Asset(name="evaluated_model", group="review_sentiment")
"""The best variant of a run; an event holds the acceptance decision, scores and the exported model."""
REPORT = Asset(name="evaluation_report", group="review_sentiment")
"""A published report; an event holds its place and, for a run that stopped early, the reason."""
CHAMPION = Asset(name="champion", group="review_sentiment")
"""The model in production; an event describes each change: the model, who changed it, and why."""
