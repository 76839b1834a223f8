"""How figures and outside texts look, everywhere in the report: HTML, Markdown and messages."""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime

from pipeline.errors import shortened
from pipeline.statistics import Interval

NOT_DEFINED = "n/a"
"""Stands for a figure that does not exist, such as a precision without predictions."""

MINUS = "\N{MINUS SIGN}"
NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"

DAYS_PER_YEAR = 365.2425
"""Mean length of a Gregorian year."""
DAYS_PER_MONTH = DAYS_PER_YEAR / 12

LARGEST_EFFECT = 14.0
"""Log-odds beyond which a factor is only noise of float32 probabilities; a million to one."""

_KEPT_CONTROLS = "\n\t"
_JOINERS = "\u200c\u200d"
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKDOWN_SPECIAL = re.compile(r"([\\`*_\[\]#|~])")


def visible(text: str) -> str:
    """Return a text in which no character acts: controls, bidi overrides and invisible ones are spelled out.

    A terminal escape or a right-to-left override can make a page or a log line say something else than its
    bytes; here they read ``⟨U+202E⟩``. Line feeds, tabs and the joiners that emoji need stay.
    """
    unified = text.replace("\r\n", "\n")
    if unified.isascii() and unified.isprintable():
        return unified
    return "".join(_shown_character(character) for character in unified)


def _shown_character(character: str) -> str:
    if character in _KEPT_CONTROLS or character in _JOINERS:
        return character
    if unicodedata.category(character) in _HIDDEN_CATEGORIES:
        return f"⟨U+{ord(character):04X}⟩"
    return character


def markdown(text: object, most: int | None = None) -> str:
    """Return an outside text as one line of Markdown that is read as plain text: no links, tags or mentions.

    A text of more than ``most`` characters is cut before it is escaped.
    """
    whole = str(text)
    line = " ".join(visible(whole if most is None else shortened(whole, most)).split())
    escaped = _MARKDOWN_SPECIAL.sub(r"\\\1", line)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;")


def code(text: str) -> str:
    """Return an outside text as inline code of Markdown on one line; backticks become apostrophes."""
    return "`" + " ".join(visible(text).replace("`", "'").split()) + "`"


def count(value: int | None) -> str:
    """Return a whole number with thousands set apart: ``568,454``."""
    return NOT_DEFINED if value is None else f"{value:,}".replace("-", MINUS)


def _if_defined(form: Callable[[float], str]) -> Callable[[float | None], str]:
    """Return a format that also takes figures that do not exist: ``None``, NaN and infinity give ``NOT_DEFINED``."""

    @functools.wraps(form)
    def formatted(value: float | None) -> str:
        return NOT_DEFINED if value is None or not math.isfinite(value) else form(value)

    return formatted


@_if_defined
def score(value: float) -> str:
    """Return a score between 0 and 1 (or a loss) with three decimals: ``0.874``."""
    return f"{value + 0.0:.3f}".replace("-", MINUS)


def interval(figure: Interval) -> str:
    """Return the two ends of a figure's 95 % interval: ``0.861–0.887``."""
    return _ends(figure, score, "–")


def estimate(figure: Interval) -> str:
    """Return a score and the two ends of its 95 % interval: ``0.874 (0.861–0.887)``."""
    return f"{score(figure.value)} ({interval(figure)})"


def _ends(figure: Interval, form: Callable[[float], str], between: str, unit: str = "") -> str:
    if not (math.isfinite(figure.low) and math.isfinite(figure.high)):
        return NOT_DEFINED
    return f"{form(figure.low)}{between}{form(figure.high)}{unit}"


@_if_defined
def difference(value: float) -> str:
    """Return a difference of two scores with its sign: ``+0.031``, ``−0.004``."""
    return f"{value + 0.0:+.3f}".replace("-", MINUS)


@_if_defined
def points(value: float) -> str:
    """Return a difference of two shares in percentage points with its sign: ``+3.1 points``."""
    return f"{_signed_hundredths(value)} points"


def points_interval(figure: Interval) -> str:
    """Return the two ends of a difference of shares in percentage points: ``−1.2 to +3.1``."""
    return _ends(figure, _signed_hundredths, " to ")


