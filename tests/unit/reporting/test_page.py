"""What a reader of the page would miss: the figures, the warnings, and that nothing outside can act in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from pipeline.evaluation.records import ComparisonSummary, Interval
from pipeline.evaluation.rules import TFIDF
from pipeline.reporting import ReportContents, formatting, gather, report
from pipeline.reporting.html import render_html
from pipeline.reporting.records import ReportReferences
from pipeline.store import ArtifactStore
from tests.support import place
from tests.unit.reporting.example import ExampleRun, example_run, refused_run

RUN_NAME = "manual__2026-11-23T05:33:00+00:00"
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'><svg/onload=alert(3)>",
    "<a href=javascript:alert(4)>here</a>",
    "</style><style>*{display:none}</style>",
    "{{ 7 * 7 }}{% raw %}",
    "--></title></textarea>",
)


@cache
def made(folder: Path, profile: str) -> tuple[ArtifactStore, ExampleRun]:
    store = ArtifactStore(str(folder))
    return store, refused_run(store) if profile == "refused" else example_run(store, profile)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


def contents_of(folder: Path, profile: str) -> ReportContents:
    store, run = made(folder / profile, profile)
    return gather(run.references, run.config, store, RUN_NAME)


def page_of(folder: Path, profile: str) -> BeautifulSoup:
    return BeautifulSoup(render_html(contents_of(folder, profile)), "lxml")


def hostile_run(store: ArtifactStore, text: str) -> ExampleRun:
    return example_run(store, "default", review=text, file_name=text, origin=text)


ALL = ("default", "article", "demo", "refused")


@pytest.mark.parametrize("profile", ALL)
def test_the_page_fetches_nothing_and_runs_nothing(folder: Path, profile: str) -> None:
    page = page_of(folder, profile)

    assert not page.find_all(["script", "iframe", "object", "embed", "form", "base", "audio", "video"])
    assert all(not name.lower().startswith("on") for tag in page.find_all(True) for name in tag.attrs)
    assert all("style" not in tag.attrs for tag in page.find_all(True))
    for tag in page.find_all(True):
        for name in ("src", "href", "xlink:href", "data", "action", "poster", "srcset"):
            assert re.match(r"^(#[a-z-]+|data:,|data_docs_(raw|clean)/index\.html)$", tag.attrs.get(name, "data:,")), (
                tag
            )
    assert "url(" not in page.style.string
    assert "@import" not in page.style.string


@pytest.mark.parametrize("profile", ALL)
def test_the_policy_allows_the_one_style_sheet_by_its_digest_and_nothing_else(folder: Path, profile: str) -> None:
    page = page_of(folder, profile)
    policy = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]

    digest = base64.b64encode(hashlib.sha256(page.style.string.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert page.head.find(["style", "link", "script"]).find_previous("meta") is not None


@pytest.mark.parametrize("profile", ALL)
def test_the_page_is_well_formed_with_one_main_heading_and_unique_names(folder: Path, profile: str) -> None:
    text = render_html(contents_of(folder, profile))
    page = BeautifulSoup(text, "lxml")

    parser = etree.HTMLParser(recover=True)
    etree.fromstring(text.encode(), parser)
    complaints = [error.message for error in parser.error_log if not unknown_to_libxml(error.message)]
    assert complaints == []
    assert len(page.find_all("h1")) == 1
    assert len(page.find_all("main")) == 1
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids))
    for tag in page.find_all(True):
        for name in ("aria-labelledby", "aria-describedby"):
            assert set(tag.attrs.get(name, "").split()) <= set(ids)
    for link in page.find_all("a", href=re.compile("^#")):
        assert link["href"][1:] in ids
    levels = [int(tag.name[1]) for tag in page.find_all(re.compile(r"^h[1-6]$"))]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert text.isprintable() or all(character.isprintable() or character in "\n\t\u202f" for character in text)


def unknown_to_libxml(message: str) -> bool:
    """libxml2's HTML parser is older than HTML5 and SVG and complains of their tags."""
    return re.match(r"^Tag (main|nav|section|header|footer|article|figure|figcaption|details|summary|svg|"
                    r"circle|path|line|rect|text|desc|polyline|tspan|title) invalid", message) is not None  # fmt: skip


