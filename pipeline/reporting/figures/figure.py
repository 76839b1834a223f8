"""One picture of the report with everything that a reader without the picture needs."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class FigureTable:
    """The figures behind a picture, as text; the first column of each row names it."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A picture, its text alternative and the table behind it.

    Attributes:
        identifier: Unique on the page, letters and ``-`` only; prefix of every id in the SVG.
        title: What is shown, in a few words; plain text.
        description: The picture in words, for those who do not see it; plain text.
        svg: One ``<svg role="img">`` with ``<title>`` and ``<desc>``, colored by classes of the style sheet alone: no
            ``style`` attribute, no ``<style>``, no script, no link, which the page's policy would block.
        table: The figures behind it.
    """

    identifier: str
    title: str
    description: str
    svg: Markup
    table: FigureTable
