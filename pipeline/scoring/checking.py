"""Whether an exported model reads and scores reviews like the pipeline."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.cleaning.rules import joined
from pipeline.encoding import load_sequences
from pipeline.errors import ArtifactError, quoted
from pipeline.scoring.calibration import Calibration
from pipeline.scoring.networks import onnx_session
from pipeline.scoring.records import (
    KERAS_FILE,
    ONNX_FILE,
    PREDICTIONS_FILE,
    SAVED_MODEL_FOLDER,
    ExportMismatchError,
)
from pipeline.store import ArtifactReference, ArtifactStore

log = logging.getLogger(__name__)

MAX_CHECKED_ROWS = 2_000
"""Test rows that are scored again from their raw text, evenly spread over the test split."""

BATCH_ROWS = 256

MAX_FILE_DIFFERENCE = 1e-5
"""Of a probability, between the files of one export."""

MAX_DIFFERENCE = 1e-4
"""Of a probability, between export and evaluation. Another batch, padding or kernel adds float32 numbers in another
order, which moves a probability by about 1e-7 on a CPU and 1e-6 on a GPU; a wrong word moves it by far more."""

MIN_IDENTICAL_SHARE: dict[str, float] = {"default": 1.0, "article": 0.99}
"""Share of rows whose word ids must agree, by normalization. Patterns only approximate the article's HTML parser."""


@dataclass(frozen=True)
class Sample:
    """Test rows to check, with the pipeline's results.

    Attributes:
        rows: Their numbers in the dump.
        reviews: The raw text that the model reads.
        ids: Word ids, int32, one array per row.
        probabilities: float32 ``[rows]``, as evaluated.
    """

    rows: list[int]
    reviews: list[str]
    ids: list[npt.NDArray[np.int32]]
    probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Readings:
    """An exported model's results for a sample.

    Attributes:
        ids: Word ids, int32, one array per row, padded with 0 at the end.
        probabilities: float32 ``[rows]``.
    """

    ids: list[npt.NDArray[np.int32]]
    probabilities: npt.NDArray[np.float32]


def choose_sample(
    cleaned: ArtifactReference,
    encoded: ArtifactReference,
    predicted: ArtifactReference,
    store: ArtifactStore,
    *,
    include_summary: bool,
) -> Sample:
    """Choose up to ``MAX_CHECKED_ROWS`` test rows evenly, with their raw text, word ids and probabilities.

    Raises:
        ArtifactError: A test row is missing in one of the artifacts.
    """
    sequences = load_sequences(store, encoded, "test")
    count = min(len(sequences), MAX_CHECKED_ROWS)
    chosen = np.linspace(0, max(0, len(sequences) - 1), count).round().astype(np.int64)
    numbers = sequences.row[chosen].tolist()
    wanted = pc.field("row").isin(numbers)
    texts = pq.read_table(
        store.folder(cleaned) / "reviews.parquet", columns=["row", "summary", "text"], filters=wanted
    ).to_pylist()
    predictions = pq.read_table(
        store.folder(predicted) / PREDICTIONS_FILE,
        columns=["row", "probability"],
        filters=wanted & (pc.field("split") == "test"),
    ).to_pylist()
    reviews = {
        item["row"]: joined(item["summary"], item["text"] or "") if include_summary else item["text"] or ""
        for item in texts
    }
    probabilities = {item["row"]: item["probability"] for item in predictions}
    for found, artifact in ((reviews, cleaned), (probabilities, predicted)):
        missing = [row for row in numbers if row not in found]
        if missing:
            raise ArtifactError(
                f"{len(missing)} of {len(numbers)} checked test rows of {encoded} are not in {artifact}, e.g. row "
                f"{missing[0]}. The artifacts are from different runs; export with those of one run."
            )
    return Sample(
        rows=numbers,
        reviews=[reviews[row] for row in numbers],
        ids=[sequences.ids[sequences.offsets[place] : sequences.offsets[place + 1]] for place in chosen],
        probabilities=np.array([probabilities[row] for row in numbers], np.float32),
    )


