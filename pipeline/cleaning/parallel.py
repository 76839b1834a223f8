"""Cleans the texts of many reviews in several processes; the result does not depend on their number."""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Self, cast

import pyarrow as pa

from pipeline.cleaning.rules import Normalization
from pipeline.cleaning.words import normalizer
from pipeline.cleaning.worker import words_of_batch
from pipeline.errors import CleaningError

log = logging.getLogger(__name__)

ROWS_WORTH_A_PROCESS = 40_000
"""Rows per process. With fewer, starting a process and filling its token cache costs more than it saves."""

SECONDS_TO_END = 10
"""Seconds that a process may take to exit after the end of its input; then it is killed."""


def processes_for(rows: int, asked: int = 0) -> int:
    """Return the number of processes for a number of rows.

    Args:
        rows: Rows to clean.
        asked: Upper limit; 0: one per core that this process may use.
    """
    return max(1, min(asked or _cores(), rows // ROWS_WORTH_A_PROCESS))


def words_in_order(
    batches: Iterable[pa.RecordBatch], normalization: Normalization, processes: int
) -> Generator[pa.Array, None, None]:
    """Yield the words of each batch (large_string ``[rows]``, no nulls), in the order of the batches.

    At most ``processes + 1`` batches are in memory. Close the generator if you do not read it to its end: this ends its
    processes.

    Args:
        batches: With the string columns ``text`` and, if the summary is part of the text, ``summary``.
        normalization: The normalization.
        processes: 1: this process does the work; more: that many child processes do. If no child process can be
            started, this process does the work and the log says so.

    Raises:
        CleaningError: A child process ended before its work was complete.
    """
    with ExitStack() as stack:
        workers: list[_Worker] = []
        if processes > 1:
            try:
                workers = [stack.enter_context(_Worker(normalization)) for _ in range(processes)]
            except OSError as error:
                log.warning("No child process can be started (%s); the text is cleaned in this process alone.", error)
        if len(workers) < processes or processes <= 1:
            normalize = normalizer(normalization)
            for batch in batches:
                yield words_of_batch(batch, normalize)["words"]
            return
        idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in workers:
            idle.put(worker)

        def words(batch: pa.RecordBatch) -> pa.Array:
            worker = idle.get()
            try:
                return worker.words(batch)
            finally:
                idle.put(worker)

        threads = ThreadPoolExecutor(len(workers), thread_name_prefix="cleaning")
        # Ends before the workers do: otherwise a thread could wait forever for the answer of a worker.
        stack.callback(threads.shutdown, wait=True, cancel_futures=True)
        waiting: deque[Future[pa.Array]] = deque()
        for batch in batches:
            waiting.append(threads.submit(words, batch))
            if len(waiting) > len(workers):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class _Worker:
    """A child process that runs ``pipeline.cleaning.worker``."""

    def __init__(self, normalization: str) -> None:
        if not sys.executable:
            raise OSError("sys.executable is not set")
        self._process = subprocess.Popen(  # noqa: S603 - our own module, by this interpreter; the argument is checked.
            [sys.executable, "-c", "from pipeline.cleaning.worker import main; main()", normalization],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._input = cast("IO[bytes]", self._process.stdin)
        self._output = cast("IO[bytes]", self._process.stdout)
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None
        self._reader: pa.ipc.RecordBatchStreamReader | None = None

    def __enter__(self) -> Self:
        return self

    def words(self, batch: pa.RecordBatch) -> pa.Array:
        try:
            if self._writer is None:
                self._writer = pa.ipc.new_stream(self._input, batch.schema)
            self._writer.write_batch(batch)
            self._input.flush()
            if self._reader is None:
                self._reader = pa.ipc.open_stream(self._output)
            return self._reader.read_next_batch()["words"]
        except (OSError, pa.ArrowInvalid, StopIteration) as error:
            self._process.kill()
            raise CleaningError(
                f"A child process of the stage clean ended early (status {self._process.wait()}), most likely for lack "
                "of memory; its output is in the log. Give the task more memory, or set num_workers to 1."
            ) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        try:
            # The end of its input ends the process. The rest of its output is the end of the stream.
            self._process.communicate(timeout=SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
