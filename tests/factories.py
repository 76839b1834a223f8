"""Factories that several areas share: artifacts in a store without their earlier stages, and review dumps."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from pipeline.run_state import Produced
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Record, Stage, Workspace

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Real reviews next to the checkout; tests that need them are skipped without them."""


class Given(BaseModel):
    """Makes an artifact distinct from others of its stage."""

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


State = TypeVar("State", bound=Produced)


def replaced(state: State, artifacts: Mapping[str, ArtifactReference | None]) -> State:
    """Return a run's or a variant's state with other artifacts; ``None`` removes one."""
    changed = {name: reference for name, reference in {**state.artifacts, **artifacts}.items() if reference is not None}
    return state.model_copy(update={"artifacts": changed})


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below ``folder`` by its relative name, except the manifest, which contains times."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


HEADER = (
    "Id",
    "ProductId",
    "UserId",
    "ProfileName",
    "HelpfulnessNumerator",
    "HelpfulnessDenominator",
    "Score",
    "Time",
    "Summary",
    "Text",
)
"""Columns of the Kaggle file."""

GOODS = ("tea", "coffee", "bread", "honey", "soup", "rice", "salt", "jam", "cake", "milk", "corn", "bean")
PRAISE = ("delicious", "wonderful", "perfect", "excellent", "lovely")
COMPLAINT = ("stale", "awful", "terrible", "rancid", "disgusting")


def reviews(count: int, score: Callable[[int], object] = lambda i: 5 if i % 4 else 1) -> list[list[object]]:
    """Return ``count`` different reviews of 50 products; the text praises where the score is above 3."""
    rows: list[list[object]] = []
    for i in range(count):
        stars = score(i)
        words = PRAISE if str(stars) > "3" else COMPLAINT
        text = (
            f"The {GOODS[i % 12]} with {GOODS[i // 12 % 12]} and {GOODS[i // 144 % 12]} was {words[i % 5]}, "
            f"lot {chr(97 + i % 26) * 3}{chr(97 + i // 26 % 26) * 2} tasted {words[i // 5 % 5]}<br />to us all"
        )
        time = 1_300_000_000 + 86_400 * (i % 900)
        rows.append([i + 1, f"B{i % 50:03}", f"U{i}", f"user {i}", 0, 0, stars, time, f"So {words[i // 7 % 5]}", text])
    return rows


def write_csv(path: Path, rows: Sequence[Sequence[object]], header: Sequence[str] = HEADER) -> Path:
    """Write a dump in the Kaggle schema (or another header) and return its path."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path
