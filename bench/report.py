"""Time and memory from predictions to a published page, on synthetic scores: evaluation, comparison and report."""

from __future__ import annotations

import argparse
import logging
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from pipeline.cleaning.records import CleanSummary
from pipeline.config import EvaluationConfig, RunConfig
from pipeline.encoding import VOCABULARY_FILE, Vocabulary, VocabularySummary
from pipeline.evaluation import TFIDF, BaselinesSummary, compare, evaluate
from pipeline.evaluation.assessment import judged
from pipeline.evaluation.predictions import read_predictions
from pipeline.reporting import publish, report
from pipeline.run_state import RunState, VariantState
from pipeline.sources.records import FetchedFile, FetchSummary
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Record, Stage, Workspace
from pipeline.training.records import DeviceRecord, PredictSummary, TrainSummary

WORDS = [f"word{number}" for number in range(5_000)]
WORDS_EACH = 37
"""The mean of cleaned food reviews."""


def place(
    store: ArtifactStore, stage: str, summary: Record, files: dict[str, pa.Table], label: str
) -> ArtifactReference:
    """Put an artifact into the store without running its stage."""

    def build(work: Workspace) -> Outcome:
        for name, table in files.items():
            pq.write_table(table, work.folder / name)
        if stage == "fit_vocabulary":
            Vocabulary(tuple(WORDS[:4_500]), (1,) * 4_500, 1).save(work.folder / VOCABULARY_FILE)
        return Outcome(summary)

    return store.produce(Stage(stage), inputs={}, params=_Label(label=label), build=build)


class _Label(Record):
    label: str


