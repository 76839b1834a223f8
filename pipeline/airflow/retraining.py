"""Automatic runs: their schedule and their configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable

from pipeline.airflow.dump_watcher import new_dumps_asset
from pipeline.airflow.parameters import config_from
from pipeline.config import INBOX_DUMP, RunConfig, read_settings
from pipeline.settings import NO_SCHEDULE, load_settings
from pipeline.workflow import default_store

MANUAL_RUNS = frozenset({"manual", "operator_triggered"})


class Run(Protocol):
    """The attributes of Airflow's DAG run that are read."""

    run_type: Any
    conf: Any
    logical_date: Any


def sources() -> tuple[str, ...]:
    """Return the dumps of automatic runs; none if none are configured."""
    settings = load_settings()
    return settings.sources or ((INBOX_DUMP,) if settings.inbox else ())


def schedule() -> AssetOrTimeSchedule | CronTriggerTimetable | list[Asset] | None:
    """Return the training DAG's schedule: a new dump or the cron expression, whichever comes first."""
    if not sources():
        return None
    dumps = new_dumps()
    cron = load_settings().schedule
    weekly = None if cron == NO_SCHEDULE else CronTriggerTimetable(cron, timezone="UTC")
    if dumps is None:
        return weekly
    return [dumps] if weekly is None else AssetOrTimeSchedule(timetable=weekly, assets=[dumps])


def new_dumps() -> Asset | None:
    """Return the asset that a new file in the inbox updates; ``None`` without an inbox."""
    if INBOX_DUMP not in sources():
        return None
    return new_dumps_asset(default_store().url)


def config_of(run: Run, params: Mapping[str, Any]) -> RunConfig:
    """Return a run's configuration: from the form for a manual run, from the deployment's settings for any other.

    An automatic run reads the configured sources and trains on all dumps received so far; a backfill does so as of its
    own date. Parameters given with the run (a backfill's configuration) override the settings.

    Raises:
        ConfigurationError: A name is unknown, a value does not fit, or the settings' file cannot be read.
    """
    kind = str(getattr(run.run_type, "value", run.run_type))
    if kind in MANUAL_RUNS:
        return config_from(params, run.conf)
    values: dict[str, Any] = {"dumps": list(sources() or (INBOX_DUMP,)), "window": "all"}
    if kind == "backfill":
        values["as_of"] = run.logical_date
    if path := load_settings().retrain_config:
        values |= read_settings(path)
    return RunConfig.from_flat({**values, **(run.conf or {})})