def _signed_hundredths(value: float) -> str:
    # Adding zero turns a rounded −0.0 into +0.0.
    return f"{round(100 * value, 1) + 0.0:+.1f}".replace("-", MINUS)


def share_interval(figure: Interval) -> str:
    """Return the two ends of a share's 95 % interval in per cent: ``79.1–88.4 %``."""
    return _ends(figure, lambda share: f"{100 * share:.1f}", "–", f"{NARROW_SPACE}%")


@_if_defined
def share(value: float) -> str:
    """Return a share between 0 and 1 in per cent: ``83.2 %``; a share that is small but not zero says so."""
    if 0 < value < 0.0005:  # noqa: PLR2004 - half of the last decimal shown
        return f"< 0.1{NARROW_SPACE}%"
    return f"{100 * value:.1f}{NARROW_SPACE}%".replace("-", MINUS)


def probability(value: float) -> str:
    """Return a probability with three decimals; one that is not quite 0 or 1 does not pretend to be."""
    if 0 < value < 0.0005:  # noqa: PLR2004
        return "< 0.001"
    if 0.9995 <= value < 1:  # noqa: PLR2004
        return "> 0.999"
    return score(value)


def p_value(value: float) -> str:
    """Return a p-value with three decimals; the smallest ones as ``< 0.001``, as sentences have them."""
    return "< 0.001" if value < 0.001 else score(value)  # noqa: PLR2004


@_if_defined
def duration(seconds: float) -> str:
    """Return a duration as people say it: ``0.4 s``, ``2 min 14 s``, ``3 h 05 min``."""
    if seconds < 9.95:  # noqa: PLR2004 - rounds to 10 s without a decimal
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def size(amount: int) -> str:
    """Return bytes in the decimal unit that fits: ``812 kB``, ``1.4 GB``."""
    value = float(amount)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":  # noqa: PLR2004 - would round to 1000
            return f"{value:.0f} {unit}" if unit in ("B", "kB") or value >= 100 else f"{value:.1f} {unit}"  # noqa: PLR2004
        value /= 1000
    raise AssertionError("unreachable: the last unit takes every size")


def moment(value: datetime | None) -> str:
    """Return a moment in UTC to the minute: ``2026-11-23 05:33 UTC``."""
    return NOT_DEFINED if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def day(value: datetime | None) -> str:
    """Return the day of a moment: ``2012-10-26``."""
    return NOT_DEFINED if value is None else f"{value:%Y-%m-%d}"


@_if_defined
def odds(effect: float) -> str:
    """Return a change of log-odds as the factor by which the odds grow or shrink: ``×2.0``, ``÷4.1``."""
    factor = math.exp(min(abs(effect), LARGEST_EFFECT))
    return f"{'×' if effect >= 0 else '÷'}{factor:,.1f}"


def age(earlier: datetime, later: datetime) -> str:
    """Return how long ago something was, in the unit that people would use: ``3 days``, ``14 years``."""
    days = max(0, (later - earlier).days)
    if days < 2 * DAYS_PER_MONTH:
        return plural(days, "day")
    if days < 2 * DAYS_PER_YEAR:
        return plural(int(days / DAYS_PER_MONTH), "month")
    return plural(int(days / DAYS_PER_YEAR), "year")


def plural(number: int, singular: str, many: str | None = None) -> str:
    """Return a number with its noun: ``1 row``, ``2,014 rows``."""
    return f"{count(number)} {singular if number == 1 else many or singular + 's'}"


def bare(value: float | None) -> str:
    """Return a figure that may be a count or a score: whole numbers without decimals, others like scores.

    One that three decimals would make nothing keeps its first digit: ``0.0001``, ``2e-7``.
    """
    if value is not None and math.isfinite(value) and value == int(value):
        return count(int(value))
    if value is not None and 0 < abs(value) < 0.0005:  # noqa: PLR2004 - half of the last decimal shown
        return f"{value:.1g}".replace("e-0", "e-").replace("-0.", f"{MINUS}0.")
    return score(value)


@_if_defined
def decimal(value: float) -> str:
    """Return a mean of counts with one decimal: ``38.4``."""
    return f"{value + 0.0:,.1f}".replace("-", MINUS)
