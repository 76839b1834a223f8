"""### Train a sentiment model on review dumps and promote it if it is better.

Fetches review dumps, validates and cleans them, trains uni- and bidirectional LSTMs, evaluates them against two
baselines and against the champion, publishes an evaluation report, and promotes the best model if it passes the gate.

**To run it**: press *Trigger* and fill in *Dumps*: files, folders, `http(s)://` or `s3://` addresses, `inbox` for new
files in the inbox, `kaggle` for Amazon Fine Food Reviews, or `demo` for a generated dump. Every other field is
optional. The profile `article` replicates a published experiment, including its errors.

**Results**: the tab *Evaluation report* of the run, `reports/<run>/` in the store, and the gate's decision in the log
of `conclude`. A run whose data is rejected publishes a report, too, with the reason.

**If a task failed**: its log ends with a message that says what was found and what to do next. Airflow retries a lost
connection, but not a bad file, a wrong parameter or a violated data contract. Clearing a task is safe: finished stages
are reused from the store, and an interrupted training resumes after its last epoch.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import TaskGroup, dag

from pipeline.airflow import notifications, tasks
from pipeline.airflow.approval import ApprovePromotion
from pipeline.airflow.parameters import form
from pipeline.airflow.retraining import schedule
from pipeline.airflow.tasks import enforce, stage, variant_stage


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
def train_review_sentiment() -> None:
    """Wire the stages; ``pipeline/stages.py`` describes each."""
    with group("read_dumps", "Ingest", "Fetch the raw files, read them, quarantine bad rows, check the data contract"):
        fetched = stage("fetch")()
        ingested = stage("ingest")(fetched)
        validated_raw = stage("validate_raw")(ingested)
        raw_contract = enforce("validate_raw")(validated_raw)

    with group(
        "prepare_reviews", "Clean and profile", "Label and normalize the reviews, measure drift, build the dataset"
    ):
        cleaned = stage("clean")(raw_contract)
        validated_clean = stage("validate_clean")(cleaned)
        clean_contract = enforce("validate_clean")(validated_clean)
        profiled = stage("profile")(clean_contract)
        drift_limits = enforce("profile")(profiled)
        reviews = stage("build_dataset")(drift_limits)

    with group("split_and_encode", "Split and encode", "Leak-free train, validation and test splits, token ids"):
        splits = stage("split")(reviews)
        leakage = stage("check_leakage")(splits)
        no_leakage = enforce("check_leakage")(leakage)
        vocabulary = stage("fit_vocabulary")(splits)
        encoded = stage("encode")(vocabulary)

    with group("evaluate_baselines", "Baselines", "Majority class, TF-IDF, NB-SVM and VADER"):
        baselines = stage("baselines")(no_leakage)
        baseline_tests = stage("run_baseline_behavioral_tests")(baselines)

    with group(
        "train_variants", "Train and evaluate", "Each variant: train, predict, evaluate, export, behavioral tests"
    ):
        ready = stage("preflight")(encoded, no_leakage)
        trained = variant_stage("train").partial(state=ready).expand(variant=tasks.plan_variants(ready))
        predicted = variant_stage("predict").partial(state=ready).expand(variant=trained)
        evaluated = variant_stage("evaluate").partial(state=ready).expand(variant=predicted)
        exported = variant_stage("export").partial(state=ready).expand(variant=evaluated)
        variants = variant_stage("run_behavioral_tests").partial(state=ready).expand(variant=exported)

    with group("decide", "Compare, decide, report", "Acceptance check, comparison with the champion, gate, report"):
        comparison = stage("compare")(ready, baseline_tests, variants)
        acceptance = stage("check_acceptance")(comparison)
        head_to_head = stage("compare_to_champion")(acceptance)
        decision = stage("gate")(head_to_head)
        # Each state includes the states before it. A task that failed or was skipped has none.
        states = [fetched, ingested, validated_raw, cleaned, validated_clean, profiled, reviews, splits, leakage]
        states += [vocabulary, encoded, baselines, baseline_tests, ready]
        states += [trained, predicted, evaluated, exported, variants, comparison, acceptance, head_to_head, decision]
        published = tasks.publish_report(states)

    with group("promote_model", "Promote", "Manual approval if the gate asks for it, then one atomic promotion"):
        approval = ApprovePromotion(task_id="approve", state=decision)
        published >> approval
        promoted = tasks.promote(decision, approval.output, published)
        promoted >> tasks.conclude(decision, published)
        tracked = tasks.track(decision)
        published >> tracked
        [promoted, tracked] >> tasks.mirror_champion()


def group(group_id: str, title: str, tooltip: str) -> TaskGroup:
    """Return a group of the graph; it does not prefix task ids."""
    return TaskGroup(group_id, prefix_group_id=False, group_display_name=title, tooltip=tooltip)


train_review_sentiment()
