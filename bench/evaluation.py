"""Speed of the bootstrap intervals against the plain way: each resample through scikit-learn."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def seconds(work: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def intervals(rows: int, samples: int, plain_samples: int) -> None:
    """Print the time of all three intervals and of scikit-learn on resampled rows, scaled to as many samples."""
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

    from pipeline.evaluation import metrics

    random = np.random.default_rng(1)
    labels = (random.random(rows) < 0.83).astype(np.int8)
    probabilities = 1 / (1 + np.exp(-(random.normal(size=rows) + 2 * labels)))

    def plain() -> None:
        for _ in range(plain_samples):
            drawn = random.integers(0, rows, rows)
            called = probabilities[drawn] >= 0.5
            accuracy_score(labels[drawn], called)
            balanced_accuracy_score(labels[drawn], called)
            roc_auc_score(labels[drawn], probabilities[drawn])

    ours = seconds(lambda: metrics.scores(labels, probabilities, 0.5, samples))
    theirs = seconds(plain) * samples / plain_samples
    print(f"intervals, {rows:,} rows × {samples:,} samples: {ours:.2f} s; scikit-learn in a loop {theirs / ours:.0f} ×")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test-rows", type=int, default=36_418, help="rows behind the intervals")
    parser.add_argument("--samples", type=int, default=1000, help="bootstrap samples")
    parser.add_argument("--plain-samples", type=int, default=20, help="samples of the plain way, scaled up")
    arguments = parser.parse_args()
    intervals(arguments.test_rows, arguments.samples, arguments.plain_samples)


if __name__ == "__main__":
    main()
