"""What several benchmarks share: real reviews, the padded network, and processes that take turns.

It needs nothing but numpy, so that an environment with another library (PyTorch) can import it, too.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
"""Folder of the real reviews."""
REAL_FILES = ("fine_foods_a.csv.gz", "fine_foods_b.csv.gz")
MAX_LENGTH = 150
VOCABULARY = 116_775

Result = TypeVar("Result")
Tasks = Mapping[str, Callable[[], float]]
"""What a way of doing something can be asked for; each returns the rows that it worked on."""


def real_records(folder: Path = DATA, files: Sequence[str] = REAL_FILES) -> Iterator[dict[str, str]]:
    """Yield the records of real dumps."""
    for name in files:
        with gzip.open(folder / name, "rt", encoding="utf-8", newline="") as stream:
            yield from csv.DictReader(stream)


def processor_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def peak_megabytes() -> float:
    """Return the most memory that this process has held so far (Linux)."""
    # Not getrusage: its peak is inherited from the process that started this one.
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def in_new_process(work: Callable[..., Result], *arguments: object, hide_gpus: bool = False) -> Result:
    """Return what a function of a module returns in a process of its own: no threads, device or memory of this one."""
    with ProcessPoolExecutor(1, get_context("spawn"), _begin, (hide_gpus,)) as pool:
        return pool.submit(work, *arguments).result()


def _begin(hide_gpus: bool) -> None:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if hide_gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    # TensorFlow's libraries write there whatever the level.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def padded(offsets: np.ndarray, ids: np.ndarray, rows: np.ndarray, width: int = MAX_LENGTH) -> np.ndarray:
    """Return rows of ragged ids, int32 ``[rows, width]``, padded with 0."""
    within = np.arange(width) < np.diff(offsets)[rows, None]
    filled = np.zeros((len(rows), width), dtype=np.int32)
    filled[within] = ids[(offsets[rows, None] + np.arange(width))[within]]
    return filled


def padded_network(direction: str = "uni", units: int = 128) -> Any:  # noqa: ANN401 - keras has no types
    """Return the article's network as Keras users write it."""
    import keras
    from keras import layers

    inputs = keras.Input((MAX_LENGTH,), dtype="int32")
    signal = layers.Embedding(VOCABULARY, 32)(inputs)
    for number in (1, 2):
        layer = layers.LSTM(units, return_sequences=number == 1)
        signal = (layers.Bidirectional(layer) if direction == "bi" else layer)(signal)
    signal = layers.Dense(32, activation="relu")(signal)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(signal))


@dataclass
class Turns:
    """What one way did in its turns."""

    rows_per_second: list[float] = field(default_factory=list)
    rows_per_cpu_second: list[float] = field(default_factory=list)

    def shown(self, base: Turns) -> str:
        """Return rows/s with its ratio to ``base``, by the clock and by processor time; medians over the rounds."""
        cells = []
        for name in ("rows_per_second", "rows_per_cpu_second"):
            mine, theirs = getattr(self, name), getattr(base, name)
            ratios = [one / two for one, two in zip(mine, theirs, strict=True)]
            cells.append(f"{statistics.median(mine):>8,.0f} {statistics.median(ratios):>5.2f}")
        return "   ".join(cells)


class Worker:
    """A benchmark's own script in another process: warmed up once, then asked for turns."""

    def __init__(self, python: str, script: str, task: object) -> None:
        """Start the process with the task as JSON and wait until it is warm."""
        self._task = json.dumps(task)
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        command = [python, script, "--worker", self._task]
        self._process = subprocess.Popen(command, text=True, env=environment, **pipes)
        self._tasks = cast("IO[str]", self._process.stdin)
        self._answers = cast("IO[str]", self._process.stdout)
        self.warming_seconds = self._read()["seconds"]

    def turn(self, task: str, turns: Turns) -> None:
        """Have one turn at a task, and add its speed to ``turns``."""
        self._tasks.write(task + "\n")
        self._tasks.flush()
        answer = self._read()
        turns.rows_per_second.append(answer["rows"] / answer["seconds"])
        turns.rows_per_cpu_second.append(answer["rows"] / answer["cpu_seconds"])

    def stop(self) -> None:
        """End the process."""
        self._tasks.close()
        self._process.wait()

    def _read(self) -> dict[str, float]:
        for line in self._answers:
            if line.startswith("{"):
                answer: dict[str, float] = json.loads(line)
                return answer
        raise SystemExit(f"The worker {self._task} ended early; run it by hand (--worker) to see why.")


def take_turns(
    workers: Mapping[str, Worker], ways_and_tasks: Iterable[tuple[str, str]], rounds: int
) -> dict[tuple[str, str], Turns]:
    """Have every way take a turn at each of its tasks, round by round; then end the workers."""
    turns = {each: Turns() for each in ways_and_tasks}
    for _ in range(rounds):
        for (way, task), done in turns.items():
            workers[way].turn(task, done)
    for worker in workers.values():
        worker.stop()
    return turns


def serve(prepare: Callable[[], Tasks]) -> None:
    """Prepare the tasks of one way, then answer turns on stdin, one JSON line each."""
    started = time.perf_counter()
    tasks = prepare()
    print(json.dumps({"seconds": time.perf_counter() - started}), flush=True)
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        rows = tasks[line.strip()]()
        answer = {"rows": rows, "seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
        print(json.dumps(answer), flush=True)
