"""A process that cleans text for another one: Arrow record batches in by its input, words out by its output.

``parallel`` starts it. A plain child process with two pipes needs nothing of
``multiprocessing``: the parent may be daemonic, its main module is not run again, and no text is pickled.
"""

from __future__ import annotations

import os
import signal
import sys

import numpy as np
import pyarrow as pa

from pipeline.cleaning.rules import joined
from pipeline.cleaning.words import Normalizer, normalizer

WORDS = pa.schema([pa.field("words", pa.large_string(), nullable=False)])


def words_of_batch(batch: pa.RecordBatch, normalize: Normalizer) -> pa.RecordBatch:
    """Return the words of each row, schema ``WORDS``.

    Args:
        batch: Strings ``text`` and, where the summary is read too, ``summary``; a null counts as an empty text.
        normalize: The normalization.
    """
    texts = [text or "" for text in batch["text"].to_pylist()]
    if "summary" in batch.schema.names:
        texts = [joined(summary, text) for summary, text in zip(batch["summary"].to_pylist(), texts, strict=True)]
    return pa.record_batch([_string_array(normalize.many(texts))], schema=WORDS)


def _string_array(words: list[str]) -> pa.LargeStringArray:
    """Lay ASCII strings out as Arrow does; ``pa.array`` would import pandas first, a second in each process."""
    ends = np.cumsum([0, *map(len, words)], dtype=np.int64)
    return pa.LargeStringArray.from_buffers(
        len(words), pa.py_buffer(ends), pa.py_buffer("".join(words).encode("ascii"))
    )


def main() -> None:
    """Answer every batch of the input until it ends, which it also does when the parent dies."""
    # Ctrl-C reaches the whole process group: the parent decides, and its children end with their input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The pipe is ours alone: whatever a library prints goes to the log, not between the batches.
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    source = open(sys.stdin.fileno(), "rb", closefd=False)  # noqa: SIM115 - a pipe, read to its end.
    if not source.peek(1):
        return  # There was less work than processes.
    normalize = normalizer(sys.argv[1])
    with pa.ipc.open_stream(source) as batches, pa.ipc.new_stream(output, WORDS) as answers:
        for batch in batches:
            answers.write_batch(words_of_batch(batch, normalize))
            output.flush()
    output.close()
