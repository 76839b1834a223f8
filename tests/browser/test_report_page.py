"""The report as readers meet it: on a desk and a phone, in the dark, on paper, by keyboard, by screen reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page

from pipeline.reporting.gathering import gather
from pipeline.reporting.html import render_html
from pipeline.store import ArtifactStore
from tests.browser.accessibility import accessibility_violations
from tests.unit.reporting.factories import ExampleRun, example_run, refused_run, window_run

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SCREENS = {"desktop": DESKTOP, "phone": PHONE}
RUNS: dict[str, Callable[[ArtifactStore], ExampleRun]] = {
    # With every section: a champion to be compared with, and earlier dumps laid together with the run's own.
    "default": window_run,
    "article": lambda store: example_run(store, "article"),
    "refused": refused_run,
}
RUNS_SCRIPT = "document.documentElement.dataset.ran = 'yes'"
PLANTED = f'<script>{RUNS_SCRIPT}</script><img src=x onerror="{RUNS_SCRIPT}">'
View = tuple[Literal["desktop", "phone"], Literal["light", "dark"], Literal["screen", "print"]]
DESK, DESK_DARK, HAND, HAND_DARK, PAPER = EVERY_VIEW = (
    ("desktop", "light", "screen"),
    ("desktop", "dark", "screen"),
    ("phone", "light", "screen"),
    ("phone", "dark", "screen"),
    ("desktop", "light", "print"),
)
# Measuring contrast takes seconds on a long page, so the two long ones share the views between them.
VIEWS: dict[str, tuple[View, ...]] = {
    "default": (DESK, HAND_DARK, PAPER),
    "article": (HAND, DESK_DARK),
    "refused": EVERY_VIEW,
}

# Violations are reported as events; the listener of an init script is the browser's own and needs no permission.
LISTEN = "window.blocked = []; addEventListener('securitypolicyviolation', e => blocked.push(e.violatedDirective))"
OPEN_EVERYTHING = "document.querySelectorAll('details').forEach(details => { details.open = true })"
INTERACTIVE = "a[href], button, summary, input, select, textarea, [tabindex]:not([tabindex='-1'])"
# What has the focus; asked a frame later, when it has been scrolled into view.
FOCUSED = """async () => {
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
    const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect()
    const all = [...document.querySelectorAll("INTERACTIVE")]
    return {
        place: all.indexOf(element),
        name: element.outerHTML.slice(0, 120),
        ringed: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1 || style.boxShadow !== "none",
        shown: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight
            && box.right > 0 && box.left < innerWidth,
        closed: element.matches("summary") && !element.parentElement.open,
    }
}""".replace("INTERACTIVE", INTERACTIVE)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report of each of ``RUNS``, and one whose texts are hostile, as files."""
    folder = tmp_path_factory.mktemp("pages")
    hostile = dict.fromkeys(("file_name", "review", "origin", "word", "label", "champion", "reason"), PLANTED)
    runs = RUNS | {"hostile": lambda store: window_run(store, **hostile)}
    files = {}
    for name, make in runs.items():
        store = ArtifactStore(str(folder / f"store-{name}"))
        run = make(store)
        files[name] = folder / f"{name}.html"
        contents = gather(run.state, run.config, store, "manual__2026-11-23T05:33:00+00:00")
        files[name].write_text(render_html(contents), encoding="utf-8")
    return files


@contextmanager
def opened(browser: Browser, file: Path, **options: Any) -> Iterator[Page]:
    """Open a report as a file, in a profile of its own; without motion, so that scrolling is over at once."""
    context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce"} | options)
    try:
        page = context.new_page()
        page.goto(file.as_uri())
        yield page
    finally:
        context.close()


def overhang(page: Page) -> list[str]:
    """Return how far the page is too wide, and which elements stick out where nothing clips them."""
    return page.evaluate("""() => {
        const wide = document.scrollingElement.scrollWidth
        if (wide <= innerWidth) return []
        const out = [...document.body.querySelectorAll("*")]
            .filter(element => element.getBoundingClientRect().right > innerWidth + 1)
            .map(element => element.outerHTML.slice(0, 100))
        return [`${wide} px on a screen of ${innerWidth} px`, ...out.slice(0, 5)]
    }""")


@pytest.mark.parametrize(("run", "views"), VIEWS.items())
def test_axe_finds_nothing_on_any_screen_in_any_light(
    browser: Browser, pages: dict[str, Path], run: str, views: tuple[View, ...]
) -> None:
    found = {}
    # axe-core is injected as a script, which the page's own policy rightly blocks.
    with opened(browser, pages[run], bypass_csp=True) as page:
        page.evaluate(OPEN_EVERYTHING)
        for screen, scheme, media in views:
            page.set_viewport_size(SCREENS[screen])
            page.emulate_media(media=media, color_scheme=scheme)
            found[f"{screen}, {scheme}, {media}"] = accessibility_violations(page)
    assert not [f"{view}: {line}" for view, lines in found.items() for line in lines]


