"""Whether an exported model reads and scores reviews as the pipeline did."""

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
from pipeline.scoring.errors import ExportMismatchError
from pipeline.scoring.records import MODEL_FILE, PREDICTIONS_FILE, SAVED_MODEL_FOLDER
from pipeline.store import ArtifactReference, ArtifactStore

log = logging.getLogger(__name__)

CHECKED_ROWS = 2_000
"""Test rows that are scored again from their raw text; evenly spread over the test part."""

BATCH_ROWS = 256

LARGEST_DIFFERENCE = 1e-4
"""Of a probability. Another batch, padding or kernel adds float32 numbers in another order, which moves a
probability by some 1e-7 on a CPU and 1e-6 on a GPU; a wrong word or wrong weights move it by far more."""

LEAST_IDENTICAL_SHARE: dict[str, float] = {"default": 1.0, "article": 0.99}
"""Share of rows whose word ids must agree, by normalization. The article's HTML parser has no equal among patterns;
its graph is the closest set of rules."""


@dataclass(frozen=True)
class Sample:
    """Test rows to check, and what the pipeline made of them.

    Attributes:
        rows: Their numbers in the dump.
        reviews: The raw text that the model reads.
        ids: Word ids, int32, one array a row.
        probabilities: float32 ``[rows]``, as judged.
    """

    rows: list[int]
    reviews: list[str]
    ids: list[npt.NDArray[np.int32]]
    probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Readings:
    """What an exported model makes of a sample.

    Attributes:
        ids: Word ids, int32, one array a row, padded with 0 at the end.
        probabilities: float32 ``[rows]``.
    """

    ids: list[npt.NDArray[np.int32]]
    probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """How far the exported model agrees.

    Attributes:
        rows: Rows checked.
        identical_ids: Of these, rows with the same word ids.
        largest_difference: Largest absolute difference of a probability among the latter.
    """

    rows: int
    identical_ids: int
    largest_difference: float


def choose_sample(
    cleaned: ArtifactReference,
    encoded: ArtifactReference,
    predicted: ArtifactReference,
    store: ArtifactStore,
    *,
    include_summary: bool,
) -> Sample:
    """Choose up to ``CHECKED_ROWS`` test rows evenly and gather their raw text, word ids and probabilities.

    Raises:
        ArtifactError: A test row is missing in one of the artifacts.
    """
    sequences = load_sequences(store, encoded, "test")
    count = min(len(sequences), CHECKED_ROWS)
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
        strays = [row for row in numbers if row not in found]
        if strays:
            raise ArtifactError(
                f"{len(strays)} of {len(numbers)} checked test rows of {encoded} are not in {artifact}, e.g. row "
                f"{strays[0]}. The artifacts are of different runs; export from one run's."
            )
    return Sample(
        rows=numbers,
        reviews=[reviews[row] for row in numbers],
        ids=[sequences.ids[sequences.offsets[place] : sequences.offsets[place + 1]] for place in chosen],
        probabilities=np.array([probabilities[row] for row in numbers], np.float32),
    )