def validation_predictions(
    predicted: ArtifactReference, store: ArtifactStore
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return labels, int8 ``[rows]``, and the network's probabilities, float32 ``[rows]``, of the validation split."""
    table = pq.read_table(
        store.folder(predicted) / PREDICTIONS_FILE,
        columns=["label", "probability"],
        filters=pc.field("split") == "validation",
    )
    return table["label"].to_numpy(), table["probability"].to_numpy()


def read_back(folder: Path, reviews: list[str]) -> Readings:
    """Load ``model.keras``, ``saved_model`` and ``model.onnx`` as a user would, and score reviews with all three.

    Returns:
        The results of ``model.keras``.

    Raises:
        ExportMismatchError: The files give different word ids, or probabilities that differ by more than
            ``MAX_FILE_DIFFERENCE``.
    """
    import tensorflow as tf

    from pipeline.scoring.model import (
        IDS_NAME,
        INPUT_NAME,
        OUTPUT_NAME,
        SCORE_SIGNATURE,
        load_exported,
        with_word_ids,
    )

    loaded = with_word_ids(load_exported(folder / KERAS_FILE))
    traced = tf.function(
        lambda texts: loaded(texts, training=False), input_signature=[tf.TensorSpec([None], tf.string)]
    )
    served = tf.saved_model.load(str(folder / SAVED_MODEL_FOLDER)).signatures
    session = onnx_session(folder / ONNX_FILE)
    readings = Readings([np.empty(0, np.int32)] * len(reviews), np.zeros(len(reviews), np.float32))
    order = sorted(range(len(reviews)), key=lambda index: len(reviews[index]))
    for start in range(0, len(order), BATCH_ROWS):
        batch = order[start : start + BATCH_ROWS]
        texts = tf.constant([reviews[index].encode("utf-8", "surrogatepass") for index in batch], tf.string)
        ids, probabilities = (np.asarray(value) for value in traced(texts))
        same_ids = np.array_equal(ids, np.asarray(served[IDS_NAME](**{INPUT_NAME: texts})[IDS_NAME]))
        others = {
            SAVED_MODEL_FOLDER: np.asarray(served[SCORE_SIGNATURE](**{INPUT_NAME: texts})[OUTPUT_NAME]),
            ONNX_FILE: session.run(None, {"ids": ids})[0],
        }
        for name, values in others.items():
            difference = float(np.abs(probabilities - values).max(initial=0.0))
            if not same_ids or not difference <= MAX_FILE_DIFFERENCE:
                raise ExportMismatchError(
                    f"{KERAS_FILE} and {name} of one export disagree (probabilities by {difference:.2g}, word ids "
                    f"{'equal' if same_ids else 'different'}), so none was kept. The libraries may not fit together; "
                    "install the versions of requirements.txt."
                )
        readings.probabilities[batch] = probabilities
        for index, row in zip(batch, ids, strict=True):
            readings.ids[index] = row
    return readings


def compare(sample: Sample, readings: Readings, normalization: str, calibration: Calibration) -> tuple[int, float]:
    """Compare an exported model's results with the pipeline's.

    A probability near 0 or 1 has lost digits that rescaling brings back, so probabilities may agree before or after it.

    Returns:
        Number of rows with the same word ids, and the largest absolute difference of a probability among them.

    Raises:
        ExportMismatchError: Fewer rows than ``MIN_IDENTICAL_SHARE`` have the same word ids, or a probability of
            those differs by more than ``MAX_DIFFERENCE``.
    """
    count = len(sample.rows)
    identical = np.array(list(map(_same_words, sample.ids, readings.ids)), dtype=bool)
    differences = np.minimum(
        np.abs(readings.probabilities - calibration.apply(sample.probabilities)),
        np.abs(calibration.undo(readings.probabilities) - sample.probabilities),
    )
    largest = float(differences[identical].max(initial=0.0))
    share = float(identical.mean()) if count else 1.0
    log.info(
        "export: %d of %d checked test rows have the same word ids (%.2f %%); probabilities differ by up to %.1e",
        identical.sum(), count, 100 * share, largest,
    )  # fmt: skip
    if share < MIN_IDENTICAL_SHARE[normalization]:
        first = int(np.argmin(identical))
        found = readings.ids[first]
        raise ExportMismatchError(
            f"The exported model reads {count - identical.sum()} of {count} checked test rows differently from the "
            f"pipeline ({100 * share:.2f} % equal; at least {100 * MIN_IDENTICAL_SHARE[normalization]:g} % are "
            f"required), so it was not exported. First: row {sample.rows[first]}, word ids "
            f"{quoted(sample.ids[first].tolist(), 120)}, the model's {quoted(found[found != 0].tolist(), 120)}, text "
            f"{quoted(sample.reviews[first], 200)}. Either a text rule has another meaning in RE2 than in Python "
            "(pipeline/cleaning/rules.py), or the artifacts are from different runs."
        )
    if not largest <= MAX_DIFFERENCE:
        worst = int(np.argmax(np.where(identical, differences, -1)))
        raise ExportMismatchError(
            "The exported model scores reviews differently from the evaluated model: probabilities of rows with the "
            f"same words differ by up to {largest:.2g} (at most {MAX_DIFFERENCE:g} is allowed), so it was not "
            f"exported. Worst: row {sample.rows[worst]}, evaluated "
            f"{calibration.apply(sample.probabilities)[worst]:.6f}, exported {readings.probabilities[worst]:.6f}. "
            "Predictions and model are from different trainings, or rows are padded differently; run `predict` "
            "and `export` again on one machine."
        )
    return int(identical.sum()), largest


def _same_words(expected: npt.NDArray[np.int32], found: npt.NDArray[np.int32]) -> bool:
    # A row without words holds one stand-in id, so that it is not fully masked.
    padding = found[max(1, len(expected)) :]
    return np.array_equal(found[: len(expected)], expected) and not padding.any()
