"""How fast the networks train and predict, against named alternatives, in one run.

Network: the article's (docs/explanation/replicated_experiment.md):
Embedding(32), two LSTMs of 128 units, Dense(32), Dense(1); batches of 1,024.
Reviews: real ones, cleaned as in the article and resampled, if they are next to the checkout; else lengths drawn with
their mean (36.6 words) and median (27), at most 150.

Ways to train:
  padded   keras ``Model.fit`` over rows padded to 150, unmasked, TensorFlow's own thread settings: the article's way.
           ``jit_compile`` is off, which is the faster choice here. The ratios' 1.0.
  ours     what ``pipeline.training`` does: length windows, masks, two shards, its thread settings.
  torch    PyTorch's nn.LSTM over packed sequences, with ``--torch-python`` (PyTorch is no dependency of the project).
Ways to compute, with ``--arithmetic``, all of them ours otherwise; the ratios' 1.0 is ``ours``:
  bfloat16, float16   mixed precision
  xla                 forward and backward compiled by XLA, again for every shape of a batch
Ways to predict: ``Model.predict`` over padded rows, batches of 1,024 (1.0), against ``Predictor``.

Each way has a process of its own, since threads are set once per process; they are warmed up first and then take
turns, round by round, because the machine may be shared. ``CPU`` is processor time: of use where others disturb the
clock. Share of peak: the multiplications and additions that the words of the reviews need (padding not counted;
2 × 4 × units × (inputs + units) per word and LSTM, three times that with the backward pass), against a product of two
float32 matrices of 2,048 × 2,048 in this same run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench._shared import (
    DATA,
    MAX_LENGTH,
    REAL_FILES,
    VOCABULARY,
    Tasks,
    Worker,
    padded,
    padded_network,
    real_records,
    serve,
    take_turns,
)

EMBEDDING, DENSE = 32, 32
ARITHMETIC = {
    "ours": ("float32", False),
    "bfloat16": ("mixed_bfloat16", False),
    "float16": ("mixed_float16", False),
    "xla": ("float32", True),
}
"""Precision and whether XLA compiles, of each way to compute."""


@dataclass(frozen=True)
class Sizes:
    """What is measured.

    ``rows`` are those that ours trains on in a round; the slower ways take a quarter or an eighth.
    """

    units: int
    batch: int
    rows: int
    rounds: int


# ---- The reviews ----


def reviews(folder: Path, rows: int) -> tuple[str, dict[str, np.ndarray]]:
    """Return where the reviews are from, and their arrays: ``offsets``, ``ids``, ``label``."""
    generator = np.random.default_rng(1)
    if all((folder / name).is_file() for name in REAL_FILES):
        source, texts, label = "real reviews, resampled", *_real(folder)
        lengths = np.array([len(words) for words in texts])
        places = generator.integers(0, len(texts), rows)
        index: dict[str, int] = {}
        ids_of = [[index.setdefault(word, len(index) + 1) for word in words] for words in texts]
        ids = np.concatenate([ids_of[place][-MAX_LENGTH:] for place in places])
        lengths, label = np.minimum(lengths[places], MAX_LENGTH), label[places]
    else:
        source = "lengths drawn at random (no real reviews next to the checkout)"
        lengths = np.clip(np.ceil(generator.lognormal(np.log(27), 0.78, rows)), 1, MAX_LENGTH).astype(np.int64)
        ids = np.minimum(generator.zipf(1.3, lengths.sum()), VOCABULARY - 1)
        label = (generator.random(rows) < 0.84).astype(np.int8)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return source, {"offsets": offsets, "ids": ids.astype(np.int32), "label": label}


def _real(folder: Path) -> tuple[list[list[str]], np.ndarray]:
    from pipeline.cleaning import normalize_many

    texts, label = [], []
    for record in real_records(folder):
        if record["Score"] != "3":
            texts.append(record["Text"])
            label.append(int(record["Score"]) > 3)
    words = [text.split() for text in normalize_many(texts, "article")]
    kept = [place for place, found in enumerate(words) if found]
    return [words[place] for place in kept], np.array(label, dtype=np.int8)[kept]


def training_flops_per_word(direction: str, units: int) -> int:
    """Return the multiplications and additions of one word's training step, forward and backward."""
    both = 2 if direction == "bi" else 1
    first = both * 2 * 4 * units * (EMBEDDING + units)
    second = both * 2 * 4 * units * (both * units + units)
    return 3 * (first + second)


# ---- The workers ----


def prepared(way: str, direction: str, data: str, sizes: Sizes) -> Tasks:
    """Return the tasks of one way, warmed up."""
    arrays = dict(np.load(data))
    if way in ARITHMETIC:
        return _ours(direction, arrays, sizes, *ARITHMETIC[way])
    return {"padded": _padded, "torch": _torch}[way](direction, arrays, sizes)


