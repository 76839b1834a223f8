"""An exported model in use: raw reviews in, probabilities out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.cleaning import normalize_many
from pipeline.cleaning.rules import joined
from pipeline.config import EncodingConfig
from pipeline.encoding import VOCABULARY_FILE, Sequences, Vocabulary, encode_texts
from pipeline.errors import PipelineError, quoted
from pipeline.scoring.exports import export_folder, find_export, read_exported_model
from pipeline.scoring.networks import Network, load_network
from pipeline.scoring.records import ExportedModel
from pipeline.scoring.text_rules import apply_text_rules, current_text_rules
from pipeline.store import ArtifactStore

log = logging.getLogger(__name__)

MAX_TEXT_CHARACTERS = 100_000
"""Characters of one review that are read. A model reads ``max_length`` words; a text of many megabytes would only fill
the memory."""

MAX_UNKNOWN_WORD_SHARE = 0.5
"""A review with a larger share of words that the model has not seen, e.g. in another language, gets ``unsure``."""

Sentiment = Literal["positive", "negative", "unsure", "unknown"]
"""The answer for a review. ``unsure``: near the threshold, or most words are unknown. ``unknown``: no word is known, so
there is no probability."""

WINDOW_ROWS = 16_384
"""Reviews that are sorted by length together. Of 36.5 words a review, batches of 1,024 are padded to 50 in windows of
8,192, to 44 in these and to 42 in twice as many."""


@dataclass(frozen=True)
class Scores:
    """The model's answers for some reviews.

    Attributes:
        probability: float32 ``[reviews]``, that the review is positive.
        unknown_word_share: float32 ``[reviews]``, share of the review's words that are not in the vocabulary; 1 for a
            review without any word.
    """

    probability: npt.NDArray[np.float32]
    unknown_word_share: npt.NDArray[np.float32]

    @property
    def has_known_word(self) -> npt.NDArray[np.bool_]:
        """Bool ``[reviews]``: without a known word, the probability says nothing about the review."""
        return self.unknown_word_share < 1


@dataclass(frozen=True)
class Scorer:
    """An exported model, loaded.

    The text rules run in Python, the network in ONNX Runtime on a CPU and in TensorFlow on a GPU.

    Attributes:
        model: The content of ``model.json``: variant, threshold, normalization and more.
        vocabulary: The words that the model knows.
    """

    model: ExportedModel
    vocabulary: Vocabulary
    _network: Network = field(repr=False)
    _words: Callable[[Sequence[str]], list[str]] = field(repr=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load an export.

        Raises:
            ArtifactError: The folder is not an export, or one of its files is damaged.
        """
        model = read_exported_model(folder)
        return cls(model, Vocabulary.load(folder / VOCABULARY_FILE), load_network(folder, model), _words_of(model))

    @property
    def runtime(self) -> str:
        """The library that computes the network, with its version."""
        return self._network.runtime

    @property
    def threshold(self) -> float:
        """Probability from which a review counts as positive."""
        return self.model.threshold

    def answers(self, scores: Scores) -> list[Sentiment]:
        """Return the answer for each review of ``scores``, in order."""
        probability, share = scores.probability, scores.unknown_word_share
        confident = np.maximum(probability, 1 - probability) >= self.model.min_confidence
        found = np.where(probability >= np.float32(self.threshold), "positive", "negative").astype("<U8")
        found[~confident | (share > MAX_UNKNOWN_WORD_SHARE)] = "unsure"
        found[~scores.has_known_word] = "unknown"
        answers: list[Sentiment] = found.tolist()
        return answers

    def score_texts(self, texts: Sequence[str], summaries: Sequence[str] | None = None, /) -> Scores:
        """Return the scores of reviews, in the same order.

        Args:
            texts: Raw reviews, with their HTML. Of a text over ``MAX_TEXT_CHARACTERS`` the end that the model reads is
                kept, with a warning.
            summaries: The reviews' summaries, which models read that were trained with them.

        Raises:
            PipelineError: ``texts`` is not a list of strings, or the two differ in length.
        """
        reviews = self._reviews(texts, summaries)
        windows = (reviews[start : start + WINDOW_ROWS] for start in range(0, len(reviews), WINDOW_ROWS))
        found = [Scores(np.empty(0, np.float32), np.empty(0, np.float32)), *self.score(windows)]
        return Scores(
            np.concatenate([scores.probability for scores in found]),
            np.concatenate([scores.unknown_word_share for scores in found]),
        )

    def probabilities(self, texts: Sequence[str], summaries: Sequence[str] | None = None, /) -> npt.NDArray[np.float32]:
        """Return the probability that each review is positive, float32 ``[len(texts)]``, in the same order.

        Arguments and errors are those of :meth:`score_texts`.
        """
        return self.score_texts(texts, summaries).probability

    def score(self, windows: Iterable[Sequence[str]]) -> Iterator[Scores]:
        """Yield the scores of each window, in order.

        Two windows are in memory at a time: the text of one is read while the network computes the other.

        Args:
            windows: Reviews, about ``WINDOW_ROWS`` at a time, with the summary in front of the text if the model was
                trained with summaries (``model.include_summary``).
        """
        with ThreadPoolExecutor(1, thread_name_prefix="encode") as encoder:
            current: Future[tuple[Sequences, npt.NDArray[np.float32]]] | None = None
            for reviews in windows:
                following = encoder.submit(self.encode, reviews)
                if current is not None:
                    yield self._scores(*current.result())
                current = following
            if current is not None:
                yield self._scores(*current.result())

    def encode(self, reviews: Sequence[str]) -> tuple[Sequences, npt.NDArray[np.float32]]:
        """Return the reviews as word ids, and the share of unknown words of each, float32 ``[reviews]``."""
        words = self._words([self._truncated(review) for review in reviews])
        limits = EncodingConfig(max_length=self.model.max_length, keep=self.model.keep)
        encoded = encode_texts(pa.array(words, pa.large_string()), self.vocabulary, limits)
        count, read = len(reviews), np.diff(encoded.offsets)
        if self.vocabulary.unknown_id is None:
            unknown, total = encoded.dropped, encoded.dropped + encoded.lengths
        else:
            row = np.repeat(np.arange(count), read)
            unknown = np.bincount(row[encoded.ids == self.vocabulary.unknown_id], minlength=count)
            total = read
        share = np.where(total > 0, unknown / np.maximum(total, 1), 1.0).astype(np.float32)
        sequences = Sequences(
            row=np.arange(count), label=np.zeros(count, np.int8), offsets=encoded.offsets, ids=encoded.ids
        )
        return sequences, share

    def _scores(self, sequences: Sequences, unknown_word_share: npt.NDArray[np.float32]) -> Scores:
        return Scores(self._network.probabilities(sequences), unknown_word_share)

    def _reviews(self, texts: Sequence[str], summaries: Sequence[str] | None) -> list[str]:
        """Return each review as the model reads it: with its summary if the model was trained with summaries."""
        for name, values in (("reviews", texts), ("summaries", summaries or [])):
            if isinstance(values, str | bytes) or not all(isinstance(value, str) for value in values):
                raise PipelineError(
                    f"The {name} to score must be a list of strings, but they are {quoted(type(values).__name__)}. "
                    "Pass a single review as [review]; the summary of a review without one is an empty string."
                )
        if summaries is None:
            return list(texts)
        if len(summaries) != len(texts):
            raise PipelineError(f"There are {len(texts)} reviews but {len(summaries)} summaries; pass one each.")
        if not self.model.include_summary:
            log.warning("%s was trained without summaries; they are ignored.", self.model.variant)
            return list(texts)
        return [joined(summary, text) for summary, text in zip(summaries, texts, strict=True)]

    def _truncated(self, text: str) -> str:
        if len(text) <= MAX_TEXT_CHARACTERS:
            return text
        keep = self.model.keep
        log.warning("A review has %d characters; only its %s %d are read.", len(text), keep, MAX_TEXT_CHARACTERS)
        return text[-MAX_TEXT_CHARACTERS:] if keep == "last" else text[:MAX_TEXT_CHARACTERS]


def _words_of(model: ExportedModel) -> Callable[[Sequence[str]], list[str]]:
    """Return the text step: the pipeline's own, which is fast, while its rules are those of the export."""
    if model.text_rules == current_text_rules(model.normalization):
        return lambda texts: normalize_many(texts, model.normalization)
    log.warning("%s was exported with other text rules than the current ones; it keeps its own.", model.title)
    return lambda texts: apply_text_rules(texts, model.text_rules)


def load_scorer(name: str, store: ArtifactStore) -> Scorer:
    """Load an exported model.

    Args:
        name: The folder of an export or a model file in it; or a name that :func:`find_export` knows.
        store: Where exports are looked up.

    Raises:
        ArtifactError: There is no such export, or it is damaged; the message names some that exist.
        NoChampionError: The name is ``champion`` and there is none.
    """
    folder = export_folder(name)
    return Scorer.load(store.folder(find_export(name, store)) if folder is None else folder)
