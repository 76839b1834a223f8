"""An empty inbox for each test."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty inbox."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", str(folder))
    return folder
