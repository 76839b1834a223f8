"""The stage ``check_leakage``: counts the test rows that are known from training or validation.

Nothing here uses the groups or clusters of the split. Texts, products and users are compared as they are, and
near-duplicates are found by another method than in the split (MinHash instead of prefixes). Identical short texts are
counted on their own: people write them independently, so no split keeps them apart.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.config import SplitConfig
from pipeline.errors import DataLeakageError
from pipeline.splitting.minhash import duplicates_of_known
from pipeline.splitting.records import MIN_WORDS, LeakageFigure, LeakageKind, LeakageSummary
from pipeline.splitting.shingles import shingle_sets
from pipeline.splitting.splits import EXCLUDED_CODE, TEST, split_codes
from pipeline.splitting.texts import distinct_texts, empty_as_missing
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Record, Stage

log = logging.getLogger(__name__)

STAGE = Stage("check_leakage", version=2)
LEAKAGE_TEXT: dict[LeakageKind, str] = {
    "identical_text": "have a text that is also in training or validation",
    "near_duplicate": "are near-duplicates of a review in training or validation",
    "identical_short_text": f"have a text of fewer than {MIN_WORDS} words that is also in training or validation",
    "product": "review a product that is also in training or validation",
    "user": "are by a user who is also in training or validation",
}
TEXT_LEAKAGE: tuple[LeakageKind, ...] = ("identical_text", "near_duplicate")

Mask = npt.NDArray[np.bool_]


class _Params(Record):
    """What the figures and the guarantees depend on."""

    strategy: str
    group_by: str | None
    near_duplicate_threshold: float
    vocabulary_leakage: bool


def check_leakage(
    cleaned: ArtifactReference,
    splits: ArtifactReference,
    vocabulary_leakage: bool,
    config: SplitConfig,
    store: ArtifactStore,
) -> ArtifactReference:
    """Count the test rows that are known from training or validation.

    Args:
        cleaned: The reviews: artifact of ``build_dataset``.
        splits: Artifact of ``split`` for these reviews.
        vocabulary_leakage: Whether the vocabulary is fitted on validation and test rows too.
        config: Configuration of the split, which determines the guarantees.
        store: Artifact store.

    Returns:
        The artifact with a ``LeakageSummary``.
    """
    params = _Params(
        strategy=config.strategy,
        group_by=config.group_by if config.strategy == "grouped" else None,
        near_duplicate_threshold=config.near_duplicate_threshold,
        vocabulary_leakage=vocabulary_leakage,
    )
    return store.produce(
        STAGE,
        inputs={"cleaned": cleaned, "splits": splits},
        params=params,
        build=lambda _: Outcome(_summary(cleaned, splits, params, store)),
    )


def enforce_no_leakage(leakage: ArtifactReference, store: ArtifactStore) -> None:
    """Stop the run if the split violates a guarantee; the log names what else the test split shares.

    An official split and that of the article stay as they are, so they guarantee nothing.

    Raises:
        DataLeakageError: Test rows are known although the strategy guarantees that none are.
    """
    summary = store.summary(leakage, LeakageSummary)
    violated = summary.violated
    if violated:
        found = _in_words(violated)
        raise DataLeakageError(
            f"Of the test rows, {found}. The split guarantees that there are none; scores on this test split would be "
            "too high. Check that the split was made from these reviews with this configuration. If so, this is a bug "
            "of the split: report it, and use another split_seed or strategy."
        )

    shared = [figure for figure in summary.figures if figure.rows and figure.kind in TEXT_LEAKAGE]
    if shared:
        log.warning("Of the test rows, %s. The split strategy allows it; scores may be too high.", _in_words(shared))


def _in_words(figures: Sequence[LeakageFigure]) -> str:
    return "; ".join(f"{figure.rows:,} ({figure.share:.2%}) {LEAKAGE_TEXT[figure.kind]}" for figure in figures)


def _summary(
    cleaned: ArtifactReference, splits: ArtifactReference, params: _Params, store: ArtifactStore
) -> LeakageSummary:
    columns = ["row", "product_id", "user_id", "words"]
    reviews = pq.read_table(store.folder(cleaned) / "reviews.parquet", columns=columns)
    codes = split_codes(reviews.column("row").to_numpy(), splits, store)
    test, known = codes == TEST, (codes != TEST) & (codes != EXCLUDED_CODE)
    words = reviews.column("words")
    short = pc.less(pc.count_substring(words, " "), MIN_WORDS - 1)
    no_text = pa.scalar(None, words.type)
    known_rows: dict[LeakageKind, int] = {
        "identical_text": _known_values(pc.if_else(short, no_text, words), test, known),
        "near_duplicate": _near_duplicates(words, test, known, params.near_duplicate_threshold),
        "identical_short_text": _known_values(pc.if_else(short, words, no_text), test, known),
        "product": _known_values(reviews.column("product_id"), test, known),
        "user": _known_values(reviews.column("user_id"), test, known),
    }
    rows = int(test.sum())
    figures = tuple(
        LeakageFigure(
            kind=kind, rows=count, share=round(count / rows, 6) if rows else 0.0, guaranteed=_guaranteed(kind, params)
        )
        for kind, count in known_rows.items()
    )
    return LeakageSummary(figures=figures, vocabulary_leakage=params.vocabulary_leakage)


def _guaranteed(kind: LeakageKind, params: _Params) -> bool:
    if kind in TEXT_LEAKAGE:
        return params.strategy not in {"article", "column"}
    grouped = {"product", "user"} if params.group_by == "product_and_user" else {params.group_by}
    return params.strategy == "grouped" and kind in grouped


def _known_values(column: pa.ChunkedArray, test: Mask, known: Mask) -> int:
    """Count the test rows whose value a known row has too. A missing value matches nothing."""
    column = empty_as_missing(column)
    values = pc.unique(column.filter(pa.array(known)).drop_null())
    return int(pc.sum(pc.is_in(column.filter(pa.array(test)), value_set=values)).as_py() or 0)


def _near_duplicates(words: pa.ChunkedArray, test: Mask, known: Mask, threshold: float) -> int:
    texts = distinct_texts(words)
    queries, known_texts = np.zeros(len(texts), dtype=np.bool_), np.zeros(len(texts), dtype=np.bool_)
    queries[texts.text_of_row[test]] = True
    known_texts[texts.text_of_row[known]] = True
    found = duplicates_of_known(shingle_sets(texts.texts), queries, known_texts, threshold)
    return int((found[texts.text_of_row] & test).sum())
