"""### Remove from the store what nobody can reach any more.

Each training leaves artifacts of every stage, and a report. Those of old runs are no use once their report is gone
and no champion, no batch of the collection and no run at work needs them. This DAG finds them, says how much room they
take, and removes them if it is told to.

**To run it**: press *Trigger*. As the form stands, the run looks only: the log of `plan` has a table of what would go
and why the rest stays. Switch *Look only* off to remove it. With `REVIEW_SENTIMENT_CLEAN_UP_SCHEDULE` (a cron
expression) it runs by itself, and then removes.

**What never goes**: the champion, the models that a roll-back can reach, the raw files of the collection, the newest
reports, whatever was made or used within two days, and all that any of these was made of. What cannot be read stays and
is named.

**When a task is red**: a record could not be read, so that what it keeps is unknown, and nothing was removed. Clearing
is safe: doing it twice changes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import dag

from pipeline.airflow import retention_tasks
from pipeline.airflow.tasks import DEFAULTS


@dag(
    schedule=retention_tasks.schedule(),
    start_date=datetime(2025, 1, 1),  # noqa: DTZ001 - Airflow reads it in the deployment's own time zone
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    default_args=DEFAULTS,
    params=retention_tasks.form(),
    doc_md=__doc__,
    tags=["review-sentiment", "maintenance"],
)
def clean_up_artifacts() -> None:
    """Look, then remove."""
    retention_tasks.remove(retention_tasks.plan())


clean_up_artifacts()
