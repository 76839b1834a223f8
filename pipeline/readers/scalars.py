"""Single values of a dump: what counts as missing, and whole numbers."""

from __future__ import annotations

import math
import re
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

Scalar = str | int | float | bool | date | Decimal | None

_MISSING = frozenset({"", "nan", "nat", "null", "none", "na", "n/a", "#n/a", "<na>", "\\n", "-"})
"""Texts for a missing value, without case: of pandas, R, SQL (``\\N``: MySQL and PostgreSQL) and spreadsheets."""
_LONGEST_MISSING = max(map(len, _MISSING))
_WHITE_SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))
"""What ``str.strip`` removes."""
_WHOLE = re.compile(r"([+-]?[0-9]{1,18})(?:\.0*)?", re.ASCII)


def is_missing(value: Scalar) -> bool:
    r"""Return whether a value means that there is none: empty, ``NaN``, ``NULL``, ``\N`` and the like."""
    if isinstance(value, str):
        return value.strip().casefold() in _MISSING
    return value is None or (isinstance(value, float) and math.isnan(value))


def missing_texts(column: pa.StringArray) -> list[str]:
    """Return the different values of a column of strings that mean that there is none."""
    length = pc.utf8_length(pc.utf8_trim(column, _WHITE_SPACE))
    short = column.filter(pc.less_equal(length, _LONGEST_MISSING)).drop_null()
    return list(filter(is_missing, short.unique().to_pylist()))


def whole_number(value: Scalar) -> int | None:
    """Return a value (``5``, ``"5"``, ``"5.0"``) as a whole number; ``None`` if it is not one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 2**63 else None
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else None
    if isinstance(value, str):
        match = _WHOLE.fullmatch(value.strip())
        return int(match[1]) if match else None
    return None
