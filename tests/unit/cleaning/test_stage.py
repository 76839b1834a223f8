"""The stage ``clean``: files, summary and account of rows, the same whatever the number of processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cleaning import clean, parallel, rules, stage
from pipeline.config import RunConfig, TextConfig
from pipeline.store import ArtifactStore, RowAccount
from tests.factories import contents
from tests.reference.article_cleaning import article_funnel, article_words_of_all
from tests.unit.cleaning.factories import fine_foods, read, reviews, summary, validated

ARTICLE = TextConfig(normalization="article", include_summary=False)
MIXED = [
    {"product_id": "B2", "text": "Great <b>tea</b>", "score": 4},
    {"product_id": "B1", "text": "It is the", "summary": None, "score": 1},
    {"product_id": "B1", "text": "so so", "score": 3},
    {"product_id": "B3", "text": "stale", "user_id": "A", "score": 2},
    {"product_id": "B4", "text": "stale", "user_id": "A", "score": 2},
    {"product_id": "B5", "helpfulness_numerator": 3, "helpfulness_denominator": 1},
]


def test_default_sets_rows_without_words_aside(store: ArtifactStore) -> None:
    cleaned = clean(validated(store, reviews(MIXED)), TextConfig(), store)
    table = read(store, cleaned)
    assert table.select(["row", "label", "words"]).to_pylist() == [
        {"row": 0, "label": 1, "words": "good great tea"},
        {"row": 3, "label": 0, "words": "good stale"},
    ]
    assert read(store, cleaned, "excluded.parquet").to_pylist() == [
        {"row": 1, "reason": "no_words"},
        {"row": 2, "reason": "neutral_score"},
        {"row": 4, "reason": "duplicate"},
        {"row": 5, "reason": "helpfulness_above_denominator"},
    ]
    told = summary(store, cleaned)
    assert [(step.reason, step.rows) for step in told.steps] == [
        (None, 6),
        ("neutral_score", 5),
        ("duplicate", 4),
        ("helpfulness_above_denominator", 3),
        ("no_words", 2),
    ]
    assert (told.positive, told.negative, told.summary_joined) == (1, 1, True)
    reasons = {"neutral_score": 1, "duplicate": 1, "helpfulness_above_denominator": 1, "no_words": 1}
    assert store.manifest(cleaned).rows == RowAccount(rows_in=6, kept=2, excluded=reasons)
    assert set(contents(store.folder(cleaned))) == {"reviews.parquet", "excluded.parquet", "summary.json"}


def test_the_official_split_is_kept_and_its_rows_too(store: ArtifactStore) -> None:
    table = reviews([{"user_id": None, "text": "great tea", "split": split} for split in ("train", "test", "test")])
    assert read(store, clean(validated(store, table), TextConfig(), store))["split"].to_pylist() == ["train"]
    every = clean(validated(store, table), TextConfig(deduplicate=False), store)
    assert read(store, every)["split"].to_pylist() == ["train", "test", "test"]


def test_rows_that_an_earlier_version_validated_have_no_official_split(store: ArtifactStore) -> None:
    table = reviews(MIXED).drop_columns("split")
    assert set(read(store, clean(validated(store, table), TextConfig(), store))["split"].to_pylist()) == {None}


def test_article_keeps_rows_without_words(store: ArtifactStore) -> None:
    cleaned = clean(validated(store, reviews(MIXED)), ARTICLE, store)
    assert read(store, cleaned)["words"].to_pylist() == ["", "great tea", "stale"]
    assert [step.rows for step in summary(store, cleaned).steps] == [6, 5, 4, 3]


def test_columns_are_those_of_the_contract(store: ArtifactStore) -> None:
    cleaned = clean(validated(store, reviews(MIXED)), TextConfig(), store)
    assert [f"{field.name} {field.type}" for field in read(store, cleaned).schema] == [
        "row int64",
        "id int64",
        "product_id string",
        "user_id string",
        "time int64",
        "score int8",
        "helpfulness_numerator int32",
        "helpfulness_denominator int32",
        "summary string",
        "text string",
        "split string",
        "label int8",
        "words string",
    ]


def test_users_unknown_is_told(store: ArtifactStore) -> None:
    same = {"user_id": None, "profile_name": None, "time": None, "text": "stale " * 10}
    cleaned = clean(validated(store, reviews([same, same])), TextConfig(), store)
    assert len(read(store, cleaned)) == 1
    assert "no users, profile names and times" in summary(store, cleaned).notes[0]


def test_duplicates_stay_where_asked(store: ArtifactStore) -> None:
    same = {"user_id": "A", "text": "stale"}
    cleaned = clean(validated(store, reviews([same, same])), TextConfig(deduplicate=False), store)
    assert len(read(store, cleaned)) == 2
    assert "duplicate" not in [step.reason for step in summary(store, cleaned).steps]


@pytest.mark.parametrize("rows", [[], [{"score": 3}], [{"text": "the", "summary": None}]])
def test_nothing_left_is_an_empty_table(store: ArtifactStore, rows: list[dict[str, object]]) -> None:
    cleaned = clean(validated(store, reviews(rows)), TextConfig(), store)
    assert len(read(store, cleaned)) == 0
    assert store.manifest(cleaned).rows == RowAccount(
        rows_in=len(rows), kept=0, excluded=store.manifest(cleaned).rows.excluded
    )


def test_bytes_do_not_depend_on_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "SLICE_ROWS", 40)
    monkeypatch.setattr(stage, "SLICE_BYTES", 3_000)
    monkeypatch.setattr(parallel, "ROWS_WORTH_A_PROCESS", 10)
    table = reviews(
        [{"product_id": f"B{n * 37 % 101:03}", "text": f"<i>tea</i> n{n} " + "x" * (n % 190)} for n in range(400)]
    )
    results = []
    for processes in (1, 2):
        own = ArtifactStore(str(tmp_path / f"store{processes}"))
        cleaned = clean(validated(own, table), TextConfig(), own, processes=processes)
        results.append((cleaned, contents(own.folder(cleaned))))
    assert results[0] == results[1]


@pytest.mark.parametrize("dump", ["fine_foods_a", "fine_foods_b"])
def test_real_dump_by_the_article(store: ArtifactStore, shared_data: Path, dump: str) -> None:
    table = fine_foods(shared_data, dump)
    expected = article_funnel(table.to_pandas())
    cleaned = clean(validated(store, table), RunConfig.from_flat({"profile": "article"}).text, store)
    told, out = summary(store, cleaned), read(store, cleaned)
    assert [step.rows for step in told.steps] == [rows for _, rows in expected.steps]
    assert out["row"].to_pylist() == list(expected.rows)
    assert (told.positive, told.negative) == (sum(expected.labels), len(expected.labels) - sum(expected.labels))
    # Rows keep their own text and words through sorting and slicing.
    texts = table["text"].to_pylist()
    assert out["text"].to_pylist() == [texts[row] for row in expected.rows]
    sample = slice(0, None, 50)
    assert out["words"].to_pylist()[sample] == article_words_of_all(out["text"].to_pylist()[sample])


def test_summary_holds_the_digest_of_the_stop_words(store: ArtifactStore) -> None:
    cleaned = clean(validated(store, reviews(MIXED)), TextConfig(), store)
    assert summary(store, cleaned).stop_words_sha256 == rules.stop_words_sha256("default")
    assert not {"the", "it"} & set(" ".join(read(store, cleaned)["words"].to_pylist()).split())
