"""The champion and its history, for the pages; damaged records become messages."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.airflow.ui.pages import describe_error
from pipeline.errors import PipelineError
from pipeline.promotion.champions import ChampionChange, ChampionModel, champion, champion_changes, previous_champion
from pipeline.reporting.history import PublishedRun
from pipeline.store import ArtifactStore
from pipeline.store.run_names import safe_run_name

KINDS = {"promote": "Promoted", "force": "Forced", "roll_back": "Rolled back"}
"""Kinds of changes, as the pages name them."""


@dataclass(frozen=True)
class CurrentChampion:
    """The champion.

    ``change`` is ``None`` without a champion or if the record cannot be read; ``problem`` says why.
    """

    change: ChampionChange | None = None
    problem: str | None = None


@dataclass(frozen=True)
class ChampionHistory:
    """The champion, the one before it, and every change.

    ``previous`` is the model that a rollback would restore. The newest change comes first.
    """

    present: CurrentChampion
    previous: ChampionModel | None = None
    changes: tuple[ChampionChange, ...] = ()
    problem: str | None = None

    def mark(self, run: PublishedRun) -> str | None:
        """Return whether a run's model is the champion or the previous one; ``None`` if neither."""
        if self.present.change is not None and _made(run, self.present.change.model):
            return "champion"
        if self.previous is not None and _made(run, self.previous):
            return "previous champion"
        return None


def current_champion(store: ArtifactStore) -> CurrentChampion:
    """Return the champion; a damaged record of an earlier change is ignored."""
    try:
        return CurrentChampion(champion(store))
    except (PipelineError, OSError) as error:
        return CurrentChampion(problem=describe_error(error))


def champion_history(store: ArtifactStore) -> ChampionHistory:
    """Return every change of the champion, or the message why they cannot be read."""
    try:
        changes = champion_changes(store)
    except (PipelineError, OSError) as error:
        return ChampionHistory(current_champion(store), problem=describe_error(error))
    if not changes:
        return ChampionHistory(CurrentChampion())
    return ChampionHistory(CurrentChampion(changes[0]), previous_champion(changes), changes)


def run_of(model: ChampionModel, runs: tuple[PublishedRun, ...]) -> PublishedRun | None:
    """Return the published run that trained a model; ``None`` if its report is missing or of another model."""
    return next((run for run in runs if _made(run, model)), None)


def _made(run: PublishedRun, model: ChampionModel) -> bool:
    # A cleared run publishes again under the same name.
    return run.folder == safe_run_name(model.run_name) and run.exported == model.exported
