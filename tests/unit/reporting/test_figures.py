"""Figures: positions, text alternatives, contrast, hostile text and values that are not finite."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from pipeline.reporting import figures
from pipeline.reporting.figures import Figure
from pipeline.reporting.figures.scales import multiples, nice_step, spread_apart
from pipeline.reporting.figures.series import short_title
from pipeline.reporting.figures.svg import Drawing
from pipeline.reporting.gathering import gather
from pipeline.reporting.records import FunnelStage, ReportContents
from pipeline.statistics import Interval
from pipeline.store import ArtifactStore
from tests.unit.reporting.factories import example_run, minimal_run, refused_run, window_run

SVG = "{http://www.w3.org/2000/svg}"
STYLE = Path("pipeline/reporting/templates/figures.css")
HOSTILE = "$\\frac{1}{2}$ <script>alert(1)</script> \x00\x1b[31m\u202e 漢字 ]]> & \ud800"
TEXT_COLORS = ("ink", "soft", "series-1", "series-2", "series-3", "negative", "positive", "baseline")
MARK_COLORS = ("accent", "gone")


@cache
def contents(folder: Path, profile: str) -> ReportContents:
    store = ArtifactStore(str(folder / profile))
    place: Any = {"refused": refused_run, "minimal": minimal_run, "window": window_run}.get(profile)
    run = place(store) if place is not None else example_run(store, profile)
    return gather(run.state, run.config, store, "run")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("figures")


def drawn(report: ReportContents) -> Iterator[Figure]:
    """Yield every picture of a run."""
    judged, profile = report.evaluations, report.data_profile
    groups = report.comparison.seed_groups if report.comparison is not None else ()
    before = profile.comparison if profile is not None else None
    found = [
        figures.funnel(report.funnel, report.split),
        figures.window_funnel(report.window_funnel, report.split),
        figures.label_share(profile),
        figures.lengths(report.encoding),
        figures.score_forest(judged),
        figures.seed_spread(groups, judged),
        figures.roc(judged),
        figures.precision_recall_negative(judged),
        figures.calibration(judged),
        figures.behavior(report.behavioral_tests, judged),
        figures.drift(before),
        *(figures.column_drift(column) for column in (before.columns if before is not None else ())),
        figures.model_words(report.baselines),
        *figures.learning_curves(report.variants),
    ]
    found += [figures.article_collapse(variant) for variant in report.variants]
    if report.best is not None and report.best.evaluated is not None:
        found += [figures.distributions(report.best.evaluated), figures.slices(report.best.evaluated)]
    yield from (figure for figure in found if figure is not None)


@cache
def pictures(folder: Path, profile: str) -> tuple[Figure, ...]:
    return tuple(drawn(contents(folder, profile)))


def tree(figure: Figure) -> Any:
    return etree.fromstring(str(figure.svg).encode())


@pytest.mark.parametrize("profile", ["window", "article"])
def test_each_picture_is_one_inert_svg_with_its_text_alternative(folder: Path, profile: str) -> None:
    found = pictures(folder, profile)
    assert len(found) >= 16
    identifiers = [figure.identifier for figure in found]
    assert len(set(identifiers)) == len(identifiers)
    for figure in found:
        root = tree(figure)
        assert root.tag == f"{SVG}svg"
        assert root.get("role") == "img"
        named = [root.find(f".//*[@id='{name}']") for name in root.get("aria-labelledby").split()]
        assert [element.text for element in named] == [figure.title, figure.description]
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", figure.identifier)
        assert {etree.QName(element).localname for element in root.iter()} <= {
            "svg", "title", "desc", "path", "circle", "text"
        }  # fmt: skip
        ids = {element.get("id") for element in root.iter() if element.get("id")}
        assert all(name.startswith(f"{figure.identifier}-") for name in ids)
        for element in root.iter():
            assert not {"style", "href"} & set(element.attrib)
            assert not any(name.startswith("on") for name in element.attrib)
        assert figure.table.rows
        assert {len(row) for row in figure.table.rows} == {len(figure.table.header)}


def test_a_typical_report_s_pictures_weigh_little(folder: Path) -> None:
    assert sum(len(figure.svg.encode()) for figure in pictures(folder, "default")) < 300_000


def test_outside_text_is_shown_and_never_acts(folder: Path) -> None:
    report = contents(folder, "default")
    evaluations = [item.model_copy(update={"title": HOSTILE}) for item in report.evaluations]
    best = evaluations[0].model_copy(
        update={
            "slices": tuple(
                one.model_copy(update={"dimension_title": HOSTILE, "label": HOSTILE}) for one in evaluations[0].slices
            )
        }
    )
    words = report.baselines.positive_terms[0].model_copy(update={"term": HOSTILE})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [
            figures.roc(evaluations),
            figures.score_forest(evaluations),
            figures.slices(best),
            figures.model_words(report.baselines.model_copy(update={"positive_terms": (words,)})),
            figures.funnel([FunnelStage(title=HOSTILE, reason=None, excluded=0, rows_left=3)], None),
        ]
    for figure in found:
        text = " ".join(tree(figure).itertext())
        assert "$\\frac{1}" in text
        assert "<script" not in str(figure.svg)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e\ud800]", str(figure.svg) + figure.title + figure.description)


def test_every_tone_has_its_look_and_enough_contrast_in_each_medium(folder: Path) -> None:
    css = STYLE.read_text(encoding="utf-8")
    used = {
        name
        for profile in ("default", "article")
        for figure in pictures(folder, profile)
        for element in tree(figure).iter()
        for name in element.get("class", "").split()
        if re.match("[fs]-", name)
    }
    assert used
    assert all(f".chart .{name} {{" in css for name in used)
    palettes = [dict(re.findall(r"--chart-([a-z0-9-]+): (#[0-9a-f]{6})", block)) for block in re.findall(
        r"\.chart \{\n(.*?)\}", css, re.DOTALL)]  # fmt: skip
    assert len(palettes) == 3
    for palette in palettes:
        for color in TEXT_COLORS:
            assert contrast(palette[color], palette["ground"]) >= 4.5, color
        for color in MARK_COLORS:
            assert contrast(palette[color], palette["ground"]) >= 3, color


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colors (WCAG 2.2, relative luminance)."""

    def luminance(color: str) -> float:
        parts = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def boxes(figure: Figure, tone: str) -> list[tuple[float, float]]:
    """Return left end and width of each filled rectangle of a tone."""
    found = []
    for path in tree(figure).iter(f"{SVG}path"):
        if f"f-{tone}" in path.get("class", "").split():
            xs = [float(x) for x, _ in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get("d"))]
            found.append((min(xs), max(xs) - min(xs)))
    return found


