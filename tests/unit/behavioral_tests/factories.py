"""Simple models whose results in the behavioral tests can be predicted, and artifacts for the stage."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.cleaning import normalize_many
from pipeline.cleaning.records import CleanSummary
from pipeline.evaluation import ClassScores, ConfusionMatrix, EvaluationSummary, Mistake, Scores
from pipeline.statistics import Interval
from pipeline.training.records import ExportSummary
from tests.factories import place


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


GOOD = _words(
    "delicious excellent wonderful great fantastic perfect amazing tasty good awesome nice love loves enjoy enjoyed "
    "happy pleased satisfied best recommend recommended worth like liked again"
)
BAD = _words(
    "awful terrible horrible disgusting bad nasty disappointing gross rotten revolting bland stale hate hates worst "
    "trash waste unhappy disappointed dissatisfied complaints wrong problems regrets threw back"
)
NEGATIONS = _words("not no never nothing nobody anything won't can't don't isn't aren't")


@dataclass
class Scorer:
    """Scores each text with a function and records the texts."""

    score: Callable[[str], float]
    threshold: float = 0.5
    asked: list[list[str]] = field(default_factory=list)

    def probabilities(self, texts: Sequence[str], _: Sequence[str] | None = None, /) -> NDArray[np.float32]:
        self.asked.append(list(texts))
        return np.array([self.score(text) for text in texts], dtype=np.float32)


def words(text: str) -> list[list[str]]:
    """Return the lower-case words of each sentence."""
    text = re.sub(r"<[^>]*>|https?://\S+|www\.\S+", " ", text.lower().replace("’", "'").replace("can not", "can't"))
    return [re.findall("[a-z']+", sentence) for sentence in re.split(r"[.!]", text)]


def counting(text: str) -> float:
    """Count good and bad words, regardless of the words around them."""
    tokens = [token for sentence in words(text) for token in sentence]
    return _probability(sum((token in GOOD) - (token in BAD) for token in tokens))


def reading(text: str) -> float:
    """Count good and bad words; a negation reverses the rest of its sentence."""
    balance = 0
    for sentence in words(text):
        sign = 1
        for token in sentence:
            if token in NEGATIONS or token.endswith("n't"):
                sign = -1
            balance += sign * ((token in GOOD) - (token in BAD))
    return _probability(balance)


def linear(weights: Mapping[str, float], intercept: float) -> Callable[[str], float]:
    """Return a model whose log-odds are the intercept plus the weights of the words in the text."""

    def score(text: str) -> float:
        margin = intercept + sum(weights.get(word, 0.0) for word in re.findall(r"\w+", text))
        return float(1 / (1 + np.exp(-margin)))

    return score


def _probability(balance: int) -> float:
    return 0.5 + 0.45 * np.sign(balance)


def cleaned_reviews(store, texts, summaries=None, labels=None, *, joins=False):
    """Place reviews, cleaned as the pipeline does."""
    count = len(texts)
    table = pa.table(
        {
            "row": pa.array(range(count), pa.int64()),
            "label": pa.array([0] * count if labels is None else labels, pa.int8()),
            "summary": pa.array([None] * count if summaries is None else summaries, pa.string()),
            "text": pa.array(texts, pa.string()),
            "words": pa.array(normalize_many(texts, "default"), pa.string()),
        }
    )
    summary = CleanSummary(
        normalization="default", summary_joined=joins, stop_words_sha256="", steps=(), positive=0, negative=0, notes=()
    )
    return place(store, "clean", summary, tables={"reviews.parquet": table})


def evaluated_model(store, rows, *, model="bi-seed1", threshold=0.4):
    """Place the evaluation of a model with these mistakes, most confident first."""
    figure = Interval(value=0.9, low=0.8, high=0.95)
    of_class = ClassScores(precision=figure, recall=figure, f1=figure, rows=100)
    figures = dict.fromkeys(
        (name for name, field in Scores.model_fields.items() if field.annotation is Interval), figure
    )
    scores = Scores(
        rows=200,
        negative=of_class,
        positive=of_class,
        confusion=ConfusionMatrix(true_negative=90, false_positive=10, false_negative=10, true_positive=90),
        predicted_positive_share=0.5,
        probability_spread=0.3,
        **figures,
    )
    summary = EvaluationSummary(
        model=model,
        kind="variant",
        title=f"Model {model}",
        threshold=threshold,
        threshold_source="0.5, as configured",
        scores=scores,
        validation_balanced_accuracy=0.9,
        no_better_than_majority=False,
        warnings=(),
        mistakes=tuple(Mistake(row=row, label=0, probability=0.95, text="cut …") for row in rows),
    )
    return place(store, "evaluate", summary, label=model)


def exported_model(store):
    summary = ExportSummary(
        variant="bi-seed1",
        files=(),
        checked_rows=0,
        identical_ids=0,
        largest_difference=0.0,
        threshold=0.4,
        **{name: 0 for name, field in ExportSummary.model_fields.items() if field.is_required() and name == "seconds"},
    )
    return place(store, "export", summary)
