"""### Score every review of a dump.

Fetches a dump, reads it, splits it into shards, scores each with one exported model, and publishes one file of
predictions. It reads the same kinds of dumps as the training; stars are not needed.

**To run it**: press *Trigger*, fill in *Dumps* and leave *Model* at `champion`. If the deployment sets
`REVIEW_SENTIMENT_SCORE_AFTER_PROMOTION`, every new champion scores the dumps named there.

A model that was trained on generated demo reviews is refused for real ones, unless *Allow a demo model* is on.

**Results**: the note of the run, and `predictions/<run>/` in the store. `predictions.parquet` has `row`, `id`,
`probability` (of a positive review), `label` (1 from the model's threshold), `sentiment` (`positive`, `negative`,
`unsure`, `unknown`), `model_version` and `unknown_word_share`; `excluded.parquet` has the rows that could not be
scored, with the reason; `summary.json` has the totals and warnings. The asset `predictions` is updated.

**If a task failed**: its log ends with a message that says what was found and what to do next. Clearing a task is safe:
finished shards are reused from the store.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import dag

from pipeline.airflow import notifications, scoring_tasks
from pipeline.airflow.tasks import DEFAULTS


@dag(
    schedule=scoring_tasks.schedule(),
    start_date=datetime(2025, 1, 1),  # noqa: DTZ001 - Airflow reads it in the deployment's own time zone
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=24),
    default_args=DEFAULTS,
    on_failure_callback=notifications.notify_failure,
    params=scoring_tasks.scoring_form(),
    render_template_as_native_obj=False,
    doc_md=__doc__,
    tags=["review-sentiment", "scoring"],
)
def score_reviews() -> None:
    """Wire the tasks of ``pipeline/airflow/scoring_tasks.py``."""
    model = scoring_tasks.choose_model()
    fetched = scoring_tasks.fetch()
    # Without a model there is no reason to fetch a dump.
    model >> fetched
    ingested = scoring_tasks.ingest(fetched)
    shards = scoring_tasks.plan(ingested, model)
    scored = scoring_tasks.score.partial(model=model, ingested=ingested).expand(shard=shards)
    scoring_tasks.publish(scored)


score_reviews()
