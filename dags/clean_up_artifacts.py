"""### Delete the artifacts that nothing references.

Each training run leaves artifacts of every stage, and a report. This DAG lists the artifacts that no report, champion,
batch or running task references, with their size, and deletes them on request.

**To run it**: press *Trigger*. By default it is a dry run: the log of `plan` has a table of what would be deleted and
why the rest is kept. Switch *Dry run* off to delete. With `REVIEW_SENTIMENT_CLEAN_UP_SCHEDULE` (a cron expression) the
DAG runs on a schedule and deletes.

**Never deleted**: the champion, the models that a rollback can reach, the raw files of the batch registry, the newest
reports, everything made or used within two days, and whatever these were made of. Unreadable records are kept.

**If a task failed**: a record could not be read, so its references are unknown, and nothing was deleted. Clearing a
task is safe.
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
    """Wire the tasks of ``pipeline/airflow/retention_tasks.py``."""
    retention_tasks.remove(retention_tasks.plan())


clean_up_artifacts()
