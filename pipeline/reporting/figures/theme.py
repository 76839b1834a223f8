"""The look of every picture: a drawing of panels by Matplotlib, rewritten to SVG that the page's style sheet colors.

Matplotlib knows colors, the page knows light, dark and paper. So each tone is drawn in a color that stands for it,
and the finished SVG names the tone's class instead (``templates/figures.css`` says what it looks like where).
"""

from __future__ import annotations

import io
import math
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from markupsafe import Markup

from pipeline.reporting import formatting
from pipeline.reporting.figures.figure import Figure, FigureTable

if TYPE_CHECKING:
    from lxml.etree import _Element

WIDTH = 360
"""Natural width in CSS pixels: one column, which a phone shows one to one."""
NORMAL, SMALL = 12, 11
"""Sizes of text in CSS pixels at the natural width."""
POINTS_PER_INCH = 72
"""At this resolution a point, an SVG unit and a CSS pixel at natural width are the same."""
CHARACTER_WIDTH = 0.56
"""Mean width of a character in a sans-serif, in units of its size: to tell whether a label fits."""

Tone = Literal[
    "ink", "soft", "grid", "ground", "series-1", "series-2", "series-3", "series-4", "negative", "positive",
    "baseline", "accent", "gone", "band-1", "band-2",
]  # fmt: skip
TONES: tuple[Tone, ...] = Tone.__args__  # type: ignore[attr-defined]
Shape = Literal["circle", "square", "diamond", "triangle", "cross", "tick"]
Align = Literal["left", "center", "right"]

_SHAPES: dict[Shape, str] = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle": "^",
    "cross": "x",
    "tick": "|",
}
DASHES: dict[str, Any] = {
    "solid": "solid",
    "dashed": (0, (5, 3)),
    "dotted": (0, (1.5, 2.5)),
    "dash-dot": (0, (7, 2.5, 1.5, 2.5)),
}
_STAND_INS = {f"#{number:02x}fe{number:02x}": tone for number, tone in enumerate(TONES, start=1)}
_COLOURS = {tone: color for color, tone in _STAND_INS.items()}

_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "text.parse_math": False,
    "text.usetex": False,
    # Comes with Matplotlib, so that every machine draws the same; the page's own font takes its place.
    "font.family": ["DejaVu Sans"],
    "lines.scale_dashes": False,
    "path.simplify": False,
}
_lock = threading.Lock()

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


@contextmanager
def _settings() -> Iterator[None]:
    # Matplotlib's settings are one global table: one picture at a time, and none of the machine's own settings.
    import matplotlib.style

    with _lock, matplotlib.style.context(["default", _SETTINGS]):
        yield


