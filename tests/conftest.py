"""Fixtures for every test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.store import ArtifactStore
from tests.support import SHARED_DATA

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))


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


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Home of a migrated Airflow; must be asked for before anything imports Airflow."""
    import airflow_environment

    before = dict(os.environ)
    home = tmp_path_factory.mktemp("airflow")
    airflow_environment.prepare(home)
    os.environ["REVIEW_SENTIMENT_STORE"] = str(home / "store")
    yield home
    os.environ.clear()
    os.environ.update(before)
