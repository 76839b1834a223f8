"""Fixtures for training: TensorFlow loads once for all tests of a process."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.store import ArtifactReference, ArtifactStore
from tests.unit.training.example import place_inputs


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