def _padded(direction: str, arrays: dict[str, np.ndarray], sizes: Sizes) -> Tasks:
    import keras
    import tensorflow as tf

    model = padded_network(direction, sizes.units)
    model.compile(keras.optimizers.Adam(0.001), "binary_crossentropy", jit_compile=False)
    parts = _random_parts(arrays, max(sizes.batch, sizes.rows // 4))
    side = 2048 if sizes.units >= 128 else 512
    matrix = tf.random.normal((side, side))

    def train() -> float:
        ids, label = next(parts)
        model.fit(ids, label, batch_size=sizes.batch, verbose=0)
        return len(label)

    def predict() -> float:
        ids, _ = next(parts)
        model.predict(ids, batch_size=sizes.batch, verbose=0)
        return len(ids)

    def peak() -> float:
        """Return floating-point operations, not rows."""
        for _ in range(20):
            product = tf.matmul(matrix, matrix)
        product.numpy()
        return 20.0 * 2 * side**3

    ids, label = next(parts)
    model.fit(ids[: sizes.batch], label[: sizes.batch], batch_size=sizes.batch, verbose=0)
    model.predict(ids[: sizes.batch], batch_size=sizes.batch, verbose=0)
    peak()
    return {"train": train, "predict": predict, "peak": peak}


def _ours(direction: str, arrays: dict[str, np.ndarray], sizes: Sizes, precision: str, jit_compile: bool) -> Tasks:
    from pipeline.config import RunConfig
    from pipeline.encoding import Sequences
    from pipeline.training.device import CPU_SHARDS, use_device

    use_device("cpu")
    from pipeline.training.batches import epoch_batches
    from pipeline.training.model import build_model
    from pipeline.training.optimizer import optimizer_for
    from pipeline.training.prediction import Predictor
    from pipeline.training.steps import TrainingStep

    options = {"directions": (direction,), "units": (sizes.units,), "batch_size": (sizes.batch,), "padding": "masked"}
    variant = RunConfig.from_flat({"profile": "article", **options}).variants[0]
    model = build_model(variant, VOCABULARY, precision=precision, cudnn=not jit_compile)
    optimizer = optimizer_for(variant, precision, steps_per_epoch=1)
    optimizer.build(model.trainable_variables)
    step = TrainingStep(model, optimizer, CPU_SHARDS, jit_compile=jit_compile)
    predictor = Predictor(model, sizes.batch)
    sequences = Sequences(row=np.arange(len(arrays["label"])), **arrays)
    epochs = iter(range(1, 1_000_000))

    def batches() -> Iterator[Any]:
        return epoch_batches(sequences, batch_size=sizes.batch, max_length=MAX_LENGTH, seed=1, epoch=next(epochs))

    def train() -> float:
        for batch in batches():
            label = sequences.label[batch.rows].astype(np.float32)
            step(batch.ids, label, np.ones_like(label)).numpy()
        return len(sequences)

    def predict() -> float:
        return len(predictor(sequences))

    if jit_compile:
        # Every width has to be compiled before its turn is counted.
        train()
    batch = next(batches())
    step(batch.ids, np.zeros(len(batch.rows), np.float32), np.ones(len(batch.rows), np.float32)).numpy()
    predict()
    return {"train": train, "predict": predict}


def _torch(direction: str, arrays: dict[str, np.ndarray], sizes: Sizes) -> Tasks:
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            both = 2 if direction == "bi" else 1
            self.embedding = torch.nn.Embedding(VOCABULARY, EMBEDDING)
            self.lstm = torch.nn.LSTM(EMBEDDING, sizes.units, 2, batch_first=True, bidirectional=both == 2)
            self.dense = torch.nn.Linear(both * sizes.units, DENSE)
            self.out = torch.nn.Linear(DENSE, 1)

        def forward(self, ids: Any, lengths: Any) -> Any:  # noqa: ANN401 - PyTorch is not installed with the project.
            packed = pack_padded_sequence(self.embedding(ids), lengths, batch_first=True, enforce_sorted=False)
            _, (state, _) = self.lstm(packed)
            last = torch.cat([state[-2], state[-1]], 1) if direction == "bi" else state[-1]
            return self.out(torch.relu(self.dense(last)))[:, 0]

    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), 0.001)
    loss_of = torch.nn.BCEWithLogitsLoss()
    parts = _random_parts(arrays, max(sizes.batch, sizes.rows // 8))

    def batches() -> Iterator[tuple[Any, Any, Any]]:
        ids, label = next(parts)
        for start in range(0, len(ids), sizes.batch):
            some = ids[start : start + sizes.batch]
            lengths = np.maximum((some != 0).sum(axis=1), 1)
            yield (
                torch.from_numpy(some[:, : lengths.max()].astype(np.int64)),
                torch.from_numpy(lengths),
                torch.from_numpy(label[start : start + sizes.batch].astype(np.float32)),
            )

    def train() -> float:
        rows = 0
        network.train()
        for ids, lengths, label in batches():
            optimizer.zero_grad()
            loss_of(network(ids, lengths), label).backward()
            optimizer.step()
            rows += len(label)
        return rows

    def predict() -> float:
        rows = 0
        network.eval()
        with torch.inference_mode():
            for ids, lengths, _ in batches():
                rows += len(network(ids, lengths))
        return rows

    train()
    predict()
    return {"train": train, "predict": predict}


def _random_parts(arrays: dict[str, np.ndarray], rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield random reviews without end: int32 ``[rows, 150]`` padded with 0, and their labels."""
    generator = np.random.default_rng(2)
    count = len(arrays["label"])
    while True:
        chosen = generator.choice(count, min(rows, count), replace=False)
        yield padded(arrays["offsets"], arrays["ids"], chosen), arrays["label"][chosen]


# ---- The comparison ----


def _worker(python: str, way: str, direction: str, data: Path, sizes: Sizes) -> Worker:
    return Worker(python, __file__, [way, direction, str(data), asdict(sizes)])


def compare(direction: str, data: Path, sizes: Sizes, torch_python: str | None, mean_length: float) -> None:
    """Measure one direction and print its table."""
    pythons = {"padded": sys.executable, "ours": sys.executable, "torch": torch_python}
    workers = {way: _worker(python, way, direction, data, sizes) for way, python in pythons.items() if python}
    tasks = [(way, task) for task in ("train", "predict") for way in workers]
    turns = take_turns(workers, [*tasks, ("padded", "peak")], sizes.rounds)
    print(f"\n{direction}: {'reviews/s':>26} {'ratio':>5}   {'per CPU s':>8} {'ratio':>5}")
    names = {"padded": "padded to 150", "ours": "ours", "torch": "PyTorch packed"}
    for way, task in tasks:
        print(f"  {f'{task}, {names[way]}':<26}{turns[way, task].shown(turns['padded', task])}")
    peak = statistics.median(turns["padded", "peak"].rows_per_second)
    useful = mean_length * training_flops_per_word(direction, sizes.units)
    reached = {way: statistics.median(turns[way, "train"].rows_per_second) * useful for way in ("ours", "padded")}
    print(
        f"  useful arithmetic: ours {reached['ours'] / 1e9:,.0f} GFLOP/s, {reached['ours'] / peak:.0%} of the "
        f"{peak / 1e9:,.0f} GFLOP/s that a large matrix product reaches here; padded {reached['padded'] / peak:.0%}"
    )


def compare_arithmetic(direction: str, data: Path, sizes: Sizes) -> None:
    """Measure what our training computes in, for one direction, and print its table."""
    workers = {way: _worker(sys.executable, way, direction, data, sizes) for way in ARITHMETIC}
    turns = take_turns(workers, [(way, "train") for way in workers], sizes.rounds)
    print(f"\n{direction}: {'reviews/s':>26} {'ratio':>5}   {'per CPU s':>8} {'ratio':>5}   {'warming up':>10}")
    for (way, task), done in turns.items():
        warming = workers[way].warming_seconds
        print(f"  {f'{task}, {way}':<26}{done.shown(turns['ours', task])}   {warming:>8.0f} s")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small network and few reviews: shows that it works")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each way")
    parser.add_argument("--arithmetic", action="store_true", help="compare mixed precision and XLA with ours")
    parser.add_argument("--directions", nargs="+", choices=["uni", "bi"], default=["uni", "bi"])
    parser.add_argument("--torch-python", help="interpreter of an environment with torch and numpy")
    parser.add_argument("--reviews", type=Path, default=DATA, help="folder of real reviews")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        way, direction, data, sizes = json.loads(given.worker)
        serve(lambda: prepared(way, direction, data, Sizes(**sizes)))
        return
    sizes = Sizes(units=16, batch=256, rows=2_048, rounds=1) if given.quick else Sizes(128, 1024, 16_384, given.rounds)
    source, arrays = reviews(given.reviews, sizes.rows)
    lengths = np.diff(arrays["offsets"])
    print(
        f"{len(lengths):,} {source}: mean {lengths.mean():.1f} words, median {np.median(lengths):.0f}, longest "
        f"{lengths.max()}; batch {sizes.batch}, {sizes.units} units; {os.cpu_count()} cores; medians of "
        f"{sizes.rounds} rounds"
    )
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "reviews.npz"
        np.savez(data, **arrays)
        for direction in given.directions:
            if given.arithmetic:
                compare_arithmetic(direction, data, sizes)
                continue
            compare(direction, data, sizes, given.torch_python, float(lengths.mean()))


if __name__ == "__main__":
    main()
