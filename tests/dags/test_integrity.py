"""What every DAG of the project must keep to."""

from __future__ import annotations

import json
import os
import socket
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.config import RunConfig
from pipeline.errors import ConfigurationError
from pipeline.stages import STAGES, VariantStageSpec
from tests.dags.fresh_airflow import FreshAirflow

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

CHECKOUT = Path(__file__).resolve().parents[2]
DAG_FILES = {"clean_up_artifacts.py", "roll_back_champion.py", "score_reviews.py", "train_review_sentiment.py"}
"""Every DAG file, so that a new one is not forgotten here."""
GPU_TASKS = {"preflight", "train", "predict", "export", "run_behavioral_tests", "compare_to_champion"}
HEAVY = ("tensorflow", "keras", "pandas", "great_expectations", "mlflow", "sklearn", "nltk", "matplotlib", "pyarrow")


def test_every_dag_file_is_known_and_imports(dag_bag: DagBag) -> None:
    assert {path.name for path in (CHECKOUT / "dags").glob("*.py")} == DAG_FILES
    assert dag_bag.import_errors == {}
    # Nothing else is parsed again and again: what the files share is no DAG.
    assert {Path(parsed.file).name for parsed in dag_bag.dagbag_stats} == DAG_FILES
    assert set(dag_bag.dags) == {name.removesuffix(".py") for name in DAG_FILES}


def test_parsing_loads_nothing_heavy_and_takes_less_than_a_second(fresh_airflow: FreshAirflow) -> None:
    program = (
        "import json, sys, time\n"
        "import airflow.sdk, airflow.dag_processing.dagbag, pydantic\n"
        "before = set(sys.modules)\n"
        "start = time.process_time()\n"
        "import runpy\n"
        f"runpy.run_path({str(CHECKOUT / 'dags' / 'train_review_sentiment.py')!r})\n"
        "print(json.dumps([time.process_time() - start, sorted(set(sys.modules) - before)]))\n"
    )
    seconds, loaded = json.loads(fresh_airflow.run(program))
    assert not [name for name in loaded if name.split(".")[0] in HEAVY]
    # Processor time, not wall time: a busy machine must not fail this.
    assert seconds < 1


def test_policy(dag_bag: DagBag) -> None:
    from pipeline.airflow.tasks import log_stderr_as_output

    for dag in dag_bag.dags.values():
        assert len(dag.doc_md or "") > 200, f"{dag.dag_id} does not explain itself"
        assert "review-sentiment" in dag.tags
        assert dag.max_active_runs == 1
        assert dag.dagrun_timeout
        assert not dag.catchup
        for task in dag.tasks:
            assert task.owner == "review-sentiment", task.task_id
            assert task.retries >= 1, task.task_id
            assert task.retry_policy is not None, task.task_id
            assert _hook(task) is log_stderr_as_output, task.task_id
            # A person is waited for as long as the run's own parameter says.
            if task.task_id != "approve":
                assert timedelta(0) < task.execution_timeout <= timedelta(hours=12), task.task_id
            assert task.doc_md, task.task_id


def test_gpu_tasks_take_queue_pool_and_executor_from_configuration(fresh_airflow: FreshAirflow) -> None:
    program = (
        "import json\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        f"bag = DagBag(dag_folder={str(CHECKOUT / 'dags')!r})\n"
        "tasks = bag.dags['train_review_sentiment'].tasks\n"
        "print(json.dumps({task.task_id: [task.queue, task.pool, task.executor] for task in tasks}))\n"
    )
    environment = {
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor,remote:airflow.providers.edge3.executors.EdgeExecutor",
        "REVIEW_SENTIMENT_GPU_QUEUE": "gpu",
        "REVIEW_SENTIMENT_GPU_POOL": "gpu_pool",
        "REVIEW_SENTIMENT_GPU_EXECUTOR": "remote",
    }
    places = json.loads(fresh_airflow.run(program, **environment))
    assert {name for name, place in places.items() if place == ["gpu", "gpu_pool", "remote"]} == GPU_TASKS
    others = {tuple(place) for name, place in places.items() if name not in GPU_TASKS}
    assert others == {("default", "default_pool", None)}


def test_every_stage_is_a_task_behind_the_stages_that_it_reads_and_their_gates(dag_bag: DagBag) -> None:
    dag = dag_bag.dags["train_review_sentiment"]
    upstream = {task.task_id: set(task.upstream_task_ids) for task in dag.tasks}
    assert {spec.name for spec in STAGES} <= set(upstream), "a stage of the table is not wired in the DAG"
    for spec in STAGES:
        before = _ancestors(upstream, spec.name)
        assert set(spec.inputs) <= before, spec.name
        assert dag.get_task(spec.name).doc_md.startswith(spec.help)
        assert dag.get_task(spec.name).is_mapped is isinstance(spec, VariantStageSpec)
        if spec.check is not None:
            assert upstream[spec.check.name] == {spec.name}
    checks = {spec.check.name for spec in STAGES if spec.check is not None}
    assert checks <= _ancestors(upstream, "train")
    assert checks <= _ancestors(upstream, "baselines")


