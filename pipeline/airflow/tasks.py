"""The tasks of the workflow: each hands references to one step of ``pipeline.workflow`` and returns references.

A reference is a few hundred bytes of JSON; data never goes through XCom. Everything heavy is imported by the
step itself, when the task runs.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, ExceptionRetryPolicy, RetryAction, RetryRule, TriggerRule, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from pipeline.airflow import metrics, notes, notifications
from pipeline.airflow.assets import CHAMPION, CLEAN_REVIEWS, MODEL, REPORT
from pipeline.airflow.links import mapped_task, reporting_task, training_task
from pipeline.airflow.metrics import told, told_device, told_fetched, told_variant
from pipeline.airflow.retraining import config_of
from pipeline.errors import NothingNewError
from pipeline.references import DataReferences, ModelReferences, VariantReferences
from pipeline.settings import load_settings
from pipeline.store import ArtifactReference
from pipeline.training.records import DeviceRecord
from pipeline.workflow import NOBODY, Workflow, default_store, mirrored_champion, roll_back_champion

if TYPE_CHECKING:
    from pipeline.promotion import ChampionChange

log = logging.getLogger(__name__)

Json = dict[str, Any]

SETTINGS = load_settings()

DEFAULTS: Json = {
    "owner": "review-sentiment",
    "retries": 2,
    "retry_delay": timedelta(seconds=30),
    "execution_timeout": timedelta(hours=1),
    "on_failure_callback": [notes.say_failure, metrics.tell_failure],
    # A lost connection may come back; a wrong parameter, a bad file or a broken contract stays what it is.
    "retry_policy": ExceptionRetryPolicy(
        rules=[
            RetryRule(exception="pipeline.errors.SourceUnavailableError", action=RetryAction.RETRY),
            RetryRule(exception="pipeline.errors.PipelineError", action=RetryAction.FAIL),
        ]
    ),
}
ON_GPU: Json = {
    "queue": SETTINGS.gpu_queue,
    "pool": SETTINGS.gpu_pool,
    "execution_timeout": timedelta(hours=12),
    # Named only where one is asked for: the DAG file of a task with an executor that is not configured is not read.
    **({"executor": SETTINGS.gpu_executor} if SETTINGS.gpu_executor else {}),
}
UNTIL_THE_SERVER_IS_BACK: Json = {
    "retries": 10,
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(hours=1),
}
"""Nothing is lost while MLflow's server is away: what it lacks is read from the store again, for about five hours."""


def workflow() -> Workflow:
    """Return the steps for the running task: its parameters and the deployment's store."""
    context = get_current_context()
    run = context["dag_run"]
    return Workflow(config_of(run, context["params"]), default_store(), run.run_id)


def _reference(value: Json) -> ArtifactReference:
    return ArtifactReference.model_validate(value)


def _present(value: Json | None) -> ArtifactReference | None:
    return _reference(value) if value else None


@task(execution_timeout=timedelta(hours=3))
def fetch() -> Json:
    """Check the parameters, fetch what is new and keep it as it came; where nothing is, the run ends here, skipped."""
    try:
        return told_fetched(workflow().fetch())
    except NothingNewError as reason:
        notes.say("skipped", "Nothing new", str(reason))
        raise AirflowSkipException(str(reason)) from None


@task
def ingest(fetched: Json) -> Json:
    """Read the raw files into one typed table."""
    return told(workflow().ingest(_reference(fetched)))


@task
def validate_raw(ingested: Json) -> Json:
    """Quarantine bad rows; hold the rest against the contract of raw reviews."""
    return told(workflow().validate_raw(_reference(ingested)))


@task
def enforce_contract(validated: Json) -> None:
    """Stop the run before training if the contract is broken."""
    workflow().enforce_contract(_reference(validated))


@task(outlets=[CLEAN_REVIEWS])
def clean(validated: Json) -> Json:
    """Drop neutral and repeated reviews, label the rest, normalize the text."""
    steps = workflow()
    cleaned = steps.clean(_reference(validated))
    _tell(CLEAN_REVIEWS, steps.told_of_clean(cleaned))
    return told(cleaned)


