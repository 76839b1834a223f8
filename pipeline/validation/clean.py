"""The stage ``validate_clean``: check the contract of the clean reviews. No row is excluded here."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel

from pipeline.config import ValidationConfig
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, RowAccount, Stage, Workspace
from pipeline.validation.checking import check_contract
from pipeline.validation.contracts import Expectation, clean_contract
from pipeline.validation.measures import CLEAN_COLUMNS, CLEAN_MEASURES, clean_measures
from pipeline.validation.records import ValidationSummary
from pipeline.validation.tables import CLEANED, columns_frame, open_table, read_batches

STAGE = Stage("validate_clean", version=3)
DATA_DOCS = "data_docs"


class CleanContractParams(BaseModel):
    """The limits of :class:`pipeline.config.ValidationConfig` that the clean contract uses."""

    min_rows: int
    min_class_share: float


def validate_clean(cleaned: ArtifactReference, config: ValidationConfig, store: ArtifactStore) -> ArtifactReference:
    """Check the contract of the clean reviews.

    The artifact (``data_docs/``) is also written if the contract is violated, so that you can see why:
    :func:`pipeline.validation.enforce_contract` stops the run.

    Args:
        cleaned: The clean reviews.
        config: The limits of the contract; ``max_bad_row_share`` is not used.
        store: The store.

    Raises:
        ArtifactError: The clean reviews are missing or damaged.
    """

    def build(work: Workspace) -> Outcome:
        rows = store.manifest(cleaned).rows
        contract = clean_contract(config, rows.excluded if rows else None)
        return _build(store.folder(cleaned) / "reviews.parquet", cleaned, contract, work.folder)

    params = CleanContractParams(min_rows=config.min_rows, min_class_share=config.min_class_share)
    return store.produce(STAGE, inputs={"cleaned": cleaned}, params=params, build=build)


def _build(source: Path, cleaned: ArtifactReference, expectations: tuple[Expectation, ...], folder: Path) -> Outcome:
    with open_table(source, cleaned) as table:
        columns = columns_frame(table.schema_arrow, CLEANED)
        measures = [clean_measures(batch) for batch in read_batches(table, CLEANED, CLEAN_COLUMNS)]
    reviews = pa.Table.from_batches(measures, CLEAN_MEASURES)
    contract = check_contract("clean", expectations, {"columns": columns, "reviews": reviews}, folder / DATA_DOCS)
    summary = ValidationSummary(
        data_set="clean", rows=reviews.num_rows, quarantined={}, contract=contract, data_docs=f"{DATA_DOCS}/index.html"
    )
    return Outcome(summary, RowAccount(rows_in=reviews.num_rows, kept=reviews.num_rows))
