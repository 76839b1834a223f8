"""The stage ``profile``: what it tells of one dump, and of a dump beside the one before."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import RunConfig
from pipeline.errors import ArtifactError
from pipeline.profiling import ProfiledDump, profile
from pipeline.profiling.periods import MAX_PERIODS, label_share_over_time, moment
from pipeline.profiling.records import DumpComparison, ProfileSummary
from pipeline.steps import Run
from pipeline.store import ArtifactStore
from pipeline.workflow import run_stages
from tests.unit.profiling.factories import placed_dump, review

YEAR = 31_556_952


def seconds(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp())  # type: ignore[arg-type]


def names_and_rows(*times: int) -> list[tuple[str, int]]:
    shares = label_share_over_time(np.array(times), np.ones(len(times), dtype=np.int8))
    return [(share.period, share.rows) for share in shares]


def profiled(store: ArtifactStore, dump: ProfiledDump, previous: ProfiledDump | None = None) -> ProfileSummary:
    return store.summary(profile(dump, previous, store), ProfileSummary)


def compared(store: ArtifactStore, now: list[dict[str, Any]], before: list[dict[str, Any]]) -> DumpComparison:
    summary = profiled(store, placed_dump(store, "now", now), placed_dump(store, "before", before))
    assert summary.comparison is not None
    return summary.comparison


def test_the_first_dump_is_described_and_compared_with_nothing(store: ArtifactStore) -> None:
    summary = profiled(store, placed_dump(store, "first"))
    assert (summary.rows, summary.positive, summary.stars) == (40, 30, (10, 0, 0, 0, 30))
    assert (summary.products, summary.users, summary.repeated_texts) == (7, 40, 0)
    assert summary.oldest == datetime.fromtimestamp(1_300_000_000, UTC)
    assert summary.newest == datetime.fromtimestamp(1_300_000_000 + 39 * 86_400, UTC)
    assert summary.comparison is None


def test_the_artifact_names_what_it_was_made_of(store: ArtifactStore) -> None:
    now, before = placed_dump(store, "now"), placed_dump(store, "before")
    inputs = store.manifest(profile(now, before, store)).inputs
    assert inputs == {
        "fetch": now.fetched,
        "validate_raw": now.validated_raw,
        "clean": now.cleaned,
        "previous_fetch": before.fetched,
        "previous_validate_raw": before.validated_raw,
        "previous_clean": before.cleaned,
    }


def test_a_dump_without_optional_columns(store: ArtifactStore) -> None:
    absent = dict.fromkeys(("id", "product_id", "user_id", "time", "helpfulness_denominator", "summary"))
    bare = [review(row, **absent) for row in range(20)]
    summary = profiled(store, placed_dump(store, "bare", bare), placed_dump(store, "full"))
    assert (summary.products, summary.users, summary.oldest, summary.newest, summary.periods) == (*[None] * 4, ())
    assert summary.comparison is not None
    assert {column.name for column in summary.comparison.columns} == {"stars", "words", "characters"}


def test_a_dump_without_any_clean_review(store: ArtifactStore) -> None:
    empty, full = placed_dump(store, "empty", []), placed_dump(store, "full")
    for now, before in ((empty, full), (full, empty)):
        summary = profiled(store, now, before)
        assert summary.comparison is not None
        assert summary.comparison.columns == ()
        assert not summary.comparison.label_shifted


def test_repeated_texts_are_told_by_their_exact_text(store: ArtifactStore) -> None:
    texts = ["Good tea", "Good tea", "good tea", "Good tea ", "Good tea", "é", "e\u0301"]
    reviews = [review(row, text=text) for row, text in enumerate(texts)]
    assert profiled(store, placed_dump(store, "repeats", reviews)).repeated_texts == 2
    comparison = compared(store, reviews, [review(9, text="Good tea"), review(10, text="é")])
    assert comparison.repeated_rows == 4


def test_periods_are_months_quarters_or_years_by_the_span() -> None:
    assert names_and_rows(seconds(2011, 1, 31), seconds(2011, 3, 1)) == [("2011-01", 1), ("2011-02", 0), ("2011-03", 1)]
    assert names_and_rows(seconds(2011, 12, 31), seconds(2012, 10, 1)) == [
        ("2011-Q4", 1),
        ("2012-Q1", 0),
        ("2012-Q2", 0),
        ("2012-Q3", 0),
        ("2012-Q4", 1),
    ]
    assert names_and_rows(seconds(2009, 1, 1), seconds(2012, 5, 1)) == [
        ("2009", 1),
        ("2010", 0),
        ("2011", 0),
        ("2012", 1),
    ]
    assert names_and_rows(seconds(2011, 7, 7)) == [("2011-07", 1)]
    assert names_and_rows() == []


@pytest.mark.parametrize(
    ("span", "length"), [(9 * YEAR // 12, 7), (9 * YEAR // 12 + 1, 7), (3 * YEAR, 7), (3 * YEAR + 1, 4)]
)
def test_where_the_length_of_a_period_changes(span: int, length: int) -> None:
    assert len(names_and_rows(0, span)[0][0]) == length
    assert ("Q" in names_and_rows(0, span)[0][0]) == (9 * YEAR // 12 < span <= 3 * YEAR)


def test_share_of_a_period_has_wilsons_interval() -> None:
    shares = label_share_over_time(np.full(10, seconds(2011, 7, 7)), np.array([1] * 8 + [0] * 2, dtype=np.int8))
    only = shares[0].positive_share
    assert (only.value, only.low, only.high) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)


@given(st.lists(st.integers(-62_135_596_800, 253_402_300_799), min_size=1, max_size=30))
def test_any_time_of_a_calendar_has_its_period(times: list[int]) -> None:
    shares = label_share_over_time(np.array(times), np.ones(len(times), dtype=np.int8))
    assert 1 <= len(shares) <= MAX_PERIODS
    assert sum(share.rows for share in shares) <= len(times)
    assert [share.period for share in shares] == sorted(share.period for share in shares)
    newest = moment(max(times))
    assert newest is not None
    assert shares[-1].period[:4] == f"{newest.year:04}"


def test_times_that_no_calendar_has_count_as_none(store: ArtifactStore) -> None:
    odd = [-(2**63), 2**63 - 1, 10**15, None, seconds(2011, 7, 7)]
    summary = profiled(store, placed_dump(store, "odd", [review(row, time=time) for row, time in enumerate(odd)]))
    assert summary.oldest == summary.newest == datetime(2011, 7, 7, tzinfo=UTC)
    assert [(period.period, period.rows) for period in summary.periods] == [("2011-07", 1)]


def test_new_words_are_counted_by_occurrence_and_by_review(store: ArtifactStore) -> None:
    before = [review(0, words="good tea"), review(1, words="bad")]
    now = [
        review(0, words="good yuzu yuzu"),
        review(1, words="yuzu matcha"),
        review(2, words=""),
        review(3, words="tea"),
    ]
    comparison = compared(store, now, before)
    assert comparison.new_word_share == pytest.approx(4 / 6)
    assert [(word.word, word.reviews) for word in comparison.new_words] == [("yuzu", 2), ("matcha", 1)]
    assert comparison.words_compared


@given(
    st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=5), max_size=12),
    st.lists(st.lists(st.sampled_from("abcd"), max_size=5), max_size=12),
)
def test_new_words_are_what_counting_by_hand_finds(now: list[list[str]], before: list[list[str]]) -> None:
    import pyarrow as pa

    from pipeline.profiling.clean_reviews import Vocabulary

    known = {word for words in before for word in words}
    vocabulary = Vocabulary(known=pa.array(sorted(known), type=pa.string()))
    for half in (now[: len(now) // 2], now[len(now) // 2 :]):
        vocabulary.add(pa.array([" ".join(words) for words in half], type=pa.string()))
    assert vocabulary.occurrences == Counter(word for words in now for word in words)
    assert vocabulary.unknown_reviews == Counter(word for words in now for word in set(words) - known)


def test_words_made_by_other_rules_are_not_compared(store: ArtifactStore) -> None:
    now = placed_dump(store, "now", [review(0, words="yuzu")])
    before = placed_dump(store, "before", [review(0, words="tea")], normalization="article")
    comparison = profiled(store, now, before).comparison
    assert comparison is not None
    assert not comparison.words_compared
    assert (comparison.new_word_share, comparison.new_words) == (0, ())
    assert "words" not in {column.name for column in comparison.columns}


def test_a_dump_beside_itself_has_not_moved(store: ArtifactStore) -> None:
    same = [review(row) for row in range(60)]
    comparison = compared(store, same, same)
    assert all(column.stability_index == 0 and not column.moved for column in comparison.columns)
    assert comparison.repeated_rows == comparison.previous_rows == 60
    assert comparison.positive_share_shift.value == 0
    assert not comparison.label_shifted
    assert comparison.previous_dumps == ("before.csv",)


def test_moved_columns_come_first_and_are_named(store: ArtifactStore) -> None:
    before = [review(row, words="tea " * 5 + "good") for row in range(400)]
    now = [review(row, words="tea " * (20 + row % 30) + "good", score=5 if row % 2 else 1) for row in range(400)]
    comparison = compared(store, now, before)
    assert [column.name for column in comparison.columns[:2]] == ["words", "stars"]
    assert [column.moved for column in comparison.columns] == [True, True, *[False] * (len(comparison.columns) - 2)]
    assert comparison.label_shifted
    assert comparison.positive_share_shift.value == pytest.approx(-0.25)


@pytest.mark.parametrize(("now", "before", "risen"), [(60, 10, True), (10, 60, False), (12, 10, False)])
def test_more_quarantined_rows_than_chance_explains(store: ArtifactStore, now: int, before: int, risen: bool) -> None:
    summary = profiled(
        store, placed_dump(store, "now", quarantined=now), placed_dump(store, "before", quarantined=before)
    )
    assert summary.comparison is not None
    assert summary.comparison.quarantined_share == pytest.approx(now / (40 + now))
    assert summary.comparison.quarantine_risen is risen


def test_the_order_of_rows_does_not_matter(store: ArtifactStore) -> None:
    reviews = [review(row, words=f"tea w{row % 25} v{row % 9}") for row in range(120)]
    before = placed_dump(store, "before", [review(row) for row in range(50)])
    forward = profiled(store, placed_dump(store, "forward", reviews), before)
    assert forward == profiled(store, placed_dump(store, "backward", reviews[::-1]), before)


def test_real_dumps(shared_data: Path, store: ArtifactStore) -> None:
    def prepared(name: str) -> ProfiledDump:
        config = RunConfig.model_validate({"data": {"dumps": [str(shared_data / name)]}})
        *_, state = run_stages(Run(config, store), until="clean")
        return ProfiledDump(fetched=state["fetch"], validated_raw=state["validate_raw"], cleaned=state["clean"])

    first, second = prepared("fine_foods_a.csv.gz"), prepared("fine_foods_b.csv.gz")
    summary = profiled(store, second, first)
    assert summary.comparison is not None
    assert (summary.rows, summary.comparison.previous_rows, summary.comparison.repeated_rows) == (9_784, 8_766, 523)
    assert summary.comparison.columns[0].name == "product_reviews"
    assert summary.comparison.positive_share_shift.value == pytest.approx(0.0248, abs=1e-4)
    assert summary.comparison.new_words[0].word == "influenster"
    assert summary.comparison.new_word_share == pytest.approx(0.0265, abs=1e-4)


def test_damaged_reviews_are_named_with_what_to_do(store: ArtifactStore) -> None:
    dump = placed_dump(store, "now")
    file = store.folder(dump.cleaned) / "reviews.parquet"
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ArtifactError, match=r"cannot be read: .* Remove the folder of that artifact"):
        profile(dump, None, store)