@task
def validate_clean(cleaned: Json) -> Json:
    """Hold the clean reviews against their contract."""
    return told(workflow().validate_clean(_reference(cleaned)))


@task
def profile(fetched: Json, validated_raw: Json, cleaned: Json) -> Json:
    """Describe the clean reviews, beside those of the dump before, where the store knows one."""
    data = DataReferences.model_validate({"fetched": fetched, "validated_raw": validated_raw, "cleaned": cleaned})
    return told(workflow().profile(data))


@task
def enforce_drift_limits(fetched: Json, profiled: Json) -> None:
    """Keep a dump out of the collection that lies too far from what the champion was trained on."""
    workflow().enforce_drift_limits(DataReferences.model_validate({"fetched": fetched, "profiled": profiled}))


@task
def collect(fetched: Json, validated_raw: Json, cleaned: Json) -> Json:
    """Add the dumps to the collection; lay their reviews together with earlier ones, as far as the window reaches."""
    data = DataReferences.model_validate({"fetched": fetched, "validated_raw": validated_raw, "cleaned": cleaned})
    reviews = workflow().collect(data)
    # Where there is nothing to lay them together with, the clean reviews themselves come back, which were told of.
    return reviews.model_dump() if reviews == data.cleaned else told(reviews)


@task
def split(reviews: Json) -> Json:
    """Deal the reviews to training, validation and test."""
    return told(workflow().split(_reference(reviews)))


@task
def check_leakage(reviews: Json, parts: Json) -> Json:
    """Count what the test part shares with the other two."""
    return told(workflow().check_leakage(_reference(reviews), _reference(parts)))


@task
def enforce_no_leakage(leaks: Json) -> None:
    """Stop the run before training if the split breaks its promise."""
    workflow().enforce_no_leakage(_reference(leaks))


@task
def fit_vocabulary(reviews: Json, parts: Json) -> Json:
    """Choose the words that the models may know."""
    return told(workflow().fit_vocabulary(_reference(reviews), _reference(parts)))


@task
def encode(reviews: Json, parts: Json, vocabulary: Json) -> Json:
    """Turn words into sequences of word ids."""
    references = (_reference(value) for value in (reviews, parts, vocabulary))
    return told(workflow().encode(*references))


@task
def baselines(reviews: Json, parts: Json) -> Json:
    """Judge always-majority and TF-IDF with logistic regression on the same rows."""
    return told(workflow().baselines(_reference(reviews), _reference(parts)))


@task(**ON_GPU)
def preflight(data: Json) -> Json:
    """Name the device and run one LSTM step on it, before hours are spent."""
    steps = workflow()
    device = steps.preflight(DataReferences.model_validate(data))
    if SETTINGS.gpu_queue != "default" and device.kind == "cpu" and steps.config.hardware.device != "cpu":
        log.warning(
            "No GPU on this worker (%s): the models of this run are trained on the CPU, which takes many times longer. "
            "For a GPU, let no worker without one take the queue %r (docs/how-to/deploy.md).",
            socket.gethostname(),
            SETTINGS.gpu_queue,
        )
    return told_device(device)


@task
def plan_variants() -> list[str]:
    """Name the models to train: the product of every swept list."""
    return [variant.name for variant in workflow().config.variants]


@task
def gather_data(references: Json) -> Json:
    """Bind the data's references together, for the tasks of each variant."""
    return DataReferences.model_validate(references).model_dump()


@training_task(**ON_GPU, map_index_template="{{ variant_title }}")
def train(variant: str, data: Json) -> Json:
    """Fit one variant; after a kill, go on at its last epoch."""
    steps = workflow()
    _label(steps, variant)
    return told_variant(steps.train(DataReferences.model_validate(data), steps.variant(variant)))


@mapped_task(**ON_GPU, map_index_template="{{ variant_title }}")
def evaluate(variant: Json, data: Json) -> Json:
    """Judge one trained variant on the test part, once."""
    return _variant_step("evaluate", variant, data)


