"""Words of many reviews on all cores, in order, whatever the number of processes."""

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
from typing import IO, Self

import pyarrow as pa

from pipeline.cleaning.errors import CleaningError
from pipeline.cleaning.rules import Normalization
from pipeline.cleaning.words import normalizer
from pipeline.cleaning.worker import words_of_batch

log = logging.getLogger(__name__)

ROWS_WORTH_A_PROCESS = 40_000
"""Below, a process costs more to start, and to learn the frequent tokens anew, than it saves."""

SECONDS_TO_END = 10
"""A process whose input has ended has nothing left to do; after this long it is killed."""


def processes_for(rows: int, asked: int = 0) -> int:
    """Return how many processes clean that many rows.

    Args:
        rows: Rows to clean.
        asked: At most this many; 0: one per core that this process may use.
    """
    return max(1, min(asked or _cores(), rows // ROWS_WORTH_A_PROCESS))


def words_in_order(
    batches: Iterable[pa.RecordBatch], normalization: Normalization, processes: int
) -> Generator[pa.Array, None, None]:
    """Yield the words of each batch (large_string ``[rows]``, no nulls), in the order given.

    Only ``processes + 1`` batches are held at a time. Close the generator if it is not read to its end: its processes
    end with it.

    Args:
        batches: With the strings ``text`` and, where the summary is read too, ``summary``.
        normalization: Which words.
        processes: With 1, the work is done here; with more, in that many child processes. Where the system lets none
            be started, the work is done here too, and the log says so.

    Raises:
        CleaningError: A child process ended before its work did.
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
        # Left before the workers: a thread that waits for one would wait for ever.
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
            raise OSError("this Python does not know its own executable")
        self._process = subprocess.Popen(  # noqa: S603 - our own module, by this interpreter; the argument is checked.
            [sys.executable, "-c", "from pipeline.cleaning.worker import main; main()", normalization],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
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
                f"A process that cleaned text ended early (status {self._process.wait()}), most likely killed for want "
                "of memory; what it wrote stands in the log. Give the task more memory, or set num_workers to 1."
            ) from error

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: it was opened as a pipe.
        return self._process.stdin

    @property
    def _output(self) -> IO[bytes]:
        assert self._process.stdout is not None  # noqa: S101
        return self._process.stdout

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        try:
            # The end of its input ends the process; what it still says is the end of its own stream.
            self._process.communicate(timeout=SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
