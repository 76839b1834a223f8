"""The state of a training after each epoch, so that a killed one goes on where it stood.

One file of plain arrays, with the history as JSON text among them: nothing is pickled. It is written aside, synced
and renamed, so that a kill at any moment leaves the last whole one.
"""

from __future__ import annotations

import json
import logging
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from pipeline.errors import quoted
from pipeline.training.records import EpochRecord

log = logging.getLogger(__name__)

CHECKPOINT_FILE = "checkpoint.npz"
FORMAT = 1

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """Everything that the next epoch depends on; the order of rows follows from the seed and the epoch.

    Attributes:
        epochs: The finished epochs.
        model: Values of all variables of the model, the dropout generators' among them.
        optimizer: Values of all variables of the optimizer.
        best: Values of the model's weights after the best epoch; empty where they are not asked for.
    """

    epochs: tuple[EpochRecord, ...]
    model: tuple[Array, ...]
    optimizer: tuple[Array, ...]
    best: tuple[Array, ...]

    def save(self, folder: Path) -> None:
        """Write ``checkpoint.npz`` into the folder, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {"format": FORMAT, "epochs": [record.model_dump() for record in self.epochs]}
        arrays = {
            f"{group}_{number:04d}": value
            for group in ("model", "optimizer", "best")
            for number, value in enumerate(getattr(self, group))
        }
        aside = folder / f".{CHECKPOINT_FILE}.{os.getpid()}"
        with aside.open("wb") as stream:
            np.savez(stream, allow_pickle=False, state=np.array(json.dumps(state)), **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(folder / CHECKPOINT_FILE)

    @classmethod
    def load(cls, folder: Path) -> Checkpoint | None:
        """Read the checkpoint back; ``None`` where there is none, or where it is damaged (then with a warning)."""
        file = folder / CHECKPOINT_FILE
        if not file.exists():
            return None
        try:
            with np.load(file, allow_pickle=False) as arrays:
                state = json.loads(str(arrays["state"]))
                if state["format"] != FORMAT:
                    raise ValueError(f"format {state['format']} instead of {FORMAT}")
                epochs = tuple(EpochRecord.model_validate(record) for record in state["epochs"])
                names = sorted(arrays.files)
                groups = [
                    tuple(arrays[name] for name in names if name.startswith(f"{group}_"))
                    for group in ("model", "optimizer", "best")
                ]
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, ValidationError) as error:
            log.warning(
                "The checkpoint %s cannot be read (%s); training starts again from its first epoch.",
                quoted(file.name),
                quoted(error, 200),
            )
            return None
        return cls(epochs, *groups)

    def fits(self, model: Sequence[Any], optimizer: Sequence[Any]) -> bool:
        """Return whether these variables have the shapes of the stored values."""
        return _shapes(self.model) == _shapes(model) and _shapes(self.optimizer) == _shapes(optimizer)


def _shapes(values: Sequence[Any]) -> list[tuple[int, ...]]:
    return [tuple(value.shape) for value in values]
