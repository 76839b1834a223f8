"""A finished run in a store, its exports, and MLflow's client for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.config import RunConfig
from pipeline.promotion.champions import ChampionChange, ChampionModel, champion, change_champion
from pipeline.run_state import RunState, VariantState
from pipeline.scoring.records import ExportSummary
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace
from tests.factories import Given

BEST = "bi-seed2"
"""The best variant of the example."""
RUN_NAME = "manual__2026-05-01T12:00:00+00:00"


@dataclass(frozen=True)
class Example:
    """A finished run in its own store.

    Attributes:
        store: The store.
        state: The run's artifacts; the best variant has an export of its own.
        config: The run's configuration.
        exports: Two exports of the same training, the best variant's first.
    """

    store: ArtifactStore
    state: RunState
    config: RunConfig
    exports: tuple[ArtifactReference, ArtifactReference]

    def promote(self, export: int = 0, **changes: Any) -> ChampionChange:
        """Make an export the champion."""
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


def place_export(store: ArtifactStore, variant: VariantState, label: str) -> ArtifactReference:
    """Place an export whose files are texts; no test here loads them."""

    def build(work: Workspace) -> Outcome:
        (work.folder / "saved_model").mkdir()
        for name in ("model.json", "saved_model/saved_model.pb"):
            (work.folder / name).write_text(f"{name} of the {label} export")
        return Outcome(store.summary(variant["export"], ExportSummary))

    return store.produce(Stage("export"), inputs={"trained": variant["train"]}, params=Given(label=label), build=build)


def client_of(example: Example) -> Any:
    """Return MLflow's client for the example's store."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{example.store.url}/mlflow.db"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)
