"""The tasks of the clean-up: one plans, one deletes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from pipeline.airflow import metrics, notes
from pipeline.errors import ConfigurationError, quoted
from pipeline.retention import (
    PARAMETERS,
    CleanUpFigures,
    RetentionPolicy,
    clean_up,
    figures_as_text,
    plan_clean_up,
    plan_sentence,
    policy_from,
    result_as_text,
    result_sentence,
)
from pipeline.settings import NO_SCHEDULE, load_settings
from pipeline.workflow import default_store

log = logging.getLogger(__name__)

Json = dict[str, Any]

MAX_SKIPPED = 10


def schedule() -> CronTriggerTimetable | None:
    """Return the DAG's schedule: none unless the deployment sets one."""
    cron = load_settings().clean_up_schedule
    return None if cron == NO_SCHEDULE else CronTriggerTimetable(cron, timezone="UTC")


def form() -> dict[str, Param]:
    """Return the DAG's Params: dry run or not, and the retention policy."""
    fields = RetentionPolicy.model_json_schema()["properties"]
    params = {
        "dry_run": Param(
            True,
            type="boolean",
            title="Dry run",
            description_md="List what would be deleted, and delete nothing. Scheduled runs delete.",
        )
    }
    for name in PARAMETERS:
        schema = dict(fields[name])
        default, description = schema.pop("default"), schema.pop("description")
        params[name] = Param(default, description_md=description, **schema)
    return params


def asked(params: Mapping[str, Any], conf: Mapping[str, Any] | None) -> tuple[RetentionPolicy, bool]:
    """Return the retention policy and whether this is a dry run; unknown keys, which Airflow accepts, are rejected.

    Raises:
        ConfigurationError: A name is unknown or a value does not fit.
    """
    values = {**params, **(conf or {})}
    dry_run = values.pop("dry_run", True)
    if not isinstance(dry_run, bool):
        raise ConfigurationError(f"dry_run is {quoted(dry_run)}; it is true or false.")
    return policy_from(values), dry_run


@task
def plan() -> Json:
    """List the artifacts that nothing references, and why the others are kept; deletes nothing."""
    context = get_current_context()
    run = context["dag_run"]
    policy, dry_run = asked(context["params"], run.conf)
    # A schedule is a decision of the deployment; a form is submitted with its defaults.
    scheduled = str(getattr(run.run_type, "value", run.run_type)) == "scheduled"
    dry_run = dry_run and not scheduled
    figures = plan_clean_up(default_store(), policy, datetime.now(UTC)).figures()
    log.info("%s", figures_as_text(figures))
    if dry_run:
        notes.leave_note("done", "Dry run", f"Nothing was deleted. {plan_sentence(figures)}")
    return {"dry_run": dry_run, "figures": figures.model_dump(mode="json")}


@task
def remove(planned: Json) -> Json:
    """Delete what the plan lists; skipped in a dry run."""
    if planned["dry_run"]:
        raise AirflowSkipException("Nothing was deleted: this is a dry run. Trigger the DAG with dry_run switched off.")
    figures = CleanUpFigures.model_validate(planned["figures"])
    store = default_store()
    # The plan is computed again, as of the same moment, instead of passing thousands of names through XCom.
    result = clean_up(store, plan_clean_up(store, figures.policy, figures.made_at))
    log.info("%s", result_as_text(result))
    metrics.record_clean_up(result.bytes)
    notes.leave_note("done", "Cleaned up", result_sentence(result))
    return {
        "artifacts": len(result.artifacts),
        "reports": len(result.reports),
        "orphans": len(result.orphans),
        "bytes": result.bytes,
        "skipped": [skipped.model_dump() for skipped in result.skipped[:MAX_SKIPPED]],
    }
