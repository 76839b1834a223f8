"""Numbers on axes: round steps between ticks, their labels, and labels that must not overlap."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pipeline.reporting import formatting

QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Ticks of an axis from 0 to 1."""


def nice_step(span: float, most: int) -> float:
    """Return the smallest of 1, 2, 5 × 10ⁿ that divides ``span`` into at most ``most`` steps."""
    if span <= 0 or not math.isfinite(span):
        return 1.0
    magnitude = 10.0 ** math.floor(math.log10(span / most))
    return next(magnitude * factor for factor in (1, 2, 5, 10) if span / (magnitude * factor) <= most + 1e-9)


def finite(*values: float) -> bool:
    """Return whether none of the values is NaN or infinite."""
    return all(math.isfinite(value) for value in values)


def decimals_of(step: float) -> int:
    """Return how many decimals multiples of ``step`` need."""
    return max(0, -math.floor(math.log10(step) + 1e-9))


def multiples(low: float, high: float, step: float) -> list[float]:
    """Return the multiples of ``step`` from ``low`` to ``high``, both included."""
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 10) + 0.0 for number in range(first, last + 1)]


def plain(value: float) -> str:
    """Return a number as short as it is exact: ``0.25``, ``1``."""
    return f"{value:g}"


def percent(value: float) -> str:
    """Return a share in per cent, without sign: ``12.5 %``."""
    return f"{abs(100 * value):g} %"


def with_decimals_of(step: float) -> Callable[[float], str]:
    """Return the labels of an axis with ticks ``step`` apart."""
    return lambda value: f"{value:.{decimals_of(step)}f}"


def signed(value: float, decimals: int) -> str:
    """Return a number with a true minus sign."""
    return f"{value + 0.0:.{decimals}f}".replace("-", formatting.MINUS)


def spread_apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move label positions as little as needed so that they are ``gap`` apart and within ``low`` and ``high``."""
    order = sorted(range(len(places)), key=lambda number: places[number])
    moved = list(places)
    floor = low
    for number in order:
        moved[number] = floor = max(moved[number], floor)
        floor += gap
    ceiling = high
    for number in reversed(order):
        moved[number] = ceiling = min(moved[number], ceiling)
        ceiling -= gap
    return moved
