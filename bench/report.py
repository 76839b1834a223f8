"""Time and memory from predictions to a published page, on synthetic scores: evaluation, comparison and report.

All figures of one model with their intervals are first timed alone, against the plain way: each resample through
scikit-learn.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from bench._shared import peak_megabytes
from pipeline.config import EvaluationConfig, RunConfig
from pipeline.evaluation import TFIDF, BaselinesSummary, compare, evaluate, metrics
from pipeline.evaluation.assessment import evaluate_predictions
from pipeline.evaluation.predictions import read_predictions
from pipeline.reporting import publish, report
from pipeline.run_state import RunState, VariantState
from pipeline.store import ArtifactReference, ArtifactStore
from tests.factories import place
from tests.unit.evaluation.factories import predictions, reviews, vocabulary
from tests.unit.reporting.factories import land_summary, train_summary

WORDS = [f"word{number}" for number in range(5_000)]
WORDS_EACH = 37
"""The mean of cleaned food reviews."""


def place_reviews(store: ArtifactStore, labels: np.ndarray) -> ArtifactReference:
    """Place clean reviews of random words."""
    rows, random = len(labels), np.random.default_rng(3)
    lengths = random.poisson(WORDS_EACH, rows) + 1
    drawn = pa.array(WORDS).take(pa.array(random.zipf(1.3, lengths.sum()) % len(WORDS)))
    lists = pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32()), drawn)
    words = pa.compute.binary_join(lists, " ").to_pylist()
    stars = np.where(labels == 1, random.integers(4, 6, rows), random.integers(1, 3, rows))
    return reviews(
        store,
        labels,
        texts=words,
        words=words,
        product_id=pa.array(random.integers(0, rows // 8, rows).astype(str)),
        time=pa.array(random.integers(1_000_000_000, 1_350_000_000, rows)),
        score=pa.array(stars, pa.int8()),
        helpfulness_numerator=pa.array(random.integers(0, 3, rows), pa.int32()),
        helpfulness_denominator=pa.array(random.integers(0, 5, rows), pa.int32()),
        summary=pa.nulls(rows, pa.string()),
    )


def probabilities(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return the probabilities of a confident model, float64 ``[rows]``."""
    noise = np.random.default_rng(seed).normal(size=len(labels))
    return 1 / (1 + np.exp(-(noise + 2.5 * (labels - 0.3))))


def time_intervals(labels: np.ndarray, samples: int, plain_samples: int) -> None:
    """Print the time of every figure's interval, and of scikit-learn on resampled rows, scaled to as many samples."""
    found, rows = probabilities(labels, 1), len(labels)
    # The first call pays for imports.
    metrics.scores(labels[:1000], found[:1000], 0.5, 100)
    before, start = peak_megabytes(), time.perf_counter()
    metrics.scores(labels, found, 0.5, samples)
    ours, grown = time.perf_counter() - start, peak_megabytes() - before
    random, start = np.random.default_rng(2), time.perf_counter()
    for _ in range(plain_samples):
        drawn = random.integers(0, rows, rows)
        metrics.figures(labels[drawn], found[drawn], 0.5)
    plain = (time.perf_counter() - start) * samples / plain_samples
    print(
        f"{rows:,} rows × {samples:,} samples, all figures: {ours:.1f} s, {grown:.0f} MB on top of {before:.0f}; "
        f"scikit-learn in a loop {plain:.0f} s ({plain / ours:.0f} ×)"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test-rows", type=int, default=364_000)
    parser.add_argument("--samples", type=int, default=1_000, help="bootstrap samples")
    parser.add_argument("--variants", type=int, default=2)
    parser.add_argument("--plain-samples", type=int, default=5, help="samples of the plain way, scaled up")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    rows, validation = options.test_rows, max(1_000, options.test_rows // 10)
    labels = (np.random.default_rng(1).random(rows + validation) < 0.83).astype(np.int8)
    time_intervals(labels[:rows], options.samples, options.plain_samples)
    parts = ["test"] * rows + ["validation"] * validation
    seeds = list(range(1, options.variants + 1))
    config = RunConfig.from_flat(
        {"profile": "default", "bootstrap_samples": options.samples, "seeds": seeds, "directions": ["bi"]}
    )
    with tempfile.TemporaryDirectory() as folder:
        store = ArtifactStore(folder)
        print(f"{rows:,} test rows, {options.samples:,} resamples, {options.variants} variants and TF-IDF")
        cleaned = place_reviews(store, labels)
        words = vocabulary(store, WORDS[:4_500])

        def predicted(model: str, seed: int) -> ArtifactReference:
            return predictions(store, labels, probabilities(labels, seed), parts, model=model)

        models = {variant.name: predicted(variant.name, number) for number, variant in enumerate(config.variants)}
        baseline = predicted(TFIDF, 99)
        before, start = peak_megabytes(), time.perf_counter()
        evaluated = {
            variant.name: evaluate(models[variant.name], cleaned, words, config.evaluation, store, variant=variant)
            for variant in config.variants
        }
        told = _tell("evaluate, each variant", start, options.variants)
        baselines = _baselines(store, baseline, cleaned, config.evaluation)
        told = _tell("judge the baseline", told)
        comparison = compare(models, evaluated, baselines, cleaned=cleaned, config=config.evaluation, store=store)
        told = _tell("compare", told)
        variants = []
        for variant in config.variants:
            name = variant.name
            trained = place(store, "train", train_summary(variant, collapsed=False), label=name)
            made = {"train": trained, "predict": models[name], "evaluate": evaluated[name]}
            variants.append(VariantState(name=name, direction=variant.direction, artifacts=made))
        fetched = place(store, "fetch", land_summary(demo=True))
        artifacts = {"fetch": fetched, "baselines": baselines, "compare": comparison}
        state = RunState(artifacts=artifacts, variants=tuple(variants))
        page = Path(publish(report(state, config, "bench", store), "bench", store))
        _tell("report and publish", told)
        print(
            f"all: {time.perf_counter() - start:.1f} s; peak {peak_megabytes() / 1000:.2f} GB, of which "
            f"{before / 1000:.2f} GB before; page {page.stat().st_size / 1e6:.2f} MB"
        )


def _baselines(
    store: ArtifactStore, predicted: ArtifactReference, cleaned: ArtifactReference, config: EvaluationConfig
) -> ArtifactReference:
    found = read_predictions(store, predicted)
    evaluation = evaluate_predictions(
        found, config, model=TFIDF, title="TF-IDF", kind="baseline", store=store, cleaned=cleaned
    )
    table = pq.read_table(store.folder(predicted) / "predictions.parquet")
    table = table.append_column("model", pa.array([TFIDF] * len(table)))
    summary = BaselinesSummary(evaluations=(evaluation,))
    return place(store, "baselines", summary, tables={"predictions.parquet": table})


def _tell(what: str, since: float, parts: int = 1) -> float:
    now = time.perf_counter()
    print(f"  {what}: {(now - since) / parts:.1f} s")
    return now


if __name__ == "__main__":
    main()