@mapped_task(**ON_GPU, map_index_template="{{ variant_title }}")
def export(variant: Json, data: Json) -> Json:
    """Export one judged variant as a model from raw text to probability."""
    return _variant_step("export", variant, data)


@mapped_task(**ON_GPU, map_index_template="{{ variant_title }}")
def run_behavioral_tests(variant: Json, data: Json) -> Json:
    """Test one exported variant with texts written for that purpose, and take its worst mistakes apart."""
    return _variant_step("run_behavioral_tests", variant, data)


@task
def run_baseline_behavioral_tests(data: Json, baselines: Json) -> Json:
    """Test the baseline that counts words in the same way: what an LSTM buys shows on negations."""
    return told(workflow().run_baseline_behavioral_tests(DataReferences.model_validate(data), _reference(baselines)))


@task
def compare(data: Json, variants: Sequence[Json], baselines: Json) -> Json:
    """Compare the variants with each other and with the baselines, row by row."""
    references = DataReferences.model_validate(data)
    return told(workflow().compare(references, _variants(variants), _reference(baselines)))


@task(outlets=[MODEL])
def check_acceptance(data: Json, variants: Sequence[Json], baselines: Json, comparison: Json) -> Json:
    """Say whether the best variant may be used, and why."""
    steps, judged = workflow(), _variants(variants)
    acceptance = steps.check_acceptance(
        DataReferences.model_validate(data), judged, _reference(baselines), _reference(comparison)
    )
    _tell(MODEL, steps.told_of_model(acceptance, judged))
    metrics.tell_scores(judged, _reference(baselines))
    return told(acceptance)


@task(**ON_GPU)
def challenge(data: Json, variants: Sequence[Json], acceptance: Json) -> Json:
    """Let the best model and the champion score the same reviews; nothing to do where there is no champion."""
    references = DataReferences.model_validate(data)
    head_to_head = workflow().challenge(references, _variants(variants), _reference(acceptance))
    if head_to_head is None:
        # Airflow keeps no XCom of None, and warns whoever asks for it.
        return {}
    metrics.tell_challenge(head_to_head)
    return told(head_to_head)


@task
def gate(data: Json, variants: Sequence[Json], acceptance: Json, head_to_head: Json) -> Json:
    """Decide whether the best model takes the champion's place, by rules with figures and bounds."""
    references = DataReferences.model_validate(data)
    steps = workflow()
    gate_result = steps.gate(references, _variants(variants), _reference(acceptance), _present(head_to_head))
    metrics.tell_gate(gate_result)
    return told(gate_result)


@reporting_task(trigger_rule=TriggerRule.ALL_DONE, outlets=[REPORT])
def publish_report(
    *,
    device: Json | None,
    variants: Sequence[Json],
    baselines: Json | None,
    baseline_behavioral_tests: Json | None,
    comparison: Json | None,
    acceptance: Json | None,
    head_to_head: Json | None,
    gate_result: Json | None,
    data: dict[str, Json | None],
) -> Json:
    """Publish the report of the run, also when a step refused or failed: that is when it is needed most.

    References are ``None`` for steps that did not end.
    """
    if data["ingested"] is None:
        raise AirflowSkipException(
            "No dump could be read, so there is nothing to report; see the log of the first red task."
        )
    models = _models(
        device=device,
        variants=variants,
        baselines=baselines,
        baseline_behavioral_tests=baseline_behavioral_tests,
        comparison=comparison,
        acceptance=acceptance,
        head_to_head=head_to_head,
        gate_result=gate_result,
    )
    run_name = get_current_context()["dag_run"].run_id
    result = workflow().publish_report(run_name, DataReferences.model_validate(data), models)
    log.info("Report: %s", result.report)
    _tell(REPORT, result.model_dump())
    metrics.tell_report(result)
    note = notes.say_report(result)
    return {**result.model_dump(), "figures": list(note.figures) if note is not None else []}


