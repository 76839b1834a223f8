"""The stage ``check_leakage``: what the test part shares with training and validation, counted after the fact.

Nothing here uses the groups or families that the split was made from. Texts, products and users are compared as
they stand, and near-duplicates are searched by another method than the split's (MinHash instead of prefixes).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.config import SplitConfig
from pipeline.errors import DataLeakageError
from pipeline.splitting.minhash import duplicates_of_known
from pipeline.splitting.records import LeakageFigure, LeakageKind, LeakageSummary
from pipeline.splitting.shingles import shingle_sets
from pipeline.splitting.splits import EXCLUDED_CODE, TEST, split_codes
from pipeline.splitting.texts import distinct_texts, empty_as_missing
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Record, Stage

STAGE = Stage("check_leakage", version=1)
IN_WORDS: dict[LeakageKind, str] = {
    "identical_text": "have a text that also stands in training or validation",
    "near_duplicate": "are near-duplicates of a review in training or validation",
    "product": "review a product that training or validation reviews too",
    "user": "are by a user who also wrote reviews in training or validation",
}

Mask = npt.NDArray[np.bool_]


class _Params(Record):
    """What the figures and the promises depend on."""

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
        cleaned: Artifact of ``clean``.
        splits: Artifact of ``split``, made from it.
        vocabulary_leakage: Whether the vocabulary counts words of validation and test rows.
        config: What was promised: by the strategy, what is kept together and the similarity of near-duplicates.
        store: Where the artifacts lie.

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


def enforce_no_leakage(leaks: ArtifactReference, store: ArtifactStore) -> None:
    """Stop here if the split breaks its promise.

    Raises:
        DataLeakageError: With the figures.
    """
    violated = store.summary(leaks, LeakageSummary).violated
    if violated:
        found = "; ".join(f"{figure.rows:,} ({figure.share:.2%}) {IN_WORDS[figure.kind]}" for figure in violated)
        raise DataLeakageError(
            f"Of the test rows, {found}. The split promises that there are none, so a score on this test part would be "
            "too good. Was the split made from these reviews with this configuration? If so, this is a fault of the "
            "split: please report it, and use another split_seed or strategy meanwhile."
        )


def _summary(
    cleaned: ArtifactReference, splits: ArtifactReference, params: _Params, store: ArtifactStore
) -> LeakageSummary:
    columns = ["row", "product_id", "user_id", "words"]
    reviews = pq.read_table(store.folder(cleaned) / "reviews.parquet", columns=columns)
    codes = split_codes(reviews.column("row").to_numpy(), splits, store)
    test, known = codes == TEST, (codes != TEST) & (codes != EXCLUDED_CODE)
    concerned: dict[LeakageKind, int] = {
        "identical_text": _known_values(reviews.column("words"), test, known),
        "near_duplicate": _near_duplicates(reviews.column("words"), test, known, params.near_duplicate_threshold),
        "product": _known_values(reviews.column("product_id"), test, known),
        "user": _known_values(reviews.column("user_id"), test, known),
    }
    rows = int(test.sum())
    figures = tuple(
        LeakageFigure(
            kind=kind, rows=count, share=round(count / rows, 6) if rows else 0.0, guaranteed=_promised(kind, params)
        )
        for kind, count in concerned.items()
    )
    return LeakageSummary(figures=figures, vocabulary_leakage=params.vocabulary_leakage)


def _promised(kind: LeakageKind, params: _Params) -> bool:
    if kind in {"identical_text", "near_duplicate"}:
        return params.strategy != "article"
    return params.strategy == "grouped" and params.group_by in {kind, "product_and_user"}


def _known_values(column: pa.ChunkedArray, test: Mask, known: Mask) -> int:
    """Count the test rows whose value a known row has too; a missing value is like no other."""
    column = empty_as_missing(column)
    values = pc.unique(column.filter(pa.array(known)).drop_null())
    return int(pc.sum(pc.is_in(column.filter(pa.array(test)), value_set=values)).as_py() or 0)


def _near_duplicates(words: pa.ChunkedArray, test: Mask, known: Mask, similarity: float) -> int:
    texts = distinct_texts(words)
    asked, seen = np.zeros(len(texts), dtype=np.bool_), np.zeros(len(texts), dtype=np.bool_)
    asked[texts.text_of_row[test]] = True
    seen[texts.text_of_row[known]] = True
    found = duplicates_of_known(shingle_sets(texts.texts), asked, seen, similarity)
    return int((found[texts.text_of_row] & test).sum())
