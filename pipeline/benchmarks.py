"""Published benchmarks: their data, their settings and their figures, to repeat a comparison with one command."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipeline.config import ProfileName, RunConfig
from pipeline.errors import ConfigurationError, SourceError, quoted
from pipeline.run_state import RunState
from pipeline.statistics import Interval
from pipeline.steps import Run
from pipeline.workflow import run_stages

if TYPE_CHECKING:
    from pipeline.evaluation import EvaluationSummary
    from pipeline.readers.records import IngestSummary

LAST_STAGE = "evaluate"
GUIDE = "docs/how-to/repeat_published_comparisons.md"
MODEL_WIDTH = 52
"""Characters of the column with the names of the models."""


@dataclass(frozen=True)
class PublishedFigure:
    """A test accuracy that others reported.

    Attributes:
        model: What was trained, in words.
        accuracy: Share of the test rows that were classified correctly (0–1), with the published decimals.
        source: Authors, year and title.
        link: Where it was published.
    """

    model: str
    accuracy: float
    source: str
    link: str


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A published benchmark.

    Attributes:
        name: Its name on the command line.
        title: Its name in the literature.
        profile: The profile that suits its reviews.
        fixed: Parameters that make figures comparable, by name; they cannot be changed.
        columns: Columns that each file must have, for the names of the column mapping.
        data: Where the data are and how to prepare them.
        test_rows: Rows of the official test split.
        published: What others reported.
    """

    name: str
    title: str
    profile: ProfileName
    fixed: Mapping[str, Any]
    columns: tuple[str, ...]
    data: str
    test_rows: int
    published: tuple[PublishedFigure, ...]

    def configuration(self, values: Mapping[str, Any]) -> RunConfig:
        """Return the configuration of a run of the benchmark.

        Args:
            values: Parameters of the user by name, with at least `dumps`.

        Raises:
            ConfigurationError: There are no dumps, a fixed parameter would change, or a value is invalid.
        """
        if not values.get("dumps"):
            raise ConfigurationError(f"The benchmark {self.name} needs the files: --dumps FILE. {self.needed()}")
        wanted = RunConfig.from_flat({"profile": self.profile, **values}).flat()
        changed = [name for name, value in self.fixed.items() if name in values and wanted[name] != value]
        if changed:
            raise ConfigurationError(
                f"The benchmark {self.name} fixes {', '.join(changed)}: with other values the published figures do "
                "not compare. Leave these options out, or use `review-sentiment run`."
            )
        return RunConfig.from_flat({"profile": self.profile, **values, **self.fixed})

    def needed(self) -> str:
        """Return the columns that the files must have, and how to make the files."""
        return f"Each file needs the columns {', '.join(self.columns)}. {self.data} {GUIDE} has the steps."


BENCHMARKS: Mapping[str, Benchmark] = MappingProxyType(
    {
        benchmark.name: benchmark
        for benchmark in (
            Benchmark(
                name="imdb",
                title="Large Movie Review Dataset (IMDb), official split",
                profile="long_reviews",
                # Excluding duplicates would shrink the official splits.
                fixed={"strategy": "column", "deduplicate": False},
                columns=("text", "score", "split"),
                data="`python scripts/imdb_dump.py aclImdb imdb.jsonl` makes such a file of the official archive.",
                test_rows=25_000,
                published=(
                    PublishedFigure(
                        "Word vectors with bag of words",
                        0.8889,
                        "Maas et al. 2011, Learning Word Vectors for Sentiment Analysis",
                        "https://aclanthology.org/P11-1015/",
                    ),
                    PublishedFigure(
                        "NB-SVM on words and word pairs",
                        0.9122,
                        "Wang and Manning 2012, Baselines and Bigrams",
                        "https://aclanthology.org/P12-2018/",
                    ),
                    PublishedFigure(
                        "LSTM, pre-trained as a language model",
                        0.9236,
                        "Dai and Le 2015, Semi-supervised Sequence Learning (with 50,000 unlabeled reviews)",
                        "https://arxiv.org/abs/1511.01432",
                    ),
                    PublishedFigure(
                        "LSTM, pre-trained as an autoencoder",
                        0.9276,
                        "Dai and Le 2015, Semi-supervised Sequence Learning (with 50,000 unlabeled reviews)",
                        "https://arxiv.org/abs/1511.01432",
                    ),
                    PublishedFigure(
                        "Bidirectional LSTM, 2 epochs",
                        0.8428,
                        "Chollet 2020, Keras example: Bidirectional LSTM on IMDB (output on the page)",
                        "https://keras.io/examples/nlp/bidirectional_lstm_imdb/",
                    ),
                    PublishedFigure(
                        "Bidirectional LSTM, 10 epochs",
                        0.8778,
                        "Model card of the same Keras example",
                        "https://huggingface.co/keras-io/bidirectional-lstm-imdb",
                    ),
                ),
            ),
            Benchmark(
                name="amazon-fine-food",
                title="Amazon Fine Food Reviews, split of the replicated article",
                profile="article",
                fixed={"strategy": "article", "test_size": 0.1, "deduplicate": True},
                columns=("text", "score", "id", "product_id", "user_id", "profile_name", "time"),
                data="`--dumps kaggle` fetches Reviews.csv from Kaggle.",
                test_rows=36_418,
                published=tuple(
                    PublishedFigure(
                        model,
                        accuracy,
                        "Long Short-Term Memory (LSTM) in Keras (docs/explanation/replicated_experiment.md)",
                        "https://github.com/riteshranjan110/MediumBlogsCode/blob/master/LSTMblog1.ipynb",
                    )
                    for model, accuracy in (("Unidirectional LSTM", 0.83), ("Bidirectional LSTM", 0.92))
                ),
            ),
        )
    }
)
"""All benchmarks by name."""