def test_structure(dag_bag: DagBag) -> None:
    dag = dag_bag.dags["train_review_sentiment"]
    upstream = {task.task_id: set(task.upstream_task_ids) for task in dag.tasks}
    assert upstream["fetch"] == set()
    assert upstream["build_dataset"] == {"enforce_drift_limits"}
    # The report is published in any case; the run succeeds only if every stage did.
    assert dag.get_task("publish_report").trigger_rule == "all_done"
    stages = {spec.name for spec in STAGES}
    assert stages <= upstream["publish_report"], "the report would lack what such a stage made before another failed"
    mirrors = {"track", "mirror_champion"}
    assert {task.task_id for task in dag.tasks} - {"conclude", *mirrors} == _ancestors(upstream, "conclude")
    # A model is promoted only when its report can be read, and with or without MLflow.
    assert {"gate", "publish_report", "approve"} <= _ancestors(upstream, "promote")
    assert mirrors.isdisjoint(_ancestors(upstream, "promote"))


def test_the_graph_has_seven_groups_with_plain_titles(dag_bag: DagBag) -> None:
    groups = dag_bag.dags["train_review_sentiment"].task_group.children
    titles = [group.group_display_name for group in groups.values()]
    assert titles == [
        "Ingest",
        "Clean and profile",
        "Split and encode",
        "Baselines",
        "Train and evaluate",
        "Compare, decide, report",
        "Promote",
    ]
    assert all(group.tooltip for group in groups.values())


def test_the_form_offers_every_knob_and_its_values_make_a_configuration(dag_bag: DagBag) -> None:
    from pipeline.airflow.parameters import config_from

    params = dag_bag.dags["train_review_sentiment"].params
    assert set(params) == {"profile", *(name for _, name, _ in RunConfig.fields())}
    assert all(params.get_param(name).schema.get("title") for name in params)
    assert config_from(params.dump(), None) == RunConfig.from_flat({})
    with pytest.raises(ConfigurationError, match="Parameter 'epoch'"):
        config_from(params.dump(), {"epoch": 3})


@pytest.mark.parametrize(
    ("name", "fitting", "wrong"),
    [
        ("epochs", 3, 0),
        ("max_vocabulary_size", 0, -1),
        ("directions", ["bi"], ["up"]),
        ("seeds", [1, 2], []),
        ("columns", {"text": "Review"}, ["text"]),
        ("profile", "article", "best"),
        ("allow_cpu", True, "perhaps"),
        ("dropout", [0.5], ["much"]),
        ("test_size", 0.2, 1.5),
    ],
)
def test_the_form_knows_bounds_and_choices(dag_bag: DagBag, name: str, fitting: object, wrong: object) -> None:
    from airflow.sdk import Param
    from airflow.sdk.exceptions import ParamValidationError

    param = Param(None, **dag_bag.dags["train_review_sentiment"].params.get_param(name).schema)
    assert param.resolve(fitting) == fitting
    with pytest.raises(ParamValidationError):
        param.resolve(wrong)


def test_harmless_lines_of_stderr_are_no_errors_in_a_tasks_log(airflow_home: Path) -> None:
    from pipeline.airflow.tasks import log_stderr_as_output

    output, errors = socket.socketpair(), socket.socketpair()
    task = os.fork()
    if not task:
        for descriptor, (_, written) in enumerate((output, errors), start=1):
            os.dup2(written.fileno(), descriptor)
        log_stderr_as_output({})
        # As C++ libraries do, past Python's own stream.
        os.write(2, b"Could not find cuda drivers")
        os._exit(0)
    os.waitpid(task, 0)
    for read, written in (output, errors):
        written.close()
        read.settimeout(10)
    assert [read.recv(100) for read, _ in (output, errors)] == [b"Could not find cuda drivers", b""]


def _hook(task: Any) -> object:
    return task.partial_kwargs.get("pre_execute") if task.is_mapped else task._pre_execute_hook


def _ancestors(upstream: dict[str, set[str]], name: str) -> set[str]:
    found: set[str] = set()
    waiting = set(upstream[name])
    while waiting:
        task = waiting.pop()
        found.add(task)
        waiting |= upstream[task] - found
    return found
