"""What each artifact tells of itself: where it came from, what it holds, what it cost."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Record(BaseModel):
    """Base of everything that passes between stages: frozen, complete, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ArtifactReference(Record):
    """The name of an artifact: small enough for XCom, enough to find it in the store."""

    stage: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    key: str = Field(pattern=r"^[0-9a-f]{32}$")

    def __str__(self) -> str:
        """Return ``stage/key`` with the key cut to what a person compares."""
        return f"{self.stage}/{self.key[:12]}"


class RowAccount(Record):
    """Where a stage's rows went; the sum is checked, so that no row can disappear."""

    rows_in: int = Field(ge=0)
    kept: int = Field(ge=0)
    excluded: dict[str, int] = Field(default_factory=dict)
    """Rows by the named reason for which they were excluded, in the order of the steps."""

    @model_validator(mode="after")
    def _every_row_ends_somewhere(self) -> Self:
        gone = sum(self.excluded.values())
        if self.rows_in != self.kept + gone:
            raise ValueError(
                f"{self.rows_in} rows came in, but {self.kept} kept + {gone} excluded = {self.kept + gone}"
            )
        return self


class FileRecord(Record):
    """One file of an artifact."""

    bytes: int
    sha256: str


class Manifest(Record):
    """The whole account of one artifact (``manifest.json``)."""

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
    """Largest resident memory of the process up to the end of this stage."""

    @field_validator("files")
    @classmethod
    def _names_stay_below(cls, files: dict[str, FileRecord]) -> dict[str, FileRecord]:
        """Refuse a name that would lead whoever fetches the artifact out of its folder."""
        for name in files:
            if "\\" in name or "\0" in name or any(part in {"", ".", ".."} for part in name.split("/")):
                raise ValueError("a file's name leads out of the artifact")
        return files

    @property
    def reference(self) -> ArtifactReference:
        """The artifact's own reference."""
        return ArtifactReference(stage=self.stage, key=self.key)
