"""Both kinds of store."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from pipeline.store import ArtifactStore


@pytest.fixture(params=["folder", "object store"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "folder":
        return ArtifactStore(str(tmp_path / "store"))
    return ArtifactStore(f"memory://{uuid.uuid4().hex}", cache=tmp_path / "cache")
