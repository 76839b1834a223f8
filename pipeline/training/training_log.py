"""Progress of a training: log lines, ``epochs.jsonl``, TensorBoard and a progress bar."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from pipeline.training.records import EpochRecord

log = logging.getLogger(__name__)

EPOCHS_FILE = "epochs.jsonl"
NAME_FILE = "variant.txt"
"""Name of the variant, for observers."""
TENSORBOARD_FOLDER = "tensorboard"

Item = TypeVar("Item")


class TrainingLog:
    """The epochs of one training, in a folder that survives an interruption and can be read meanwhile."""

    def __init__(self, folder: Path, name: str, planned_epochs: int, done: Sequence[EpochRecord]) -> None:
        """Write the finished epochs again, which drops epochs without a checkpoint."""
        import tensorflow as tf

        self._folder = folder
        self._name = name
        self._planned_epochs = planned_epochs
        folder.mkdir(parents=True, exist_ok=True)
        (folder / NAME_FILE).write_text(name, encoding="utf-8")
        (folder / EPOCHS_FILE).write_text("", encoding="utf-8")
        shutil.rmtree(folder / TENSORBOARD_FOLDER, ignore_errors=True)
        self._events = tf.summary.create_file_writer(str(folder / TENSORBOARD_FOLDER))
        for record in done:
            self._write(record)

    def add(self, record: EpochRecord, best_epoch: int) -> None:
        """Record one epoch."""
        self._write(record)
        left = record.seconds * (self._planned_epochs - record.epoch)
        log.info(
            "%s, epoch %d of %d: loss %.4f, accuracy %.4f | validation: loss %.4f, accuracy %.4f, AUC %.4f%s | "
            "%.0f reviews/s, at most %s left",
            self._name,
            record.epoch,
            self._planned_epochs,
            record.loss,
            record.accuracy,
            record.validation_loss,
            record.validation_accuracy,
            record.validation_auc,
            " (best so far)" if record.epoch == best_epoch else f" (best: epoch {best_epoch})",
            record.reviews_per_second,
            timedelta(seconds=round(left)),
        )

    def finish(self, target: Path) -> None:
        """Close the files and copy them into the artifact."""
        self._events.close()
        shutil.copy(self._folder / EPOCHS_FILE, target / EPOCHS_FILE)
        shutil.copytree(self._folder / TENSORBOARD_FOLDER, target / TENSORBOARD_FOLDER)

    def _write(self, record: EpochRecord) -> None:
        import tensorflow as tf

        with (self._folder / EPOCHS_FILE).open("a", encoding="utf-8") as stream:
            stream.write(record.model_dump_json() + "\n")
        with self._events.as_default(step=record.epoch):
            for name, value in record.model_dump(exclude={"epoch"}).items():
                tf.summary.scalar(name, value)
        self._events.flush()


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Any]:
    """Show a progress bar if stderr is a terminal; yields a function to call after each step."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)


def with_progress_bar(items: Iterable[Item], title: str, total: int) -> Iterator[Item]:
    """Yield the items and show a progress bar."""
    with progress_bar(title, total) as advance:
        for item in items:
            yield item
            advance()