@pytest.mark.parametrize("run", [*RUNS, "hostile"])
def test_a_phone_never_scrolls_sideways(browser: Browser, pages: dict[str, Path], run: str) -> None:
    with opened(browser, pages[run], viewport=PHONE) as page:
        assert overhang(page) == []
        page.evaluate(OPEN_EVERYTHING)
        assert overhang(page) == []


@pytest.mark.parametrize(("run", "screen"), [("default", "desktop"), ("default", "phone"), ("refused", "desktop")])
def test_the_keyboard_reaches_everything(browser: Browser, pages: dict[str, Path], run: str, screen: str) -> None:
    with opened(browser, pages[run], viewport=SCREENS[screen]) as page:
        reached, unringed, unseen = set(), [], []
        limit = page.locator(INTERACTIVE).count() + 200
        for _ in range(limit):
            page.keyboard.press("Tab")
            focused = page.evaluate(FOCUSED)
            if focused["place"] in reached:
                break
            if focused["place"] < 0:
                # Chromium focuses what scrolls, too; past the last element focus leaves the page.
                if focused["name"].startswith("<body"):
                    break
            else:
                reached.add(focused["place"])
            if not focused["ringed"]:
                unringed.append(focused["name"])
            if not focused["shown"]:
                unseen.append(focused["name"])
            if focused["closed"]:
                page.keyboard.press("Enter")
        missed = page.evaluate(
            """([reached, interactive]) => [...document.querySelectorAll(interactive)]
                .filter((element, place) => element.checkVisibility() && !reached.includes(place))
                .map(element => element.outerHTML.slice(0, 120))
            """,
            [sorted(reached), INTERACTIVE],
        )
        assert reached
        assert (missed, unringed, unseen) == ([], [], [])
        assert page.locator("details:not([open])").count() == 0, "Enter opens every <details>"


def test_the_first_tab_skips_to_the_acceptance_check(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["default"], viewport=PHONE) as page:
        page.keyboard.press("Tab")
        skip = page.locator(":focus")
        assert "skip" in skip.inner_text().lower()
        box = skip.bounding_box()
        assert box is not None
        assert box["y"] >= 0, "the link is seen when it has the focus"
        target = skip.get_attribute("href")
        page.keyboard.press("Enter")
        place = page.locator(str(target)).bounding_box()
        assert place is not None
        assert 0 <= round(place["y"]) < PHONE["height"] / 2


@pytest.mark.parametrize("run", RUNS)
def test_the_first_screen_shows_the_acceptance(browser: Browser, pages: dict[str, Path], run: str) -> None:
    with opened(browser, pages[run]) as page:
        for part in ("h1", "#acceptance h2", "#acceptance .lead"):
            box = page.locator(part).first.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= DESKTOP["height"], part


@pytest.mark.parametrize("run", [*RUNS, "hostile"])
def test_the_policy_blocks_nothing_of_the_page_and_no_text_runs(
    browser: Browser, pages: dict[str, Path], run: str
) -> None:
    context = browser.new_context(viewport=DESKTOP)
    context.add_init_script(LISTEN)
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(pages[run].as_uri())
    page.evaluate(OPEN_EVERYTHING)
    assert (said, page.evaluate("blocked")) == ([], [])
    assert [url for url in asked if not url.startswith("data:")] == [pages[run].as_uri()]
    assert page.evaluate("document.documentElement.dataset.ran") is None
    if run == "hostile":
        assert "<script>document.documentElement" in page.inner_text("main"), "the text is shown as it was written"
    context.close()


def test_the_policy_stops_a_script_that_got_through_the_escaping(
    browser: Browser, pages: dict[str, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.html"
    page_source = pages["default"].read_text(encoding="utf-8")
    broken.write_text(page_source.replace("</main>", f"<div>{PLANTED}</div></main>"), encoding="utf-8")
    context = browser.new_context()
    context.add_init_script(LISTEN)
    page = context.new_page()
    page.goto(broken.as_uri())
    assert page.locator("main img[src=x]").count() == 1, "the planted element is there"
    assert page.evaluate("document.documentElement.dataset.ran") is None
    assert {directive.split("-")[0] for directive in page.evaluate("blocked")} >= {"script", "img"}
    context.close()


@pytest.mark.parametrize("run", RUNS)
def test_without_javascript_the_page_reads_the_same(browser: Browser, pages: dict[str, Path], run: str) -> None:
    with opened(browser, pages[run]) as page:
        with_javascript = page.inner_text("body")
    with opened(browser, pages[run], java_script_enabled=False) as page:
        assert page.inner_text("body") == with_javascript
    assert len(with_javascript) > 1_000
