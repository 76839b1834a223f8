"""Times as Unix seconds: numbers, ISO dates and other written dates, whose order of day and month is decided once."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc
from dateutil import parser as date_parser

from pipeline.readers.scalars import Scalar, whole_number

EARLIEST_TIME = 788_918_400
"""1 January 1995 in Unix seconds: there were no web shops to review before."""
LATEST_TIME = 4_102_444_799
"""The last second of 2099 in Unix seconds. The bound is fixed, so that the same dump always gets the same result. It
finds wrong units (milliseconds, microseconds) and wrong centuries."""
FIRST_MILLISECONDS = 100_000_000_000
"""From this value on, a whole number is milliseconds since 1970, as in the Amazon data set of 2023: as seconds it
would be in the year 5138."""

_COMPACT = re.compile(r"(19[0-9]{2}|20[0-9]{2})(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])", re.ASCII)
_NUMERIC = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})(?![0-9/])", re.ASCII)
# Amazon's pages: Reviewed in the United States on March 5, 2019.
_PREFIX = re.compile(r"reviewed\b.{0,60}?\bon\s+|on\s+", re.IGNORECASE)
_WRITTEN_CHARACTERS = 60
MONTHS = 12
# Two different days of two different leap years: a date that lacks a part gives two different results.
_DEFAULTS = (datetime(2000, 1, 1), datetime(2004, 2, 2))  # noqa: DTZ001 - only replaced parts of these are used


def unix_seconds(value: Scalar, *, day_first: bool | None = None) -> int | None:
    """Return a time in whole seconds since 1970; ``None`` if it is not a time from 1995 to 2099.

    Supported are whole seconds, whole milliseconds (from ``FIRST_MILLISECONDS``), ``YYYYMMDD``, and dates with or
    without a time of day, ISO first. They are in UTC if they have no offset.

    Args:
        value: The time as found.
        day_first: Whether ``03/04/2019`` is 3 April; ``None``: only dates that do not depend on it are times.
    """
    seconds = _seconds(value, day_first)
    return seconds if seconds is not None and EARLIEST_TIME <= seconds <= LATEST_TIME else None


def plain_seconds(column: pa.StringArray) -> pa.Array | None:
    """Return a column of strings as :func:`unix_seconds` does if all are times in plain digits, otherwise ``None``."""
    digits = pc.and_(pc.ascii_is_decimal(column), pc.less_equal(pc.binary_length(column), 18))
    if column.null_count or not pc.all(digits).as_py():
        return None
    number = pc.cast(column, pa.int64())
    seconds = pc.if_else(pc.less(number, FIRST_MILLISECONDS), number, pc.divide(number, 1000))
    # ``YYYYMMDD`` is below.
    plain = pc.and_(pc.greater_equal(seconds, EARLIEST_TIME), pc.less_equal(seconds, LATEST_TIME))
    return seconds if pc.all(plain).as_py() else None


def numeric_date(value: Scalar) -> tuple[int, int, str] | None:
    """Return the first two numbers and the separator of a date such as ``03/04/2019``; ``None`` for other values."""
    match = _NUMERIC.match(value.strip()) if isinstance(value, str) else None
    return (int(match[1]), int(match[3]), match[2]) if match else None


def _seconds(value: Scalar, day_first: bool | None) -> int | None:
    if isinstance(value, date):
        moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
        return _seconds_of(moment)
    number = whole_number(value)
    if number is not None:
        return _seconds_of_number(number)
    if not isinstance(value, str):
        return None
    text = value.strip()
    if text[:4].isdigit() and text[4:5] == "-":
        try:
            return _seconds_of(datetime.fromisoformat(text))
        except ValueError:
            pass
    return _written(text, day_first)


def _seconds_of_number(number: int) -> int | None:
    """Return the seconds of ``YYYYMMDD``, which as seconds would be in 1970, of milliseconds or of seconds."""
    if (compact := _COMPACT.fullmatch(str(number))) is not None:
        year, month, day = map(int, compact.groups())
        try:
            return _seconds_of(datetime(year, month, day, tzinfo=UTC))
        except ValueError:
            return None
    return number if number < FIRST_MILLISECONDS else number // 1000


def _written(text: str, day_first: bool | None) -> int | None:
    """Return the seconds of a date in words or with slashes, which must name day, month and year."""
    text = _PREFIX.sub("", text, count=1) if _PREFIX.match(text) else text
    if not any(map(str.isdigit, text)) or len(text) > _WRITTEN_CHARACTERS:
        return None
    numbers = numeric_date(text)
    if numbers is not None and day_first is None:
        first, second, _ = numbers
        if first <= MONTHS and second <= MONTHS and first != second:
            return None
        day_first = first > MONTHS
    found = set()
    for default in _DEFAULTS:
        try:
            # Names of time zones are ambiguous: their times are read as UTC.
            moment = date_parser.parse(
                text, dayfirst=bool(day_first), default=default, tzinfos=lambda _name, offset: offset
            )
            found.add(_seconds_of(moment))
        except (ValueError, OverflowError):
            return None
    return found.pop() if len(found) == 1 else None


def _seconds_of(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() // 1)


class DateOrderEvidence:
    """What the dates of a dump say about the order of day and month."""

    def __init__(self) -> None:
        """Start without any date."""
        self._day_first = self._month_first = self._dots = False
        self.undecided = 0
        """Different dates such as ``03/04/2019``, which fit both orders."""

    def add(self, value: Scalar) -> None:
        """Look at one more value of the column."""
        numbers = numeric_date(value)
        if numbers is None:
            return
        first, second, separator = numbers
        self._dots |= separator == "."
        if first > MONTHS >= second:
            self._day_first = True
        elif second > MONTHS >= first:
            self._month_first = True
        elif first != second:
            self.undecided += 1

    @property
    def day_first(self) -> bool | None:
        """Whether the day comes first; ``None`` if the dates do not say, or contradict each other.

        Dates with dots (``03.04.2019``) have the day first unless one says otherwise: so they are written in Europe.
        """
        if self._day_first != self._month_first:
            return self._day_first
        return True if self._dots and not self._day_first else None
