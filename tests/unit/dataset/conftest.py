"""An empty inbox for each test, and contracts that hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.validation.records import ContractResult


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty inbox."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", str(folder))
    return folder


@pytest.fixture
def _contracts_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Great Expectations takes most of a run's time and says nothing about the dataset."""
    for stage in ("raw", "clean"):
        monkeypatch.setattr(
            f"pipeline.validation.{stage}.check_contract", lambda *_: ContractResult(success=True, expectations=())
        )
