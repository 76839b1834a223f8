"""A child process that cleans text: it reads Arrow record batches from its input and writes words to its output.

``parallel`` starts it. It is not a process of ``multiprocessing``, so that the parent may be daemonic, the parent's
main module does not run again, and no text is pickled.
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
        batch: String columns ``text`` and, if the summary is part of the text, ``summary``; null counts as empty.
        normalize: The normalization.
    """
    texts = [text or "" for text in batch["text"].to_pylist()]
    if "summary" in batch.schema.names:
        texts = [joined(summary, text) for summary, text in zip(batch["summary"].to_pylist(), texts, strict=True)]
    return pa.record_batch([_string_array(normalize.many(texts))], schema=WORDS)


def _string_array(words: list[str]) -> pa.LargeStringArray:
    """Return ASCII strings as an Arrow array; ``pa.array`` would import pandas first, a second per process."""
    ends = np.cumsum([0, *map(len, words)], dtype=np.int64)
    return pa.LargeStringArray.from_buffers(
        len(words), pa.py_buffer(ends), pa.py_buffer("".join(words).encode("ascii"))
    )


def main() -> None:
    """Answer each batch until the input ends; it also ends if the parent dies."""
    # Ctrl-C reaches the whole process group. The parent handles it, and closing the input ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Only batches go to the pipe: the output of libraries goes to the log.
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
