"""Small cleaned dumps and earlier reports for the tests of profiling."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from pipeline.cleaning.records import CleanSummary
from pipeline.profiling import ProfiledDump
from pipeline.sources.records import FetchedFile, FetchSummary
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Record, Stage
from pipeline.validation.records import ContractResult, ExpectationResult, ValidationSummary
from tests.factories import place

SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("id", pa.int64()),
        ("product_id", pa.string()),
        ("user_id", pa.string()),
        ("time", pa.int64()),
        ("score", pa.int8()),
        ("helpfulness_numerator", pa.int32()),
        ("helpfulness_denominator", pa.int32()),
        ("summary", pa.string()),
        ("text", pa.string()),
        ("label", pa.int8()),
        ("words", pa.string()),
    ]
)


def review(row: int, **changes: Any) -> dict[str, Any]:
    """Return a clean review; one in four has one star."""
    score = changes.get("score", 5 if row % 4 else 1)
    given = {
        "row": row,
        "id": row,
        "product_id": f"P{row % 7}",
        "user_id": f"U{row}",
        "time": 1_300_000_000 + 86_400 * row,
        "score": score,
        "helpfulness_numerator": 0,
        "helpfulness_denominator": row % 3,
        "summary": "so",
        "text": f"Text number {row}",
        "label": int(score > 3),
        "words": "good tea",
    }
    return given | changes


def cleaned_table(reviews: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return clean reviews in the columns of docs/reference/artifacts.md."""
    return pa.Table.from_pylist(list(reviews), SCHEMA)


def validation(rows: int, quarantined: int = 0, *, success: bool = True, data_set: str = "raw") -> ValidationSummary:
    """Return a validation summary with one expectation."""
    expectation = ExpectationResult(
        name="expect", title="an expectation", column=None, success=success, observed="", expected="", advice=""
    )
    return ValidationSummary(
        data_set=data_set,
        rows=rows,
        quarantined={"bad_score": quarantined} if quarantined else {},
        contract=ContractResult(success=success, expectations=(expectation,)),
        data_docs=None,
    )


def placed_dump(
    store: ArtifactStore,
    label: str,
    reviews: Sequence[Mapping[str, Any]] | None = None,
    *,
    quarantined: int = 0,
    success: bool = True,
    normalization: str = "default",
    demo: bool = False,
) -> ProfiledDump:
    """Put the three artifacts of a dump into the store."""
    table = cleaned_table([review(row) for row in range(40)] if reviews is None else reviews)
    file = FetchedFile(name=f"{label}.csv", path=f"raw/{label}.csv", origin=label, bytes=1, sha256="0" * 64)
    words = CleanSummary(
        normalization=normalization,
        summary_joined=False,
        stop_words_sha256="",
        steps=(),
        positive=0,
        negative=0,
        notes=(),
    )
    return ProfiledDump(
        fetched=place(store, "fetch", FetchSummary(files=(file,), demo=demo), label=label),
        validated_raw=place(
            store, "validate_raw", validation(len(table) + quarantined, quarantined, success=success), label=label
        ),
        cleaned=place(store, "clean", words, tables={"reviews.parquet": table}, label=label),
    )


class _Nothing(Record):
    pass


class _Run(BaseModel):
    run: str


def placed_report(
    store: ArtifactStore, run: str, inputs: Mapping[str, ArtifactReference], *, latest: bool = True
) -> ArtifactReference:
    """Put a report on some artifacts into the store and, with ``latest``, record it as the last published."""
    reported = store.produce(
        Stage("report"), inputs=dict(inputs), params=_Run(run=run), build=lambda _: Outcome(_Nothing())
    )
    if latest:
        name_latest(store, json.dumps({"artifact": f"report/{reported.key}"}))
    return reported


def name_latest(store: ArtifactStore, text: str) -> None:
    """Write ``reports/latest.json``."""
    folder = store.root / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.json").write_text(text, encoding="utf-8")
