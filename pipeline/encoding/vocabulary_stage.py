"""The stage ``fit_vocabulary``: counts words and keeps the frequent ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.config import VocabularyConfig
from pipeline.encoding.records import SplitCoverage, VocabularySummary
from pipeline.encoding.tokens import tokenize
from pipeline.encoding.vocabulary import UNKNOWN_ID, VOCABULARY_FILE, Vocabulary
from pipeline.errors import ContractViolationError
from pipeline.splitting.records import SPLIT_NAMES
from pipeline.splitting.splits import TRAIN, read_splits
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace

STAGE = Stage("fit_vocabulary", version=1)


def fit_vocabulary(
    cleaned: ArtifactReference, splits: ArtifactReference, config: VocabularyConfig, store: ArtifactStore
) -> ArtifactReference:
    """Choose the words of the vocabulary.

    Args:
        cleaned: The reviews: artifact of ``build_dataset``.
        splits: Artifact of ``split`` for these reviews; excluded rows are not counted.
        config: Which rows to count and which words to keep.
        store: Artifact store.

    Returns:
        The artifact with ``vocabulary.json`` and a ``VocabularySummary``.

    Raises:
        ContractViolationError: No word is frequent enough.
    """

    def build(work: Workspace) -> Outcome:
        return _build(_count(cleaned, splits, config, store), config, work)

    return store.produce(STAGE, inputs={"cleaned": cleaned, "splits": splits}, params=config, build=build)


@dataclass(frozen=True)
class _Counts:
    """Word counts of all splits.

    Attributes:
        words: The distinct words.
        of_word: int64 [splits, words].
        rows: int64 [splits].
        fitted_on: Codes of the splits that the vocabulary is fitted on.
        appearance: int64 [distinct words of these splits], indices in ``words`` by first appearance.
    """

    words: list[str]
    of_word: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    fitted_on: list[int]
    appearance: npt.NDArray[np.int64]


def _build(counts: _Counts, config: VocabularyConfig, work: Workspace) -> Outcome:
    fitted = counts.of_word[counts.fitted_on].sum(axis=0)
    rows = int(counts.rows[counts.fitted_on].sum())
    # A stable sort keeps ties in the order of their first appearance.
    by_frequency = counts.appearance[np.argsort(-fitted[counts.appearance], kind="stable")]
    kept = by_frequency[fitted[by_frequency] >= config.min_frequency][: config.max_vocabulary_size or None]
    if not len(kept):
        raise ContractViolationError(
            f"No word occurs {config.min_frequency} times in the {rows:,} counted rows (fit_on '{config.fit_on}'). "
            "Lower min_frequency, or use a larger dump."
        )
    vocabulary = Vocabulary(
        words=tuple(counts.words[index] for index in kept.tolist()),
        counts=tuple(fitted[kept].tolist()),
        unknown_id=UNKNOWN_ID if config.has_unknown_word else None,
    )
    vocabulary.save(work.folder / VOCABULARY_FILE)
    tokens, known = counts.of_word.sum(axis=1), counts.of_word[:, kept].sum(axis=1)
    return Outcome(
        VocabularySummary(
            words=len(vocabulary.words),
            size=vocabulary.size,
            unknown_id=vocabulary.unknown_id,
            distinct_words=len(counts.appearance),
            tokens_counted=int(fitted.sum()),
            rows_counted=rows,
            coverage=tuple(
                SplitCoverage(split=name, tokens=int(tokens[code]), unknown=int(tokens[code] - known[code]))
                for code, name in enumerate(SPLIT_NAMES)
            ),
            leakage=config.fit_on == "all",
        )
    )


def _count(
    cleaned: ArtifactReference, splits: ArtifactReference, config: VocabularyConfig, store: ArtifactStore
) -> _Counts:
    fitted_on = [TRAIN] if config.fit_on == "train" else list(range(len(SPLIT_NAMES)))
    index_of: dict[str, int] = {}
    appearance: dict[int, None] = {}
    of_word = np.zeros((len(SPLIT_NAMES), 0), dtype=np.int64)
    rows = np.zeros(len(SPLIT_NAMES), dtype=np.int64)
    for reviews in read_splits(cleaned, splits, ("words",), store):
        tokens = tokenize(reviews.columns.column("words"))
        split_of_token = np.repeat(reviews.split_of_row, tokens.lengths)
        indices = np.array([index_of.setdefault(word, len(index_of)) for word in tokens.distinct], dtype=np.int64)
        of_word = np.pad(of_word, ((0, 0), (0, len(index_of) - of_word.shape[1])))
        for code in range(len(SPLIT_NAMES)):
            of_word[code, indices] += np.bincount(tokens.codes[split_of_token == code], minlength=len(indices))
            rows[code] += int((reviews.split_of_row == code).sum())
        codes, first = np.unique(tokens.codes[np.isin(split_of_token, fitted_on)], return_index=True)
        appearance.update(dict.fromkeys(indices[codes[np.argsort(first)]].tolist()))
    return _Counts(list(index_of), of_word, rows, fitted_on, np.array(list(appearance), dtype=np.int64))
