"""What a GPU makes of the training: speed, share of the card's peak, precision, XLA, cuDNN, agreement with the CPU.

  python bench/gpu.py                        every way, for both directions
  python bench/gpu.py --small                tiny sizes, on whatever there is: shows that it works

It needs the checkout and requirements/gpu.txt.

Network: the article's (Embedding(32), two LSTMs of 128 units, Dense(32), Dense(1)); reviews: lengths drawn to the
real ones' mean (37 words) and median (27), cut at 150, in length windows and masked, as ``pipeline.training`` reads
them. The step is the pipeline's own.

Ways:
  float32, mixed_float16, mixed_bfloat16   what the layers compute in; ratios are to float32 in the same run
  float32 xla, mixed_bfloat16 xla          forward and backward compiled by XLA, without cuDNN
  float32 on N GPUs                        each batch shared by all GPUs in sight

Each way has a process of its own. Its first pass over the reviews is counted apart: it traces, and compiles for each
shape of a batch. Share of peak: the arithmetic that the words need (padding not counted) against a product of two
large float32 matrices in the same process, TF32 allowed, as it is in training. Agreement: the probabilities of the
trained network in float32 without TF32, against the same file read by a process that sees no GPU; TOLERANCE is the
largest difference that is taken for rounding.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench._shared import MAX_LENGTH, VOCABULARY, in_new_process
from bench.training import Sizes as TrainingSizes
from bench.training import our_step, reviews, sequences_of, training_flops_per_word
from pipeline.encoding import Sequences

TOLERANCE = 1e-4
COMPARED_ROWS = 512
XLA = " xla"


@dataclass(frozen=True)
class Sizes(TrainingSizes):
    """What is measured.

    ``rows`` is a multiple of ``batch``; ``side`` is that of the matrices whose product is taken for the peak.
    """

    words: int
    side: int


def drawn(sizes: Sizes) -> Sequences:
    """Return the reviews: the same in every process."""
    _, arrays = reviews(Path(os.devnull), sizes.rows)
    arrays["ids"] = np.minimum(arrays["ids"], sizes.words - 1)
    return sequences_of(arrays)


# ---- In the workers ----


def device() -> dict[str, Any]:
    """Return device and versions, having taken a step of training on it."""
    import keras
    import tensorflow as tf

    from pipeline.config import HardwareConfig
    from pipeline.training import preflight

    versions = {"tensorflow": tf.__version__, "keras": keras.__version__, "python": platform.python_version()}
    gpus = len(tf.config.list_physical_devices("GPU"))
    return {**versions, "gpus": gpus, **preflight(HardwareConfig()).model_dump()}


def trained(way: str, direction: str, gpus: int, sizes: Sizes, folder: Path) -> dict[str, Any]:
    """Train one way and return its figures; ``gpus`` are those in sight."""
    precision, _, rest = way.partition(" ")
    calls = cudnn_calls()
    used = gpus if "GPUs" in rest else min(gpus, 1)
    variant, model, step = our_step(
        direction, sizes, sizes.words, precision=precision, jit_compile=XLA in way, gpus=used
    )
    rows = drawn(sizes)
    from pipeline.training.batches import epoch_batches
    from pipeline.training.model import float32_copy

    def one_pass(number: int) -> tuple[float, float]:
        started = time.perf_counter()
        batches = epoch_batches(rows, batch_size=sizes.batch, max_length=MAX_LENGTH, seed=1, epoch=number)
        # Not read before the end: a GPU computes ahead.
        losses = [
            step(batch.ids, rows.label[batch.rows].astype(np.float32), np.ones(len(batch.rows), np.float32))[0]
            for batch in batches
        ]
        loss = float(np.sum([float(each) for each in losses])) / len(rows)
        return time.perf_counter() - started, loss

    first, _ = one_pass(1)
    passes = [one_pass(number) for number in range(2, sizes.rounds + 2)]
    loss = passes[-1][1]
    useful = float(np.diff(rows.offsets).mean()) * training_flops_per_word(direction, sizes.units)
    speed = statistics.median(sizes.rows / seconds for seconds, _ in passes)
    peak = product_peak(sizes.side)
    told = {
        "reviews_per_second": speed,
        "first_pass_seconds": first,
        "pass_seconds": sizes.rows / speed,
        "loss": loss,
        "cudnn_calls_traced": len(calls),
        "matrix_product_tflops": peak / 1e12,
        "share_of_peak": speed * useful / peak,
    }
    if not np.isfinite(loss):
        raise ArithmeticError(f"the loss became {loss}")
    if way == "float32":
        network = float32_copy(model, variant)
        network.set_weights(model.get_weights())
        network.save(folder / f"{direction}.keras")
        told["probability"] = answers(direction, sizes, folder)
    return told


def cudnn_calls() -> list[bool]:
    """Return a list that grows with each LSTM that Keras hands to cuDNN, while it traces."""
    from keras.src import backend

    calls: list[bool] = []

    def watched(kernel: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever the backend takes and gives.
            result = kernel(*arguments, **options)
            calls.append(True)
            return result

        return call

    for name in ("lstm", "bidirectional_lstm"):
        setattr(backend, name, watched(getattr(backend, name)))
    return calls


def product_peak(side: int) -> float:
    """Return FLOP/s of float32 matrix products, TF32 allowed as it is by default, best of several runs."""
    import tensorflow as tf

    matrix = tf.constant(np.random.default_rng(1).random((side, side), dtype=np.float32))
    best = 0.0
    for _ in range(5):
        started = time.perf_counter()
        product = matrix
        for _ in range(10):
            product = tf.matmul(matrix, product) / side
        product[:1, :1].numpy()
        best = max(best, 10 * 2 * side**3 / (time.perf_counter() - started))
    return best


def answers(direction: str, sizes: Sizes, folder: Path) -> list[float]:
    """Return what the saved network says of the longest and shortest reviews."""
    import keras

    from pipeline.scoring.networks import full_precision
    from pipeline.training.batches import batch_of, rows_by_length

    model = keras.saving.load_model(folder / f"{direction}.keras", compile=False, safe_mode=True)
    rows = drawn(sizes)
    parts = rows_by_length(rows, max(1, sizes.rows // 8))
    found = []
    with full_precision():
        for chosen in (parts[0], parts[len(parts) // 2], parts[-1]):
            batch = batch_of(rows, chosen[: COMPARED_ROWS // 3], max_length=MAX_LENGTH)
            found.append(keras.ops.convert_to_numpy(model(batch.ids, training=False))[:, 0])
    return [float(value) for value in np.concatenate(found)]


# ---- The comparison ----


def ways_of(gpus: int) -> list[str]:
    """Return what can be measured there."""
    ways = ["float32", "mixed_float16", "mixed_bfloat16", f"float32{XLA}", f"mixed_bfloat16{XLA}"]
    return ways + ([f"float32 on {gpus} GPUs"] if gpus > 1 else [])


def compare(direction: str, ways: list[str], gpus: int, sizes: Sizes, folder: Path) -> dict[str, Any]:
    """Measure every way of one direction and print the table."""
    print(
        f"\n{direction:<24}{'reviews/s':>10} {'ratio':>6} {'of peak':>8} {'first pass':>11} {'later':>8}  cuDNN  loss"
    )
    found: dict[str, dict[str, Any]] = {}
    for way in ways:
        try:
            told = in_new_process(trained, way, direction, gpus, sizes, folder)
        except Exception as error:  # noqa: BLE001 - one way that fails must not end the others.
            found[way] = {"error": f"{type(error).__name__}: {error}"[:300]}
            print(f"  {way:<22}{found[way]['error']}")
            continue
        found[way] = told
        ratio = told["reviews_per_second"] / found["float32"].get("reviews_per_second", float("nan"))
        print(
            f"  {way:<22}{told['reviews_per_second']:>10,.0f} {ratio:>6.2f} {told['share_of_peak']:>8.1%} "
            f"{told['first_pass_seconds']:>9.1f} s {told['pass_seconds']:>6.1f} s  "
            f"{'yes' if told['cudnn_calls_traced'] else 'no':<5}  {told['loss']:.4f}"
        )
    here = found["float32"].pop("probability", None)
    if here is None:
        return {"ways": found, "largest_difference_to_cpu": None, "agrees": False}
    there = in_new_process(answers, direction, sizes, folder, hide_gpus=True)
    difference = float(np.abs(np.subtract(here, there)).max())
    agrees = difference <= TOLERANCE
    print(f"  agreement with the CPU: {difference:.1e} at most ({'within' if agrees else 'BEYOND'} {TOLERANCE:.0e})")
    return {"ways": found, "largest_difference_to_cpu": difference, "agrees": agrees}


def main() -> None:
    """Run the benchmark; the exit status is 1 where float32 failed or disagrees with the CPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", "--quick", action="store_true", help="tiny sizes, on a CPU too: shows that it works")
    parser.add_argument("--directions", nargs="+", choices=["uni", "bi"], default=["uni", "bi"])
    parser.add_argument("--ways", nargs="+", help="some of the ways above, float32 among them")
    parser.add_argument("--batch", type=int, default=1024, help="rows of a step (default: 1024)")
    parser.add_argument("--rounds", type=int, default=3, help="measured passes over the reviews (default: 3)")
    parser.add_argument("--json", type=Path, help="file for the figures; without it they are the last line printed")
    given = parser.parse_args()
    sizes = Sizes(units=128, batch=given.batch, rows=64 * given.batch, rounds=given.rounds, words=VOCABULARY, side=8192)
    if given.small:
        sizes = Sizes(units=8, batch=64, rows=256, rounds=1, words=1_000, side=256)
    found = in_new_process(device)
    print(", ".join(f"{name} {value}" for name, value in found.items() if value is not None))
    if found["kind"] == "cpu" and not given.small:
        print("No GPU is in sight: nothing was measured. --small shows that the script works.")
        return
    ways, gpus = given.ways or ways_of(found["gpus"]), found["gpus"]
    with tempfile.TemporaryDirectory() as folder:
        results = {way: compare(way, ways, gpus, sizes, Path(folder)) for way in given.directions}
    figures = {"device": found, "sizes": asdict(sizes), "tolerance": TOLERANCE, "directions": results}
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    else:
        print(json.dumps(figures))
    if not all(result["agrees"] for result in results.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