@pytest.mark.parametrize("profile", ALL)
def test_every_picture_has_a_name_a_description_and_every_table_a_caption_and_scopes(
    folder: Path, profile: str
) -> None:
    page = page_of(folder, profile)

    for picture in page.find_all("svg"):
        named = picture.get("role") == "img" and picture.find("title") and picture.find("desc")
        assert named or picture.get("aria-hidden") == "true" or picture.find_parent("svg") is not None
    for table in page.find_all("table"):
        assert table.caption is not None
        assert table.caption.get_text(strip=True)
        assert all(cell.get("scope") for cell in table.find_all("th"))


@pytest.mark.parametrize("profile", ["default", "article", "demo"])
def test_the_scores_on_the_page_are_those_of_the_json(folder: Path, profile: str) -> None:
    contents = contents_of(folder, profile)
    page = BeautifulSoup(render_html(contents), "lxml")
    data = json.loads(contents.model_dump_json())

    judged = [variant["evaluated"] for variant in data["variants"]] + data["baselines"]["evaluations"]
    rows = {row["data-model"]: row for row in page.select("tr[data-model]")}
    assert set(rows) == {evaluation["model"] for evaluation in judged}
    assert len(judged) == 4
    for evaluation in judged:
        scores = evaluation["scores"]
        cells = [cell.get_text(" ", strip=True) for cell in rows[evaluation["model"]].find_all("td")]
        expected = [
            f"{scores[name]['value']:.3f} {scores[name]['low']:.3f}–{scores[name]['high']:.3f}"
            for name in ("accuracy", "balanced_accuracy", "roc_auc")
        ]
        expected += [f"{scores['negative'][name]:.3f}" for name in ("precision", "recall", "f1")]
        expected += [f"{scores['matthews']:.3f}", f"{scores['log_loss']:.3f}"]
        assert cells == expected


def test_the_funnel_adds_up_and_is_on_the_page(folder: Path) -> None:
    contents = contents_of(folder, "default")
    page = BeautifulSoup(render_html(contents), "lxml")

    for before, after in pairwise(contents.funnel):
        assert before.rows_left - after.set_aside == after.rows_left
    assert contents.funnel[0].rows_left == 9_542
    assert contents.funnel[-1].rows_left == sum(part.rows for part in contents.split.parts)
    table = page.select_one("#data details table").get_text(" ")
    for step in contents.funnel:
        assert step.title in table
        assert f"{step.rows_left:,}" in table


def test_a_collapsed_model_is_called_out_at_the_top_in_the_table_and_beside_the_article(folder: Path) -> None:
    page = page_of(folder, "article")

    first = page.select_one("#warnings li")
    assert "serious" in first["class"]
    assert "Unidirectional LSTM, seed 1 is no better than the majority" in first.get_text()
    row = page.select_one('tr[data-model="uni-seed1"]')
    assert "no better than the majority" in row.get_text()
    article = page.select_one("#article").get_text(" ")
    assert "0.830" in article
    assert "gives every review the same answer" in article
    assert "still at the entropy of the labels (0.423)" in article
    assert "no better than the majority" not in page_of(folder, "default").select_one("#scores").get_text()


def test_a_baseline_that_is_shown_to_be_better_is_a_warning(store: ArtifactStore) -> None:
    run = example_run(store, "default")
    contents = gather(run.references, run.config, store)
    pair = contents.comparison.between("bi-seed1", TFIDF)
    assert not any(caution.kind == "below_baseline" for caution in contents.cautions)

    worse = pair.model_copy(
        update={"shown": True, "balanced_accuracy_difference": Interval(value=-0.018, low=-0.035, high=-0.002)}
    )
    comparison = place(store, "compare", ComparisonSummary(comparisons=(worse,)), label="worse")
    references = run.references.model_copy(update={"comparison": comparison})
    kinds = [caution.kind for caution in gather(references, run.config, store).cautions]
    assert kinds[0] == "below_baseline"


def test_the_article_is_mentioned_in_its_profile_only(folder: Path) -> None:
    assert page_of(folder, "default").select_one("#article") is None


def test_demo_data_are_called_so_in_every_format(folder: Path, store: ArtifactStore) -> None:
    run = example_run(store, "demo")
    made_report = store.folder(report(run.references, run.config, RUN_NAME, store))

    assert (
        "These reviews were generated"
        in BeautifulSoup((made_report / "report.html").read_text("utf-8"), "lxml").select_one(".demo").get_text()
    )
    assert json.loads((made_report / "report.json").read_text("utf-8"))["demo"] is True
    assert "Demo data" in (made_report / "report.md").read_text("utf-8")
    assert page_of(folder, "default").select_one(".demo") is None


