"""What MLflow runs to score with a logged export: TensorFlow's SavedModel behind MLflow's interface.

MLflow copies this one file beside the export and runs the copy wherever the model is loaded, so it must import
nothing of this project. Nothing is pickled: the weights and the words come from the SavedModel.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext  # type: ignore[attr-defined]


class ReviewSentiment(PythonModel):
    """Scores raw reviews: column ``review``, string, to column ``probability``, float64, of the positive class."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the SavedModel; MLflow calls this once."""
        import tensorflow as tf

        export = Path(context.artifacts["export"])
        self._keep = json.loads((export / "model.json").read_text(encoding="utf-8"))["keep"]
        self._longest = int(context.model_config["longest_text"])
        self._batch = int(context.model_config["batch_rows"])
        # The signature alone would not keep the variables alive.
        self._model = tf.saved_model.load(str(export / "saved_model"))
        self._score = self._model.signatures["score"]

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's interface
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Return the probability of each review, in the order given.

        Raises:
            TypeError: A row holds no text.
        """
        import tensorflow as tf

        reviews = list(model_input["review"])
        for row, review in enumerate(reviews):
            if not isinstance(review, str):
                raise TypeError(f"Row {row} of the column `review` holds no text.")
        probabilities = np.empty(len(reviews), dtype=np.float64)
        # Rows of like length stand together, so that short reviews are not computed to the length of long ones.
        order = sorted(range(len(reviews)), key=lambda row: len(reviews[row]))
        for start in range(0, len(order), self._batch):
            rows = order[start : start + self._batch]
            encoded = [self._bounded(reviews[row]).encode("utf-8", "surrogatepass") for row in rows]
            probabilities[rows] = self._score(review=tf.constant(encoded, tf.string))["probability"].numpy()
        return pd.DataFrame({"probability": probabilities}, index=model_input.index)

    def _bounded(self, text: str) -> str:
        if len(text) <= self._longest:
            return text
        return text[-self._longest :] if self._keep == "last" else text[: self._longest]


set_model(ReviewSentiment())
