"""A store with a run, its report and exports, and MLflow's empty database, each made once and copied."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.store import ArtifactStore
from pipeline.store.run_names import safe_run_name
from tests.factories import replaced
from tests.unit.reporting.factories import example_run
from tests.unit.tracking.factories import BEST, RUN_NAME, Example, place_export


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """The run and the exports; read only."""
    store = ArtifactStore(str(tmp_path_factory.mktemp("tracking") / "store"))
    run = example_run(store)
    variants = run.state.variants
    best = next(variant for variant in variants if variant.name == BEST)
    exports = tuple(place_export(store, best, label) for label in ("first", "second"))
    changed = tuple(replaced(variant, {"export": exports[0]}) if variant is best else variant for variant in variants)
    published = Path(store.url) / "reports" / safe_run_name(RUN_NAME)
    published.mkdir(parents=True)
    for name in ("report.html", "report.json", "report.md", "model_card.md", "run.json"):
        (published / name).write_text(f"The {name} of the run.")
    return Example(store, run.state.model_copy(update={"variants": changed}), run.config, exports)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's empty database; creating its tables takes seconds."""
    from pipeline.tracking.connection import mlflow_settings

    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    uri = f"sqlite:///{file}"
    with mlflow_settings(uri):
        from mlflow import MlflowClient

        MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments()
    return file


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "REVIEW_SENTIMENT_TRACKING"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def plain(tmp_path: Path, original: Example) -> Example:
    """A copy of the run for one test, without MLflow's database."""
    home = tmp_path / "a store, 100 % odd"
    shutil.copytree(original.store.url, home)
    return replace(original, store=ArtifactStore(str(home)))


@pytest.fixture
def example(plain: Example, database: Path) -> Example:
    """A copy of the run for one test, with MLflow's empty database."""
    shutil.copyfile(database, Path(plain.store.url) / "mlflow.db")
    return plain