def test_the_funnel_s_bars_are_as_long_as_the_rows_are_many() -> None:
    stages = [
        FunnelStage(title="Read", reason=None, excluded=0, rows_left=1_000),
        FunnelStage(title="Neutral", reason="neutral_score", excluded=250, rows_left=750),
        FunnelStage(title="Nothing", reason="no_words", excluded=0, rows_left=750),
        FunnelStage(title="Odd", reason="bad_time", excluded=1, rows_left=749),
    ]
    figure = figures.funnel(stages, None)
    left = [width for _, width in boxes(figure, "accent")]
    assert [width / left[0] for width in left] == pytest.approx([1, 0.75, 0.749], abs=1e-3)
    gone = boxes(figure, "gone")
    assert gone[0][1] / left[0] == pytest.approx(0.25, abs=1e-3)
    assert gone[1][1] >= 2
    assert figure.table.rows[2] == ("Nothing", "0", "750")


def rings(figure: Figure) -> list[Any]:
    return [element for element in tree(figure).iter() if "f-ground" in element.get("class", "").split()]


def test_curves_and_rings_stand_where_the_figures_say(folder: Path) -> None:
    report = contents(folder, "minimal")
    scores = report.evaluations[0].scores
    curves = (
        contents(folder, "default").evaluations[0].curves.model_copy(update={"roc": ((0, 0), (0.25, 0.75), (1, 1))})
    )
    figure = figures.roc([report.evaluations[0].model_copy(update={"curves": curves})])
    lines = [path.get("d") for path in tree(figure).iter(f"{SVG}path") if "s-series-1" in path.get("class", "")]
    corner, middle, end = re.findall(r"(-?[\d.]+) (-?[\d.]+)", next(line for line in lines if line.count("L") == 2))
    (left, bottom), (right, top) = map(float, corner), map(float, end)
    assert float(middle[0]) == pytest.approx(left + 0.25 * (right - left), abs=0.1)
    assert float(middle[1]) == pytest.approx(bottom + 0.75 * (top - bottom), abs=0.1)
    (ring,) = rings(figure)
    assert float(ring.get("cx")) == pytest.approx(left + (1 - scores.negative.recall.value) * (right - left), abs=0.1)
    assert float(ring.get("cy")) == pytest.approx(bottom + scores.positive.recall.value * (top - bottom), abs=0.1)


