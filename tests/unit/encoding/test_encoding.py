"""Encoding gives the ids of a loop over words, truncates, and accounts for every row."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import EncodingConfig, VocabularyConfig
from pipeline.encoding import (
    EncodedSplit,
    EncodingSummary,
    Vocabulary,
    encode,
    encode_texts,
    fit_vocabulary,
    load_sequences,
    load_training_sequences,
)
from pipeline.errors import ArtifactError
from pipeline.splitting import splits as splits_module
from pipeline.store import ArtifactReference, ArtifactStore
from tests.factories import contents, place
from tests.unit.splitting.factories import CLEAN_SUMMARY, cleaned_table, place_cleaned, place_splits

PROPERTY = settings(deadline=None, max_examples=100, derandomize=True)
TEXTS = st.lists(st.lists(st.sampled_from(["tea", "good", "bad", "late"]), max_size=9).map(" ".join), max_size=12)


def by_name(summary: EncodingSummary, name: str) -> EncodedSplit:
    return next(split for split in summary.splits if split.name == name)


def expected_ids(text: str, vocabulary: Vocabulary, config: EncodingConfig) -> list[int]:
    ids = vocabulary.ids(text)
    ids = ids[-config.max_length :] if config.keep == "last" else ids[: config.max_length]
    return ids or ([] if vocabulary.unknown_id is None else [vocabulary.unknown_id])


@PROPERTY
@given(TEXTS, st.sampled_from([None, 1]), st.integers(1, 10), st.sampled_from(["last", "first"]))
def test_ids_are_those_of_a_loop_over_words(
    texts: list[str], unknown_id: int | None, max_length: int, keep: str
) -> None:
    vocabulary = Vocabulary(words=("good", "tea"), counts=(2, 1), unknown_id=unknown_id)
    config = EncodingConfig(max_length=max_length, keep=keep)
    encoded = encode_texts(pa.array(texts, pa.string()), vocabulary, config)
    ids = [encoded.ids[a:b].tolist() for a, b in zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True)]
    assert ids == [expected_ids(text, vocabulary, config) for text in texts]
    assert encoded.lengths.tolist() == [len(vocabulary.ids(text)) for text in texts]
    assert (encoded.lengths + encoded.dropped).tolist() == [len(text.split()) for text in texts]


def test_missing_text_and_doubled_spaces_have_no_words() -> None:
    vocabulary = Vocabulary(words=("tea",), counts=(1,), unknown_id=1)
    encoded = encode_texts(pa.array([None, "  tea   tea ", ""], pa.large_string()), vocabulary, EncodingConfig())
    assert encoded.offsets.tolist() == [0, 1, 3, 4]
    assert encoded.ids.tolist() == [1, 2, 2, 1]


ROWS = [10, 11, 12, 13, 14, 15]
WORDS = ["good good tea", "tea good", "tea late late", "", "good " * 24 + "tea", "good"]
SPLITS = {10: "train", 11: "train", 12: "test", 13: "test", 14: "validation"}


@pytest.fixture
def artifacts(store: ArtifactStore) -> tuple[ArtifactReference, ArtifactReference, ArtifactReference]:
    """Six reviews, of which one was excluded; the vocabulary holds `good` (2) and `tea` (3)."""
    cleaned = place_cleaned(
        store, cleaned_table([words.strip() for words in WORDS], rows=ROWS, labels=[1, 0, 1, 0, 1, 0])
    )
    splits = place_splits(store, SPLITS)
    return cleaned, splits, fit_vocabulary(cleaned, splits, VocabularyConfig(), store)


def test_each_split_is_written_in_order_and_read_back(
    store: ArtifactStore, artifacts: tuple[ArtifactReference, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splits_module, "BATCH_ROWS", 1)  # several row groups, and batches without rows of a split
    encoded = encode(*artifacts, EncodingConfig(max_length=20), store)
    train = load_sequences(store, encoded, "train")
    assert (train.row.tolist(), train.label.tolist()) == ([10, 11], [1, 0])
    assert (train.offsets.tolist(), train.ids.tolist()) == ([0, 3, 5], [2, 2, 3, 3, 2])
    test = load_sequences(store, encoded, "test")
    assert (test.row.tolist(), test.lengths.tolist(), test.ids.tolist()) == ([12, 13], [3, 1], [3, 1, 1, 1])
    validation = load_sequences(store, encoded, "validation")
    assert (len(validation), validation.ids.tolist()) == (1, [2] * 19 + [3])
    assert [array.dtype.name for array in (test.row, test.label, test.offsets, test.ids)] == [
        "int64",
        "int8",
        "int64",
        "int32",
    ]


def test_summaries_of_training_reviews_are_texts_to_train_on(store: ArtifactStore) -> None:
    summaries = ["Good TEA!", None, "Good", "...", "good"]
    cleaned = place_cleaned(store, cleaned_table(["good tea"] * 5, labels=[1, 0, 1, 0, 0], summaries=summaries))
    splits = place_splits(store, {0: "train", 1: "train", 2: "test", 3: "train", 4: "train"})
    vocabulary = fit_vocabulary(cleaned, splits, VocabularyConfig(), store)
    encoded = encode(cleaned, splits, vocabulary, EncodingConfig(), store)
    texts = load_training_sequences(store, encoded)
    assert texts.row.tolist() == [0, 1, 3, 4, 0, 4]
    assert texts.label.tolist() == [1, 0, 0, 0, 1, 0]
    assert texts.lengths.tolist() == [2] * 4 + [2, 1]
    assert texts.ids[8:].tolist() == [*texts.ids[:2], texts.ids[0]]
    assert store.summary(encoded, EncodingSummary).summary_texts == 2
    without = encode(cleaned, splits, vocabulary, EncodingConfig(summaries_as_texts=False), store)
    assert load_training_sequences(store, without).row.tolist() == [0, 1, 3, 4]


def test_the_summary_accounts_for_every_row_and_word(
    store: ArtifactStore, artifacts: tuple[ArtifactReference, ...]
) -> None:
    encoded = encode(*artifacts, EncodingConfig(max_length=20, keep="first"), store)
    summary = store.summary(encoded, EncodingSummary)
    account = store.manifest(encoded).rows
    assert account is not None
    assert (account.rows_in, account.kept) == (5, 5)
    assert (summary.vocabulary_size, summary.unknown_id) == (4, 1)
    test, validation = by_name(summary, "test"), by_name(summary, "validation")
    assert (test.rows, test.positive, test.tokens, test.unknown_tokens, test.empty_rows) == (2, 1, 4, 3, 1)
    assert (validation.truncated_rows, validation.truncated_tokens, validation.tokens) == (1, 5, 20)
    assert (validation.mean_length, validation.percentiles[0].words, validation.percentiles[-1].words) == (25.0, 25, 25)
    assert [(b.first, b.last) for b in validation.lengths if b.rows] == [(20, 29)]
    assert (validation.lengths[-1].first, validation.lengths[-1].last) == (300, None)
    for split in summary.splits:
        assert sum(length.rows for length in split.lengths) == split.rows


def test_percentiles_are_lengths_that_occur(store: ArtifactStore) -> None:
    words = [" ".join(["tea"] * length) for length in range(1, 101)]
    cleaned = place_cleaned(store, cleaned_table([*words, "tea", "tea"]))
    splits = place_splits(store, dict.fromkeys(range(100), "train") | {100: "validation", 101: "test"})
    vocabulary = fit_vocabulary(cleaned, splits, VocabularyConfig(), store)
    summary = store.summary(encode(cleaned, splits, vocabulary, EncodingConfig(), store), EncodingSummary)
    assert {p.percent: p.words for p in by_name(summary, "train").percentiles} == {
        percent: percent for percent in (5, 25, 50, 75, 90, 95, 99, 100)
    }


def test_the_same_reviews_give_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        store = ArtifactStore(str(tmp_path / name))
        cleaned = place_cleaned(store, cleaned_table(["good tea", "bad tea", "tea"]))
        splits = place_splits(store, {0: "train", 1: "validation", 2: "test"})
        vocabulary = fit_vocabulary(cleaned, splits, VocabularyConfig(min_frequency=1), store)
        written.append(contents(store.folder(encode(cleaned, splits, vocabulary, EncodingConfig(), store))))
    assert written[0] == written[1]
    files = {"train.parquet", "train_summaries.parquet", "validation.parquet", "test.parquet", "summary.json"}
    assert set(written[0]) == files


def test_a_file_of_other_columns_is_refused(store: ArtifactStore) -> None:
    strange = place(store, "encode", CLEAN_SUMMARY, tables={"train.parquet": pa.table({"row": [1]})})
    with pytest.raises(ArtifactError, match="encode again"):
        load_sequences(store, strange, "train")
    with pytest.raises(ArtifactError, match="no split 'exam'"):
        load_sequences(store, strange, "exam")


def test_the_files_have_the_documented_columns(store: ArtifactStore, artifacts: tuple[ArtifactReference, ...]) -> None:
    encoded = encode(*artifacts, EncodingConfig(), store)
    schema = pq.read_schema(store.folder(encoded) / "test.parquet")
    assert [(field.name, field.type) for field in schema] == [
        ("row", pa.int64()),
        ("label", pa.int8()),
        ("ids", pa.list_(pa.int32())),
    ]
