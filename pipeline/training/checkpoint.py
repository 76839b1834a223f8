"""The state of a training after each epoch, from which an interrupted training resumes.

It is one file of plain arrays and JSON, without pickle. It is written under a temporary name, synced and renamed, so
there is always a complete checkpoint.
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
    """Everything that the next epoch depends on, except the order of the rows, which is derived from the seed.

    Attributes:
        epochs: The finished epochs.
        model: Values of all variables of the model, including those of the dropout generators.
        optimizer: Values of all variables of the optimizer.
        best: Weights of the model after the best epoch; empty if they are not needed.
    """

    epochs: tuple[EpochRecord, ...]
    model: tuple[Array, ...]
    optimizer: tuple[Array, ...]
    best: tuple[Array, ...]

    def save(self, folder: Path) -> None:
        """Write ``checkpoint.npz`` into the folder atomically."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {"format": FORMAT, "epochs": [record.model_dump() for record in self.epochs]}
        arrays = {
            f"{group}_{number:04d}": value
            for group in ("model", "optimizer", "best")
            for number, value in enumerate(getattr(self, group))
        }
        temporary = folder / f".{CHECKPOINT_FILE}.{os.getpid()}"
        with temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, state=np.array(json.dumps(state)), **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(folder / CHECKPOINT_FILE)

    @classmethod
    def load(cls, folder: Path) -> Checkpoint | None:
        """Read the checkpoint; ``None`` if it is missing, or damaged (with a warning)."""
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
                "The checkpoint %s cannot be read (%s); training starts again at the first epoch.",
                quoted(file.name),
                quoted(error, 200),
            )
            return None
        return cls(epochs, *groups)

    def fits(self, model: Sequence[Any], optimizer: Sequence[Any]) -> bool:
        """Return whether these variables have the same shapes as the stored values."""
        return _shapes(self.model) == _shapes(model) and _shapes(self.optimizer) == _shapes(optimizer)


def _shapes(values: Sequence[Any]) -> list[tuple[int, ...]]:
    return [tuple(value.shape) for value in values]
