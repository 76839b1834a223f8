"""Fixtures for every test."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.store import ArtifactStore
from tests.support import SHARED_DATA


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """An empty store in a folder of this test alone."""
    return ArtifactStore(str(tmp_path / "store"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real reviews; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real reviews at {SHARED_DATA.parent.name}/{SHARED_DATA.name} beside the checkout")
    return SHARED_DATA
