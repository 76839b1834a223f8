"""An exported model on many reviews: texts in windows, the words by the pipeline's own fast way.

:class:`pipeline.scoring.Scorer` has the text read by the exported model itself, with TensorFlow's string operations.
Here it is read as ``clean`` and ``encode`` read it, token by token from memory, while the network computes the window
before. Word ids are the same (a test holds them to it), and the network sees rows of like length together.
"""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.cleaning import normalize_many
from pipeline.cleaning.rules import graph_rules, lower_case_before, stop_words
from pipeline.config import EncodingConfig, HardwareConfig
from pipeline.encoding import VOCABULARY_FILE, Sequences, Vocabulary, encode_texts
from pipeline.errors import ArtifactError, quoted
from pipeline.scoring.precision import full_precision
from pipeline.scoring.records import MODEL_FILE, ModelCard
from pipeline.scoring.scorer import bounded, joined_reviews, read_card
from pipeline.training.device import device_kind

log = logging.getLogger(__name__)

WINDOW_ROWS = 16_384
"""Reviews that are sorted by length together; their text is read while the network computes the window before. Of 36.5
words a review, batches of 1,024 are padded to 50 in windows of 8,192, to 44 in these and to 42 in twice as many."""

LARGEST_CONFIGURATION = 64 * 2**20
"""Bytes of a model's ``config.json``; a vocabulary of a million words takes ten of them."""

Network = Callable[[Sequences], npt.NDArray[np.float32]]
"""Ragged rows → float32 ``[rows]``, the probability of each."""


@dataclass(frozen=True)
class Scored:
    """What a model says of some reviews.

    Attributes:
        probability: float32 ``[reviews]``, that the review is positive.
        unknown_word_share: float32 ``[reviews]``, share of the words that the model reads of it, or would read, that
            are not in its vocabulary; 1 for a review without any word.
    """

    probability: npt.NDArray[np.float32]
    unknown_word_share: npt.NDArray[np.float32]


@dataclass(frozen=True)
class BulkScorer:
    """An exported model, loaded for many reviews.

    Attributes:
        card: What the model is: its variant, threshold, normalization.
        vocabulary: The words that it knows.
        runtime: What computes the network, with its version.
    """

    card: ModelCard
    vocabulary: Vocabulary
    runtime: str
    _network: Network = field(repr=False)
    _words: Callable[[Sequence[str]], list[str]] = field(repr=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load an export.

        On a CPU the network runs in ONNX Runtime where that is installed, else in TensorFlow; both give the same
        probabilities to 1e-5. On a GPU it runs in TensorFlow.

        Raises:
            ArtifactError: The folder is not an export, or a file of it is damaged.
        """
        card = read_card(folder)
        if _has_own_rules(folder / MODEL_FILE, card):
            log.warning("%s reads text by older rules than this project; it is read by the model itself.", card.title)
            words = _words_of_model(folder / MODEL_FILE)
        else:
            words = _words_of_pipeline(card)
        runtime, network = _network(folder, card)
        return cls(card, Vocabulary.load(folder / VOCABULARY_FILE), runtime, network, words)

    @property
    def threshold(self) -> float:
        """Probability from which a review counts as positive."""
        return self.card.threshold

    def probabilities(self, texts: Sequence[str], summaries: Sequence[str] | None = None) -> npt.NDArray[np.float32]:
        """Return the probability that each review is positive; see :meth:`pipeline.scoring.Scorer.probabilities`."""
        reviews = joined_reviews(self.card, texts, summaries)
        windows = (reviews[start : start + WINDOW_ROWS] for start in range(0, len(reviews), WINDOW_ROWS))
        return np.concatenate([np.empty(0, np.float32), *(scored.probability for scored in self.score(windows))])

    def score(self, windows: Iterable[Sequence[str]]) -> Iterator[Scored]:
        """Yield what the model says of each window, in order.

        Two windows are held at a time: the text of one is read while the network computes the other.

        Args:
            windows: Reviews, about ``WINDOW_ROWS`` at a time; the summary stands before the text where the model
                was trained so (``card.include_summary``). Of a text over ``scorer.LONGEST_TEXT`` characters the end
                that the model reads is kept.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="reading") as reader:
            waiting: Future[tuple[Sequences, npt.NDArray[np.float32]]] | None = None
            for reviews in windows:
                coming = reader.submit(self.encode, reviews)
                if waiting is not None:
                    yield self._scored(*waiting.result())
                waiting = coming
            if waiting is not None:
                yield self._scored(*waiting.result())

    def encode(self, reviews: Sequence[str]) -> tuple[Sequences, npt.NDArray[np.float32]]:
        """Return the reviews as word ids, and the share of unknown words of each, float32 ``[reviews]``."""
        words = self._words([bounded(review, self.card.keep) for review in reviews])
        limits = EncodingConfig(max_length=self.card.max_length, keep=self.card.keep)
        encoded = encode_texts(pa.array(words, pa.large_string()), self.vocabulary, limits)
        count = len(reviews)
        read = np.diff(encoded.offsets)
        if self.vocabulary.unknown_id is None:
            unknown, of = encoded.dropped, encoded.dropped + encoded.lengths
        else:
            row = np.repeat(np.arange(count), read)
            unknown = np.bincount(row[encoded.ids == self.vocabulary.unknown_id], minlength=count)
            of = read
        share = np.where(of > 0, unknown / np.maximum(of, 1), 1.0).astype(np.float32)
        sequences = Sequences(
            row=np.arange(count), label=np.zeros(count, np.int8), offsets=encoded.offsets, ids=encoded.ids
        )
        return sequences, share

    def _scored(self, sequences: Sequences, unknown_word_share: npt.NDArray[np.float32]) -> Scored:
        return Scored(self._network(sequences), unknown_word_share)