def reviews(rows: int, labels: np.ndarray) -> pa.Table:
    """Return clean reviews of random words."""
    random = np.random.default_rng(3)
    lengths = random.poisson(WORDS_EACH, rows) + 1
    drawn = pa.array(WORDS).take(pa.array(random.zipf(1.3, lengths.sum()) % len(WORDS)))
    lists = pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32()), drawn)
    words = pa.compute.binary_join(lists, " ")
    return pa.table(
        {
            "row": pa.array(np.arange(rows)),
            "product_id": pa.array(random.integers(0, rows // 8, rows).astype(str)),
            "time": pa.array(random.integers(1_000_000_000, 1_350_000_000, rows)),
            "score": pa.array(
                np.where(labels == 1, random.integers(4, 6, rows), random.integers(1, 3, rows)), pa.int8()
            ),
            "helpfulness_numerator": pa.array(random.integers(0, 3, rows), pa.int32()),
            "helpfulness_denominator": pa.array(random.integers(0, 5, rows), pa.int32()),
            "summary": pa.nulls(rows, pa.string()),
            "text": words,
            "words": words,
            "label": pa.array(labels, pa.int8()),
        }
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test-rows", type=int, default=364_000)
    parser.add_argument("--samples", type=int, default=1_000, help="bootstrap samples")
    parser.add_argument("--variants", type=int, default=2)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    rows, validation = options.test_rows, max(1_000, options.test_rows // 10)
    labels = (np.random.default_rng(1).random(rows + validation) < 0.83).astype(np.int8)
    config = RunConfig.from_flat(
        {
            "profile": "default",
            "bootstrap_samples": options.samples,
            "seeds": list(range(1, options.variants + 1)),
            "directions": ["bi"],
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        store = ArtifactStore(folder)
        print(f"{rows:,} test rows, {options.samples:,} resamples, {options.variants} variants and TF-IDF")
        cleaned = place(
            store,
            "clean",
            CleanSummary(
                normalization="default",
                summary_joined=True,
                stop_words_sha256="",
                steps=(),
                positive=int(labels.sum()),
                negative=int((1 - labels).sum()),
                notes=(),
            ),
            {"reviews.parquet": reviews(len(labels), labels)},
            "bench",
        )
        vocabulary = place(
            store,
            "fit_vocabulary",
            VocabularySummary(
                words=4_500,
                size=4_502,
                unknown_id=1,
                distinct_words=5_000,
                tokens_counted=0,
                rows_counted=0,
                coverage=(),
                leakage=False,
            ),
            {},
            "bench",
        )
        fetched = place(
            store,
            "fetch",
            FetchSummary(
                files=(
                    FetchedFile(
                        name="synthetic.csv", path="raw/synthetic.csv", origin="bench", bytes=0, sha256="0" * 64
                    ),
                ),
                demo=True,
            ),
            {},
            "bench",
        )
        parts = np.array(["test"] * rows + ["validation"] * validation)

        def predicted(model: str, seed: int) -> ArtifactReference:
            random = np.random.default_rng(seed)
            probability = 1 / (1 + np.exp(-(random.normal(size=len(labels)) + 2.5 * (labels - 0.3))))
            table = pa.table(
                {
                    "row": np.arange(len(labels)),
                    "split": parts,
                    "label": labels,
                    "probability": probability.astype(np.float32),
                }
            )
            return place(
                store,
                "predict",
                PredictSummary(model=model, rows=len(labels), seconds=0),
                {"predictions.parquet": table},
                model,
            )

        models = {variant.name: predicted(variant.name, number) for number, variant in enumerate(config.variants)}
        baseline = predicted(TFIDF, 99)
        before, start = _peak(), time.perf_counter()
        evaluated = {
            name: evaluate(
                reference, cleaned, vocabulary, config=config.evaluation, store=store, model=name, title=name
            )
            for name, reference in models.items()
        }
        told = _tell("evaluate, each variant", start, options.variants)
        baselines = _baselines(store, baseline, cleaned, config.evaluation)
        told = _tell("judge the baseline", told)
        comparison = compare(models, evaluated, baselines, cleaned=cleaned, config=config.evaluation, store=store)
        told = _tell("compare", told)
        variants = []
        for variant in config.variants:
            name = variant.name
            made = {"train": _trained(store, config, name), "predict": models[name], "evaluate": evaluated[name]}
            variants.append(VariantState(name=name, direction=variant.direction, artifacts=made))
        state = RunState(
            artifacts={"fetch": fetched, "baselines": baselines, "compare": comparison}, variants=tuple(variants)
        )
        page = Path(publish(report(state, config, "bench", store), "bench", store))
        _tell("report and publish", told)
        print(
            f"all: {time.perf_counter() - start:.1f} s; peak {_peak():.2f} GB, of which {before:.2f} GB before; "
            f"page {page.stat().st_size / 1e6:.2f} MB"
        )


def _baselines(
    store: ArtifactStore, predicted: ArtifactReference, cleaned: ArtifactReference, config: EvaluationConfig
) -> ArtifactReference:
    found = read_predictions(store, predicted)
    evaluation = judged(found, config, model=TFIDF, title="TF-IDF", kind="baseline", store=store, cleaned=cleaned)
    table = pq.read_table(store.folder(predicted) / "predictions.parquet")
    table = table.append_column("model", pa.array([TFIDF] * len(table)))
    return place(
        store, "baselines", BaselinesSummary(evaluations=(evaluation,)), {"predictions.parquet": table}, "bench"
    )


def _trained(store: ArtifactStore, config: RunConfig, name: str) -> ArtifactReference:
    variant = next(variant for variant in config.variants if variant.name == name)
    summary = TrainSummary(
        variant=variant, weights=1, epochs=(), best_epoch=1, restored_epoch=1, stopped_early=False,
        resumed_from_epoch=None, device=DeviceRecord(kind="cpu", name="none"), seconds=0, label_entropy=0.46,
    )  # fmt: skip
    return place(store, "train", summary, {}, name)


def _tell(what: str, since: float, parts: int = 1) -> float:
    now = time.perf_counter()
    print(f"  {what}: {(now - since) / parts:.1f} s")
    return now


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
