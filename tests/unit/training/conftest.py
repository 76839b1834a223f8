"""Fixtures for training: TensorFlow loads once for all tests of a process."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from pipeline.store import ArtifactReference, ArtifactStore
from tests.unit.training.factories import place_inputs


@pytest.fixture(scope="session")
def keras() -> Any:
    """Keras on the CPU, loaded once for all tests of this process."""
    from pipeline.training.device import use_device

    use_device("cpu")
    import keras

    return keras


@pytest.fixture
def inputs(store: ArtifactStore) -> tuple[ArtifactReference, ArtifactReference]:
    """An encoded artifact and its vocabulary."""
    return place_inputs(store)


@pytest.fixture
def cudnn_masks(keras: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Make Keras see a GPU; collects the mask of each call to the cuDNN LSTM."""
    # The package exports a function of this name.
    rnn = import_module("keras.src.backend.tensorflow.rnn")
    masks: list[Any] = []

    def refused(*arguments: Any) -> None:
        masks.append(arguments[6])
        # Keras then continues without cuDNN.
        raise NotImplementedError

    monkeypatch.setattr(rnn, "_is_gpu_available", lambda: True)
    monkeypatch.setattr(rnn, "_cudnn_lstm", refused)
    return masks