def read_back(folder: Path, reviews: list[str]) -> Readings:
    """Load ``model.keras`` and ``saved_model`` as a user would, and score raw texts with both.

    Raises:
        ExportMismatchError: The two do not say the same.
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

    loaded = with_word_ids(load_exported(folder / MODEL_FILE))
    traced = tf.function(
        lambda texts: loaded(texts, training=False), input_signature=[tf.TensorSpec([None], tf.string)]
    )
    served = tf.saved_model.load(str(folder / SAVED_MODEL_FOLDER)).signatures
    readings = Readings([np.empty(0, np.int32)] * len(reviews), np.zeros(len(reviews), np.float32))
    order = sorted(range(len(reviews)), key=lambda index: len(reviews[index]))
    for start in range(0, len(order), BATCH_ROWS):
        batch = order[start : start + BATCH_ROWS]
        texts = tf.constant([reviews[index].encode("utf-8", "surrogatepass") for index in batch], tf.string)
        ids, probabilities = (np.asarray(value) for value in traced(texts))
        served_ids = np.asarray(served[IDS_NAME](**{INPUT_NAME: texts})[IDS_NAME])
        served_probabilities = np.asarray(served[SCORE_SIGNATURE](**{INPUT_NAME: texts})[OUTPUT_NAME])
        difference = float(np.abs(probabilities - served_probabilities).max(initial=0.0))
        if not np.array_equal(ids, served_ids) or not difference <= LARGEST_DIFFERENCE:
            raise ExportMismatchError(
                f"{MODEL_FILE} and {SAVED_MODEL_FOLDER} of one export disagree (probabilities by {difference:.2g}, "
                f"word ids {'alike' if np.array_equal(ids, served_ids) else 'different'}), so neither was kept. "
                "TensorFlow and Keras may not fit together; install the versions of requirements.txt."
            )
        readings.probabilities[batch] = probabilities
        for index, row in zip(batch, ids, strict=True):
            readings.ids[index] = row
    return readings


def compare(sample: Sample, readings: Readings, normalization: str) -> Agreement:
    """Hold what the exported model says against what the pipeline said.

    Raises:
        ExportMismatchError: Fewer rows than ``LEAST_IDENTICAL_SHARE`` have the same word ids, or a probability of
            those differs by more than ``LARGEST_DIFFERENCE``.
    """
    count = len(sample.rows)
    identical = np.array(list(map(_same_words, sample.ids, readings.ids)), dtype=bool)
    differences = np.abs(readings.probabilities - sample.probabilities)
    largest = float(differences[identical].max(initial=0.0))
    share = float(identical.mean()) if count else 1.0
    log.info(
        "export: %d of %d checked test rows have the same word ids (%.2f %%); probabilities differ by up to %.1e",
        identical.sum(), count, 100 * share, largest,
    )  # fmt: skip
    if share < LEAST_IDENTICAL_SHARE[normalization]:
        stray = int(np.argmin(identical))
        found = readings.ids[stray]
        raise ExportMismatchError(
            f"The exported model reads {count - identical.sum()} of {count} checked test rows otherwise than the "
            f"pipeline ({100 * share:.2f} % alike; at least {100 * LEAST_IDENTICAL_SHARE[normalization]:g} % are "
            f"needed), so it was not exported. First: row {sample.rows[stray]}, word ids "
            f"{quoted(sample.ids[stray].tolist(), 120)}, the model's {quoted(found[found != 0].tolist(), 120)}, text "
            f"{quoted(sample.reviews[stray], 200)}. Either a text rule reads otherwise in RE2 than in Python "
            "(pipeline/cleaning/rules.py), or the artifacts are of different runs."
        )
    if not largest <= LARGEST_DIFFERENCE:
        worst = int(np.argmax(np.where(identical, differences, -1)))
        raise ExportMismatchError(
            "The exported model scores reviews otherwise than the model that was judged: probabilities of rows with "
            f"the same words differ by up to {largest:.2g} (at most {LARGEST_DIFFERENCE:g} is allowed), so it was not "
            f"exported. Worst: row {sample.rows[worst]}, judged at {sample.probabilities[worst]:.6f}, exported "
            f"{readings.probabilities[worst]:.6f}. Predictions and model are of different trainings, or rows are "
            "padded otherwise; run `predict` and `export` again on one machine."
        )
    return Agreement(rows=count, identical_ids=int(identical.sum()), largest_difference=largest)


def _same_words(expected: npt.NDArray[np.int32], found: npt.NDArray[np.int32]) -> bool:
    # A row without words is not empty in the model: one stand-in keeps it from being wholly masked.
    padding = found[max(1, len(expected)) :]
    return np.array_equal(found[: len(expected)], expected) and not padding.any()
