"""Which earlier dump a new one is held against."""

from __future__ import annotations

import pytest

from pipeline.profiling import ProfiledDump, previous_dump, profile
from pipeline.store import ArtifactReference, ArtifactStore
from tests.factories import place
from tests.unit.profiling.factories import name_latest, placed_dump, placed_report, validation


def finished(
    store: ArtifactStore, run: str, dump: ProfiledDump, previous: ProfiledDump | None = None, *, latest: bool = True
) -> ArtifactReference:
    """Put the report of a finished run into the store."""
    inputs = dump.inputs() | {"profiled": profile(dump, previous, store)}
    return placed_report(store, run, inputs, latest=latest)


def test_the_first_run_of_a_store_has_none(store: ArtifactStore) -> None:
    assert previous_dump(store, placed_dump(store, "first").fetched) is None


def test_the_dump_of_the_last_report(store: ArtifactStore) -> None:
    before = placed_dump(store, "before")
    finished(store, "one", before)
    assert previous_dump(store, placed_dump(store, "now").fetched) == before


def test_a_dump_run_again_is_held_against_the_same_one(store: ArtifactStore) -> None:
    before, now = placed_dump(store, "before"), placed_dump(store, "now")
    finished(store, "one", before)
    finished(store, "two", now, before)
    assert previous_dump(store, now.fetched) == before


def test_the_first_dump_run_again_has_none(store: ArtifactStore) -> None:
    first = placed_dump(store, "first")
    finished(store, "one", first)
    assert previous_dump(store, first.fetched) is None


def test_a_report_from_before_profiles_existed(store: ArtifactStore) -> None:
    before = placed_dump(store, "before")
    placed_report(store, "one", before.inputs())
    assert previous_dump(store, placed_dump(store, "now").fetched) == before


def test_a_refused_dump_does_not_hide_the_good_one_before(store: ArtifactStore) -> None:
    oldest, good = placed_dump(store, "oldest"), placed_dump(store, "good")
    finished(store, "zero", oldest)
    finished(store, "one", good, oldest)
    refused = placed_dump(store, "refused", success=False)
    placed_report(store, "two", {"fetch": refused.fetched, "validate_raw": refused.validated_raw})
    assert previous_dump(store, placed_dump(store, "now").fetched) == good
    # The refused dump itself, run again after its limits were loosened:
    assert previous_dump(store, refused.fetched) == good


def test_a_dump_refused_after_cleaning_is_passed_over(store: ArtifactStore) -> None:
    refused = placed_dump(store, "refused")
    broken = place(store, "validate_clean", validation(40, success=False, data_set="clean"))
    placed_report(store, "one", refused.inputs() | {"validate_clean": broken})
    assert previous_dump(store, placed_dump(store, "now").fetched) is None


def test_the_demo_dump_and_real_ones_are_not_compared(store: ArtifactStore) -> None:
    finished(store, "one", placed_dump(store, "demo", demo=True))
    assert previous_dump(store, placed_dump(store, "now").fetched) is None
    assert previous_dump(store, placed_dump(store, "demo2", demo=True).fetched) is not None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"artifact": 5}', '{"artifact": "../../etc"}', '{"artifact": "report/abc"}', "null", "\x00"],
)
def test_a_damaged_record_of_the_last_report_stops_nothing(store: ArtifactStore, text: str) -> None:
    name_latest(store, text)
    assert previous_dump(store, placed_dump(store, "now").fetched) is None


def test_a_report_that_is_gone_leaves_the_others(store: ArtifactStore) -> None:
    before = placed_dump(store, "before")
    finished(store, "one", before, latest=False)
    name_latest(store, f'{{"artifact": "report/{"0" * 32}"}}')
    assert previous_dump(store, placed_dump(store, "now").fetched) == before


@pytest.mark.parametrize("role", ["fetched", "validated_raw", "cleaned"])
@pytest.mark.parametrize("damage", ["no manifest", "no summary", "other summary"])
def test_an_earlier_dump_that_is_gone_is_not_compared_with(
    store: ArtifactStore, role: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = placed_dump(store, "before")
    finished(store, "one", before)
    folder = store.folder(getattr(before, role))
    if damage == "other summary":
        (folder / "summary.json").write_text('{"other": 1}', encoding="utf-8")
    else:
        (folder / ("manifest.json" if damage == "no manifest" else "summary.json")).unlink()
    assert previous_dump(store, placed_dump(store, "now").fetched) is None
    assert "no comparison with the dump" in caplog.text


def test_reviews_that_rotted_are_not_compared_with(store: ArtifactStore, caplog: pytest.LogCaptureFixture) -> None:
    before = placed_dump(store, "before")
    finished(store, "one", before)
    reviews = store.folder(before.cleaned) / "reviews.parquet"
    data = bytearray(reviews.read_bytes())
    data[len(data) // 3] ^= 0xFF
    reviews.write_bytes(bytes(data))
    assert previous_dump(store, placed_dump(store, "now").fetched) is None
    assert "is damaged" in caplog.text