def one_line(text: object, most: int = 200) -> str:
    """Return an outside text as one printable line, cut to ``most`` characters."""
    line = " ".join(formatting.visible(str(text)).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def text_width(text: str, size: float = SMALL) -> float:
    """Return about how wide a text is, in pixels; no font is asked, so it is the same everywhere."""
    return len(text) * size * CHARACTER_WIDTH


def fitting(text: object, width: float, size: float = SMALL) -> str:
    """Return an outside text as one line that fits into about ``width`` pixels."""
    return one_line(text, max(2, int(width / (size * CHARACTER_WIDTH))))


def letters(number: int) -> str:
    """Return a number as letters, since identifiers hold no digits: 0 is ``a``, 25 ``z``, 26 ``aa``."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


def in_letters(name: str) -> str:
    """Return a name as part of an identifier, in letters and ``-`` only: ``uni-seed1`` is ``uni-seedb``."""
    spelled = re.sub(r"\d+", lambda number: letters(int(number.group())), name.lower())
    return re.sub(r"[^a-z]+", "-", spelled).strip("-") or "other"


def nice_step(span: float, most: int) -> float:
    """Return the smallest of 1, 2, 5 × 10ⁿ that divides ``span`` into at most ``most`` steps."""
    if span <= 0 or not math.isfinite(span):
        return 1.0
    magnitude = 10.0 ** math.floor(math.log10(span / most))
    return next(magnitude * factor for factor in (1, 2, 5, 10) if span / (magnitude * factor) <= most + 1e-9)


def finite(*values: float) -> bool:
    """Return whether all of these are numbers that have a place on an axis."""
    return all(math.isfinite(value) for value in values)


def decimals_of(step: float) -> int:
    """Return how many decimals tell multiples of ``step`` apart."""
    return max(0, -math.floor(math.log10(step) + 1e-9))


def multiples(low: float, high: float, step: float) -> list[float]:
    """Return the multiples of ``step`` from ``low`` to ``high``, both included."""
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 10) + 0.0 for number in range(first, last + 1)]


def signed(value: float, decimals: int) -> str:
    """Return a number with a true minus sign."""
    return f"{value + 0.0:.{decimals}f}".replace("-", formatting.MINUS)


class Panel:
    """One pair of axes: data coordinates in a rectangle of the drawing."""

    def __init__(self, drawing: Drawing, axes: Any, x: tuple[float, float], y: tuple[float, float]) -> None:  # noqa: ANN401
        """Take Matplotlib's axes and switch off all that they draw of themselves."""
        self._drawing, self._axes, self._order = drawing, axes, 1
        self.x, self.y = x, y
        axes.set_axis_off()
        axes.set_xlim(*x)
        axes.set_ylim(*y)

    @property
    def pixel(self) -> tuple[float, float]:
        """How much a pixel is, in data: to the right and upwards."""
        box = self._axes.get_position()
        wide, high = box.width * self._drawing.width, box.height * self._drawing.height
        return (self.x[1] - self.x[0]) / wide, (self.y[1] - self.y[0]) / high

    def _next(self) -> int:
        # What is drawn later lies above.
        self._order += 1
        return self._order

    def line(
        self, xs: Sequence[float], ys: Sequence[float], tone: Tone, width: float = 1.0, dash: str = "solid"
    ) -> None:
        """Draw a line through points."""
        self._axes.plot(
            xs,
            ys,
            color=_COLOURS[tone],
            linewidth=width,
            linestyle=DASHES[dash],
            clip_on=False,
            zorder=self._next(),
            solid_capstyle="butt",
        )

    def steps(self, edges: Sequence[float], heights: Sequence[float], tone: Tone, width: float = 1.0) -> None:
        """Draw the outline of a histogram: ``heights`` has one value fewer than ``edges``."""
        xs = [edge for pair in pairwise(edges) for edge in pair]
        ys = [height for height in heights for _ in range(2)]
        self.line([edges[0], *xs, edges[-1]], [0, *ys, 0], tone, width)

    def band(self, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], tone: Tone) -> None:
        """Fill between two lines."""
        self.area([*xs, *reversed(xs)], [*lows, *reversed(highs)], tone)

    def area(self, xs: Sequence[float], ys: Sequence[float], tone: Tone) -> None:
        """Fill a polygon."""
        self._axes.fill(xs, ys, facecolor=_COLOURS[tone], edgecolor="none", clip_on=False, zorder=self._next())

    def box(self, left: float, right: float, low: float, high: float, tone: Tone) -> None:
        """Fill a rectangle."""
        self.area([left, right, right, left], [low, low, high, high], tone)

    def mark(
        self, x: float, y: float, tone: Tone, shape: Shape = "circle", size: float = 6.5, *, hollow: bool = False
    ) -> None:
        """Draw one mark; a hollow one has the ground's color inside."""
        self._axes.plot(
            [x],
            [y],
            marker=_SHAPES[shape],
            markersize=size,
            markeredgewidth=1.75 if hollow or shape in ("cross", "tick") else 0.0,
            markeredgecolor=_COLOURS[tone],
            markerfacecolor=_COLOURS["ground" if hollow else tone],
            linestyle="none",
            clip_on=False,
            zorder=self._next(),
        )

    def interval(self, low: float, high: float, y: float, tone: Tone, width: float = 2.0) -> None:
        """Draw a horizontal interval, cut to the panel."""
        left, right = max(low, self.x[0]), min(high, self.x[1])
        if math.isfinite(left) and math.isfinite(right) and left < right:
            self.line([left, right], [y, y], tone, width)

    def text(
        self,
        x: float,
        y: float,
        text: object,
        tone: Tone = "ink",
        align: Align = "left",
        *,
        size: int = SMALL,
        right: float = 0.0,
        up: float = 0.0,
        halo: bool = False,
        strong: bool = False,
    ) -> None:
        """Write a line; ``right`` and ``up`` move it by pixels. The baseline stands at ``y``.

        With a halo the text is set off from the lines behind it.
        """
        classes = [name for name, on in (("halo", halo), ("strong", strong), ("small", size == SMALL)) if on]
        self._axes.annotate(
            self._drawing.keyed(one_line(text), classes),
            (x, y),
            xytext=(right, up),
            textcoords="offset points",
            annotation_clip=False,
            ha=align,
            va="baseline",
            fontsize=size,
            color=_COLOURS[tone],
            zorder=self._next(),
        )

    def x_ticks(self, values: Sequence[float], labels: Sequence[str], *, grid: bool = True, title: str = "") -> None:
        """Draw a light vertical line and a label below for each value, and the axis's title below these."""
        for value, label in zip(values, labels, strict=True):
            if grid:
                self.line([value, value], self.y, "grid")
            self.text(value, self.y[0], label, "soft", "center", up=-14)
        if title:
            self.text(self.x[1], self.y[0], title, "soft", "right", up=-28)

    def y_ticks(self, values: Sequence[float], labels: Sequence[str], *, title: str = "") -> None:
        """Draw a light horizontal line and a label to the left for each value, and the axis's title on top."""
        for value, label in zip(values, labels, strict=True):
            self.line(self.x, [value, value], "grid")
            self.text(self.x[0], value, label, "soft", "right", right=-6, up=-4)
        if title:
            self.text(self.x[0], self.y[1], title, "soft", "left", right=6 - self._drawing.left(self), up=9)

    def unit_axes(self, x_title: str, y_title: str) -> None:
        """Draw both axes from 0 to 1."""
        ticks = [0, 0.25, 0.5, 0.75, 1]
        labels = ["0", "0.25", "0.5", "0.75", "1"]
        self.y_ticks(ticks, labels, title=y_title)
        self.x_ticks(ticks, labels, title=x_title)


