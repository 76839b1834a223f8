"""TF-IDF with logistic regression as plain columns: written once, read back without pickle, explained term by term."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.cleaning.records import CleanSummary
from pipeline.cleaning.rules import joined
from pipeline.cleaning.words import normalizer
from pipeline.errors import ArtifactError, PipelineError, quoted
from pipeline.evaluation.records import BaselinesSummary
from pipeline.evaluation.rules import TFIDF
from pipeline.store import ArtifactReference, ArtifactStore

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

LINEAR_MODEL = "linear_model.parquet"
VECTORISATION: dict[str, Any] = {
    "token_pattern": r"[^ ]+",
    "lowercase": False,
    "ngram_range": (1, 2),
    "sublinear_tf": True,
}
"""What scikit-learn's ``TfidfVectorizer`` is told in fitting and in reading back: words as cleaned and pairs of
neighboring words, 1 + ln(count), rows of unit length."""


class LinearModelError(ArtifactError):
    """A saved linear model is missing, damaged or of another version."""


class TermContribution(NamedTuple):
    """A term of one review and what it adds to the log-odds of a positive answer."""

    term: str
    contribution: float
    """Weight times TF-IDF value in this review, in nats; above zero it speaks for positive."""


@dataclass(frozen=True)
class LinearModel:
    """Logistic regression over the TF-IDF values of words and pairs of words.

    Attributes:
        terms: The terms, in the order of the columns.
        weights: float64 ``[terms]``, in log-odds per unit of TF-IDF.
        intercept: Log-odds of a review of which no term is known.
    """

    terms: tuple[str, ...]
    weights: NDArray[np.float64]
    intercept: float
    _vectorizer: TfidfVectorizer

    @classmethod
    def of(
        cls,
        terms: Sequence[str],
        inverse_document_frequencies: NDArray[np.float64],
        weights: NDArray[np.float64],
        intercept: float,
    ) -> Self:
        """Put a model together.

        Args:
            terms: Words, and pairs of words with one space between, each once.
            inverse_document_frequencies: float64 ``[terms]``.
            weights: float64 ``[terms]``.
            intercept: Log-odds of a review of which no term is known.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(vocabulary={term: place for place, term in enumerate(terms)}, **VECTORISATION)
        vectorizer.idf_ = np.asarray(inverse_document_frequencies, dtype=np.float64)
        return cls(tuple(terms), np.asarray(weights, dtype=np.float64), float(intercept), vectorizer)

    @classmethod
    def load(cls, folder: Path, intercept: float) -> Self:
        """Load ``linear_model.parquet`` from the folder of a ``baselines`` artifact.

        Args:
            folder: The artifact's folder.
            intercept: ``BaselinesSummary.intercept`` of the same artifact.

        Raises:
            LinearModelError: The file is missing, is no Parquet, lacks a column, or holds what is no number.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = ["term", "inverse_document_frequency", "weight"]
        try:
            table = pq.read_table(folder / LINEAR_MODEL)
        except FileNotFoundError:
            raise LinearModelError(
                f"{quoted(folder)} holds no {LINEAR_MODEL}; it is no artifact of `baselines`, or one from before the "
                "linear model was saved. Run `baselines` again."
            ) from None
        except (OSError, pa.ArrowInvalid) as error:
            raise LinearModelError(
                f"{LINEAR_MODEL} in {quoted(folder)} is damaged: {quoted(str(error), 200)}. Remove that artifact's "
                "folder and run `baselines` again."
            ) from error
        terms = table["term"].to_pylist() if "term" in table.schema.names else []
        if table.schema.names != names or not terms or None in terms or len(set(terms)) != len(terms):
            raise LinearModelError(
                f"{LINEAR_MODEL} in {quoted(folder)} should hold the columns {', '.join(names)} with each term once; "
                f"found: {quoted(', '.join(table.schema.names))}, {len(terms):,} terms. Run `baselines` again."
            )
        frequencies, weights = (table[name].to_numpy().astype(np.float64) for name in names[1:])
        if not (np.isfinite(frequencies).all() and np.isfinite(weights).all() and np.isfinite(intercept)):
            raise LinearModelError(
                f"{LINEAR_MODEL} in {quoted(folder)} holds weights that are no numbers. Run `baselines` again."
            )
        return cls.of(terms, frequencies, weights, intercept)

    def save(self, folder: Path) -> None:
        """Write ``linear_model.parquet``; the intercept goes into the artifact's summary."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table(
            {
                "term": pa.array(self.terms, pa.string()),
                "inverse_document_frequency": pa.array(self._vectorizer.idf_, pa.float64()),
                "weight": pa.array(self.weights, pa.float64()),
            }
        )
        pq.write_table(table, folder / LINEAR_MODEL, compression="zstd")

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability that each review is positive, float64 ``[len(texts)]``.

        Args:
            texts: Words as cleaning leaves them, joined by single spaces.
        """
        if not len(texts):
            return np.empty(0, dtype=np.float64)
        margin = self._vectorizer.transform(texts) @ self.weights + self.intercept
        return sigmoid(margin)

    def contributions(self, words: str) -> tuple[TermContribution, ...]:
        """Return what each known term of one review adds to the log-odds, the strongest first, ties by term.

        Their sum and the intercept are the log-odds of the answer.

        Args:
            words: Words as cleaning leaves them, joined by single spaces.
        """
        row = self._vectorizer.transform([words]).tocsr()
        found = [
            TermContribution(self.terms[place], float(value * self.weights[place]))
            for place, value in zip(row.indices.tolist(), row.data.tolist(), strict=True)
        ]
        return tuple(sorted(found, key=lambda item: (-abs(item.contribution), item.term)))


@dataclass(frozen=True)
class LinearScorer:
    """A linear model that reads raw reviews, cleaned as in training.

    Attributes:
        model: Reads cleaned words.
        normalization: Which words cleaning leaves, ``default`` or ``article``.
        include_summary: Whether the model was trained on the review's summary, a space, and its text.
        threshold: Probability from which a review counts as positive.
    """

    model: LinearModel
    normalization: str
    include_summary: bool = False
    threshold: float = 0.5

    @classmethod
    def load(cls, baselines: ArtifactReference, cleaned: ArtifactReference, store: ArtifactStore) -> Self:
        """Load the linear model of a ``baselines`` artifact; it reads raw text as ``cleaned`` was cleaned.

        Raises:
            LinearModelError: The artifact holds no linear model.
        """
        summary, cleaning = store.summary(baselines, BaselinesSummary), store.summary(cleaned, CleanSummary)
        return cls(
            model=LinearModel.load(store.folder(baselines), summary.intercept),
            normalization=cleaning.normalization,
            include_summary=cleaning.summary_joined,
            threshold=next(found.threshold for found in summary.evaluations if found.model == TFIDF),
        )

    def probabilities(self, texts: Sequence[str], summaries: Sequence[str] | None = None, /) -> NDArray[np.float64]:
        """Return the probability that each raw review is positive, float64 ``[len(texts)]``.

        Args:
            texts: Raw reviews.
            summaries: Their summaries, which are read if the model was trained with them.

        Raises:
            PipelineError: ``texts`` is a single string.
        """
        if isinstance(texts, str):
            raise PipelineError("Pass a single review as [review].")
        if summaries is not None and self.include_summary:
            texts = [joined(summary, text) for summary, text in zip(summaries, texts, strict=True)]
        return self.model.probabilities(normalizer(self.normalization).many(texts))

    def contributions(self, text: str) -> tuple[TermContribution, ...]:
        """Return what each known term of one raw review adds to the log-odds, the strongest first."""
        return self.model.contributions(normalizer(self.normalization)(text))


def sigmoid(margin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities of log-odds, without overflow at either end."""
    from scipy.special import expit

    return np.asarray(expit(margin), dtype=np.float64)
