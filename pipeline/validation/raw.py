"""``validate_raw``: part a dump into kept and quarantined rows, and hold what is kept against its contract."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.config import ValidationConfig
from pipeline.errors import quoted
from pipeline.readers.schema import REVIEW_SCHEMA as INGESTED
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, RowAccount, Stage, Workspace
from pipeline.validation.clauses import FEW_BAD_ROWS, RAW_CLAUSES
from pipeline.validation.expectations import hold_contract
from pipeline.validation.measures import RAW_MEASURES, raw_measures
from pipeline.validation.records import ValidationSummary
from pipeline.validation.rules import ROW_RULES, Judgment, judge
from pipeline.validation.tables import KEPT, QUARANTINE, batches, columns_frame, opened

STAGE = Stage("validate_raw", version=1)
DATA_DOCS = "data_docs"
NAMED_REASONS = 3
"""Reasons that the advice on bad rows names."""


def validate_raw(ingested: ArtifactReference, config: ValidationConfig, store: ArtifactStore) -> ArtifactReference:
    """Apply the row rules to a dump and check the contract of the rows that are left.

    The artifact (``reviews.parquet``, ``quarantine.parquet``, ``data_docs/``) is written also when the contract is
    broken, so that people can see why; :func:`pipeline.validation.enforce_contract` is what stops the run.

    Args:
        ingested: The typed dump.
        config: The limits of the contract.
        store: Where artifacts lie.

    Raises:
        ArtifactError: The typed dump is missing or damaged.
    """

    def build(work: Workspace) -> Outcome:
        return _build(store.folder(ingested) / "reviews.parquet", ingested, config, work.folder)

    return store.produce(STAGE, inputs={"ingested": ingested}, params=config, build=build)


@dataclass
class _Quarantined:
    """What is remembered of the quarantine while rows stream by.

    Attributes:
        rows: Rows by reason.
        first: ``file:line (detail)`` of the first row of each reason.
    """

    rows: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, judgment: Judgment) -> None:
        for counted in pc.value_counts(judgment.reasons).to_pylist():
            reason = counted["values"]
            self.rows[reason] = self.rows.get(reason, 0) + counted["counts"]
            if reason not in self.first:
                index = pc.index(judgment.reasons, reason).as_py()
                row = judgment.quarantined.slice(index, 1).to_pylist()[0]
                place = f"{quoted(row['file'], 60)[1:-1]}:{row['line']}"
                self.first[reason] = f"{place} ({quoted(judgment.details[index].as_py(), 80)[1:-1]})"

    def by_reason(self) -> dict[str, int]:
        """Return the rows by reason, in the order of the rules."""
        return {rule.reason: self.rows[rule.reason] for rule in ROW_RULES if rule.reason in self.rows}

    def advice(self) -> str:
        """Return what to do about bad rows: the most frequent reasons, where each begins, and the next step."""
        most = sorted(self.by_reason().items(), key=lambda pair: -pair[1])
        named = [f"{reason} {rows:,}, first {self.first[reason]}" for reason, rows in most[:NAMED_REASONS]]
        others = [f"{len(most) - NAMED_REASONS} more reasons"] if len(most) > NAMED_REASONS else []
        return f"{'; '.join(named + others)}. {FEW_BAD_ROWS.advice}" if most else FEW_BAD_ROWS.advice


def _build(source: Path, ingested: ArtifactReference, config: ValidationConfig, folder: Path) -> Outcome:
    quarantined = _Quarantined()
    flags: list[pa.Array] = []
    measures: list[pa.RecordBatch] = []
    with (
        opened(source, ingested) as table,
        pq.ParquetWriter(folder / "reviews.parquet", KEPT, compression="zstd") as kept_file,
        pq.ParquetWriter(folder / "quarantine.parquet", QUARANTINE, compression="zstd") as quarantine_file,
    ):
        columns = columns_frame(table.schema_arrow, INGESTED)
        for batch in batches(table, INGESTED, tuple(INGESTED.names)):
            judgment = judge(batch)
            if judgment.kept.num_rows:
                kept_file.write_batch(_as(judgment.kept, KEPT))
                measures.append(raw_measures(judgment.kept))
            if judgment.quarantined.num_rows:
                quarantine_file.write_batch(_quarantine_rows(judgment))
                quarantined.add(judgment)
            # Only the share matters, so the flags need not stand in the order of the rows.
            flags.append(pa.repeat(pa.scalar(0, pa.int8()), judgment.kept.num_rows))
            flags.append(pa.repeat(pa.scalar(1, pa.int8()), judgment.quarantined.num_rows))

    dump = pa.table({"quarantined": pa.chunked_array(flags, pa.int8())})
    reviews = pa.Table.from_batches(measures, RAW_MEASURES)
    contract = hold_contract(
        "raw",
        RAW_CLAUSES,
        config,
        {"columns": columns, "dump": dump, "reviews": reviews},
        folder / DATA_DOCS,
        advice={FEW_BAD_ROWS: quarantined.advice()},
    )
    by_reason = quarantined.by_reason()
    summary = ValidationSummary(
        data_set="raw",
        rows=dump.num_rows,
        quarantined=by_reason,
        contract=contract,
        data_docs=f"{DATA_DOCS}/index.html",
    )
    return Outcome(summary, RowAccount(rows_in=dump.num_rows, kept=reviews.num_rows, excluded=by_reason))


def _as(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([batch.column(name) for name in schema.names], schema=schema)


def _quarantine_rows(judgment: Judgment) -> pa.RecordBatch:
    own = {"reason": judgment.reasons, "detail": judgment.details}
    columns = [own[name] if name in own else judgment.quarantined.column(name) for name in QUARANTINE.names]
    return pa.RecordBatch.from_arrays(columns, schema=QUARANTINE)
