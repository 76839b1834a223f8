"""Reads and writes models under another backend of Keras; the backend is chosen for a whole process.

``KERAS_BACKEND=jax python -m tests.unit.training.backend_child FOLDER`` reads ``ids.npy`` and ``tensorflow_*.keras``
from the folder, and leaves ``answers.npz`` and models of its own (``other_*.keras``).
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np

from pipeline.training.model import build_model
from tests.unit.training.factories import pairs, variant

DIRECTIONS = ("uni", "bi")
VOCABULARY = 30


def main(folder: Path) -> None:
    """Say what the models of both backends answer to the same batch."""
    answers = {"backend": np.array(keras.backend.backend())}
    ids = np.load(folder / "ids.npy")
    for direction in DIRECTIONS:
        # As stock Keras: nothing of this project is needed to read a saved model.
        theirs = keras.saving.load_model(folder / f"tensorflow_{direction}.keras", compile=False, safe_mode=True)
        own = build_model(variant(directions=(direction,), layers=(2,), seeds=(7,)), VOCABULARY, pairs=pairs())
        own.save(folder / f"other_{direction}.keras")
        for name, model in (("tensorflow", theirs), ("other", own)):
            answers[f"{name}_{direction}"] = keras.ops.convert_to_numpy(model(ids, training=False))
    np.savez(folder / "answers.npz", **answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