class Drawing:
    """A picture in the making, measured in pixels from the top left corner."""

    def __init__(self, height: float, width: float = WIDTH) -> None:
        """Begin an empty picture."""
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure as Canvas

        self.width, self.height = width, height
        self._texts: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._lefts: dict[int, float] = {}
        self._canvas = Canvas(figsize=(width / POINTS_PER_INCH, height / POINTS_PER_INCH), dpi=POINTS_PER_INCH)
        FigureCanvasSVG(self._canvas)
        self._canvas.patch.set_visible(False)

    def panel(self, edges: tuple[float, float, float, float], x: tuple[float, float], y: tuple[float, float]) -> Panel:
        """Return axes inside the picture.

        Args:
            edges: Pixels from the picture's left, top, right and bottom edge.
            x: Data at the left and right.
            y: Data at the bottom and top.
        """
        left, top, right, bottom = edges
        rectangle = (
            left / self.width,
            bottom / self.height,
            (self.width - left - right) / self.width,
            (self.height - top - bottom) / self.height,
        )
        panel = Panel(self, self._canvas.add_axes(rectangle), x, y)
        self._lefts[id(panel)] = left
        return panel

    def left(self, panel: Panel) -> float:
        """Return how far a panel stands from the left edge."""
        return self._lefts[id(panel)]

    def keyed(self, text: str, classes: Sequence[str]) -> str:
        """Keep a text and return the key that stands in for it while Matplotlib draws.

        Matplotlib would look for a glyph of each character, in any script, and warn of those that its font lacks.
        """
        key = f"t{len(self._texts)}"
        self._texts[key] = (text, tuple(classes))
        return key

    def svg(self, identifier: str, title: str, description: str) -> Markup:
        """Return the finished picture as one ``<svg role="img">`` without styles, scripts and links."""
        from lxml import etree

        stream = io.BytesIO()
        self._canvas.savefig(
            stream, format="svg", dpi=POINTS_PER_INCH, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
        parser = etree.XMLParser(remove_comments=True, remove_blank_text=True, resolve_entities=False, no_network=True)
        root = etree.fromstring(stream.getvalue(), parser)
        drawn = etree.Element(
            f"{SVG}svg",
            {
                "class": "chart",
                "viewBox": f"0 0 {_thin(f'{self.width:.2f}')} {_thin(f'{self.height:.2f}')}",
                "role": "img",
                "aria-labelledby": f"{identifier}-title {identifier}-desc",
            },
            nsmap={None: SVG[1:-1]},
        )
        for name, text in (("title", title), ("desc", description)):
            element = etree.SubElement(drawn, f"{SVG}{name}", {"id": f"{identifier}-{name}"})
            element.text = one_line(text, 10_000)
        shapes = {path.get("id"): path for path in root.iter(f"{SVG}path") if path.get("id")}
        names: dict[str, str] = {}
        for element in root.iter(f"{SVG}path", f"{SVG}use", f"{SVG}text"):
            if not element.get("id"):
                self._take(element, drawn, identifier, shapes, names)
        text = etree.tostring(drawn, encoding="unicode")
        # Made of elements and attributes by lxml, which escapes every text in it.
        return Markup(text)  # noqa: S704

    def _take(
        self, element: _Element, drawn: _Element, identifier: str, shapes: dict[str, _Element], names: dict[str, str]
    ) -> None:
        """Append a drawn element to the clean picture."""
        from lxml import etree

        tag = etree.QName(element).localname
        style = dict(item.split(": ", 1) for item in element.get("style", "").split("; ") if ": " in item)
        attributes, classes = _dressed(style)
        if tag == "text":
            words, extra = self._texts[element.text or ""]
            anchor = {"middle": "middle", "end": "end"}.get(style.get("text-anchor", ""))
            attributes = {"x": _thin(element.get("x", "0")), "y": _thin(element.get("y", "0"))}
            if anchor:
                attributes["text-anchor"] = anchor
            classes += extra
            etree.SubElement(drawn, f"{SVG}text", {"class": " ".join(classes), **attributes}).text = words
            return
        if tag == "use":
            shape = element.get(f"{XLINK}href", "#")[1:]
            if shape not in names:
                names[shape] = f"{identifier}-{letters(len(names))}"
                definitions = etree.SubElement(drawn, f"{SVG}defs")
                etree.SubElement(
                    definitions, f"{SVG}path", {"id": names[shape], "d": _thin_path(shapes[shape].get("d", ""))}
                )
            attributes |= {
                "href": f"#{names[shape]}",
                "x": _thin(element.get("x", "0")),
                "y": _thin(element.get("y", "0")),
            }
        else:
            attributes["d"] = _thin_path(element.get("d", ""))
        etree.SubElement(drawn, f"{SVG}{tag}", {"class": " ".join(classes), **attributes})


def _dressed(style: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return Matplotlib's inline style as attributes and classes."""
    attributes: dict[str, str] = {}
    classes: list[str] = []
    for name, prefix in (("fill", "f"), ("stroke", "s")):
        color = style.get(name, "none")
        if color in _STAND_INS:
            classes.append(f"{prefix}-{_STAND_INS[color]}")
        elif name == "fill":
            attributes["fill"] = "none"
    for name in ("stroke-width", "stroke-dasharray"):
        if name in style and "stroke" in style:
            attributes[name] = " ".join(_thin(part) for part in style[name].split(","))
    return attributes, classes


def _thin(number: str) -> str:
    # Adding zero turns −0 into 0.
    return f"{round(float(number), 1) + 0.0:.7g}"


def _thin_path(path: str) -> str:
    return " ".join(_NUMBER.sub(lambda found: _thin(found.group()), path).split())


def apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return places of labels moved as little as makes each ``gap`` away from the next, within ``low`` and ``high``."""
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


@contextmanager
def drawing(height: float, width: float = WIDTH) -> Iterator[Drawing]:
    """Hand out an empty picture; within the block Matplotlib has this module's settings and no one else's."""
    with _settings():
        yield Drawing(height, width)


def figure(drawn: Drawing, identifier: str, title: str, description: str, table: FigureTable) -> Figure:
    """Return a finished picture with its text alternative and its table."""
    title, description = one_line(title), one_line(description, 10_000)
    return Figure(identifier, title, description, drawn.svg(identifier, title, description), table)
