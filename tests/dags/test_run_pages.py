"""What a run leaves in Airflow's UI, and tells of itself: its note, its tasks' links, and a message where it failed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from pipeline.store import ArtifactStore
from tests.dags.webhook import Webhook, listening
from tests.plugins.conftest import published, served

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.sdk import DAG
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

CHECKOUT = Path(__file__).resolve().parents[2]
HEAVY = ("pipeline", "numpy", "pandas", "pyarrow", "tensorflow", "great_expectations", "sklearn", "httpx")


@pytest.fixture(scope="module")
def small_dag(airflow_home: Path) -> DAG:
    """The small DAG, where Airflow's database knows it."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    here = Path(__file__).parent
    bag = BundleDagBag(dag_folder=here / "small_dag.py", bundle_path=here, bundle_name="dags-folder")
    assert bag.import_errors == {}
    sync_bag_to_db(bag, "dags-folder", None)
    return bag.dags["small_review_sentiment"]


@pytest.fixture(scope="module")
def plugin(small_dag: DAG) -> Iterator[dict[str, Any]]:
    """What the plugin's functions see, as Airflow loaded it; the small DAG is one of its own."""
    from airflow.listeners.listener import get_listener_manager

    listener = next(found for found in get_listener_manager().pm.get_plugins() if type(found).__name__ == "RunNotes")
    # Not by way of `sys.modules`: each of Airflow's two plugin managers loads a plugin anew.
    names: dict[str, Any] = type(listener).on_dag_run_failed.__globals__
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(names, "DAG_IDS", {small_dag.dag_id})
        yield names


@pytest.fixture(scope="module")
def told() -> Iterator[Webhook]:
    """An incoming webhook."""
    with listening() as webhook:
        yield webhook


