"""What a GPU makes of the training: speed, share of the card's peak, precision, XLA, cuDNN, agreement with the CPU.

  python bench/gpu.py                        every way that the backend has, for both directions
  python bench/gpu.py --small                tiny sizes, on whatever there is: shows that it works
  KERAS_BACKEND=torch python bench/gpu.py    another backend of Keras; else TensorFlow, or what there is

It needs the checkout, keras, numpy, pydantic and a backend; with TensorFlow, all of requirements/gpu.txt.

Network: the article's (Embedding(32), two LSTMs of 128 units, Dense(32), Dense(1)); reviews: lengths drawn to the
real ones' mean (37 words) and median (27), cut at 150, in length windows and masked, as ``pipeline.training`` reads
them. With TensorFlow the step is the pipeline's own; another backend takes Keras's ``train_on_batch``, which waits for
each loss.

Ways:
  float32, mixed_float16, mixed_bfloat16   what the layers compute in; ratios are to float32 in the same run
  float32 xla, mixed_bfloat16 xla          forward and backward compiled by XLA, without cuDNN (TensorFlow alone)
  float32 on N GPUs                        each batch shared by all GPUs in sight (TensorFlow alone)

Each way has a process of its own. Its first pass over the reviews is counted apart: it traces, and compiles for each
shape of a batch. Share of peak: the arithmetic that the words need (padding not counted) against a product of two
large float32 matrices in the same process, TF32 allowed, as it is in training. Agreement: the probabilities of the
trained network in float32 without TF32, against the same file read by a process that sees no GPU; TOLERANCE is the
largest difference that is taken for rounding.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from bench._shared import MAX_LENGTH, VOCABULARY
from bench.training import reviews, training_flops_per_word

TOLERANCE = 1e-4
COMPARED_ROWS = 512
BACKENDS = ("tensorflow", "torch", "jax")
XLA = " xla"


@dataclass(frozen=True)
class Sizes:
    """What is measured.

    ``rows`` is a multiple of ``batch``; ``side`` is that of the matrices whose product is taken for the peak.
    """

    units: int
    batch: int
    rows: int
    rounds: int
    words: int
    side: int


@dataclass(frozen=True)
class Reviews:
    """Ragged rows as ``pipeline.encoding.Sequences`` holds them, without the libraries that it needs."""

    offsets: np.ndarray
    ids: np.ndarray
    label: np.ndarray


def drawn(sizes: Sizes) -> Reviews:
    """Return the reviews: the same in every process."""
    _, arrays = reviews(Path(os.devnull), sizes.rows)
    arrays["ids"] = np.minimum(arrays["ids"], sizes.words - 1)
    return Reviews(**arrays)


# ---- In the workers ----


def device() -> dict[str, Any]:
    """Return backend, device and versions, having multiplied two matrices on it."""
    import keras

    backend = keras.backend.backend()
    told: dict[str, Any] = {"backend": backend, "keras": keras.__version__, "python": platform.python_version()}
    if backend == "tensorflow":
        import tensorflow as tf

        from pipeline.config import HardwareConfig
        from pipeline.training import preflight

        gpus = len(tf.config.list_physical_devices("GPU"))
        told |= {"version": tf.__version__, "gpus": gpus, **preflight(HardwareConfig()).model_dump()}
    elif backend == "torch":
        import torch

        gpus = torch.cuda.device_count()
        name = torch.cuda.get_device_name(0) if gpus else "CPU"
        told |= {"version": torch.__version__, "gpus": gpus, "name": name, "cuda": torch.version.cuda}
        told |= {"cudnn": torch.backends.cudnn.version()}
    else:
        import jax

        gpus = len(jax.devices("gpu")) if jax.default_backend() == "gpu" else 0
        told |= {"version": jax.__version__, "gpus": gpus, "name": jax.devices()[0].device_kind}
    told["kind"] = "gpu" if gpus else "cpu"
    product = keras.ops.matmul(keras.ops.ones((64, 64)), keras.ops.ones((64, 64)))
    if float(keras.ops.sum(product)) != 64.0**3:
        raise SystemExit(f"a product of two matrices of ones sums to {float(keras.ops.sum(product))}")
    return told


def trained(way: str, direction: str, sizes: Sizes, folder: Path) -> dict[str, Any]:
    """Train one way and return its figures."""
    calls = cudnn_calls()
    step, network = stepper(way, direction, sizes)
    rows = drawn(sizes)
    from pipeline.training.batches import epoch_batches

    def one_pass(number: int) -> tuple[float, float]:
        started = time.perf_counter()
        batches = epoch_batches(rows, batch_size=sizes.batch, max_length=MAX_LENGTH, seed=1, epoch=number)
        losses = [step(batch.ids, rows.label[batch.rows].astype(np.float32)) for batch in batches]
        loss = float(np.mean([float(each) for each in losses]))
        return time.perf_counter() - started, loss

    first, _ = one_pass(1)
    speeds, losses = [], []
    for number in range(2, sizes.rounds + 2):
        seconds, loss = one_pass(number)
        speeds.append(sizes.rows / seconds)
        losses.append(loss)
    useful = float(np.diff(rows.offsets).mean()) * training_flops_per_word(direction, sizes.units)
    speed, peak = statistics.median(speeds), product_peak(sizes.side)
    told = {
        "reviews_per_second": speed,
        "first_pass_seconds": first,
        "pass_seconds": sizes.rows / speed,
        "loss": losses[-1],
        "cudnn_calls_traced": len(calls),
        "matrix_product_tflops": peak / 1e12,
        "share_of_peak": speed * useful / peak,
    }
    if not np.isfinite(losses[-1]):
        raise SystemExit(f"the loss became {losses[-1]}")
    if way == "float32":
        network().save(folder / f"{direction}.keras")
        told["probability"] = answers(folder, direction, sizes)
    return told


def stepper(
    way: str, direction: str, sizes: Sizes
) -> tuple[Callable[[np.ndarray, np.ndarray], Any], Callable[[], Any]]:
    """Return one optimizer step (batch → mean loss, perhaps not computed yet), and what gives the float32 network."""
    import keras

    from pipeline.config import RunConfig
    from pipeline.training.model import build_model, float32_copy

    precision, _, rest = way.partition(" ")
    tensorflow = keras.backend.backend() == "tensorflow"
    options = {"directions": (direction,), "units": (sizes.units,), "batch_size": (sizes.batch,), "padding": "masked"}
    variant = RunConfig.from_flat({"profile": "article", **options}).variants[0]

    def network() -> Any:  # noqa: ANN401 - a model of whatever backend there is.
        copy = float32_copy(model, variant)
        copy.set_weights(model.get_weights())
        return copy

    if not tensorflow:
        model = build_model(variant, sizes.words, precision=precision)
        optimizer = keras.optimizers.Adam(variant.learning_rate)
        if precision == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        model.compile(optimizer, "binary_crossentropy")
        return model.train_on_batch, network

    from pipeline.training.device import CPU_SHARDS, strategy_for, use_device
    from pipeline.training.optimizer import optimizer_for
    from pipeline.training.steps import TrainingStep

    gpus = int(rest.split()[1]) if "GPUs" in rest else 1
    kind = "gpu" if gpu_in_tensorflow() else "cpu"
    use_device(kind, gpus)
    with strategy_for(gpus).scope():
        model = build_model(variant, sizes.words, precision=precision, cudnn=XLA not in way)
        optimizer = optimizer_for(variant, precision, steps_per_epoch=1)
        optimizer.build(model.trainable_variables)
    step = TrainingStep(model, optimizer, CPU_SHARDS if kind == "cpu" else 1, jit_compile=XLA in way)
    return lambda ids, label: step(ids, label, np.ones_like(label))[0] / len(label), network


def gpu_in_tensorflow() -> bool:
    """Return whether TensorFlow sees a GPU."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def cudnn_calls() -> list[bool]:
    """Return a list that grows with each LSTM that Keras hands to a kernel of the backend (cuDNN), while it traces."""
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
    """Return FLOP/s of float32 matrix products, TF32 allowed, best of several runs."""
    import keras

    with tf32(allowed=True):
        matrix = keras.ops.convert_to_tensor(np.random.default_rng(1).random((side, side), dtype=np.float32))
        best = 0.0
        for _ in range(5):
            started = time.perf_counter()
            product = matrix
            for _ in range(10):
                product = keras.ops.matmul(matrix, product) / side
            keras.ops.convert_to_numpy(product[:1, :1])
            best = max(best, 10 * 2 * side**3 / (time.perf_counter() - started))
    return best


