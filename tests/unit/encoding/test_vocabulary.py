"""The vocabulary has the words of a simple count, and its file is reproducible and validated."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import VocabularyConfig
from pipeline.encoding import VOCABULARY_FILE, SplitCoverage, Vocabulary, VocabularySummary, fit_vocabulary
from pipeline.errors import ArtifactError, ContractViolationError
from pipeline.splitting import splits as splits_module
from pipeline.store import ArtifactStore
from tests.factories import contents
from tests.unit.splitting.factories import cleaned_table, place_cleaned, place_splits

PROPERTY = settings(deadline=None, max_examples=30, derandomize=True)
TEXTS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=8).map(" ".join), min_size=1, max_size=20)
SPLITS = st.sampled_from(["train", "train", "train", "validation", "test", None])

GOLDEN = """{
 "schema_version": 1,
 "unknown_id": 1,
 "first_word_id": 2,
 "size": 5,
 "words": [
  "tea",
  "good",
  "not"
 ],
 "counts": [
  3,
  2,
  2
 ]
}
"""


def by_name(summary: VocabularySummary, name: str) -> SplitCoverage:
    return next(coverage for coverage in summary.coverage if coverage.split == name)


def fit(
    store: ArtifactStore, texts: list[str], splits: list[str | None], **config: object
) -> tuple[Vocabulary, VocabularySummary]:
    cleaned = place_cleaned(store, cleaned_table(texts))
    assignment = place_splits(store, {row: part for row, part in enumerate(splits) if part})
    fitted = fit_vocabulary(cleaned, assignment, VocabularyConfig(**config), store)
    return Vocabulary.load(store.folder(fitted) / VOCABULARY_FILE), store.summary(fitted, VocabularySummary)


@PROPERTY
@given(
    TEXTS,
    st.data(),
    st.builds(
        VocabularyConfig,
        fit_on=st.sampled_from(["train", "all"]),
        max_vocabulary_size=st.sampled_from([0, 1, 3]),
        min_frequency=st.integers(1, 3),
    ),
)
def test_words_are_those_of_a_counter(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str],
    data: st.DataObject,
    config: VocabularyConfig,
) -> None:
    store = ArtifactStore(str(tmp_path_factory.mktemp("store")))
    splits = data.draw(st.lists(SPLITS, min_size=len(texts), max_size=len(texts)))
    counter: Counter[str] = Counter()
    counted = {"train"} if config.fit_on == "train" else {"train", "validation", "test"}
    for text, part in zip(texts, splits, strict=True):
        if part in counted:
            counter.update(text.split())
    # most_common leaves ties in the order of their first appearance.
    expected = [(word, count) for word, count in counter.most_common() if count >= config.min_frequency]
    expected = expected[: config.max_vocabulary_size or None]
    if not expected:
        with pytest.raises(ContractViolationError, match="min_frequency"):
            fit(store, texts, splits, **dict(config))
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splits_module, "BATCH_ROWS", 3)
        vocabulary, summary = fit(store, texts, splits, **dict(config))
    assert list(zip(vocabulary.words, vocabulary.counts, strict=True)) == expected
    assert summary.tokens_counted == counter.total()
    assert summary.rows_counted == sum(part in counted for part in splits)
    assert summary.distinct_words == len(counter)
    known = {word for word, _ in expected}
    for name in ("train", "validation", "test"):
        tokens = [word for text, part in zip(texts, splits, strict=True) if part == name for word in text.split()]
        coverage = by_name(summary, name)
        assert coverage.tokens == len(tokens)
        assert coverage.unknown == sum(word not in known for word in tokens)


def test_a_known_vocabulary_has_known_bytes(store: ArtifactStore) -> None:
    texts = ["good tea not tea", "not good tea once", "never never never"]
    cleaned = place_cleaned(store, cleaned_table(texts))
    splits = place_splits(store, {0: "train", 1: "train", 2: "test"})
    fitted = fit_vocabulary(cleaned, splits, VocabularyConfig(), store)
    assert contents(store.folder(fitted))[VOCABULARY_FILE].decode() == GOLDEN
    summary = store.summary(fitted, VocabularySummary)
    assert (summary.words, summary.size, summary.unknown_id, summary.leakage) == (3, 5, 1, False)
    assert by_name(summary, "test").unknown_share == 1.0
    assert by_name(summary, "validation").unknown_share == 0.0


def test_ids_start_behind_padding_and_the_unknown_word(store: ArtifactStore) -> None:
    vocabulary, _ = fit(store, ["good tea not tea", "not good tea once"], ["train", "train"])
    assert vocabulary.ids("tea was not good") == [2, 1, 4, 3]
    assert vocabulary.ids("") == []


def test_the_article_vocabulary_has_every_word_and_no_unknown_word(store: ArtifactStore) -> None:
    article = {"fit_on": "all", "max_vocabulary_size": 0, "min_frequency": 1}
    vocabulary, summary = fit(store, ["good tea", "bad tea"], ["train", "test"], **article)
    assert vocabulary.unknown_id is None
    assert vocabulary.ids("tea never bad") == [1, 3]
    assert vocabulary.size == summary.size == len(vocabulary.words) + 1  # one more for the padding
    assert summary.leakage


@pytest.mark.parametrize(
    "change",
    [{"fit_on": "train"}, {"max_vocabulary_size": 10}, {"min_frequency": 2}],
    ids=["train only", "at most", "at least"],
)
def test_any_other_vocabulary_has_an_unknown_word(store: ArtifactStore, change: dict[str, object]) -> None:
    config = {"fit_on": "all", "max_vocabulary_size": 0, "min_frequency": 1} | change
    vocabulary, _ = fit(store, ["good tea tea", "bad tea"], ["train", "test"], **config)
    assert vocabulary.unknown_id == 1


def test_a_saved_vocabulary_is_read_back(tmp_path: Path) -> None:
    vocabulary = Vocabulary(words=("té", "not"), counts=(3, 1), unknown_id=None)
    vocabulary.save(tmp_path / "vocabulary.json")
    assert Vocabulary.load(tmp_path / "vocabulary.json") == vocabulary


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema_version is 2"),
        ({"unknown_id": 7}, "unknown_id is 7"),
        ({"unknown_id": None}, "first_word_id and size do not fit"),
        ({"size": 99}, "first_word_id and size do not fit"),
        ({"counts": [3, 2]}, "3 words, but 2 counts"),
        ({"words": ["tea", "tea", "not"]}, "a word occurs twice"),
        ({"words": ["tea", 5, "not"]}, "words.1"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_text(json.dumps(json.loads(GOLDEN) | change), encoding="utf-8")
    with pytest.raises(ArtifactError, match=message):
        Vocabulary.load(path)


def test_a_missing_or_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.json"
    with pytest.raises(ArtifactError, match="does not exist"):
        Vocabulary.load(path)
    path.write_text(GOLDEN[:50], encoding="utf-8")
    with pytest.raises(ArtifactError, match="the file as a whole"):
        Vocabulary.load(path)
