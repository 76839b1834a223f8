"""The scoring DAG on a tiny model and dump, in one process, without a server."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from pipeline.promotion.champions import ChampionModel, change_champion
from pipeline.store import ArtifactReference, ArtifactStore
from tests.dags.fresh_airflow import FreshAirflow
from tests.dags.otlp import Collected
from tests.factories import reviews, write_csv
from tests.unit.scoring.factories import build_world

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.dagrun import DagRun

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def champion(airflow_home: Path) -> ArtifactReference:
    """A tiny exported model in service."""
    (airflow_home / "scoring_store").mkdir()
    store = ArtifactStore(str(airflow_home / "scoring_store"))
    exported = build_world(store, "default", slice(0, 12), directions=("uni",), layers=(1,)).export()
    fields = {name: exported for name, at in ChampionModel.model_fields.items() if at.annotation is ArtifactReference}
    model = ChampionModel(**{**fields, "name": "uni-seed1", "title": "One way", "run_name": "first", "demo": False})
    change_champion(store, model, kind="force", replacing=0, who="a person", why="a test", run_name="first")
    return exported


def run(dag_bag: DagBag, store: Path, **conf: Any) -> DagRun:
    before = os.environ["REVIEW_SENTIMENT_STORE"]
    os.environ["REVIEW_SENTIMENT_STORE"] = str(store)
    try:
        return dag_bag.dags["score_reviews"].test(run_conf=conf)
    finally:
        os.environ["REVIEW_SENTIMENT_STORE"] = before


@pytest.fixture(scope="module")
def finished(
    dag_bag: DagBag,
    champion: ArtifactReference,
    collected: Collected,
    airflow_home: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> DagRun:
    """A run over 100 reviews in three shards, one of them without text."""
    rows = reviews(100)
    rows[7][9] = ""
    dump = write_csv(tmp_path_factory.mktemp("dump") / "Reviews.csv", rows)
    return run(dag_bag, airflow_home / "scoring_store", dumps=[str(dump)], rows_per_shard=40)


def test_every_shard_is_scored_by_the_champion_and_published(
    finished: DagRun, champion: ArtifactReference, airflow_home: Path
) -> None:
    assert str(finished.state) == "success"
    (folder,) = [path for path in (airflow_home / "scoring_store" / "predictions").iterdir() if path.is_dir()]
    table = pq.read_table(folder / "predictions.parquet")
    assert table["row"].to_pylist() == [row for row in range(100) if row != 7]
    assert set(table["model_version"].to_pylist()) == {f"export/{champion.key}"}
    assert json.loads((folder / "summary.json").read_text())["excluded"] == {"empty_text": 1}


def test_the_note_has_rows_model_shares_and_warnings(finished: DagRun, champion: ArtifactReference) -> None:
    from pipeline.airflow.notes import NOTE_KEY

    text = finished.get_task_instance("publish").xcom_pull(task_ids="publish", key=NOTE_KEY)["text"]
    # Twelve words are known.
    assert text.startswith("**Scored, 1 warning**: ")
    assert "of the words are not in the vocabulary of the model" in text
    assert f"(export/{champion.key}) scored 99 of 100 rows." in text
    for name in ("positive", "negative", "unsure", "unknown words"):
        assert f"% {name}" in text


def test_whoever_watches_is_told_rows_and_throughput(finished: DagRun, collected: Collected) -> None:
    assert collected.value("review_sentiment.rows", stage="score", fate="in") == 100
    assert collected.value("review_sentiment.rows", stage="score", fate="excluded") == 1
    assert collected.value("review_sentiment.scoring.rows_per_second") > 0


def test_mapped_tasks_bear_their_rows(finished: DagRun) -> None:
    titles = [i.rendered_map_index for i in finished.get_task_instances() if i.task_id == "score"]
    assert sorted(titles) == ["rows 1–40", "rows 41–80", "rows 81–100"]


def test_the_asset_tells_of_the_predictions(finished: DagRun) -> None:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        (event,) = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == finished.run_id)).all()
        name, told = event.asset.name, event.extra
    assert name == "predictions"
    assert (told["rows"], told["not_scored"]) == (99, 1)
    assert 0 <= told["positive_share"] <= 1
    assert 0 <= told["unknown_word_share"] <= 1
    assert told["predictions"].endswith("predictions.parquet")


@pytest.mark.parametrize(
    "conf", [{"epochs": 3}, {"model": "export/ffffffffff"}, {"model": "/etc"}], ids=["unknown", "absent", "folder"]
)
def test_a_wrong_parameter_fails_before_anything_is_fetched(
    conf: dict[str, Any], dag_bag: DagBag, champion: ArtifactReference, airflow_home: Path
) -> None:
    failed = run(dag_bag, airflow_home / "scoring_store", **conf)
    found = {i.task_id: (str(i.state), i.try_number) for i in failed.get_task_instances()}
    assert found["choose_model"] == ("failed", 1)
    assert found["fetch"][0] == "upstream_failed"


def test_structure(dag_bag: DagBag) -> None:
    dag = dag_bag.dags["score_reviews"]
    upstream = {task.task_id: set(task.upstream_task_ids) for task in dag.tasks}
    assert upstream == {
        "choose_model": set(),
        "fetch": {"choose_model"},
        "ingest": {"fetch"},
        "plan": {"choose_model", "ingest"},
        "score": {"choose_model", "ingest", "plan"},
        "publish": {"score"},
    }
    assert dag.get_task("score").is_mapped
    assert not dag.timetable.can_be_scheduled


def test_parsing_loads_nothing_heavy(fresh_airflow: FreshAirflow) -> None:
    heavy = {"tensorflow", "keras", "pandas", "pyarrow", "numpy", "sklearn", "onnxruntime"}
    program = (
        "import json, runpy, sys\n"
        "import airflow.sdk, airflow.dag_processing.dagbag, pydantic\n"
        "before = set(sys.modules)\n"
        f"runpy.run_path({str(CHECKOUT / 'dags' / 'score_reviews.py')!r})\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in set(sys.modules) - before})))\n"
    )
    assert heavy & set(json.loads(fresh_airflow.run(program))) == set()


def test_a_new_champion_scores_the_dumps_that_the_deployment_names(fresh_airflow: FreshAirflow) -> None:
    program = (
        "import json\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        f"dag = DagBag(dag_folder={str(CHECKOUT / 'dags')!r}).dags['score_reviews']\n"
        "assets = [asset.name for asset in dag.timetable.asset_condition.objects]\n"
        "print(json.dumps([assets, dag.params.dump()]))\n"
    )
    named = {"REVIEW_SENTIMENT_SCORE_AFTER_PROMOTION": "/data/a.csv, s3://bucket/b.parquet,"}
    assets, params = json.loads(fresh_airflow.run(program, **named))
    assert assets == ["champion"]
    assert params["dumps"] == ["/data/a.csv", "s3://bucket/b.parquet"]
    assert params["model"] == "champion"


def test_a_model_of_demo_reviews_is_refused_for_real_ones_unless_it_is_allowed(
    dag_bag: DagBag, champion: ArtifactReference, airflow_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.scoring.dump.trained_on_demo", lambda *_: True)
    dump = write_csv(tmp_path / "Reviews.csv", reviews(20))
    for allowed, state in ((False, "failed"), (True, "success")):
        given = {"dumps": [str(dump)], "model": "champion", "allow_demo_model": allowed}
        done = run(dag_bag, airflow_home / "scoring_store", **given)
        assert str(done.state) == state
        assert str(done.get_task_instance("plan").state) == state
