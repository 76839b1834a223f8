"""``validate_clean``: hold the clean reviews against their contract; no row leaves here."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel

from pipeline.config import ValidationConfig
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, RowAccount, Stage, Workspace
from pipeline.validation.clauses import CLEAN_CLAUSES
from pipeline.validation.expectations import hold_contract
from pipeline.validation.measures import CLEAN_COLUMNS, CLEAN_MEASURES, clean_measures
from pipeline.validation.records import ValidationSummary
from pipeline.validation.tables import CLEANED, batches, columns_frame, opened

STAGE = Stage("validate_clean", version=1)
DATA_DOCS = "data_docs"


class CleanContractParams(BaseModel):
    """What the clean contract reads of :class:`pipeline.config.ValidationConfig`."""

    min_rows: int
    min_class_share: float


def validate_clean(cleaned: ArtifactReference, config: ValidationConfig, store: ArtifactStore) -> ArtifactReference:
    """Check the contract of the clean reviews.

    The artifact (``data_docs/``) is written also when the contract is broken, so that people can see why;
    :func:`pipeline.validation.enforce_contract` is what stops the run.

    Args:
        cleaned: The clean reviews.
        config: The limits of the contract; ``max_bad_row_share`` plays no part.
        store: Where artifacts lie.

    Raises:
        ArtifactError: The clean reviews are missing or damaged.
    """

    def build(work: Workspace) -> Outcome:
        return _build(store.folder(cleaned) / "reviews.parquet", cleaned, config, work.folder)

    params = CleanContractParams(min_rows=config.min_rows, min_class_share=config.min_class_share)
    return store.produce(STAGE, inputs={"cleaned": cleaned}, params=params, build=build)


def _build(source: Path, cleaned: ArtifactReference, config: ValidationConfig, folder: Path) -> Outcome:
    with opened(source, cleaned) as table:
        columns = columns_frame(table.schema_arrow, CLEANED)
        measures = [clean_measures(batch) for batch in batches(table, CLEANED, CLEAN_COLUMNS)]
    reviews = pa.Table.from_batches(measures, CLEAN_MEASURES)
    contract = hold_contract(
        "clean", CLEAN_CLAUSES, config, {"columns": columns, "reviews": reviews}, folder / DATA_DOCS
    )
    summary = ValidationSummary(
        data_set="clean", rows=reviews.num_rows, quarantined={}, contract=contract, data_docs=f"{DATA_DOCS}/index.html"
    )
    return Outcome(summary, RowAccount(rows_in=reviews.num_rows, kept=reviews.num_rows))
