"""The tasks of scoring a dump: each hands references to one step of ``pipeline.scoring`` and returns references.

Everything heavy is imported by the step itself, when the task runs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, Param, get_current_context, task

from pipeline.airflow import metrics, notes
from pipeline.airflow.assets import CHAMPION
from pipeline.airflow.links import mapped_task
from pipeline.airflow.parameters import form
from pipeline.config import DataConfig, RunConfig
from pipeline.errors import ConfigurationError, quoted
from pipeline.settings import load_settings
from pipeline.store import ArtifactReference
from pipeline.workflow import default_store

log = logging.getLogger(__name__)

Json = dict[str, Any]

PREDICTIONS = Asset(name="predictions", group="review_sentiment")
"""The predictions of a dump; an event has their place, the model, rows, positive share and share of unknown words."""

ROWS_PER_SHARD = 50_000
"""As ``pipeline.scoring.ROWS_PER_SHARD``, which would load too much here."""
READING = ("dumps", "columns", "delimiter", "encoding")
"""What of the training's form says how a dump is read."""


def schedule() -> list[Asset] | None:
    """Return the schedule: a new champion, if the deployment names dumps to score."""
    return [CHAMPION] if load_settings().score_after_promotion else None


def scoring_form() -> dict[str, Param]:
    """Return the DAG's Params: the model, the dumps and how to read them."""
    training = form()
    dumps = training["dumps"]
    params = {
        "dumps": Param(
            list(load_settings().score_after_promotion) or dumps.value, description=dumps.description, **dumps.schema
        ),
        "model": Param(
            "champion",
            type="string",
            minLength=1,
            title="Model",
            description_md="`champion`; `latest`, the newest exported one; or `export/KEY`.",
        ),
    }
    params["allow_demo_model"] = Param(
        False,
        type="boolean",
        title="Allow a demo model",
        description_md="Let a model that was trained on generated demo reviews score real ones. Its answers mean "
        "nothing there.",
    )
    params |= {name: training[name] for name in READING[1:]}
    params["rows_per_shard"] = Param(
        ROWS_PER_SHARD,
        type="integer",
        minimum=1,
        title="Rows per shard",
        description_md="Rows that one task scores. A killed run loses one shard at most.",
        section="Work",
    )
    return params


def asked() -> Json:
    """Return the running task's parameters.

    Raises:
        ConfigurationError: The run was given a name that is none of them; Airflow accepts any.
    """
    context = get_current_context()
    params: Mapping[str, Any] = context["params"]
    given: Mapping[str, Any] = context["dag_run"].conf or {}
    known = {*READING, "model", "allow_demo_model", "rows_per_shard"}
    for name in given:
        if name not in known:
            raise ConfigurationError(f"There is no parameter {quoted(name)}. Known are: {', '.join(sorted(known))}.")
    return {**params, **given}


def reading() -> DataConfig:
    """Return which dumps to read, and how."""
    values = asked()
    return RunConfig.from_flat({name: values[name] for name in READING}).data


@task
def choose_model() -> Json:
    """Say which exported model scores: one for the whole run, whatever is promoted meanwhile."""
    from pipeline.scoring import find_export

    found = find_export(str(asked()["model"]), default_store())
    log.info("Scored by %s", found)
    return found.model_dump()


@task(execution_timeout=timedelta(hours=3))
def fetch() -> Json:
    """Fetch the raw files and keep them as they came."""
    from pipeline.readers import check_dump
    from pipeline.sources import fetch as fetch_dumps

    return fetch_dumps(reading(), default_store(), check_dump).model_dump()


@task
def ingest(fetched: Json) -> Json:
    """Read the raw files into one typed table; reviews that are only scored need no stars."""
    from pipeline.readers import ingest as ingest_dumps

    return ingest_dumps(_reference(fetched), reading(), default_store(), stars=False).model_dump()


@task
def plan(ingested: Json, model: Json) -> list[Json]:
    """Cut the dump into shards, if the model fits it: a model of demo reviews does not score real ones."""
    from pipeline.scoring import plan_shards, require_fit_model

    store, values, dump = default_store(), asked(), _reference(ingested)
    require_fit_model(_reference(model), dump, store, allow_demo_model=bool(values["allow_demo_model"]))
    shards = plan_shards(dump, store, int(values["rows_per_shard"]))
    return [shard.model_dump() for shard in shards]


# One at a time: a task already keeps two cores busy, and each holds the network in memory.
@mapped_task(map_index_template="{{ shard_title }}", max_active_tis_per_dagrun=1, execution_timeout=timedelta(hours=3))
def score(shard: Json, model: Json, ingested: Json) -> Json:
    """Score one shard; one that was scored before is reused."""
    from pipeline.scoring import Shard, score_shard

    rows = Shard.model_validate(shard)
    get_current_context()["shard_title"] = rows.title  # type: ignore[typeddict-unknown-key]
    return score_shard(_reference(model), _reference(ingested), rows, default_store()).model_dump()


@task(outlets=[PREDICTIONS])
def publish(scored: Sequence[Json]) -> Json:
    """Publish the predictions of all shards in one file and report their figures."""
    from pipeline.scoring import publish_predictions

    context = get_current_context()
    # One request for all: iterating over a mapped task's results asks for one after the other.
    references = [_reference(value) for value in scored[:]]
    published = publish_predictions(references, context["dag_run"].run_id, default_store())
    notes.leave_scoring_note(published)
    event = published.event()
    context["outlet_events"][PREDICTIONS].extra = {**event}
    metrics.record_scoring(references)
    return event


def _reference(value: Json) -> ArtifactReference:
    return ArtifactReference.model_validate(value)
