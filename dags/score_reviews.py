"""### From a dump of reviews and a model to a prediction for every review.

Fetches a dump, reads it, cuts it into shards, scores each with one exported model from its raw text, and publishes one
file of predictions. The dump may be any that the training reads.

**To run it**: press *Trigger*, give *Dumps* (a file, a folder, an `http(s)://` or `s3://` address), and leave *Model*
at `champion`, the model in service. With `REVIEW_SENTIMENT_SCORE_AFTER_PROMOTION` set to dumps (separated by commas),
every new champion scores them by itself.

**What comes out**: `predictions/<run>/` in the store. `predictions.parquet` has `row`, `id`, `probability` (that the
review is positive), `label` (1 from the model's threshold on), `model_version` and `unknown_word_share`;
`excluded.parquet` has each row that could not be scored, with the reason; `summary.json` has the figures. Rows read =
rows scored + rows excluded. The asset `predictions` tells of each run.

**When a task is red**: its log ends with a sentence that says what was found and what to do. Clearing a task is safe:
each finished shard is found in the store, so a killed run loses one at most.
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
    """Wire the steps; each is documented where it is defined."""
    model = scoring_tasks.choose_model()
    fetched = scoring_tasks.fetch()
    # Without a model there is no reason to fetch a dump.
    model >> fetched
    ingested = scoring_tasks.ingest(fetched)
    shards = scoring_tasks.plan(ingested)
    scored = scoring_tasks.score.partial(model=model, ingested=ingested).expand(shard=shards)
    scoring_tasks.publish(scored)


score_reviews()
