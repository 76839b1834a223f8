"""The stage ``predict``: a trained model's probabilities for the validation and test rows."""

from __future__ import annotations

import logging
import time

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.encoding import load_sequences
from pipeline.errors import ArtifactError
from pipeline.scoring.networks import full_precision
from pipeline.scoring.records import PREDICTIONS_FILE, PredictSummary
from pipeline.splitting.records import SplitName
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace
from pipeline.training.records import TrainSummary

log = logging.getLogger(__name__)

PREDICTED_SPLITS: tuple[SplitName, ...] = ("validation", "test")
PREDICT_STAGE = Stage("predict", version=1)


def predict(trained: ArtifactReference, encoded: ArtifactReference, store: ArtifactStore) -> ArtifactReference:
    """Score the validation and test rows with a trained model.

    Args:
        trained: Artifact of ``train``.
        encoded: Artifact of ``encode``.
        store: Holds both and receives the result.

    Returns:
        Artifact with ``predictions.parquet``: row int64, split string, label int8, probability float32; validation
        rows first, each split in the order of ``encode``.

    Raises:
        ArtifactError: An artifact is missing, or a value of the model is not a probability.
    """
    return store.produce(
        PREDICT_STAGE,
        inputs={"trained": trained, "encoded": encoded},
        params=None,
        build=lambda work: _build(work, trained, encoded, store),
    )


def _build(work: Workspace, trained: ArtifactReference, encoded: ArtifactReference, store: ArtifactStore) -> Outcome:
    from pipeline.training.prediction import Predictor, load_model

    variant = store.summary(trained, TrainSummary).variant
    predictor = Predictor(load_model(store.folder(trained)))
    tables, seconds = [], 0.0
    for split in PREDICTED_SPLITS:
        sequences = load_sequences(store, encoded, split)
        # Two machines must agree on a model's metrics; with TF32 they differ in the third decimal.
        started = time.perf_counter()
        with full_precision():
            probability = predictor(sequences)
        seconds += time.perf_counter() - started
        valid = (probability >= 0) & (probability <= 1)
        if not valid.all():
            raise ArtifactError(
                f"The model of {trained} gives values for {split} rows that are not probabilities (0 to 1), e.g. "
                f"{probability[~valid][0]}. Its training diverged or its file is damaged; train it again, perhaps "
                "with a lower learning rate."
            )
        tables.append(
            pa.table(
                {
                    "row": pa.array(sequences.row, pa.int64()),
                    "split": pa.array([split] * len(sequences), pa.string()),
                    "label": pa.array(sequences.label, pa.int8()),
                    "probability": pa.array(probability, pa.float32()),
                }
            )
        )
    predictions = pa.concat_tables(tables)
    pq.write_table(predictions, work.folder / PREDICTIONS_FILE, compression="zstd")
    log.info("predict %s: %d rows in %.1f s", variant.name, predictions.num_rows, seconds)
    return Outcome(PredictSummary(model=variant.name, rows=predictions.num_rows, seconds=round(seconds, 3)))