@pytest.fixture(scope="module")
def ended(
    small_dag: DAG, plugin: dict[str, Any], told: Webhook, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, DagRun]:
    """Four runs through the small DAG, each with another end."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    from pipeline.store import run_names

    store = ArtifactStore(str(tmp_path_factory.mktemp("notes") / "store"))
    published(store, "judged", headline="May be used: it beats <counting> words.", demo=True)
    published(store, "contract", outcome="stopped", headline="Training was refused.", best_model=None)
    runs = {}
    for what in ("judged", "contract", "error", "nothing"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("REVIEW_SENTIMENT_STORE", store.url)
            patch.setenv("REVIEW_SENTIMENT_NOTIFY_WEBHOOK_CONN", "chat")
            patch.setenv("AIRFLOW_CONN_CHAT", json.dumps({"conn_type": "http", "password": told.url}))
            patch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/prefix/")
            # A run's name is known only once it runs.
            patch.setattr(run_names, "safe_run_name", lambda _, name=what: name)
            # Every DAG of the project would be parsed for each run.
            patch.setattr(DagBundlesManager, "get_all_dag_bundles", lambda _: [])
            runs[what] = small_dag.test(run_conf={"what": what})
    return runs


def test_a_judged_run_bears_verdict_figures_and_the_reports_place(ended: dict[str, DagRun]) -> None:
    run = ended["judged"]
    assert str(run.state) == "success"
    assert note(run) == (
        "**Accepted (demo data)**: May be used: it beats &lt;counting&gt; words.\n\n"
        "Balanced accuracy 0.900 (0.880–0.920) · ROC-AUC 0.900 · "
        "Negative recall 90.0 %\n\n"
        f"Report: `s3://bucket/reports/{run.run_id}/report.html`"
    )


def test_a_refused_run_says_why(ended: dict[str, DagRun]) -> None:
    run = ended["contract"]
    assert str(run.state) == "failed"
    assert (note(run) or "").startswith("**Stopped**: Training was refused.\n\n")
    # Where no report could be made, the task's own words stand there, as text.
    forget(run, "publish_report")
    announce(run)
    text = note(run) or ""
    assert text.startswith("**Refused**: train: Too few rows: 3 &lt;b&gt;of&lt;/b&gt; \\*200\\*;")
    # Both variants were refused for the same reason.
    assert text.count("Too few rows") == 1


def test_a_failed_run_names_the_task_and_nothing_secret(ended: dict[str, DagRun]) -> None:
    assert str(ended["error"].state) == "failed"
    assert note(ended["error"]) == "**Failed**: train: RuntimeError; see the task's log."


def test_a_run_with_nothing_new_says_so(ended: dict[str, DagRun]) -> None:
    assert note(ended["nothing"]) == "**Nothing new**: No dump has come since the last run."


def test_a_persons_note_stays_and_ours_is_renewed(ended: dict[str, DagRun]) -> None:
    run = ended["nothing"]
    ours = note(run)
    rewrite(run, "an outdated note", "review-sentiment")
    announce(run)
    assert note(run) == ours
    rewrite(run, "I looked at it", "analyst")
    announce(run)
    assert note(run) == "I looked at it"
    rewrite(run, str(ours), "review-sentiment")


def test_a_note_written_by_hand_right_after_ours_is_no_second_row(ended: dict[str, DagRun]) -> None:
    from airflow.api_fastapi.core_api.services.public.dag_run import patch_dag_run_note

    run = ended["judged"]
    remove(run)

    class Analyst:
        def get_id(self) -> str:
            return "analyst"

    def both(found: DagRun, _: Session) -> None:
        assert found.dag_run_note is None
        found.notify_dagrun_state_changed(msg="success")
        patch_dag_run_note(dag_run=found, note="by hand", user=Analyst())

    in_session(run, both)
    assert note(run) == "by hand"


def test_a_run_whose_tasks_could_say_nothing_gets_what_airflow_knows(ended: dict[str, DagRun]) -> None:
    run = ended["error"]
    forget(run, "train")
    announce(run)
    assert note(run) == "**Failed**: `train`; see the log of the task."
    announce(run, "timed_out")
    assert note(run) == "**Failed**: The run exceeded the time limit of the DAG."


def test_an_error_in_the_note_harms_nobody(
    ended: dict[str, DagRun], plugin: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.dagrun import DagRunNote
    from sqlalchemy import insert

    run = ended["judged"]
    remove(run)

    def meanwhile(connection: Connection, *_: object) -> str:
        # As when a person's note comes in the same moment: the database refuses a second row.
        connection.execute(insert(DagRunNote).values(dag_run_id=run.id, user_id="analyst", content="by hand"))
        return "ours"

    monkeypatch.setitem(plugin, "_text", meanwhile)

    def act(found: DagRun, _: Session) -> None:
        found.conf = {"the scheduler's own change": 1}
        found.notify_dagrun_state_changed(msg="success")

    in_session(run, act)
    changed: list[object] = []
    assert note(run) is None
    in_session(run, lambda found, _: changed.append(found.conf))
    assert changed == [{"the scheduler's own change": 1}]


def test_a_long_story_is_cut(ended: dict[str, DagRun], plugin: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    run = ended["nothing"]
    monkeypatch.setitem(plugin, "_read", lambda _: {"kind": "skipped", "text": "&" * 5000})
    announce(run)
    assert len(note(run) or "") == 1000


def test_only_the_tasks_that_have_pages_bear_links_and_a_runs_links_resolve(
    ended: dict[str, DagRun], small_dag: DAG
) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    run = ended["judged"]
    dag = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(small_dag))
    report = f"review-sentiment/runs/{quote(run.run_id, safe='')}/"
    assert "+" not in report
    found = {
        (instance.task_id, instance.map_index): {
            name: task.get_extra_links(instance, name) for name in task.extra_links
        }
        for instance in run.get_task_instances()
        if (task := dag.get_task(instance.task_id))
    }
    reporting = {"Evaluation report": report, "Data Docs": f"{report}data_docs_raw/index.html"}
    training = {"Training now": "review-sentiment/training"}
    assert found == {
        ("fetch", -1): {},
        ("train", 0): training,
        ("train", 1): training,
        ("publish_report", -1): reporting,
        ("conclude", -1): reporting,
    }
    assert dag.get_task("train").operator_name == "@task"


def test_links_to_servers_are_there_where_the_deployment_names_them(ended, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.airflow import links

    def given() -> dict[str, str]:
        return {link.name: link.get_link(None, ti_key=None) for link in links.training_links()}

    assert set(given()) == {"Training now"}
    monkeypatch.setenv(
        "REVIEW_SENTIMENT_TENSORBOARD_URL", "https://someone:secret@board.example:6006/tb/?token=secret#x"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "HTTP://mlflow.example")
    assert given() == {
        "Training now": "review-sentiment/training",
        "TensorBoard": "https://board.example:6006/tb/",
        "MLflow": "http://mlflow.example",
    }
    for other in ("file:///mlruns", "sqlite:///mlflow.db", "javascript:alert(1)"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", other)
        assert "MLflow" not in given()


def test_failed_runs_are_told_of_and_no_other(ended: dict[str, DagRun], told: Webhook) -> None:
    # In `dag.test()` nobody answers a callback that asks for XComs: the message says what Airflow itself knows.
    assert [message["text"].splitlines()[:2] for message in told.messages] == [
        ["*Failed*: The task train failed; see its log.", f"*Run*: small_review_sentiment / {ended[what].run_id}"]
        for what in ("contract", "error")
    ]


def test_every_task_explains_itself_in_the_ui(small_dag: DAG) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    dag = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(small_dag))
    assert {task.task_id: task.doc_md for task in dag.tasks} == {
        "fetch": "Take the dumps.",
        # `@task` alone forgets it where the task is mapped.
        "train": "Fit one variant.",
        "publish_report": "Publish the report.",
        "conclude": "Green only if every step was.",
    }


def test_the_listener_loads_nothing_of_ours_nor_anything_heavy(airflow_home: Path) -> None:
    program = (
        "import runpy, sys\n"
        "import airflow.models.dagrun, airflow.models.xcom, airflow.models.taskinstance, airflow.plugins_manager\n"
        "before = set(sys.modules)\n"
        f"runpy.run_path({str(CHECKOUT / 'plugins' / 'review_sentiment.py')!r})\n"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} - {'pipeline'}))\n"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not set(out.split()) & set(HEAVY)


def test_tasks_and_plugin_speak_of_the_same_key(plugin: dict[str, Any]) -> None:
    from pipeline.airflow import notes

    assert plugin["NOTE_KEY"] == notes.NOTE_KEY


def test_a_rollback_notes_the_champion_and_the_reason(
    airflow_home: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.airflow import notes, tasks

    for number, name in enumerate(("first", "second"), start=1):
        served(store, number, name)
    pushed: dict[str, Any] = {}
    context = {
        "dag_run": SimpleNamespace(run_id="manual__1", triggering_user_name="anna"),
        "params": {"why": "It misses <b>complaints</b>."},
        "outlet_events": defaultdict(SimpleNamespace),
        "ti": SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value})),
    }
    monkeypatch.setenv("REVIEW_SENTIMENT_STORE", store.url)
    for module in (notes, tasks):
        monkeypatch.setattr(module, "get_current_context", lambda: context)
    assert tasks.roll_back.function()["run"] == "first"
    assert pushed[notes.NOTE_KEY]["text"] == (
        "**Rolled back**: Bidirectional LSTM of first of run first is the champion again. "
        "anna: It misses &lt;b&gt;complaints&lt;/b&gt;."
    )


def note(run: DagRun) -> str | None:
    """Return the run's note as the database holds it."""
    from airflow.models.dagrun import DagRunNote
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.get(DagRunNote, run.id)
        return None if found is None else found.content