def test_models_differ_by_dash_and_shape_not_by_color_alone(folder: Path) -> None:
    root = tree(next(figure for figure in pictures(folder, "default") if figure.identifier == "calibration"))
    dashes: dict[str, set[str | None]] = {}
    for path in root.iter(f"{SVG}path"):
        tone = re.search(r"s-(series-\d)", path.get("class", ""))
        if tone and path.get("d", "").count("L") > 1:
            dashes.setdefault(tone.group(1), set()).add(path.get("stroke-dasharray"))
    assert len(dashes) == 3
    assert len({tuple(found) for found in dashes.values()}) == 3


def test_the_collapsed_model_is_told_in_words_and_figures(folder: Path) -> None:
    report = contents(folder, "article")
    variant = next(item for item in report.variants if item.evaluated.no_better_than_majority)
    figure = figures.article_collapse(variant)
    assert f"{variant.trained.label_entropy:.3f}" in figure.description
    assert "label entropy" in "".join(tree(figure).itertext())
    assert ("Predicted positive", "100.0\u202f%") in figure.table.rows


def test_nothing_is_drawn_of_nothing(folder: Path) -> None:
    report = contents(folder, "refused")
    assert [figure.identifier for figure in drawn(report)] == ["funnel"]
    assert figures.score_forest([]) is None
    assert figures.learning_curves([]) == ()
    assert figures.funnel([], None) is None
    assert {figure.identifier for figure in pictures(folder, "minimal")} == {
        "funnel", "lengths", "scores", "learning-bi-seed1"
    }  # fmt: skip


def not_a_number(value: Any) -> Any:
    """Return a record with every figure replaced by NaN."""
    if isinstance(value, float):
        return math.nan
    if isinstance(value, tuple):
        return tuple(not_a_number(item) for item in value)
    if hasattr(type(value), "model_fields"):
        return value.model_copy(update={name: not_a_number(getattr(value, name)) for name in type(value).model_fields})
    return value


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_figures_that_are_no_numbers_break_no_picture(
    folder: Path, number: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(math, "nan", number)
    report = contents(folder, "default")
    names = ("baselines", "variants", "comparison", "data_profile", "baseline_behavioral_tests")
    broken = report.model_copy(update={name: not_a_number(getattr(report, name)) for name in names})
    monkeypatch.undo()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for figure in drawn(broken):
            assert not re.search(r"\b(nan|inf)\b", str(figure.svg))


def test_one_epoch_makes_a_picture(folder: Path) -> None:
    variant = contents(folder, "default").variants[0]
    once = variant.trained.model_copy(update={"epochs": variant.trained.epochs[:1], "restored_epoch": 1})
    (figure,) = figures.learning_curves([variant.model_copy(update={"trained": once})])
    assert figure.description.startswith("1 epoch;")
    assert len(figure.table.rows) == 1


def test_many_variants_stay_legible(folder: Path) -> None:
    report = contents(folder, "default")
    many = [
        report.evaluations[0].model_copy(update={"model": f"bi-seed{number}", "title": f"LSTM {number}"})
        for number in range(30)
    ]
    figure = figures.score_forest(many)
    assert float(tree(figure).get("viewBox").split()[3]) < 600
    assert len(figure.table.rows) == 30


def test_small_slices_are_not_drawn_but_in_the_table(folder: Path) -> None:
    best = contents(folder, "default").best.evaluated
    small = best.slices[0].model_copy(
        update={"label": "tiny", "too_small": True, "gap": Interval(value=-0.9, low=-1.0, high=-0.8)}
    )
    figure = figures.slices(best.model_copy(update={"slices": (*best.slices, small)}))
    assert "tiny" not in "".join(tree(figure).itertext())
    assert any("tiny" in row[0] for row in figure.table.rows)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=6))
