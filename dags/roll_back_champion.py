"""### Make the previous champion the champion again.

Press *Trigger* and give the reason. The previous champion replaces the current one at once; your name and reason are
recorded. The current champion is not deleted: a second rollback returns to it. Scoring runs that start afterwards use
the restored model, and the next training run is compared with it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Param, dag

from pipeline.airflow import notifications, tasks


@dag(
    schedule=None,
    start_date=datetime(2025, 1, 1),  # noqa: DTZ001 - Airflow reads it in the deployment's own time zone
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(days=1),
    default_args=tasks.DEFAULTS,
    on_failure_callback=notifications.notify_failure,
    params={
        "why": Param(
            None,
            type="string",
            minLength=5,
            maxLength=500,
            title="Reason",
            description_md="What is wrong with the current champion. Recorded with your name in the model history.",
        )
    },
    doc_md=__doc__,
    tags=["review-sentiment", "promotion"],
)
def roll_back_champion() -> None:
    """Wire the tasks of ``pipeline/airflow/tasks.py``."""
    tasks.roll_back() >> tasks.mirror_champion()


roll_back_champion()
