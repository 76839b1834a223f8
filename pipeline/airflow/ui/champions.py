"""The champion and its history, for the pages; damaged records become messages."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.airflow.ui.pages import attempt
from pipeline.promotion.champions import ChampionChange, ChampionModel, champion, champion_changes, previous_champion
from pipeline.reporting.history import PublishedRun
from pipeline.store import ArtifactStore
from pipeline.store.run_names import safe_run_name

KINDS = {"promote": "Promoted", "force": "Forced", "roll_back": "Rolled back"}
"""Kinds of changes, as the pages name them."""


@dataclass(frozen=True)
class ChampionHistory:
    """The champion, the one before it, and every change.

    Attributes:
        change: The newest change, which made the champion; ``None`` without a champion or if it cannot be read.
        problem: Why the champion cannot be read.
        previous: The model that a rollback would restore.
        changes: Every change, the newest first.
        changes_problem: Why the changes cannot be read.
    """

    change: ChampionChange | None
    problem: str | None
    previous: ChampionModel | None
    changes: tuple[ChampionChange, ...]
    changes_problem: str | None

    def mark(self, run: PublishedRun) -> str | None:
        """Return whether a run's model is the champion or the previous one; ``None`` if neither."""
        if self.change is not None and _made(run, self.change.model):
            return "champion"
        if self.previous is not None and _made(run, self.previous):
            return "previous champion"
        return None


def current_champion(store: ArtifactStore) -> tuple[ChampionChange | None, str | None]:
    """Return the champion, or why it cannot be read; a damaged record of an earlier change is ignored."""
    return attempt(lambda: champion(store), None)


def champion_history(store: ArtifactStore) -> ChampionHistory:
    """Return every change of the champion, or the message why they cannot be read."""
    changes, changes_problem = attempt(lambda: champion_changes(store), ())
    change, problem = (changes[0], None) if changes else current_champion(store)
    return ChampionHistory(change, problem, previous_champion(changes), changes, changes_problem)


def run_of(model: ChampionModel, runs: tuple[PublishedRun, ...]) -> PublishedRun | None:
    """Return the published run that trained a model; ``None`` if its report is missing or of another model."""
    return next((run for run in runs if _made(run, model)), None)


def _made(run: PublishedRun, model: ChampionModel) -> bool:
    # A cleared run publishes again under the same name.
    return run.folder == safe_run_name(model.run_name) and run.exported == model.exported
