"""What several tests need: artifacts placed in a store without running the stages before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Record, Stage, Workspace

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Real reviews beside the checkout; tests that use them skip where they are absent."""


class Given(BaseModel):
    """Makes a test's artifact distinct from others of its stage."""

    label: str


def place(
    store: ArtifactStore,
    stage: str,
    summary: Record,
    *,
    tables: Mapping[str, pa.Table] | None = None,
    texts: Mapping[str, str] | None = None,
    label: str = "test",
) -> ArtifactReference:
    """Put an artifact of ``stage`` into the store: Parquet ``tables`` and text files by name, and its summary."""

    def build(work: Workspace) -> Outcome:
        for name, table in (tables or {}).items():
            pq.write_table(table, work.folder / name, compression="zstd")
        for name, text in (texts or {}).items():
            (work.folder / name).write_text(text, encoding="utf-8")
        return Outcome(summary)

    return store.produce(Stage(stage), inputs={}, params=Given(label=label), build=build)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below ``folder`` by its relative name, but the manifest (it holds times)."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }
