"""A store with a run, its report and exports, and MLflow's empty database, each made once and copied."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import RunConfig
from pipeline.promotion.champions import ChampionChange, ChampionModel, champion, change_champion
from pipeline.run_state import RunState, VariantState
from pipeline.scoring.records import ExportSummary
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace
from pipeline.store.run_names import safe_run_name
from tests.support import Given, replaced
from tests.unit.reporting.example import example_run

BEST = "bi-seed2"
"""The variant that the example's verdict names."""
RUN_NAME = "manual__2026-05-01T12:00:00+00:00"


@dataclass(frozen=True)
class Example:
    """A finished run in a store of its own.

    Attributes:
        store: The store.
        state: The run's artifacts; the best variant has an export of its own.
        config: What it was told.
        exports: Two exports of the same training, the best variant's first.
    """

    store: ArtifactStore
    state: RunState
    config: RunConfig
    exports: tuple[ArtifactReference, ArtifactReference]

    def promote(self, export: int = 0, **changes: Any) -> ChampionChange:
        """Put an export into service."""
        data, best = self.state, self.state.variants[-1]
        model = ChampionModel(
            name=f"bi-seed{export + 1}",
            title=f"Bidirectional LSTM, seed {export + 1}",
            run_name=changes.get("run_name", RUN_NAME),
            demo=False,
            exported=self.exports[export],
            evaluated=best["evaluate"],
            behavioral_tests=best["run_behavioral_tests"],
            cleaned=data["clean"],
            parts=data["split"],
            fetched=data["fetch"],
            validated_raw=data["validate_raw"],
        )
        present = champion(self.store)
        return change_champion(
            self.store,
            model,
            kind=changes.get("kind", "promote"),
            replacing=0 if present is None else present.number,
            who=changes.get("who", "the gate"),
            why=changes.get("why", "It is better."),
            run_name=RUN_NAME,
        )


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """The run and the exports; not to be changed."""
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


def place_export(store: ArtifactStore, variant: VariantState, label: str) -> ArtifactReference:
    """Place an export of a variant whose files are texts: nothing here loads them."""

    def build(work: Workspace) -> Outcome:
        (work.folder / "saved_model").mkdir()
        for name in ("model.json", "saved_model/saved_model.pb"):
            (work.folder / name).write_text(f"{name} of the {label} export")
        return Outcome(store.summary(variant["export"], ExportSummary))

    return store.produce(Stage("export"), inputs={"trained": variant["train"]}, params=Given(label=label), build=build)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database with its tables alone: to make them takes seconds."""
    from pipeline.tracking.connection import _quiet

    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    uri = f"sqlite:///{file}"
    with _quiet(uri):
        from mlflow import MlflowClient

        MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments()
    return file


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "REVIEW_SENTIMENT_TRACKING"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def plain(tmp_path: Path, original: Example) -> Example:
    """The run in a store of the test's own, without MLflow's database."""
    home = tmp_path / "a store, 100 % ours"
    shutil.copytree(original.store.url, home)
    return replace(original, store=ArtifactStore(str(home)))


@pytest.fixture
def example(plain: Example, database: Path) -> Example:
    """The run in a store of the test's own, with MLflow's empty database."""
    shutil.copyfile(database, Path(plain.store.url) / "mlflow.db")
    return plain


def client_of(example: Example) -> Any:
    """Return MLflow's client for what lies in the example's store."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{example.store.url}/mlflow.db"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)