@task(**UNTIL_THE_SERVER_IS_BACK)
def track(
    *,
    device: Json | None,
    variants: Sequence[Json],
    baselines: Json | None,
    baseline_behavioral_tests: Json | None,
    comparison: Json | None,
    acceptance: Json | None,
    head_to_head: Json | None,
    gate_result: Json | None,
    data: dict[str, Json | None],
) -> Json:
    """Tell MLflow of every variant: parameters, epochs, scores, the report and the best model."""
    models = _models(
        device=device,
        variants=variants,
        baselines=baselines,
        baseline_behavioral_tests=baseline_behavioral_tests,
        comparison=comparison,
        acceptance=acceptance,
        head_to_head=head_to_head,
        gate_result=gate_result,
    )
    return workflow().track(DataReferences.model_validate(data), models).model_dump()


@task(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS, **UNTIL_THE_SERVER_IS_BACK)
def mirror_champion() -> Json:
    """Let MLflow's aliases say what the store says: which model is the champion, and which was before."""
    return mirrored_champion(default_store()).model_dump()


@task(outlets=[CHAMPION])
def promote(gate_result: Json, approval: Json, published: Json) -> Json:
    """Put the model into service if the gate or the person whom it asked says so; else the champion stays: skipped."""
    context = get_current_context()
    by = (approval.get("responded_by_user") or {}).get("name") or context["dag_run"].triggering_user_name
    change = workflow().promote(_reference(gate_result), who=by, approved=bool(approval))
    if change is None:
        raise AirflowSkipException(workflow().decision(_reference(gate_result)).sentence)
    sentence = f"{change.model.title} is the champion now: {change.why}"
    notes.say("promoted", "Promoted", sentence)
    notifications.notify_promotion(context, sentence, published["figures"])
    return _tell_of_champion(change)


@task(outlets=[CHAMPION])
def roll_back() -> Json:
    """Put the model that served before back into service, with who says so and why."""
    context = get_current_context()
    run = context["dag_run"]
    who = run.triggering_user_name or NOBODY
    return _tell_of_champion(
        roll_back_champion(default_store(), who=who, why=context["params"]["why"], run_name=run.run_id)
    )


@reporting_task(trigger_rule=TriggerRule.NONE_FAILED)
def conclude(gate_result: Json, published: Json) -> str:
    """Say the decision; green only if every step was, for a published report alone does not make a success."""
    if gate_result is None:
        raise AirflowSkipException("Nothing was trained, so there is nothing to decide.")
    decided = workflow().decision(_reference(gate_result))
    log.info("%s Report: %s", decided.sentence, published["report"])
    if decided.decision == "refuse":
        notifications.notify_refusal(get_current_context(), decided.sentence, published["figures"])
    return decided.sentence


def _tell(asset: Asset, figures: Json) -> None:
    """Put figures on the asset's event, for its page in the UI and for whoever is scheduled on it."""
    get_current_context()["outlet_events"][asset].extra = figures


def _tell_of_champion(change: ChampionChange) -> Json:
    event = {
        "number": change.number,
        "kind": change.kind,
        "model": change.model.title,
        "run": change.model.run_name,
        "exported": str(change.model.exported),
        "who": change.who,
        "why": change.why,
    }
    _tell(CHAMPION, event)
    metrics.tell_champion(change)
    return event


def _variant_step(name: str, variant: Json, data: Json) -> Json:
    steps = workflow()
    references = VariantReferences.model_validate(variant)
    _label(steps, references.name)
    done: VariantReferences = getattr(steps, name)(DataReferences.model_validate(data), references)
    return told_variant(done, before=references)


def _models(device: Json | None, variants: Sequence[Json], **references: Json | None) -> ModelReferences:
    return ModelReferences(
        device=None if device is None else DeviceRecord.model_validate(device),
        variants=tuple(_variants(variants)),
        **{name: _present(value) for name, value in references.items()},
    )


def _variants(values: Sequence[Json]) -> list[VariantReferences]:
    # One request for all: iterating over a mapped task's results asks for one after the other, past the last.
    return [VariantReferences.model_validate(value) for value in values[:] if value is not None]


def _label(steps: Workflow, name: str) -> None:
    """Give the mapped task its name in the UI."""
    get_current_context()["variant_title"] = steps.variant(name).title  # type: ignore[typeddict-unknown-key]
