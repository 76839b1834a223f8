"""The tasks of the clean-up: one looks, one removes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from pipeline.airflow import metrics
from pipeline.errors import ConfigurationError, quoted
from pipeline.retention import (
    KNOBS,
    CleanUpFigures,
    RetentionPolicy,
    clean_up,
    figures_as_text,
    plan_clean_up,
    policy_from,
    result_as_text,
)
from pipeline.settings import NO_SCHEDULE, load_settings
from pipeline.workflow import default_store

log = logging.getLogger(__name__)

Json = dict[str, Any]

SHOWN_SPARED = 10


def schedule() -> CronTriggerTimetable | None:
    """Return when the DAG runs by itself: not at all, unless the deployment says when."""
    cron = load_settings().clean_up_schedule
    return None if cron == NO_SCHEDULE else CronTriggerTimetable(cron, timezone="UTC")


def form() -> dict[str, Param]:
    """Return the DAG's Params: whether to look only, and what is kept."""
    fields = RetentionPolicy.model_json_schema()["properties"]
    params = {
        "dry_run": Param(
            True,
            type="boolean",
            title="Look only",
            description_md="Say what would go, and remove nothing. A run that the schedule starts removes.",
        )
    }
    for name in KNOBS:
        schema = dict(fields[name])
        default, description = schema.pop("default"), schema.pop("description")
        params[name] = Param(default, description_md=description, **schema)
    return params


def asked(params: Mapping[str, Any], conf: Mapping[str, Any] | None) -> tuple[RetentionPolicy, bool]:
    """Return what is kept, and whether to look only; Airflow accepts unknown keys in ``conf`` silently, this does not.

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
    """Say what nothing reaches any more, and why the rest stays; nothing changes."""
    context = get_current_context()
    run = context["dag_run"]
    policy, dry_run = asked(context["params"], run.conf)
    # The schedule of a deployment is an order; a form that somebody opens is not yet one.
    scheduled = str(getattr(run.run_type, "value", run.run_type)) == "scheduled"
    figures = plan_clean_up(default_store(), policy, datetime.now(UTC)).figures()
    log.info("%s", figures_as_text(figures))
    return {"dry_run": dry_run and not scheduled, "figures": figures.model_dump(mode="json")}


@task
def remove(planned: Json) -> Json:
    """Remove what nothing reaches, as of the moment of the plan; skipped where the run was to look only."""
    if planned["dry_run"]:
        raise AirflowSkipException("Nothing was removed: the run was to look only. Trigger it with dry_run off.")
    figures = CleanUpFigures.model_validate(planned["figures"])
    store = default_store()
    # Thousands of names are no matter for XCom: the plan is made anew, by the same clock.
    result = clean_up(store, plan_clean_up(store, figures.policy, figures.made_at))
    log.info("%s", result_as_text(result))
    metrics.tell_clean_up(result.bytes)
    return {
        "artifacts": len(result.artifacts),
        "reports": len(result.reports),
        "strays": len(result.strays),
        "bytes": result.bytes,
        "spared": [spared.model_dump() for spared in result.spared[:SHOWN_SPARED]],
    }
