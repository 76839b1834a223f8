"""Figures as SVG: panels with data coordinates, drawing from five shapes and colored by CSS classes.

The page forbids inline styles and scripts, and shows light, dark and print. Therefore an element names only its color
role (``f-series-1`` fills, ``s-series-1`` strokes); ``templates/figures.css`` gives the color in each medium.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

from markupsafe import Markup

from pipeline.reporting import formatting
from pipeline.reporting.figures.scales import QUARTERS, finite, plain

WIDTH = 360
"""Width of a figure in CSS pixels: one column, which a phone shows without scaling."""
NORMAL, SMALL = 12, 11
"""Font sizes in CSS pixels."""
CHARACTER_WIDTH = 0.56
"""Mean width of a character of a sans-serif font, in units of its size."""

Color: TypeAlias = Literal[
    "ink", "soft", "grid", "ground", "series-1", "series-2", "series-3", "negative", "positive", "baseline", "accent",
    "gone", "band-1",
]  # fmt: skip
Shape: TypeAlias = Literal["circle", "square", "diamond", "triangle", "tick"]
Align: TypeAlias = Literal["left", "center", "right"]
Dash: TypeAlias = Literal["solid", "dashed", "dotted", "dash-dot"]
Point: TypeAlias = tuple[float, float]
Number = TypeVar("Number", int, float)

DASHES: dict[Dash, str] = {"dashed": "5 3", "dotted": "1.5 2.5", "dash-dot": "7 2.5 1.5 2.5"}
ANCHORS: dict[Align, str] = {"center": "middle", "right": "end"}
OUTLINES: dict[Shape, tuple[Point, ...]] = {
    "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    "diamond": ((0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)),
    "triangle": ((0, -1), (1, 1), (-1, 1)),
    "tick": ((0, -1), (0, 1)),
}
"""Corners of a mark around its center, in units of half its size."""


@dataclass(frozen=True)
class FigureTable:
    """The data behind a figure as text; the first column of each row names it."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A figure, its text alternative and the table behind it.

    Attributes:
        identifier: Unique on the page; lower-case letters, digits and ``-``. Prefix of every id in the SVG.
        title: Plain text.
        description: What the figure shows, in plain text, for readers who do not see it.
        svg: One ``<svg role="img">`` with ``<title>`` and ``<desc>``; no styles, scripts or links.
        table: The data.
    """

    identifier: str
    title: str
    description: str
    svg: Markup
    table: FigureTable


class Drawing:
    """An SVG image in the making, measured in CSS pixels from its top left corner."""

    def __init__(self, height: float, width: float = WIDTH) -> None:
        """Start an empty image."""
        self.width, self.height = width, height
        self._elements: list[Markup] = []

    def panel(self, edges: tuple[float, float, float, float], x: Point, y: Point) -> Panel:
        """Return a rectangle with data coordinates.

        ``edges`` are pixels from the left, top, right and bottom edge of the drawing. ``x`` and ``y`` are the data
        values at its left and right, and at its bottom and top edge.
        """
        return Panel(self, edges, x, y)

    def add(self, tag: str, text: str | None = None, **attributes: object) -> None:
        """Append an element; ``text`` and attribute values are escaped, attributes of ``None`` are left out.

        ``_`` at the end of an attribute's name is dropped, and elsewhere written as ``-``.
        """
        given = Markup("").join(
            Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), value)
            for name, value in attributes.items()
            if value is not None
        )
        content = Markup("/>") if text is None else Markup(">{}</{}>").format(text, tag)
        self._elements.append(Markup("<{}{}{}").format(tag, given, content))

    def figure(
        self, identifier: str, title: str, description: str, header: Iterable[str], rows: Iterable[tuple[str, ...]]
    ) -> Figure:
        """Return the finished figure; ``header`` and ``rows`` are those of its :class:`FigureTable`."""
        title, description = one_line(title), one_line(description, 10_000)
        svg = Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {width} {height}" role="img" '
            'aria-labelledby="{name}-title {name}-desc"><title id="{name}-title">{title}</title>'
            '<desc id="{name}-desc">{description}</desc>{elements}</svg>'
        ).format(
            width=_number(self.width),
            height=_number(self.height),
            name=identifier,
            title=title,
            description=description,
            elements=Markup("").join(self._elements),
        )
        return Figure(identifier, title, description, svg, FigureTable(tuple(header), tuple(rows)))


class Panel:
    """A rectangle of a drawing with data coordinates; what is drawing later lies on top."""

    def __init__(self, drawing: Drawing, edges: tuple[float, float, float, float], x: Point, y: Point) -> None:
        """See :meth:`Drawing.panel`."""
        self._drawing = drawing
        self._left, self._top, right, bottom = edges
        self._wide = drawing.width - self._left - right
        self._high = drawing.height - self._top - bottom
        self.x, self.y = x, y

    @property
    def pixel(self) -> Point:
        """Size of a pixel in data coordinates: to the right and upwards."""
        return (self.x[1] - self.x[0]) / self._wide, (self.y[1] - self.y[0]) / self._high

    def _place(self, x: float, y: float) -> Point:
        pixel_x, pixel_y = self.pixel
        return self._left + (x - self.x[0]) / pixel_x, self._top + (self.y[1] - y) / pixel_y

    def line(
        self, xs: Sequence[float], ys: Sequence[float], color: Color, width: float = 1.0, dash: Dash = "solid"
    ) -> None:
        """Draw a line through points; it is interrupted at points that are not finite."""
        self._drawing.add(
            "path",
            class_=f"s-{color}",
            fill="none",
            stroke_width=_number(width),
            stroke_dasharray=DASHES.get(dash),
            d=_path(self._place(x, y) for x, y in zip(xs, ys, strict=True)),
        )

    def area(self, xs: Sequence[float], ys: Sequence[float], color: Color) -> None:
        """Fill a polygon."""
        points = (self._place(x, y) for x, y in zip(xs, ys, strict=True))
        self._drawing.add("path", class_=f"f-{color}", d=f"{_path(points)}Z")

    def band(self, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], color: Color) -> None:
        """Fill the area between two lines."""
        self.area([*xs, *reversed(xs)], [*lows, *reversed(highs)], color)

    def box(self, left: float, right: float, low: float, high: float, color: Color) -> None:
        """Fill a rectangle."""
        self.area([left, right, right, left], [low, low, high, high], color)

    def interval(self, low: float, high: float, y: float, color: Color, width: float = 2.0) -> None:
        """Draw a horizontal interval, cut at the panel's edges."""
        left, right = max(low, self.x[0]), min(high, self.x[1])
        if finite(left, right) and left < right:
            self.line([left, right], [y, y], color, width)

    def mark(
        self, x: float, y: float, color: Color, shape: Shape = "circle", size: float = 6.5, *, hollow: bool = False
    ) -> None:
        """Draw a mark of ``size`` pixels; a hollow one is filled with the background color."""
        if not finite(x, y):
            return
        center, half = self._place(x, y), size / 2
        outlined = hollow or shape == "tick"
        look = {
            "class_": f"f-ground s-{color}" if outlined else f"f-{color}",
            "stroke_width": "1.75" if outlined else None,
        }
        if shape == "circle":
            self._drawing.add("circle", **look, cx=_number(center[0]), cy=_number(center[1]), r=_number(half))
        else:
            corners = ((center[0] + half * right, center[1] + half * down) for right, down in OUTLINES[shape])
            self._drawing.add("path", **look, d=f"{_path(corners)}Z")

    def text(
        self,
        x: float,
        y: float,
        text: object,
        color: Color = "ink",
        align: Align = "left",
        *,
        size: int = SMALL,
        right: float = 0.0,
        up: float = 0.0,
        halo: bool = False,
        strong: bool = False,
    ) -> None:
        """Write a line of text with its baseline at ``y``, moved by pixels to the ``right`` and ``up``.

        A halo in the background color separates the text from lines behind it.
        """
        if not finite(x, y):
            return
        left, baseline = self._place(x, y)
        classes = [f"f-{color}"]
        classes += [name for name, on in (("halo", halo), ("strong", strong), ("small", size == SMALL)) if on]
        self._drawing.add(
            "text",
            one_line(text),
            class_=" ".join(classes),
            x=_number(left + right),
            y=_number(baseline - up),
            text_anchor=ANCHORS.get(align),
        )

    def x_ticks(
        self, values: Iterable[Number], label: Callable[[Number], str], *, grid: bool = True, title: str = ""
    ) -> None:
        """Draw a grid line and a label below for each value, and the title of the axis below the labels."""
        for value in values:
            if grid:
                self.line([value, value], self.y, "grid")
            self.text(value, self.y[0], label(value), "soft", "center", up=-14)
        if title:
            self.text(self.x[1], self.y[0], title, "soft", "right", up=-28)

    def y_ticks(self, values: Iterable[float], label: Callable[[float], str], *, title: str = "") -> None:
        """Draw a grid line and a label to the left for each value, and the title of the axis above."""
        for value in values:
            self.line(self.x, [value, value], "grid")
            self.text(self.x[0], value, label(value), "soft", "right", right=-6, up=-4)
        if title:
            self.text(self.x[0], self.y[1], title, "soft", right=6 - self._left, up=9)

    def unit_axes(self, x_title: str, y_title: str) -> None:
        """Draw both axes from 0 to 1."""
        self.y_ticks(QUARTERS, plain, title=y_title)
        self.x_ticks(QUARTERS, plain, title=x_title)


def one_line(text: object, most: int = 200) -> str:
    """Return an outside text as one printable line, cut to ``most`` characters."""
    line = " ".join(formatting.visible(str(text)).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def text_width(text: str) -> float:
    """Return the approximate width of a text in pixels, independent of the fonts of a machine."""
    return len(text) * SMALL * CHARACTER_WIDTH


def fitting(text: object, width: float, size: float = SMALL) -> str:
    """Return an outside text as one line, cut to about ``width`` pixels."""
    return one_line(text, max(2, int(width / (size * CHARACTER_WIDTH))))


def slug(name: str) -> str:
    """Return a name as part of an identifier: lower-case letters, digits and ``-``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "other"


def _path(points: Iterable[Point]) -> str:
    """Return path commands; a point that is not finite interrupts the line."""
    commands, pen_up = [], True
    for x, y in points:
        if finite(x, y):
            commands.append(f"{'M' if pen_up else 'L'}{_number(x)} {_number(y)}")
        pen_up = not finite(x, y)
    return "".join(commands)


def _number(value: float) -> str:
    # Adding zero turns −0 into 0.
    return f"{round(value, 1) + 0.0:g}"