def test_labels_are_moved_apart_in_their_order(places: list[float]) -> None:
    moved = spread_apart(places, 10, 0, 100)
    order = sorted(range(len(places)), key=lambda number: places[number])
    ranked = [moved[number] for number in order]
    assert all(later - earlier >= 10 - 1e-6 for earlier, later in pairwise(ranked))
    assert min(moved) >= -1e-6
    assert max(moved) <= 100 + 1e-6


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-6, 1e9), st.integers(1, 9))
def test_ticks_are_few_and_round(span: float, most: int) -> None:
    step = nice_step(span, most)
    assert span / step <= most + 1e-6
    assert f"{step:.0e}"[0] in "125"
    assert len(multiples(0, span, step)) <= most + 1


def test_a_model_without_an_alarm_has_no_place_on_precision_over_recall(folder: Path) -> None:
    collapsed = next(item.evaluated for item in contents(folder, "article").variants if item.name.startswith("uni"))
    figure = figures.precision_recall_negative([collapsed])
    assert not rings(figure)
    assert figure.table.rows[0][-1] == "n/a"


def test_a_model_looks_the_same_in_every_figure(folder: Path) -> None:
    report = contents(folder, "default")

    def colors(figure: Figure | None) -> dict[str, str]:
        marks = [
            (center_y(element), element.get("class").removeprefix("f-"))
            for element in tree(figure).iter(f"{SVG}path", f"{SVG}circle")
            if re.fullmatch("f-(series-.|baseline)", element.get("class"))
        ]
        looks = {}
        for label in tree(figure).iter(f"{SVG}text"):
            titles = (
                item.title for item in report.evaluations if label.text.startswith((item.title, short_title(item)))
            )
            title = next(titles, None)
            color = next((color for y, color in marks if abs(y - float(label.get("y")) + 4) < 1), None)
            if title and color:
                looks[title] = color
        return looks

    curves = colors(figures.roc(report.evaluations))
    tests = colors(figures.behavior(report.behavioral_tests, report.evaluations))
    both = curves.keys() & tests.keys()
    assert len(both) >= 3
    assert {title: curves[title] for title in both} == {title: tests[title] for title in both}


def center_y(mark: Any) -> float:
    if mark.get("cy"):
        return float(mark.get("cy"))
    ys = [float(y) for y in re.findall(r" (-?[\d.]+)", mark.get("d"))]
    return (min(ys) + max(ys)) / 2


def test_a_value_that_is_not_finite_interrupts_a_line() -> None:
    drawing = Drawing(100, 100)
    panel = drawing.panel((0, 0, 0, 0), (0, 10), (0, 10))
    panel.line([0, 5, 10, 10], [0, math.nan, 10, 0], "ink")
    panel.mark(math.inf, 0, "ink")
    figure = drawing.figure("test", "Title", "Description", (), ())
    (line,) = tree(figure).iter(f"{SVG}path")
    assert line.get("d") == "M0 100M100 0L100 100"
    assert not list(tree(figure).iter(f"{SVG}circle"))
