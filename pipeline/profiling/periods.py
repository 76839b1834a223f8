"""The label share over time."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from pipeline.profiling.records import PeriodShare
from pipeline.statistics import wilson_interval

YEAR_SECONDS = 31_556_952
"""The mean Gregorian year: 365.2425 days."""
YEARS_ABOVE = 3 * YEAR_SECONDS
"""Longer time spans are shown in years."""
QUARTERS_ABOVE = 9 * YEAR_SECONDS // 12
"""Longer time spans, up to ``YEARS_ABOVE``, are shown in quarters, shorter ones in months."""
MAX_PERIODS = 120
"""Most periods of the figure; older ones are left out. Valid times span at most 105 years."""

EARLIEST_SECOND = -62_135_596_800
LATEST_SECOND = 253_402_300_799
"""The first and the last Unix second of ``datetime``: years 1 to 9999."""


def moment(seconds: int | None) -> datetime | None:
    """Return Unix seconds as a time in UTC, or ``None`` for no time and for times outside the years 1 to 9999."""
    if seconds is None or not EARLIEST_SECOND <= seconds <= LATEST_SECOND:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def label_share_over_time(times: npt.NDArray[np.int64], labels: npt.NDArray[np.int8]) -> tuple[PeriodShare, ...]:
    """Return the share of positive reviews per period, oldest first, including periods without reviews.

    Args:
        times: int64 ``[reviews]``, Unix seconds of the years 1 to 9999, in any order.
        labels: int8 ``[reviews]``, 1 positive, 0 negative.
    """
    if not len(times):
        return ()
    # Calendar months since January 1970.
    months = times.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    length = _months_in_a_period(int(times.max()) - int(times.min()))
    periods = months // length
    last = int(periods.max())
    first = max(int(periods.min()), last - MAX_PERIODS + 1)
    shown = periods >= first
    rows = np.bincount(periods[shown] - first)
    positive = np.bincount(periods[shown] - first, weights=labels[shown])
    return tuple(
        PeriodShare(
            period=_name(first + place, length), rows=int(count), positive_share=wilson_interval(int(good), int(count))
        )
        for place, (count, good) in enumerate(zip(rows, positive, strict=True))
    )


def _months_in_a_period(span: int) -> int:
    if span > YEARS_ABOVE:
        return 12
    return 3 if span > QUARTERS_ABOVE else 1


def _name(period: int, length: int) -> str:
    year, month = divmod(period * length, 12)
    year += 1970
    if length == 12:  # noqa: PLR2004 - months of a year.
        return f"{year:04}"
    return f"{year:04}-Q{month // 3 + 1}" if length == 3 else f"{year:04}-{month + 1:02}"  # noqa: PLR2004 - of a quarter.