def _words_of_pipeline(card: ModelCard) -> Callable[[Sequence[str]], list[str]]:
    return lambda texts: normalize_many(texts, card.normalization)


def _words_of_model(file: Path) -> Callable[[Sequence[str]], list[str]]:
    """Return the model's own first layer as a function: slower, but what it was judged with."""
    from pipeline.training.device import use_device

    use_device(device_kind(HardwareConfig()))
    import tensorflow as tf

    from pipeline.scoring.model import load_exported
    from pipeline.scoring.normalization import LAYER_NAME

    layer = load_exported(file).get_layer(LAYER_NAME)

    def words(texts: Sequence[str]) -> list[str]:
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        return [found.decode("ascii") for found in layer(tf.constant(encoded, tf.string, [len(texts)])).numpy()]

    return words


def _has_own_rules(file: Path, card: ModelCard) -> bool:
    """Return whether an export's frozen text rules differ from this project's of today.

    Raises:
        ArtifactError: The file is damaged, or holds no rules.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.getinfo("config.json").file_size > LARGEST_CONFIGURATION:
                raise ValueError("its configuration is too large")
            layers = json.loads(archive.read("config.json"))["config"]["layers"]
        frozen = next(layer["config"] for layer in layers if layer["class_name"] == "ReviewNormalizer")
        found: list[Any] = [frozen["rules"], frozen["lower_case_before"], frozen["stop_words"]]
    except (OSError, ValueError, KeyError, TypeError, StopIteration, zipfile.BadZipFile, RecursionError) as error:
        raise ArtifactError(
            f"{quoted(file)} cannot be read as an exported model: {quoted(str(error) or type(error).__name__, 200)}. "
            "The file is damaged; export the model again."
        ) from error
    today: list[Any] = [
        [[rule.pattern, rule.replacement] for rule in graph_rules(card.normalization)],
        lower_case_before(card.normalization),
        list(stop_words(card.normalization)),
    ]
    return found != today


def _network(folder: Path, card: ModelCard) -> tuple[str, Network]:
    on_gpu = device_kind(HardwareConfig()) == "gpu"
    if not on_gpu and find_spec("onnxruntime") is not None and find_spec("onnx") is not None:
        from pipeline.scoring.onnx_network import OnnxNetwork

        network = OnnxNetwork.load(folder, card)
        return network.runtime, network
    return _tensorflow_network(folder / MODEL_FILE)


def _tensorflow_network(file: Path) -> tuple[str, Network]:
    from pipeline.training.device import use_device

    use_device(device_kind(HardwareConfig()))
    import keras
    import tensorflow as tf

    from pipeline.scoring.model import load_exported
    from pipeline.training.prediction import Predictor

    inner = [layer for layer in load_exported(file).layers if isinstance(layer, keras.Model)]
    if len(inner) != 1:
        raise ArtifactError(
            f"{quoted(file)} holds {len(inner)} networks behind its text processing, expected one. It was saved by "
            "another version of this project; export the model again."
        )
    predictor = Predictor(inner[0])

    def network(sequences: Sequences) -> npt.NDArray[np.float32]:
        with full_precision():
            return predictor(sequences)

    return f"tensorflow {tf.__version__}", network
