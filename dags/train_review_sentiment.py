"""### From a dump of reviews to a judged sentiment model.

Lands a dump of reviews, sets bad rows aside, cleans the text, deals reviews to training, validation and test
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
from review_sentiment import notifications, tasks
from review_sentiment.approval import ApprovePromotion
from review_sentiment.parameters import form
from review_sentiment.retraining import schedule


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
        landed = tasks.land()
        ingested = tasks.ingest(landed)
        validated_raw = tasks.validate_raw(ingested)
        raw_contract = tasks.require_contract.override(task_id="require_raw_contract")(validated_raw)

    with story("reviews", "Clean the reviews", "Duplicates and neutral reviews go; the rest is labelled and described"):
        cleaned = tasks.clean(validated_raw)
        raw_contract >> cleaned
        validated_clean = tasks.validate_clean(cleaned)
        clean_contract = tasks.require_contract.override(task_id="require_clean_contract")(validated_clean)
        profiled = tasks.profile(landed, validated_raw, cleaned)
        no_drift = tasks.require_no_drift(landed, profiled)
        reviews = tasks.collect(landed, validated_raw, cleaned)
        clean_contract >> profiled
        no_drift >> reviews

    with story("sequences", "Deal and encode", "Training, validation and test without a leak; words become numbers"):
        parts = tasks.split(reviews)
        leaks = tasks.check_leaks(reviews, parts)
        no_leak = tasks.require_no_leak(leaks)
        vocabulary = tasks.fit_vocabulary(reviews, parts)
        encoded = tasks.encode(reviews, parts, vocabulary)
        references = {
            "landed": landed,
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
        baseline_examined = tasks.examine_baseline(data, baselines)

    with story("models", "Train and judge each model", "One row per variant: train, evaluate, export, examine"):
        device = tasks.preflight(data)
        variants = tasks.plan_variants()
        device >> variants
        trained = tasks.train.partial(data=data).expand(variant=variants)
        evaluated = tasks.evaluate.partial(data=data).expand(variant=trained)
        exported = tasks.export.partial(data=data).expand(variant=evaluated)
        examined = tasks.examine.partial(data=data).expand(variant=exported)

    with story(
        "verdict", "Compare, decide, report", "Which model is best, may it be used, and the report that says why"
    ):
        comparison = tasks.compare(data, examined, baselines)
        verdict = tasks.decide(data, examined, baselines, comparison)
        challenged = tasks.challenge(data, examined, verdict)
        gated = tasks.gate(data, examined, verdict, challenged)
        models = {
            "device": device,
            "variants": examined,
            "baselines": baselines,
            "baseline_examined": baseline_examined,
            "comparison": comparison,
            "verdict": verdict,
            "challenged": challenged,
            "gated": gated,
        }
        published = tasks.publish_report(data=references, **models)

    with story("service", "Into service", "A person is asked where the gate wants one; a promotion is one atomic step"):
        approval = ApprovePromotion(task_id="approve", gated=gated)
        published >> approval
        promoted = tasks.promote(gated, approval.output, published)
        promoted >> tasks.conclude(gated, published)
        tracked = tasks.track(data=references, **models)
        published >> tracked
        [promoted, tracked] >> tasks.mirror_champion()


def story(group_id: str, title: str, tooltip: str) -> TaskGroup:
    """Return a chapter of the graph; task ids stay what they are without it."""
    return TaskGroup(group_id, prefix_group_id=False, group_display_name=title, tooltip=tooltip)


train_review_sentiment()
