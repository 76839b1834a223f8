"""### From a dump of reviews to a judged sentiment model.

Fetches a dump of reviews, sets bad rows aside, cleans the text, deals reviews to training, validation and test
without a leak, fits the vocabulary, trains uni- and bi-directional LSTMs, judges them against each other and
against two cheap baselines, and publishes an evaluation report.

**To run it**: press *Trigger*. The only thing to fill in is *Dumps*: a file, a folder, an `http(s)://` or
`s3://` address, `kaggle` for Amazon Fine Food Reviews, or `demo` for a generated dump. The profile `article`
repeats a published experiment, mistakes included; every other field is empty and then as the profile says.

**What comes out**: `reports/<run>/report.html` in the store, the trained models beside it, and a verdict in
the log of `conclude`. A run that refuses its data still publishes its report, which says why.

**When a task is red**: its log ends with a sentence that says what was found and what to do. A bad file, a wrong
parameter or a broken contract is not retried; a lost connection is. Clearing a task is safe: finished steps
are found in the store and cost seconds, an interrupted training goes on at its last epoch.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import TaskGroup, dag

from pipeline.airflow import notifications, tasks
from pipeline.airflow.approval import ApprovePromotion
from pipeline.airflow.parameters import form
from pipeline.airflow.retraining import schedule


@dag(
    # Without a start date the first weekly run is the next one: nothing runs because Airflow was just started.
    schedule=schedule(),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(days=7),
    default_args=tasks.DEFAULTS,
    on_failure_callback=notifications.notify_failure,
    params=form(),
    render_template_as_native_obj=False,
    doc_md=__doc__,
    tags=["review-sentiment", "training"],
)
def train_review_sentiment() -> None:  # noqa: PLR0915 - one statement a step, and nothing but steps
    """Wire the steps; each is documented where it is defined."""
    with story(
        "reading", "Read the dump", "Land the raw files, read them, set bad rows aside, hold them to a contract"
    ):
        fetched = tasks.fetch()
        ingested = tasks.ingest(fetched)
        validated_raw = tasks.validate_raw(ingested)
        raw_contract = tasks.enforce_contract.override(task_id="enforce_raw_contract")(validated_raw)

    with story("reviews", "Clean the reviews", "Duplicates and neutral reviews go; the rest is labeled and described"):
        cleaned = tasks.clean(validated_raw)
        raw_contract >> cleaned
        validated_clean = tasks.validate_clean(cleaned)
        clean_contract = tasks.enforce_contract.override(task_id="enforce_clean_contract")(validated_clean)
        profiled = tasks.profile(fetched, validated_raw, cleaned)
        no_drift = tasks.enforce_drift_limits(fetched, profiled)
        reviews = tasks.collect(fetched, validated_raw, cleaned)
        clean_contract >> profiled
        no_drift >> reviews

    with story("sequences", "Deal and encode", "Training, validation and test without a leak; words become numbers"):
        parts = tasks.split(reviews)
        leaks = tasks.check_leakage(reviews, parts)
        no_leak = tasks.enforce_no_leakage(leaks)
        vocabulary = tasks.fit_vocabulary(reviews, parts)
        encoded = tasks.encode(reviews, parts, vocabulary)
        references = {
            "fetched": fetched,
            "ingested": ingested,
            "validated_raw": validated_raw,
            "cleaned": cleaned,
            "validated_clean": validated_clean,
            "profiled": profiled,
            "merged": reviews,
            "parts": parts,
            "leaks": leaks,
            "vocabulary": vocabulary,
            "encoded": encoded,
        }
        data = tasks.gather_data(references)

    with story("floor", "What costs nothing", "Always the majority, and counting words: what a model must beat"):
        baselines = tasks.baselines(reviews, parts)
        no_leak >> [data, baselines]
        baseline_behavioral_tests = tasks.run_baseline_behavioral_tests(data, baselines)

    with story(
        "models", "Train and judge each model", "One row per variant: train, evaluate, export, run_behavioral_tests"
    ):
        device = tasks.preflight(data)
        variants = tasks.plan_variants()
        device >> variants
        trained = tasks.train.partial(data=data).expand(variant=variants)
        evaluated = tasks.evaluate.partial(data=data).expand(variant=trained)
        exported = tasks.export.partial(data=data).expand(variant=evaluated)
        behavioral_tests = tasks.run_behavioral_tests.partial(data=data).expand(variant=exported)

    with story(
        "acceptance", "Compare, decide, report", "Which model is best, may it be used, and the report that says why"
    ):
        comparison = tasks.compare(data, behavioral_tests, baselines)
        acceptance = tasks.check_acceptance(data, behavioral_tests, baselines, comparison)
        head_to_head = tasks.challenge(data, behavioral_tests, acceptance)
        gate_result = tasks.gate(data, behavioral_tests, acceptance, head_to_head)
        models = {
            "device": device,
            "variants": behavioral_tests,
            "baselines": baselines,
            "baseline_behavioral_tests": baseline_behavioral_tests,
            "comparison": comparison,
            "acceptance": acceptance,
            "head_to_head": head_to_head,
            "gate_result": gate_result,
        }
        published = tasks.publish_report(data=references, **models)

    with story("service", "Into service", "A person is asked where the gate wants one; a promotion is one atomic step"):
        approval = ApprovePromotion(task_id="approve", gate_result=gate_result)
        published >> approval
        promoted = tasks.promote(gate_result, approval.output, published)
        promoted >> tasks.conclude(gate_result, published)
        tracked = tasks.track(data=references, **models)
        published >> tracked
        [promoted, tracked] >> tasks.mirror_champion()


def story(group_id: str, title: str, tooltip: str) -> TaskGroup:
    """Return a chapter of the graph; task ids stay what they are without it."""
    return TaskGroup(group_id, prefix_group_id=False, group_display_name=title, tooltip=tooltip)


train_review_sentiment()