def in_session(run: DagRun, act: Callable[[DagRun, Session], object]) -> None:
    """Act on a run as the scheduler does: in one transaction that nobody else may commit."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.sqlalchemy import prohibit_commit

    with create_session() as session:
        found = session.get(DagRun, run.id)
        with prohibit_commit(session) as guard:
            act(found, session)
            guard.commit()


def announce(run: DagRun, reason: str = "task_failure") -> None:
    """Let Airflow tell its listeners once more how the run ended."""
    in_session(run, lambda found, _: found.notify_dagrun_state_changed(msg=reason))


def rewrite(run: DagRun, content: str, author: str) -> None:
    """Change the run's note."""

    def act(found: DagRun, _: Session) -> None:
        found.dag_run_note.content = content
        found.dag_run_note.user_id = author

    in_session(run, act)


def remove(run: DagRun) -> None:
    """Take the run's note away."""
    in_session(run, lambda found, session: session.delete(found.dag_run_note))


def forget(run: DagRun, task_id: str) -> None:
    """Take away what a task had to say."""
    from airflow.models.xcom import XComModel
    from sqlalchemy import delete

    left = delete(XComModel).where(XComModel.dag_run_id == run.id, XComModel.task_id == task_id)
    in_session(run, lambda _, session: session.execute(left))
