"""The manifest of an artifact: its provenance, its files and its cost."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Record(BaseModel):
    """Base of all records that pass between stages: frozen, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ArtifactReference(Record):
    """Identifies an artifact in the store; small enough for XCom."""

    stage: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    key: str = Field(pattern=r"^[0-9a-f]{32}$")

    def __str__(self) -> str:
        """Return ``stage/key`` with the first 12 characters of the key."""
        return f"{self.stage}/{self.key[:12]}"


class RowAccount(Record):
    """The rows that a stage kept and excluded; their sum is checked, so that no row can disappear."""

    rows_in: int = Field(ge=0)
    kept: int = Field(ge=0)
    excluded: dict[str, int] = Field(default_factory=dict)
    """Number of excluded rows by reason, in the order of the steps."""

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        gone = sum(self.excluded.values())
        if self.rows_in != self.kept + gone:
            raise ValueError(
                f"{self.rows_in} rows were read, but {self.kept} kept + {gone} excluded = {self.kept + gone}"
            )
        return self


class FileRecord(Record):
    """One file of an artifact."""

    bytes: int
    sha256: str


class Manifest(Record):
    """Provenance, files and cost of one artifact (``manifest.json``)."""

    schema_version: int = 1
    stage: str
    stage_version: int
    key: str
    inputs: dict[str, ArtifactReference]
    params: dict[str, Any]
    """The configuration fields that the stage read, as JSON."""
    rows: RowAccount | None
    files: dict[str, FileRecord]
    libraries: dict[str, str]
    python: str
    machine: str
    started_at: datetime
    seconds: float
    peak_memory_bytes: int
    """Peak resident memory of the process until the end of this stage."""

    @field_validator("files")
    @classmethod
    def _check_names(cls, files: dict[str, FileRecord]) -> dict[str, FileRecord]:
        """Reject names that lead out of the artifact's folder when it is downloaded."""
        for name in files:
            if "\\" in name or "\0" in name or any(part in {"", ".", ".."} for part in name.split("/")):
                raise ValueError("a file's name leads out of the artifact")
        return files

    @property
    def reference(self) -> ArtifactReference:
        """The reference to this artifact."""
        return ArtifactReference(stage=self.stage, key=self.key)