@contextlib.contextmanager
def tf32(*, allowed: bool) -> Iterator[None]:
    """Allow the card's shortened float32 in matrix products, or not."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        before = tf.config.experimental.tensor_float_32_execution_enabled()
        tf.config.experimental.enable_tensor_float_32_execution(allowed)
        yield
        tf.config.experimental.enable_tensor_float_32_execution(before)
    elif backend == "torch":
        import torch

        before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
        yield
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
    else:
        import jax

        with jax.default_matmul_precision("tensorfloat32" if allowed else "float32"):
            yield


def answers(folder: Path, direction: str, sizes: Sizes) -> list[float]:
    """Return what the saved network says of the longest and shortest reviews."""
    import keras

    from pipeline.training.batches import batch_of, rows_by_length

    model = keras.saving.load_model(folder / f"{direction}.keras", compile=False, safe_mode=True)
    rows = drawn(sizes)
    parts = rows_by_length(rows, max(1, sizes.rows // 8))
    found = []
    with tf32(allowed=False):
        for chosen in (parts[0], parts[len(parts) // 2], parts[-1]):
            batch = batch_of(rows, chosen[: COMPARED_ROWS // 3], max_length=MAX_LENGTH)
            found.append(keras.ops.convert_to_numpy(model(batch.ids, training=False))[:, 0])
    return [float(value) for value in np.concatenate(found)]


# ---- The comparison ----


def worker(task: list[str], sizes: Sizes, folder: Path, *, hide_gpus: bool = False) -> dict[str, Any]:
    """Have a process of its own do one task; an error comes back as ``error``."""
    command = [sys.executable, str(Path(__file__)), "--worker", json.dumps([*task, asdict(sizes), str(folder)])]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": chosen_backend()}
    if hide_gpus:
        environment |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("{"):
            told: dict[str, Any] = json.loads(line)
            return told
    lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return {"error": lines[-1][:300]}


def serve(task: str) -> None:
    """Do one task and print its answer as one line of JSON."""
    *what, sizes, folder = json.loads(task)
    given = Sizes(**sizes)
    if what[0] == "device":
        told = device()
    elif what[0] == "train":
        told = trained(what[1], what[2], given, Path(folder))
    else:
        told = {"probability": answers(Path(folder), what[1], given)}
    print(json.dumps(told), flush=True)


def chosen_backend() -> str:
    """Return the backend that was asked for, or the first that is installed."""
    asked = os.environ.get("KERAS_BACKEND")
    found = [name for name in BACKENDS if find_spec(name) is not None]
    if not asked and not found:
        raise SystemExit(f"None of {', '.join(BACKENDS)} is installed; Keras needs one of them.")
    return asked or found[0]


def ways_of(backend: str, gpus: int) -> list[str]:
    """Return what can be measured there."""
    ways = ["float32", "mixed_float16", "mixed_bfloat16"]
    if backend == "tensorflow":
        ways += [f"float32{XLA}", f"mixed_bfloat16{XLA}"]
        ways += [f"float32 on {gpus} GPUs"] if gpus > 1 else []
    return ways


def compare(direction: str, ways: list[str], sizes: Sizes, folder: Path) -> dict[str, Any]:
    """Measure every way of one direction and print the table."""
    print(
        f"\n{direction:<24}{'reviews/s':>10} {'ratio':>6} {'of peak':>8} {'first pass':>11} {'later':>8}  cuDNN  loss"
    )
    found = {}
    for way in ways:
        told = found[way] = worker(["train", way, direction], sizes, folder)
        if "error" in told:
            print(f"  {way:<22}{told['error']}")
            continue
        ratio = told["reviews_per_second"] / found["float32"].get("reviews_per_second", float("nan"))
        print(
            f"  {way:<22}{told['reviews_per_second']:>10,.0f} {ratio:>6.2f} {told['share_of_peak']:>8.1%} "
            f"{told['first_pass_seconds']:>9.1f} s {told['pass_seconds']:>6.1f} s  "
            f"{'yes' if told['cudnn_calls_traced'] else 'no':<5}  {told['loss']:.4f}"
        )
    here = found["float32"].pop("probability", None)
    there = worker(["answer", direction], sizes, folder, hide_gpus=True).get("probability") if here else None
    if here is None or there is None:
        return {"ways": found, "largest_difference_to_cpu": None, "agrees": False}
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
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        serve(given.worker)
        return
    sizes = Sizes(units=128, batch=given.batch, rows=64 * given.batch, rounds=given.rounds, words=VOCABULARY, side=8192)
    if given.small:
        sizes = Sizes(units=8, batch=64, rows=256, rounds=1, words=1_000, side=256)
    with tempfile.TemporaryDirectory() as folder:
        found = worker(["device"], sizes, Path(folder))
        if "error" in found:
            raise SystemExit(f"The preflight failed: {found['error']}")
        print(", ".join(f"{name} {value}" for name, value in found.items() if value is not None))
        if found["kind"] == "cpu" and not given.small:
            print("No GPU is in sight: nothing was measured. --small shows that the script works.")
            return
        ways = given.ways or ways_of(found["backend"], found["gpus"])
        results = {way: compare(way, ways, sizes, Path(folder)) for way in given.directions}
    figures = {"device": found, "sizes": asdict(sizes), "tolerance": TOLERANCE, "directions": results}
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    else:
        print(json.dumps(figures))
    if not all(result["agrees"] for result in results.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
