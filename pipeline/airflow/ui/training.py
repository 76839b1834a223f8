"""Learning curves of running trainings, from their training logs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from pydantic import ValidationError
from upath import UPath

from pipeline.airflow.plugin import DAG_ID
from pipeline.airflow.ui.pages import page
from pipeline.reporting.figures.svg import Figure
from pipeline.reporting.figures.training import losses_so_far
from pipeline.store.files import read_within
from pipeline.training.records import EpochRecord
from pipeline.training.stage import STAGE
from pipeline.training.training_log import EPOCHS_FILE, NAME_FILE
from pipeline.workflow import default_store

router = APIRouter()

MAX_TRAININGS = 12


@dataclass(frozen=True)
class Training:
    """A running training, its last epoch and its losses so far; ``None`` in its first epoch."""

    title: str
    last: EpochRecord | None
    figure: Figure | None


@router.get("/training", response_class=HTMLResponse)
def training(dag_id: str = DAG_ID) -> HTMLResponse:
    """Show the running trainings; the page updates itself. ``dag_id`` is the DAG whose tab it is."""
    return page(
        "training.html.j2",
        here="/training",
        trainings=_trainings(),
        training_dag=DAG_ID,
        other_dag=None if dag_id == DAG_ID else dag_id,
    )


def _trainings() -> list[Training]:
    found = []
    for number, folder in enumerate(islice(default_store().checkpoint_dirs(STAGE), MAX_TRAININGS)):
        epochs = []
        # The last line may be incomplete: the next request reads it.
        for line in _text(folder / EPOCHS_FILE).splitlines():
            try:
                epochs.append(EpochRecord.model_validate_json(line))
            except ValidationError:
                continue
        figure = losses_so_far(f"training-{number}", epochs) if epochs else None
        found.append(Training(_text(folder / NAME_FILE) or "A model", epochs[-1] if epochs else None, figure))
    return found


def _text(path: Path) -> str:
    """Return a file's text; empty if it is missing: a training may end meanwhile."""
    try:
        # Below the store: `resumable/`, the stage, the key, the file.
        root = path.parents[3]
        return read_within(UPath(root), *path.relative_to(root).parts).decode("utf-8", errors="replace")
    except OSError:
        return ""
