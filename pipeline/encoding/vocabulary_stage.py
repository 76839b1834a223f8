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
    """Choose the words that the models may know.

    Args:
        cleaned: Artifact of ``clean``.
        splits: Artifact of ``split``, made from it; rows that it excluded are not counted.
        config: Which rows to count and which words to keep.
        store: Where the artifacts lie.

    Returns:
        The artifact with ``vocabulary.json`` and a ``VocabularySummary``.

    Raises:
        ContractViolationError: No word is left.
    """
    return store.produce(
        STAGE,
        inputs={"cleaned": cleaned, "splits": splits},
        params=config,
        build=lambda work: _build(cleaned, splits, config, store, work),
    )


def _build(
    cleaned: ArtifactReference,
    splits: ArtifactReference,
    config: VocabularyConfig,
    store: ArtifactStore,
    work: Workspace,
) -> Outcome:
    counted_splits = [TRAIN] if config.fit_on == "train" else list(range(len(SPLIT_NAMES)))
    tally = _tally(cleaned, splits, counted_splits, store)
    counts, rows = tally.counts, tally.rows
    counted = counts[counted_splits].sum(axis=0)
    # Stable: ties stay in the order of their first appearance.
    by_frequency = tally.appearance[np.argsort(-counted[tally.appearance], kind="stable")]
    kept = by_frequency[counted[by_frequency] >= config.min_frequency][: config.max_vocabulary_size or None]
    if not len(kept):
        raise ContractViolationError(
            f"No word occurs {config.min_frequency} times in the {int(rows[counted_splits].sum()):,} rows that are "
            "counted "
            f"(fit_on '{config.fit_on}'). Lower min_frequency, or give a larger dump."
        )
    everything_known = config.fit_on == "all" and config.max_vocabulary_size == 0 and config.min_frequency == 1
    vocabulary = Vocabulary(
        words=tuple(tally.words[index] for index in kept.tolist()),
        counts=tuple(counted[kept].tolist()),
        unknown_id=None if everything_known else UNKNOWN_ID,
    )
    vocabulary.save(work.folder / VOCABULARY_FILE)
    tokens, known = counts.sum(axis=1), counts[:, kept].sum(axis=1)
    return Outcome(
        VocabularySummary(
            words=len(vocabulary.words),
            size=vocabulary.size,
            unknown_id=vocabulary.unknown_id,
            distinct_words=len(tally.appearance),
            tokens_counted=int(counted.sum()),
            rows_counted=int(rows[counted_splits].sum()),
            coverage=tuple(
                SplitCoverage(split=name, tokens=int(tokens[code]), unknown=int(tokens[code] - known[code]))
                for code, name in enumerate(SPLIT_NAMES)
            ),
            leakage=config.fit_on == "all",
        )
    )


@dataclass(frozen=True)
class _Tally:
    """Words and how often they occur.

    Attributes:
        words: The different words of all splits.
        counts: int64 [splits, words].
        rows: int64 [splits].
        appearance: int64 [counted words], places in ``words`` by first appearance in the counted rows.
    """

    words: list[str]
    counts: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    appearance: npt.NDArray[np.int64]


def _tally(
    cleaned: ArtifactReference, splits: ArtifactReference, counted_splits: list[int], store: ArtifactStore
) -> _Tally:
    place: dict[str, int] = {}
    appearance: dict[int, None] = {}
    counts = np.zeros((len(SPLIT_NAMES), 0), dtype=np.int64)
    rows = np.zeros(len(SPLIT_NAMES), dtype=np.int64)
    for reviews in read_splits(cleaned, splits, ("words",), store):
        table = tokenize(reviews.columns.column("words"))
        split_of_word = np.repeat(reviews.split_of_row, table.lengths)
        places = np.array([place.setdefault(word, len(place)) for word in table.distinct], dtype=np.int64)
        counts = np.pad(counts, ((0, 0), (0, len(place) - counts.shape[1])))
        for code in range(len(SPLIT_NAMES)):
            counts[code, places] += np.bincount(table.codes[split_of_word == code], minlength=len(places))
            rows[code] += int((reviews.split_of_row == code).sum())
        counted_codes = table.codes[np.isin(split_of_word, counted_splits)]
        codes, first = np.unique(counted_codes, return_index=True)
        appearance.update(dict.fromkeys(places[codes[np.argsort(first)]].tolist()))
    return _Tally(list(place), counts, rows, np.array(list(appearance), dtype=np.int64))
