"""Times: numbers, ISO dates, written dates, and the order of day and month, which the whole column decides."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers.times import EARLIEST_TIME, LATEST_TIME, unix_seconds
from tests.unit.readers.factories import read
from tests.unit.sources.factories import csv_text, written

MARCH_5, MARCH_4, APRIL_3 = 1551744000, 1551657600, 1554249600


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1303862400", 1303862400),
        ("1303862400.0", 1303862400),
        (1588687728923, 1588687728),
        ("2012-10-26", 1351209600),
        ("2012-10-26T02:00:00+02:00", 1351209600),
        ("20190305", MARCH_5),
        (20190305, MARCH_5),
        ("2019/03/05", MARCH_5),
        ("March 5, 2019", MARCH_5),
        ("5 Mar 2019", MARCH_5),
        ("03 5, 2019", MARCH_5),
        ("Reviewed in the United States on March 5, 2019", MARCH_5),
        ("Tue Mar 05 00:00:00 PDT 2019", MARCH_5),
        ("26/10/2012", 1351209600),
        ("10/26/2012", 1351209600),
        ("03/04/2019", None),
        ("0", None),
        ("1969-12-31", None),
        ("1994-12-31", None),
        ("9" * 18, None),
        ("March 2019", None),
        ("12:30", None),
        ("2 months ago", None),
        ("2019-02-30", None),
        (True, None),
    ],
)
def test_times(value, seconds) -> None:
    assert unix_seconds(value) == seconds


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.text(st.sampled_from("0123456789/.-:,+ TZaApPmMMarchUTC\0٣"), max_size=25), st.booleans() | st.none())
def test_no_text_breaks_the_reading_of_times(text, day_first) -> None:
    seconds = unix_seconds(text, day_first=day_first)
    assert seconds is None or EARLIEST_TIME <= seconds <= LATEST_TIME


@pytest.mark.parametrize(
    ("other", "config", "seconds"),
    [
        ("12/31/2019", {}, MARCH_4),
        ("31/12/2019", {}, APRIL_3),
        ("04/03/2019", {}, None),
        ("04/03/2019", {"date_order": "day_first"}, APRIL_3),
        ("04/03/2019", {"date_order": "month_first"}, MARCH_4),
    ],
)
def test_the_whole_column_decides_what_03_04_2019_means(tmp_path, store, other, config, seconds) -> None:
    dates = ["03/04/2019"] * 9_000 + [other]
    dump = csv_text([("5", f"review {row}", date) for row, date in enumerate(dates)], ("Score", "Text", "Time"))
    rows, summary = read(store, written(tmp_path / "r.csv", dump), **config)
    assert rows[0]["time"] == seconds
    assert all(row["problem"] is None for row in rows)
    unknown = summary.unknown_values.get("time")
    assert (unknown.rows if unknown else 0) == (9_001 if seconds is None else 0)
    assert any("state it with date_order" in note for note in summary.notes) == (seconds is None)


def test_dates_with_dots_have_the_day_first(tmp_path, store) -> None:
    rows, _ = read(store, written(tmp_path / "r.csv", "Score,Text,Time\n5,a,03.04.2019\n"))
    assert rows[0]["time"] == APRIL_3


def test_missing_times_in_parquet_are_no_problem(tmp_path, store) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    dump = tmp_path / "r.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "score": [5, 4], "time": [1.4e9, float("nan")]}), dump)
    rows, summary = read(store, dump)
    assert [(row["time"], row["problem"]) for row in rows] == [(1_400_000_000, None), (None, None)]
    assert summary.unknown_values == {}


def test_a_column_of_zeros_as_time_is_unknown_with_its_count(tmp_path, store) -> None:
    rows, summary = read(store, written(tmp_path / "r.csv", "Score,Text,Time\n5,a,0\n4,b,0\n"))
    assert [row["problem"] for row in rows] == [None, None]
    assert summary.unknown_values["time"].rows == 2
    assert "time: 2 values cannot be read and are unknown, first r.csv:2 ('0')." in " ".join(summary.notes)
