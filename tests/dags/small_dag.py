"""A DAG of three tasks that says, links and tells as the real one does, in a second instead of a minute."""

from __future__ import annotations

from airflow.sdk import TriggerRule, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from pipeline.airflow import notes, notifications
from pipeline.airflow.links import reporting_task, training_task
from pipeline.errors import ContractViolationError
from pipeline.workflow import RunResult


@dag(
    "small_review_sentiment",
    schedule=None,
    on_failure_callback=notifications.notify_failure,
    default_args={"on_failure_callback": notes.leave_failure_note},
)
def small_review_sentiment() -> None:
    @task
    def fetch() -> list[int]:
        """Take the dumps."""
        if get_current_context()["dag_run"].conf["what"] == "nothing":
            notes.leave_note("skipped", "Nothing new", "No dump has come since the last run.")
            raise AirflowSkipException
        return [0, 1]

    @training_task
    def train(number: int) -> int:
        """Fit one variant."""
        what = get_current_context()["dag_run"].conf["what"]
        if what == "contract":
            raise ContractViolationError("Too few rows: 3 <b>of</b> *200*; {{ 7 * 7 }} @channel. Give a larger dump.")
        if what == "error":
            raise RuntimeError("https://user:secret@host/?token=secret")
        return number

    @reporting_task(trigger_rule=TriggerRule.ALL_DONE)
    def publish_report(trained: object) -> None:
        """Publish the report."""
        if trained is None:
            raise AirflowSkipException
        context = get_current_context()
        if context["dag_run"].conf["what"] in {"judged", "contract"}:
            run_id = context["dag_run"].run_id
            place = f"s3://key:secret@bucket/reports/{run_id}/report.html?token=secret"
            notes.leave_report_note(RunResult(run_name=run_id, report=place, refusal=None))

    @reporting_task
    def conclude(trained: object) -> None:
        """Green only if every step was."""

    trained = train.expand(number=fetch())
    publish_report(trained) >> conclude(trained)


small_review_sentiment()
