"""Speed and memory of all figures with their intervals, against the plain way: each resample through scikit-learn."""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from bench._shared import peak_megabytes


def predictions(rows: int) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Return labels, 83 % of them positive, and the float32 probabilities of a confident model."""
    random = np.random.default_rng(1)
    labels = (random.random(rows) < 0.83).astype(np.int8)
    probabilities = 1 / (1 + np.exp(-(2 * random.normal(size=rows) + 4 * labels)))
    return labels, probabilities.astype(np.float32).astype(np.float64)


def measure(rows: int, samples: int, plain_samples: int) -> None:
    """Print the time of every figure's interval, and of scikit-learn on resampled rows, scaled to as many samples."""
    from pipeline.evaluation import metrics

    labels, probabilities = predictions(rows)
    # The first call pays for imports.
    metrics.scores(labels[:1000], probabilities[:1000], 0.5, 100)
    before = peak_megabytes()
    start = time.perf_counter()
    metrics.scores(labels, probabilities, 0.5, samples)
    ours = time.perf_counter() - start
    grown = peak_megabytes() - before
    random = np.random.default_rng(2)
    start = time.perf_counter()
    for _ in range(plain_samples):
        drawn = random.integers(0, rows, rows)
        metrics.figures(labels[drawn], probabilities[drawn], 0.5)
    plain = (time.perf_counter() - start) * samples / plain_samples
    print(
        f"{rows:,} rows × {samples:,} samples, all figures: {ours:.1f} s, {grown:.0f} MB on top of {before:.0f}; "
        f"scikit-learn in a loop {plain:.0f} s ({plain / ours:.0f} ×)"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test-rows", type=int, default=36_418, help="rows behind the intervals")
    parser.add_argument("--samples", type=int, default=2000, help="bootstrap samples")
    parser.add_argument("--plain-samples", type=int, default=5, help="samples of the plain way, scaled up")
    arguments = parser.parse_args()
    measure(arguments.test_rows, arguments.samples, arguments.plain_samples)


if __name__ == "__main__":
    main()