def test_a_refused_run_says_what_was_refused_what_was_seen_and_what_to_do(folder: Path) -> None:
    page = page_of(folder, "refused")

    verdict = page.select_one("#verdict").get_text(" ", strip=True)
    assert "Stopped" in verdict
    assert "At most 1 % of the rows break a row rule" in verdict
    assert "3.9 % (374 of 9,542)" in verdict
    assert "at most 1.0 %" in verdict
    assert "Look at the quarantined rows below" in verdict
    quarantine = page.select_one("#data").get_text(" ", strip=True)
    assert "fine_foods_a.csv.gz:4712" in quarantine
    assert "bad_score" in quarantine
    assert page.select_one("#scores") is None


def test_each_reason_of_the_quarantine_shows_its_first_rows(folder: Path) -> None:
    rows = contents_of(folder, "refused").quarantined_rows

    assert [(row.reason, row.line) for row in rows] == [
        ("bad_score", 4_712),
        ("bad_score", 5_003),
        ("empty_text", 812),
        ("unparseable", 9_120),
    ]


def test_any_prefix_of_a_run_makes_a_page(folder: Path) -> None:
    store, run = made(folder / "default", "default")
    whole = run.references
    known: dict[str, Any] = {}
    for name in ReportReferences.model_fields:
        known[name] = getattr(whole, name)
        contents = gather(ReportReferences(**known), run.config, store, RUN_NAME)
        page = BeautifulSoup(render_html(contents), "lxml")
        assert page.select_one("#provenance") is not None
        assert contents.outcome == ("accept" if "verdict" in known else "undecided")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_does_nothing(store: ArtifactStore, text: str) -> None:
    run = hostile_run(store, text)
    plain = example_run(ArtifactStore(store.url + "-plain"), "default")
    contents = gather(run.references, run.config, store, text)
    page = BeautifulSoup(render_html(contents), "lxml")
    reference = BeautifulSoup(
        render_html(gather(plain.references, plain.config, ArtifactStore(store.url + "-plain"), "x")), "lxml"
    )

    assert [tag.name for tag in page.find_all(True)] == [tag.name for tag in reference.find_all(True)]
    attributes = [sorted(tag.attrs) for tag in page.find_all(True)]
    assert attributes == [sorted(tag.attrs) for tag in reference.find_all(True)]
    assert text in page.select_one("#mistakes blockquote").get_text()
    assert text in page.select_one("header").get_text()


def test_terminal_escapes_and_bidi_overrides_are_spelled_out_in_every_format(store: ArtifactStore) -> None:
    run = hostile_run(store, "a\x1b[31mred\x1b[0m \u202egnp.exe\u202c\u2066 \x00\x07 \u200b\ufeff end")
    folder = store.folder(report(run.references, run.config, "run\x1b]0;owned\x07\u202e", store))

    for name in ("report.html", "report.json", "report.md"):
        text = (folder / name).read_text("utf-8")
        assert not set(text) & set("\x1b\x00\x07\u202e\u202c\u2066\u200b\ufeff")
        assert "⟨U+001B⟩" in text
        assert "⟨U+202E⟩" in text


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=100, derandomize=True)
def test_visible_text_holds_nothing_that_acts_and_keeps_all_that_is_seen(text: str) -> None:
    shown = formatting.visible(text)

    assert not any(
        character in shown for character in "\x1b\x00\r\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
    assert formatting.visible(shown) == shown
    assert [c for c in text if c.isalnum()] == [c for c in re.sub(r"⟨U\+[0-9A-F]{4,6}⟩", "", shown) if c.isalnum()]
    shown.encode("utf-8")


def test_the_page_stays_small_with_long_reviews(store: ArtifactStore) -> None:
    run = hostile_run(store, "word " * 120)

    assert len(render_html(gather(run.references, run.config, store)).encode()) < 3_000_000


def test_the_page_speaks_of_the_settings_that_differ(folder: Path) -> None:
    page = page_of(folder, "article")

    assert "--profile article --dumps fine_foods_a.csv.gz --epochs 8" in page.select_one("#provenance pre").get_text()
    differing = page.find("table", string=None, class_=None) and [
        row.th.get_text(" ", strip=True) for row in rows_below(page, "settings differ")
    ]
    assert differing == ["Dumps dumps", "Epochs epochs"]


def rows_below(page: BeautifulSoup, caption: str) -> Iterator[Any]:
    for table in page.find_all("table"):
        if caption in table.caption.get_text():
            yield from table.tbody.find_all("tr")
