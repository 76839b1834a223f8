"""The network under Keras's other backends: the same weights say the same, there and back."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from pipeline.training.batches import batch_of
from pipeline.training.model import build_model
from tests.unit.training.backend_child import DIRECTIONS, VOCABULARY
from tests.unit.training.factories import MAX_LENGTH, pairs, reviews, variant

CHILD_LIMIT_SECONDS = 240
TOLERANCE = 1e-5
"""Of a probability."""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_reads_and_writes_the_same_network(keras, tmp_path, backend):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    ids = batch_of(reviews(24, 4), np.arange(24), max_length=MAX_LENGTH).ids
    assert (ids == 0).any(), "nothing is padded"
    np.save(tmp_path / "ids.npy", ids)
    models = {
        name: build_model(variant(directions=(name,), layers=(2,)), VOCABULARY, pairs=pairs()) for name in DIRECTIONS
    }
    for name, model in models.items():
        model.save(tmp_path / f"tensorflow_{name}.keras")

    command = [sys.executable, "-m", "tests.unit.training.backend_child", str(tmp_path)]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=CHILD_LIMIT_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(tmp_path / "answers.npz") as answers:
        assert answers["backend"] == backend
        for name, model in models.items():
            other = keras.saving.load_model(tmp_path / f"other_{name}.keras", compile=False, safe_mode=True)
            for origin, here in (("tensorflow", model), ("other", other)):
                there = answers[f"{origin}_{name}"]
                np.testing.assert_allclose(here(ids), there, rtol=0, atol=TOLERANCE, err_msg=f"{origin} {name}")
