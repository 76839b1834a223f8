"""The stage ``validate_raw``: quarantine the bad rows of a dump, and check the contract of the kept ones."""

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
from pipeline.validation.checking import check_contract
from pipeline.validation.contracts import raw_contract
from pipeline.validation.language import TextSampler, sample_languages
from pipeline.validation.measures import RAW_MEASURES, raw_measures
from pipeline.validation.records import ValidationSummary
from pipeline.validation.rules import ROW_RULES, CheckedRows, apply_row_rules
from pipeline.validation.tables import KEPT, QUARANTINE, columns_frame, open_table, read_batches

STAGE = Stage("validate_raw", version=3)
DATA_DOCS = "data_docs"
NAMED_REASONS = 3
"""Most reasons that the advice on bad rows names."""


def validate_raw(ingested: ArtifactReference, config: ValidationConfig, store: ArtifactStore) -> ArtifactReference:
    """Apply the row rules to a dump and check the contract of the kept rows.

    The artifact (``reviews.parquet``, ``quarantine.parquet``, ``data_docs/``) is also written if the contract is
    violated, so that you can see why: :func:`pipeline.validation.enforce_contract` stops the run.

    Args:
        ingested: Artifact of ``ingest``.
        config: The limits of the contract.
        store: The store.

    Raises:
        ArtifactError: The ingested table is missing or damaged.
    """

    def build(work: Workspace) -> Outcome:
        return _build(store.folder(ingested) / "reviews.parquet", ingested, config, work.folder)

    return store.produce(STAGE, inputs={"ingested": ingested}, params=config, build=build)


@dataclass
class _QuarantineCounts:
    """Counts of quarantined rows.

    Attributes:
        rows: Rows by reason.
        first: ``file:line (detail)`` of the first row of each reason.
    """

    rows: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, checked: CheckedRows) -> None:
        for counted in pc.value_counts(checked.reasons).to_pylist():
            reason = counted["values"]
            self.rows[reason] = self.rows.get(reason, 0) + counted["counts"]
            if reason not in self.first:
                index = pc.index(checked.reasons, reason).as_py()
                row = checked.quarantined.slice(index, 1).to_pylist()[0]
                place = f"{quoted(row['file'], 60)[1:-1]}:{row['line']}"
                self.first[reason] = f"{place} ({quoted(checked.details[index].as_py(), 80)[1:-1]})"

    def by_reason(self) -> dict[str, int]:
        """Return the rows by reason, in the order of the rules."""
        return {rule.reason: self.rows[rule.reason] for rule in ROW_RULES if rule.reason in self.rows}

    def most_frequent(self) -> str:
        """Return the most frequent reasons, each with its first row."""
        most = sorted(self.by_reason().items(), key=lambda pair: -pair[1])
        named = [f"{reason} {rows:,}, first {self.first[reason]}" for reason, rows in most[:NAMED_REASONS]]
        others = [f"{len(most) - NAMED_REASONS} more reasons"] if len(most) > NAMED_REASONS else []
        return "; ".join(named + others)


def _build(source: Path, ingested: ArtifactReference, config: ValidationConfig, folder: Path) -> Outcome:
    quarantined = _QuarantineCounts()
    flags: list[pa.Array] = []
    measures: list[pa.RecordBatch] = []
    sampler = TextSampler()
    with (
        open_table(source, ingested) as table,
        pq.ParquetWriter(folder / "reviews.parquet", KEPT, compression="zstd") as kept_file,
        pq.ParquetWriter(folder / "quarantine.parquet", QUARANTINE, compression="zstd") as quarantine_file,
    ):
        columns = columns_frame(table.schema_arrow, INGESTED)
        for batch in read_batches(table, INGESTED, tuple(INGESTED.names)):
            checked = apply_row_rules(batch)
            if checked.kept.num_rows:
                kept_file.write_batch(checked.kept.select(KEPT.names).cast(KEPT))
                measures.append(raw_measures(checked.kept))
                sampler.add(checked.kept.column("text"))
            if checked.quarantined.num_rows:
                quarantine_file.write_batch(_quarantine_rows(checked))
                quarantined.add(checked)
            # Only the share matters, so the order of the flags does not.
            flags.append(pa.repeat(pa.scalar(0, pa.int8()), checked.kept.num_rows))
            flags.append(pa.repeat(pa.scalar(1, pa.int8()), checked.quarantined.num_rows))

    dump = pa.table({"quarantined": pa.chunked_array(flags, pa.int8())})
    reviews = pa.Table.from_batches(measures, RAW_MEASURES)
    languages = sample_languages([] if config.allow_other_languages else sampler.texts)
    contract = check_contract(
        "raw",
        raw_contract(config, quarantined.most_frequent(), languages),
        {"columns": columns, "dump": dump, "reviews": reviews, "languages": languages.measures()},
        folder / DATA_DOCS,
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


def _quarantine_rows(checked: CheckedRows) -> pa.RecordBatch:
    added = {"reason": checked.reasons, "detail": checked.details}
    columns = [added[name] if name in added else checked.quarantined.column(name) for name in QUARANTINE.names]
    return pa.RecordBatch.from_arrays(columns, schema=QUARANTINE)