@dataclass(frozen=True)
class BenchmarkResult:
    """This project's models on a benchmark.

    Attributes:
        benchmark: The benchmark.
        models: The variants, then the baselines.
        test_rows: Test rows that were evaluated.
        shared: How many test rows have a text, or nearly a text, of the other splits, as sentences.
    """

    benchmark: Benchmark
    models: tuple[EvaluationSummary, ...]
    test_rows: int
    shared: tuple[str, ...]

    @property
    def is_official(self) -> bool:
        """Whether exactly as many test rows were evaluated as the official test split has."""
        return self.test_rows == self.benchmark.test_rows


def run_benchmark(benchmark: Benchmark, run: Run) -> BenchmarkResult:
    """Train and evaluate the variants of a run; no report is published and no model promoted.

    Args:
        benchmark: The benchmark.
        run: A run with its configuration.

    Raises:
        SourceError: A file lacks a column that the benchmark needs.
        RunStoppedError: A stage failed or a check stopped the run.
    """
    from pipeline.evaluation.records import BaselinesSummary, EvaluationSummary
    from pipeline.readers.records import IngestSummary
    from pipeline.splitting.leakage import LEAKAGE_TEXT, TEXT_LEAKAGE
    from pipeline.splitting.records import LeakageSummary, SplitSummary

    state = RunState()
    for state in run_stages(run, until=LAST_STAGE):
        if state.get("ingest") is not None and state.get("validate_raw") is None:
            _require_columns(benchmark, run.store.summary(state["ingest"], IngestSummary))
    variants = [run.store.summary(variant["evaluate"], EvaluationSummary) for variant in state.variants]
    baselines = run.store.summary(state["baselines"], BaselinesSummary).evaluations
    leakage = run.store.summary(state["check_leakage"], LeakageSummary)
    return BenchmarkResult(
        benchmark=benchmark,
        models=(*variants, *baselines),
        test_rows=run.store.summary(state["split"], SplitSummary).by_name("test").rows,
        shared=tuple(
            f"{figure.rows:,} test rows ({figure.share:.2%}) {LEAKAGE_TEXT[figure.kind]}."
            for figure in leakage.figures
            if figure.kind in TEXT_LEAKAGE
        ),
    )


def _require_columns(benchmark: Benchmark, ingested: IngestSummary) -> None:
    for file in ingested.files:
        missing = [name for name in benchmark.columns if name not in file.column_mapping]
        if missing:
            raise SourceError(
                f"{quoted(file.name)} has no column {', '.join(missing)}, which the benchmark {benchmark.name} needs. "
                f"{benchmark.needed()} A column with another name can be mapped: --columns {missing[0]}=NAME."
            )


def benchmark_as_text(result: BenchmarkResult) -> str:
    """Return the table of a benchmark: our figures with 95 % intervals, and the published ones with their sources."""
    benchmark = result.benchmark
    sources = list(dict.fromkeys((figure.source, figure.link) for figure in benchmark.published))
    lines = [
        benchmark.title,
        f"Test rows: {result.test_rows:,} evaluated, {benchmark.test_rows:,} in the official test split.",
    ]
    if not result.is_official:
        lines.append("WARNING: these are not the official test rows, so the published figures do not compare.")
    ours = [(model.title, model.scores.accuracy, model.scores.roc_auc) for model in result.models]
    lines += [
        *result.shared,
        "",
        _row("this project", "accuracy (95 % interval)", "ROC AUC (95 % interval)"),
        *(_row(title, _interval(accuracy), _interval(roc_auc)) for title, accuracy, roc_auc in ours),
        "",
        _row("published", "accuracy", "source"),
    ]
    for figure in benchmark.published:
        number = 1 + sources.index((figure.source, figure.link))
        lines.append(_row(figure.model, f"{figure.accuracy:g}", f"[{number}]"))
    lines += ["", *(f"[{number}] {source}: {link}" for number, (source, link) in enumerate(sources, 1))]
    return "\n".join(lines)


def _row(model: str, accuracy: str, other: str) -> str:
    return f"{textwrap.shorten(model, MODEL_WIDTH, placeholder='…'):{MODEL_WIDTH}}  {accuracy:26}  {other}".rstrip()


def _interval(interval: Interval) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f}–{interval.high:.3f})"
