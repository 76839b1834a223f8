"""Which model is in service, as the pages show it: also where its record is damaged."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.airflow.ui.pages import told
from pipeline.errors import PipelineError
from pipeline.promotion.champions import ChampionChange, ChampionModel, champion, champion_changes
from pipeline.reporting.history import PublishedRun
from pipeline.store import ArtifactStore
from pipeline.store.run_names import safe_run_name

KINDS = {"promote": "Promoted", "force": "Forced", "roll_back": "Rolled back"}
"""What a change did, in the reader's words."""


@dataclass(frozen=True)
class InService:
    """The champion.

    Attributes:
        change: What put it into service; ``None`` while there is none, or where its record cannot be read.
        problem: Why it cannot be read.
    """

    change: ChampionChange | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Succession:
    """The champion, the one before it, and every change.

    Attributes:
        present: The champion.
        previous: What a roll-back would put into service.
        changes: Every change, the newest first; none where one of them cannot be read.
        problem: Why they cannot be read.
    """

    present: InService
    previous: ChampionModel | None = None
    changes: tuple[ChampionChange, ...] = ()
    problem: str | None = None

    def mark(self, run: PublishedRun) -> str | None:
        """Return what a run's model is now: the champion, the one before, or neither (``None``)."""
        if self.present.change is not None and _made(run, self.present.change.model):
            return "champion"
        if self.previous is not None and _made(run, self.previous):
            return "previous champion"
        return None


def in_service(store: ArtifactStore) -> InService:
    """Return the champion; one damaged record of an earlier change does no harm."""
    try:
        return InService(champion(store))
    except (PipelineError, OSError) as error:
        return InService(problem=told(error))


def succession(store: ArtifactStore) -> Succession:
    """Return every change of champion, or as much as can be read."""
    try:
        changes = champion_changes(store)
    except (PipelineError, OSError) as error:
        return Succession(in_service(store), problem=told(error))
    if not changes:
        return Succession(InService())
    present = changes[0].model
    before = (change.model for change in changes[1:] if change.model.exported != present.exported)
    return Succession(InService(changes[0]), next(before, None), changes)


def run_of(model: ChampionModel, runs: tuple[PublishedRun, ...]) -> PublishedRun | None:
    """Return the published run that trained a model, or ``None`` where its report is gone or of another model."""
    return next((run for run in runs if _made(run, model)), None)


def _made(run: PublishedRun, model: ChampionModel) -> bool:
    # A run that was cleared and trained anew publishes under its old name.
    return run.folder == safe_run_name(model.run_name) and run.exported == model.exported
