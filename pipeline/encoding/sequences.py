"""Encoded reviews in memory, as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import ArtifactError
from pipeline.splitting.records import SPLIT_NAMES, SplitName
from pipeline.store import ArtifactReference, ArtifactStore

SEQUENCE_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),
        pa.field("ids", pa.list_(pa.int32()), nullable=False),
    ]
)


@dataclass(frozen=True)
class Sequences:
    """The encoded reviews of one split, concatenated, not padded.

    Attributes:
        row: int64 [rows], number of the review in the dump; −1 for a generated text.
        label: int8 [rows], 1 positive, 0 negative.
        offsets: int64 [rows + 1], start of the ids of each review.
        ids: int32 [tokens].
    """

    row: npt.NDArray[np.int64]
    label: npt.NDArray[np.int8]
    offsets: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of reviews."""
        return len(self.row)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Ids per review, int64 [rows]."""
        return np.diff(self.offsets)


def split_file(split: SplitName) -> str:
    """Return the file name of a split."""
    return f"{split}.parquet"


SUMMARIES_FILE = "train_summaries.parquet"
"""The summaries of training reviews as texts of their own; missing if they are none."""
GENERATED_FILE = "train_generated.parquet"
"""Generated training texts; missing if there are none."""


def load_training_sequences(store: ArtifactStore, encoded: ArtifactReference) -> Sequences:
    """Read the texts to train on: the training reviews, their summaries as texts of their own, and generated texts.

    Raises:
        ArtifactError: The artifact is missing, or a file has other columns or types.
    """
    texts = load_sequences(store, encoded, "train")
    for name in (SUMMARIES_FILE, GENERATED_FILE):
        file = store.folder(encoded) / name
        if file.exists():
            more = _read(file, encoded)
            texts = Sequences(
                row=np.concatenate([texts.row, more.row]),
                label=np.concatenate([texts.label, more.label]),
                offsets=np.concatenate([texts.offsets, texts.offsets[-1] + more.offsets[1:]]),
                ids=np.concatenate([texts.ids, more.ids]),
            )
    return texts


def load_sequences(store: ArtifactStore, encoded: ArtifactReference, split: SplitName) -> Sequences:
    """Read one split of an ``encode`` artifact.

    Raises:
        ArtifactError: The artifact is missing, or the file has other columns or types.
    """
    if split not in SPLIT_NAMES:
        raise ArtifactError(f"There is no split '{split}'; choose one of {', '.join(SPLIT_NAMES)}.")
    return _read(store.folder(encoded) / split_file(split), encoded)


def _read(path: Path, encoded: ArtifactReference) -> Sequences:
    found = pq.read_schema(path)
    if not found.equals(SEQUENCE_SCHEMA):
        raise ArtifactError(
            f"{path.name} of {encoded} has the columns {', '.join(found.names)} with other names or types than "
            f"{', '.join(SEQUENCE_SCHEMA.names)}. Remove the folder of the artifact and encode again."
        )
    table = pq.read_table(path)
    lists = table.column("ids")
    lengths = pc.list_value_length(lists).to_numpy().astype(np.int64)
    # Offsets start at 0 in each chunk, so they are computed from the lengths.
    ids = [chunk.flatten().to_numpy() for chunk in lists.chunks]
    return Sequences(
        row=table.column("row").to_numpy(),
        label=table.column("label").to_numpy(),
        offsets=np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)]),
        ids=np.concatenate([np.empty(0, dtype=np.int32), *ids]),
    )
