"""The code that MLflow runs to score with a logged export: TensorFlow's SavedModel with MLflow's interface.

MLflow copies this file next to the export and runs the copy in every process that loads the model, so it must not
import this project. Nothing is pickled: weights and vocabulary come from the SavedModel, which also applies the text
rules.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext  # type: ignore[attr-defined]


class ReviewSentiment(PythonModel):
    """Scores raw reviews: column ``review``, string.

    Columns of the result: ``probability`` of the positive class, float64; ``label``, int64, 1 from the threshold on;
    ``threshold``, float64.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Load the SavedModel; MLflow calls this once."""
        import tensorflow as tf

        export = Path(context.artifacts["export"])
        described = json.loads((export / "model.json").read_text(encoding="utf-8"))
        self._keep, self._threshold = described["keep"], float(described["threshold"])
        self._max_characters = int(context.model_config["max_text_characters"])
        self._batch = int(context.model_config["batch_rows"])
        # Kept, because the signature alone does not keep the variables alive.
        self._model = tf.saved_model.load(str(export / "saved_model"))
        self._score = self._model.signatures["score"]

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's interface
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Return probability, label and threshold of each review, in the same order.

        Raises:
            TypeError: A row is not a string.
        """
        import tensorflow as tf

        reviews = list(model_input["review"])
        for row, review in enumerate(reviews):
            if not isinstance(review, str):
                raise TypeError(f"Row {row} of the column `review` is not a string.")
        probabilities = np.empty(len(reviews), dtype=np.float64)
        # Sorted by length, so that short reviews are not padded to the length of long ones.
        order = sorted(range(len(reviews)), key=lambda row: len(reviews[row]))
        for start in range(0, len(order), self._batch):
            rows = order[start : start + self._batch]
            encoded = [self._truncated(reviews[row]).encode("utf-8", "surrogatepass") for row in rows]
            probabilities[rows] = self._score(review=tf.constant(encoded, tf.string))["probability"].numpy()
        labels = (probabilities >= self._threshold).astype(np.int64)
        scored = {"probability": probabilities, "label": labels, "threshold": self._threshold}
        return pd.DataFrame(scored, index=model_input.index)

    def _truncated(self, text: str) -> str:
        if len(text) <= self._max_characters:
            return text
        return text[-self._max_characters :] if self._keep == "last" else text[: self._max_characters]


set_model(ReviewSentiment())
