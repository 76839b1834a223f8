"""Exports as MLflow models: code and plain files, no pickle."""

from __future__ import annotations

import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.scoring.records import ExportSummary
from pipeline.scoring.scorer import MAX_TEXT_CHARACTERS
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.tracking.connection import TAG, Connection

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel

MODEL_NAME = "review_sentiment"
EXPORTED_TAG = f"{TAG}.exported"
MODEL_CODE = Path(__file__).with_name("model_code.py")
REQUIREMENTS = ("mlflow", "numpy", "pandas", "tensorflow")
"""Packages that a process needs to load the model; this project is not one of them."""
BATCH_ROWS = 1024
ABANDONED_SECONDS = 3600
"""Seconds after which an unfinished upload counts as killed; a newer one may belong to another task."""


def log_model(
    connection: Connection, exported: ArtifactReference, store: ArtifactStore, run_id: str | None
) -> LoggedModel:
    """Return MLflow's complete copy of an export, the oldest if there are several; log one if there is none.

    Args:
        connection: MLflow.
        exported: Artifact of ``export``.
        store: Holds the artifact.
        run_id: The variant's run in MLflow, if it has one.

    Raises:
        ArtifactError: The export is missing.
    """
    client = connection.client
    copies = client.search_logged_models(
        [connection.experiment_id], filter_string=f"tags.`{EXPORTED_TAG}` = '{exported.key}'"
    )
    complete = [model for model in copies if str(model.status) == "READY"]
    if complete:
        return min(complete, key=lambda model: (model.creation_timestamp, model.model_id))
    for model in copies:
        if time.time() - model.creation_timestamp / 1000 > ABANDONED_SECONDS:
            client.delete_logged_model(model.model_id)
    folder = store.folder(exported)
    summary = store.summary(exported, ExportSummary)
    model = client.create_logged_model(
        connection.experiment_id,
        name=MODEL_NAME,
        source_run_id=run_id,
        tags={EXPORTED_TAG: exported.key, f"{TAG}.variant": summary.variant},
        params={"threshold": str(summary.threshold)},
    )
    with tempfile.TemporaryDirectory(prefix="mlflow-model-") as scratch:
        path = Path(scratch) / "model"
        _save(path, folder, model, run_id)
        client.log_model_artifacts(model.model_id, str(path))
    # Last, so that a model counts as complete only after its upload.
    return client.finalize_logged_model(model.model_id, "READY")


def _save(path: Path, export: Path, model: LoggedModel, run_id: str | None) -> None:
    import mlflow
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    signature = ModelSignature(
        inputs=Schema([ColSpec("string", "review")]),
        outputs=Schema([ColSpec("double", "probability"), ColSpec("long", "label"), ColSpec("double", "threshold")]),
    )
    mlflow.pyfunc.save_model(
        path=str(path),
        python_model=str(MODEL_CODE),
        artifacts={"export": str(export)},
        signature=signature,
        # Listed, because MLflow would load the model in another process to find them.
        pip_requirements=[f"{name}=={metadata.version(name)}" for name in REQUIREMENTS],
        model_config={"max_text_characters": MAX_TEXT_CHARACTERS, "batch_rows": BATCH_ROWS},
        mlflow_model=Model(
            artifact_path=model.artifact_location, model_uuid=model.model_id, run_id=run_id, model_id=model.model_id
        ),
    )
