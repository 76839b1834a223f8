"""### Go back to the model that was in service before.

Press *Trigger* and say why. The model before the present champion goes back into service at once, under your name; the
present one is not deleted, and a second roll-back returns to it. Scoring reads the champion anew for each run.

The training DAG compares its next model with whichever champion it then finds.
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
            title="Why",
            description_md="What is wrong with the present champion. It is kept with your name in the history.",
        )
    },
    doc_md=__doc__,
    tags=["review-sentiment", "promotion"],
)
def roll_back_champion() -> None:
    """Wire the steps; each is documented where it is defined."""
    tasks.roll_back() >> tasks.mirror_champion()


roll_back_champion()
