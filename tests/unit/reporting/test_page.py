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

from pipeline.behavioral_tests.records import BehavioralTestsSummary
from pipeline.config import DriftConfig
from pipeline.dataset.drift import enforce_drift_limits
from pipeline.errors import DriftError
from pipeline.evaluation.assessment import warnings_for
from pipeline.evaluation.records import ComparisonSummary, EvaluationSummary, PairedCounts, VariantIdentity
from pipeline.evaluation.rules import TFIDF
from pipeline.profiling.stage import STAGE as PROFILE
from pipeline.promotion.records import GateDecision, HeadToHeadSummary, Rule
from pipeline.promotion.rule_text import row_set_sentence
from pipeline.reporting import formatting, report
from pipeline.reporting.gate_text import gate_notes
from pipeline.reporting.gathering import gather
from pipeline.reporting.html import render_html
from pipeline.reporting.records import ReportContents
from pipeline.run_state import RunState, VariantState
from pipeline.stages import STAGE_NAMES
from pipeline.statistics import Interval, wilson_interval
from pipeline.store import ArtifactReference, ArtifactStore, Outcome
from tests.factories import Given, place, replaced
from tests.unit.reporting.factories import (
    ExampleRun,
    compared,
    curves,
    example_run,
    minimal_run,
    profile_summary,
    refused_run,
    rejected_run,
    window_run,
)

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
    given = {"refused": refused_run, "rejected": rejected_run, "minimal": minimal_run, "window": window_run}
    place = given.get(profile)
    return store, place(store) if place is not None else example_run(store, profile)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


DRAWN = frozenset({"title", "desc", "g", "path", "line", "rect", "circle", "polyline", "text", "tspan", "use", "defs",
                   "clippath", "svg"})  # fmt: skip


@cache
def plain_page(folder: Path) -> str:
    store = ArtifactStore(str(folder / "plain"))
    run = hostile_run(store, "plain")
    return render_html(gather(run.state, run.config, store, "x"))


def with_models(run: ExampleRun, variants: tuple[VariantState, ...] | None = None, **artifacts: Any) -> RunState:
    """Return the run with other variants or artifacts."""
    state = replaced(run.state, artifacts)
    return state if variants is None else state.model_copy(update={"variants": variants})


@cache
def contents_of(folder: Path, profile: str) -> ReportContents:
    store, run = made(folder / profile, profile)
    return gather(run.state, run.config, store, RUN_NAME)


@cache
def text_of(folder: Path, profile: str) -> str:
    return render_html(contents_of(folder, profile))


def page_of(folder: Path, profile: str) -> BeautifulSoup:
    return BeautifulSoup(text_of(folder, profile), "lxml")


def hostile_run(store: ArtifactStore, text: str) -> ExampleRun:
    planted = dict.fromkeys(("review", "file_name", "origin", "word", "label", "case", "champion", "reason"), text)
    return window_run(store, seeds=[1], **planted)


ALL = ("default", "article", "demo", "refused", "rejected", "minimal", "window")


@pytest.mark.parametrize("profile", ALL)
def test_the_page_fetches_nothing_and_runs_nothing(folder: Path, profile: str) -> None:
    page = page_of(folder, profile)

    assert not page.find_all(["script", "iframe", "object", "embed", "form", "base", "audio", "video"])
    assert all(not name.lower().startswith("on") for tag in page.find_all(True) for name in tag.attrs)
    assert all("style" not in tag.attrs for tag in page.find_all(True))
    allowed = re.compile(r"(#[a-z0-9-]+|data:,|data_docs_(raw|clean)/index\.html)")
    for tag in page.find_all(True):
        for name in ("src", "href", "xlink:href", "data", "action", "poster", "srcset"):
            assert allowed.fullmatch(tag.attrs.get(name, "data:,")), tag
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
    text = text_of(folder, profile)
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
    regions = [region["aria-label"] for region in page.find_all(role="region")]
    assert len(regions) == len(set(regions))
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


@pytest.mark.parametrize("profile", ["default", "article", "minimal"])
def test_the_scores_on_the_page_are_those_of_the_json(folder: Path, profile: str) -> None:
    contents, page = contents_of(folder, profile), page_of(folder, profile)
    data = json.loads(contents.model_dump_json())

    judged = [variant["evaluated"] for variant in data["variants"]] + data["baselines"]["evaluations"]
    rows = {row["data-model"]: row for row in page.select("tr[data-model]")}
    assert set(rows) == {evaluation["model"] for evaluation in judged}
    for evaluation in judged:
        scores = evaluation["scores"]
        cells = [cell.get_text(" ", strip=True) for cell in rows[evaluation["model"]].find_all("td")]
        assert cells == [
            f"{scores[name]['value']:.3f} {scores[name]['low']:.3f}–{scores[name]['high']:.3f}"
            for name in ("balanced_accuracy", "roc_auc", "accuracy", "negative_pr_auc", "matthews")
        ]


def test_the_funnel_adds_up_and_is_on_the_page(folder: Path) -> None:
    contents, page = contents_of(folder, "default"), page_of(folder, "default")

    for before, after in pairwise(contents.funnel):
        assert before.rows_left - after.excluded == after.rows_left
    assert contents.funnel[0].rows_left == 9_542
    assert contents.funnel[-1].rows_left == sum(part.rows for part in contents.split.splits)
    shown = page.select_one("#data").get_text(" ")
    for step in contents.funnel:
        assert step.title in shown
        assert f"{step.rows_left:,}" in shown


def test_the_rating_scale_is_on_the_page(folder: Path) -> None:
    shown = " ".join(page_of(folder, "default").select_one("#data").get_text(" ").split())
    assert "Rating scale 1-5 , recognized from all values: 1, 2 are negative; 3 is neutral; 4, 5 are positive" in shown


def test_both_funnels_of_a_window_add_up_and_are_on_the_page(folder: Path) -> None:
    contents = contents_of(folder, "window")
    data = page_of(folder, "window").select_one("#data")

    for steps in (contents.funnel, contents.window_funnel):
        for before, after in pairwise(steps):
            assert before.rows_left - after.excluded == after.rows_left
    own = contents.window.dumps[-1]
    assert contents.funnel[0].rows_left == 9_542
    assert contents.funnel[-1].rows_left == contents.clean.positive + contents.clean.negative == own.rows
    assert contents.window_funnel[0].rows_left == 4_310 + 6_204 + own.rows
    assert contents.window_funnel[1].excluded == 5_211
    assert contents.window_funnel[-1].rows_left == sum(part.rows for part in contents.split.splits)
    assert {picture["id"] for picture in data.select("figure")} >= {"figure-funnel", "figure-window"}
    # The run's own funnel ends before the parts: those are made of other dumps' reviews, too.
    assert "train" not in data.select_one("#figure-funnel").get_text()
    assert "train" in data.select_one("#figure-window").get_text()


def test_the_window_names_its_dumps_oldest_first_and_sums_them_up(folder: Path) -> None:
    rows = [
        [cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"])]
        for row in rows_below(page_of(folder, "window"), "dumps of the training window")
    ]

    assert rows == [
        ["fine_foods_2010.csv.gz", "0a0a0a0a0a0a", "2026-08-02 04:01 UTC", "4,310", "0", "4,310"],
        ["fine_foods_2011.csv.gz", "7e7e7e7e7e7e", "2026-09-02 04:01 UTC", "6,204", "612", "5,592"],
        ["fine_foods_a.csv.gz of this run", "5d1f4bcf1f9e", "2026-10-02 04:01 UTC", "8,530", "4,599", "3,931"],
        ["Total", "", "", "19,044", "5,211", "13,833"],
    ]
    assert not list(rows_below(page_of(folder, "default"), "dumps of the training window"))
    answer = contents_of(folder, "window").summary_questions.data.evidence
    assert "The training window has 13,833 reviews of 3 dumps." in answer


def test_a_run_that_stopped_behind_the_merge_shows_its_window(folder: Path) -> None:
    store, run = made(folder / "window", "window")
    data = replaced(run.state, dict.fromkeys(("split", "check_leakage", "fit_vocabulary", "encode")))
    contents = gather(data, run.config, store, RUN_NAME)

    assert contents.window_funnel[-1].rows_left == 13_833
    assert "Training window" in BeautifulSoup(render_html(contents), "lxml").select_one("#data").get_text()


def test_a_long_window_folds_away(folder: Path) -> None:
    contents = contents_of(folder, "window")
    window = contents.window.model_copy(update={"dumps": contents.window.dumps * 5})
    page = BeautifulSoup(render_html(contents.model_copy(update={"window": window})), "lxml")

    assert (
        "All 15 dumps" in page.select_one("#data details > summary:-soup-contains('of the training window')").get_text()
    )


def test_an_artifact_that_stands_for_two_roles_is_counted_once(folder: Path) -> None:
    keys = [(stage.stage, stage.key) for stage in contents_of(folder, "default").stages]

    assert len(keys) == len(set(keys))
    assert "build_dataset" in [stage.role for stage in contents_of(folder, "window").stages]


def test_the_gate_says_what_becomes_of_the_model_and_shows_every_rule(folder: Path) -> None:
    section = page_of(folder, "default").select_one("#gate")

    assert section.h2.get_text() == "Promotion"
    assert section.select_one(".lead").get_text().startswith("Needs approval. Bidirectional LSTM, seed 2 needs")
    assert "The champion page and its history show" in section.get_text()
    rules = {
        row.select_one(".mono").get_text(): [cell.get_text(" ", strip=True) for cell in row.find_all("td")]
        for row in rows_below(section, "A failed rule that rejects decides first")
    }
    assert rules == {
        "finite_scores": ["✓ passed", "0", "0"],
        "better_than_majority": ["✓ passed", rules["better_than_majority"][1], "0.510"],
        "not_below_tfidf": ["✓ passed", "−0.023", "−0.050"],
        "export_matches": ["✓ passed", "2e-7", "0.0001"],
        "enough_compared_rows": ["✕ failed is inconclusive", "233", "601"],
    }
    # The cover gives the reasons of the acceptance check.
    assert len(page_of(folder, "default").select("#acceptance .reasons li")) == 3


def test_challenger_and_champion_stand_beside_each_other_on_both_row_sets(folder: Path) -> None:
    contents = contents_of(folder, "default")
    section = page_of(folder, "default").select_one("#gate")

    tables = [table for table in section.find_all("table") if "each at its own threshold" in table.caption.get_text()]
    assert len(tables) == 2
    for table, row_set in zip(
        tables, (contents.challenge.challenger_test, contents.challenge.champion_test), strict=True
    ):
        challenger, champion, difference = (
            [cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"])]
            for row in table.tbody.find_all("tr")
        )
        assert challenger[0] == "Challenger Bidirectional LSTM, seed 2"
        assert champion[0] == "Champion Bidirectional LSTM, seed 3"
        for cells, figures in ((challenger, row_set.challenger), (champion, row_set.champion)):
            assert cells[1:] == [
                formatting.score(figures.balanced_accuracy),
                formatting.score(figures.accuracy),
                formatting.share(figures.negative_recall),
                formatting.score(figures.calibration_error),
            ]
        interval = row_set.differences.negative_recall
        assert difference[3] == f"{formatting.points(interval.value)} {formatting.points_interval(interval)}"
        assert row_set_sentence(row_set) in section.get_text()
    assert "only the challenger is right" in section.get_text()


def test_kinds_of_reviews_stand_worst_first_and_are_cut(folder: Path) -> None:
    contents = contents_of(folder, "default")
    rows = list(rows_below(page_of(folder, "default").select_one("#gate"), "worst for the challenger"))

    assert len(contents.challenge.challenger_test.slices) == 26
    assert len(rows) == 20
    shown = [float(row.find_all("td")[-1].get_text().split()[0].replace("−", "-")) for row in rows]
    assert shown == sorted(shown)
    assert shown[0] < 0
    assert "6 better ones are in report.json" in rows[0].find_parent("table").caption.get_text()


def gate_result(folder: Path, profile: str = "default", *, challenge: bool = True, **changes: Any) -> ReportContents:
    """Return a run whose gate decided something else, or that was not compared."""
    store, run = made(folder / profile, profile)
    decision = store.summary(run.state["gate"], GateDecision).model_copy(update=changes)
    references = with_models(
        run,
        gate=place(store, "gate", decision, label=repr(sorted(changes.items()))),
        compare_to_champion=run.state.get("compare_to_champion") if challenge else None,
    )
    return gather(references, run.config, store, RUN_NAME)


def test_first_forced_and_demo_decisions_say_so(folder: Path) -> None:
    def notes(contents: ReportContents) -> str:
        return " ".join(gate_notes(contents.gate))

    assert page_of(folder, "default").select_one("#gate > ul") is None
    on_the_page = [item.get_text() for item in page_of(folder, "demo").select("#gate > ul li")]
    assert [note.partition(":")[0] for note in on_the_page] == ["First champion", "Demo"]
    forced = gate_result(folder, force_reason="it is better", decision="promoted")
    assert notes(forced).startswith("By force")
    assert forced.summary_questions.better_than_champion.evidence.endswith(
        "A user promotes it regardless of the rules."
    )
    replaced = gate_result(folder, challenge=False, first=True, champion_title="The demo's model")
    assert "First champion of real reviews: The demo's model" in notes(replaced)
    assert replaced.summary_questions.better_than_champion.answer == "Not compared"


def test_the_model_in_service_is_compared_where_it_can_be(folder: Path, store: ArtifactStore) -> None:
    assert contents_of(folder, "article").summary_questions.better_than_champion.answer == "No champion yet"
    assert contents_of(folder, "minimal").summary_questions.better_than_champion.answer == "No champion yet"
    told = contents_of(folder, "default").summary_questions.better_than_champion.evidence
    assert "compared with Bidirectional LSTM, seed 3" in told
    assert "right on 45 reviews, only the other on 34" in told
    assert told.endswith("Its promotion needs manual approval.")

    uncompared = gate_result(folder, challenge=False).summary_questions.better_than_champion
    assert (uncompared.answer, uncompared.status) == ("Not compared", "unknown")
    itself = Rule(code="new_model", passed=False, if_failed="kept", details={"run_name": "run"})
    same = gate_result(folder, challenge=False, rules=(itself,), decision="kept").summary_questions.better_than_champion
    assert same.answer == "It is the champion"
    assert same.evidence.endswith("The gate keeps the champion.")


@pytest.mark.parametrize(
    ("interval", "answer"),
    [((0.01, 0.002, 0.02), "Yes"), ((-0.03, -0.05, -0.01), "No, worse"), ((0.01, 0.0, 0.02), "Not shown")],
)
def test_better_than_the_champion_means_beyond_chance(
    folder: Path, interval: tuple[float, float, float], answer: str
) -> None:
    store, run = made(folder / "default", "default")
    challenge = store.summary(run.state["compare_to_champion"], HeadToHeadSummary)
    value, low, high = interval
    differences = challenge.challenger_test.differences.model_copy(
        update={"balanced_accuracy": Interval(value=value, low=low, high=high)}
    )
    own_test = challenge.challenger_test.model_copy(update={"differences": differences})
    head_to_head = place(
        store, "compare_to_champion", challenge.model_copy(update={"challenger_test": own_test}), label=answer
    )
    contents = gather(with_models(run, compare_to_champion=head_to_head), run.config, store)

    assert contents.summary_questions.better_than_champion.answer == answer


def test_without_a_class_there_is_no_balanced_accuracy_to_compare(folder: Path) -> None:
    store, run = made(folder / "default", "default")
    challenge = store.summary(run.state["compare_to_champion"], HeadToHeadSummary)
    own_test = challenge.challenger_test.model_copy(update={"negative": PairedCounts()})
    none = challenge.challenger_test.model_copy(update={"negative": PairedCounts(), "rows": 0, "differences": None})
    for row_set, told in ((own_test, "n/a"), (none, "There is nothing to compare.")):
        changed = challenge.model_copy(update={"challenger_test": row_set, "champion_test": None})
        head_to_head = place(store, "compare_to_champion", changed, label=told)
        contents = gather(with_models(run, compare_to_champion=head_to_head), run.config, store)
        section = BeautifulSoup(render_html(contents), "lxml").select_one("#gate").get_text()
        assert told in section
        assert "use the same split" in section
        assert contents.summary_questions.better_than_champion.answer == "Not compared"


def test_a_run_that_stopped_in_front_of_the_gate_says_nothing_of_a_champion(folder: Path) -> None:
    store, run = made(folder / "default", "default")
    stopped = with_models(run, compare_to_champion=None, gate=None).model_copy(update={"refusal": "The store is full."})
    contents = gather(stopped, run.config, store)

    assert contents.summary_questions.better_than_champion is None
    assert BeautifulSoup(render_html(contents), "lxml").select_one("#gate") is None


def test_a_refusal_by_drift_says_which_figures_and_what_to_do(store: ArtifactStore) -> None:
    run = example_run(store, "default", seeds=[1])
    limits = DriftConfig(max_label_shift=0.0001, max_psi=0.02)
    comparison = profile_summary().comparison.model_copy(
        update={"positive_share_shift": Interval(value=-0.2, low=-0.22, high=-0.18)}
    )
    profiled = place(store, "profile", profile_summary().model_copy(update={"comparison": comparison}), label="far")
    with pytest.raises(DriftError) as refused:
        enforce_drift_limits(profiled, limits, store)
    kept = {name: run.state[name] for name in ("fetch", "ingest", "validate_raw", "clean", "validate_clean")}
    references = RunState(artifacts={**kept, "profile": profiled}, refusal=str(refused.value))
    config = run.config.model_copy(update={"drift": limits})
    contents = gather(references, config, store)

    assert contents.outcome == "stopped"
    assert contents.headline == (
        "Training was refused. The dump differs from the champion's training data: Share of positive reviews: -20.0 "
        "points (-22.0 to -18.0); the limit is 0. Length in words: population stability index 0.033; the limit is 0.02."
    )
    assert contents.next_step.startswith("Check whether stars or labels were inverted")
    assert "raise 'Maximum PSI' (max_psi)." in contents.next_step
    page = BeautifulSoup(render_html(contents), "lxml")
    assert "- Length in words" in page.select_one("#acceptance pre.message").get_text()
    # Another message that looks like it is shown as it is.
    forged = references.model_copy(update={"refusal": str(refused.value) + "\n- a."})
    assert gather(forged, config, store).headline.startswith(
        "The run stopped before its acceptance check: The dump differs"
    )


def test_earlier_reviews_of_several_dumps_are_not_taken_for_one(store: ArtifactStore) -> None:
    run = example_run(store, "default", seeds=[1])
    profiled = store.produce(
        PROFILE,
        inputs={"previous_clean": ArtifactReference(stage="merge", key="1" * 32)},
        params=Given(label="window"),
        build=lambda _: Outcome(profile_summary()),
    )
    contents = gather(replaced(run.state, {"profile": profiled}), run.config, store)

    told = "fine_foods_2011.csv.gz and the other dumps of its training window"
    assert told in BeautifulSoup(render_html(contents), "lxml").select_one("#data").get_text()
    assert told not in render_html(gather(run.state, run.config, store))


def test_a_collapsed_model_is_called_out_at_the_top_in_the_table_and_beside_the_article(folder: Path) -> None:
    page = page_of(folder, "article")

    first = page.select_one("#acceptance .warnings li")
    assert "serious" in first["class"]
    assert "Unidirectional LSTM, seed 1 is no better than the majority" in first.get_text()
    row = page.select_one('tr[data-model="uni-seed1"]')
    assert "no better than the majority" in row.get_text()
    article = page.select_one("#article").get_text(" ")
    assert "0.830" in article
    assert "predicts the same class for every review" in article
    assert "stayed at 0.424; the label entropy is 0.423" in article
    assert "no better than the majority" not in page_of(folder, "default").select_one("#scores").get_text()


LSTM, COUNTED = "Bidirectional LSTM, seed 2", "TF-IDF with logistic regression"


@pytest.mark.parametrize(
    ("difference", "significant", "title", "answer"),
    [
        (0.018, True, None, "Yes"),
        (0.004, False, f"{LSTM} is not shown to be better than {COUNTED}", "Not shown"),
        (-0.004, False, f"{LSTM} is not shown to be better than {COUNTED}", "Not shown"),
        (-0.018, True, f"{COUNTED} is better than {LSTM}", "No, worse"),
    ],
)
def test_an_lstm_that_is_not_shown_to_beat_a_baseline_is_called_not_worth_its_cost(
    store: ArtifactStore, difference: float, *, significant: bool, title: str | None, answer: str
) -> None:
    contents = compared_with_tfidf(store, difference, significant=significant)
    found = [warning for warning in contents.warnings if warning.code == "below_baseline"]
    assert [warning.title for warning in found] == ([] if title is None else [title])
    assert contents.summary_questions.better_than_tfidf.answer == answer
    for warning in found:
        assert "points more balanced accuracy" in warning.text
        assert "not worth its cost here: it was trained in" in warning.text
        assert f"{COUNTED} in 14 s." in warning.text


def test_an_lstm_is_compared_with_averaged_vectors_too(store: ArtifactStore) -> None:
    """TF-IDF is beaten; the network without an LSTM, which is better, is not."""
    averaged = VariantIdentity(direction="none", seed=1, group="none", group_title="Averaged vectors")
    contents = compared_with_tfidf(store, 0.05, significant=True, rival=averaged)
    (found,) = [warning for warning in contents.warnings if warning.code == "below_baseline"]
    assert found.title == f"Averaged vectors is better than {LSTM}"


def compared_with_tfidf(
    store: ArtifactStore, difference: float, *, significant: bool, rival: VariantIdentity | None = None
) -> ReportContents:
    """Return the report of a run whose best LSTM differs by so much from TF-IDF, and loses to ``rival``."""
    run = example_run(store, "default")
    evidence = gather(run.state, run.config, store)
    ends = {"low": difference - 0.01, "high": difference + 0.01}
    pairs = [
        evidence.comparison.between("bi-seed2", TFIDF).model_copy(
            update={
                "significant": significant,
                "balanced_accuracy_difference": Interval(value=difference, **ends),
            }
        )
    ]
    variants = run.state.variants
    if rival is not None:
        best = evidence.best.evaluated
        named = best.model_copy(update={"variant": rival, "model": "none-seed1", "title": rival.group_title})
        pairs.append(compared(named, best, difference=0.03))
        last = replaced(variants[0], {"evaluate": place(store, "evaluate", named, label="averaged")})
        variants = (last.model_copy(update={"name": "none-seed1", "direction": "none"}), *variants[1:])
    comparison = place(store, "compare", ComparisonSummary(comparisons=tuple(pairs)), label=f"difference {difference}")
    state = with_models(run, compare=comparison).model_copy(update={"variants": variants})
    return gather(state, run.config, store)


def test_what_each_model_costs_is_a_table(folder: Path) -> None:
    tables = page_of(folder, "default").select("#scores table")
    table = next(one for one in tables if "Training time" in one.caption.get_text())
    rows = {row.th.get_text(): [cell.get_text() for cell in row.select("td")] for row in table.select("tbody tr")}
    assert rows[COUNTED] == ["14 s", "8,150", "3.4 MB"]
    # 2,212 reviews in 1.2 seconds, and the file that the factory writes.
    assert rows[LSTM][1:] == ["1,843", "2 kB"]
    assert len(rows) == 5


def test_the_article_is_mentioned_in_its_profile_only(folder: Path) -> None:
    assert page_of(folder, "default").select_one("#article") is None


def test_demo_data_are_called_so_in_every_format(folder: Path, store: ArtifactStore) -> None:
    run = example_run(store, "demo")
    made_report = store.folder(report(run.state, run.config, RUN_NAME, store))

    assert (
        "The reviews are generated"
        in BeautifulSoup((made_report / "report.html").read_text("utf-8"), "lxml").select_one(".demo").get_text()
    )
    assert json.loads((made_report / "report.json").read_text("utf-8"))["demo"] is True
    assert "Demo data" in (made_report / "report.md").read_text("utf-8")
    assert page_of(folder, "default").select_one(".demo") is None


def test_a_refused_run_says_what_was_refused_what_was_seen_and_what_to_do(folder: Path) -> None:
    page = page_of(folder, "refused")

    acceptance = page.select_one("#acceptance").get_text(" ", strip=True)
    assert "Stopped" in acceptance
    assert "At most 1 % of the rows break a row rule" in acceptance
    assert "3.9 % (374 of 9,542)" in acceptance
    assert "at most 1.0 %" in acceptance
    assert "Look at the quarantined rows below" in acceptance
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
    state = RunState()
    for name in STAGE_NAMES:
        if name in run.state.artifacts:
            state = state.with_artifact(name, run.state[name])
        elif name == "run_behavioral_tests":
            state = state.model_copy(update={"device": run.state.device, "variants": run.state.variants})
        contents = gather(state, run.config, store, RUN_NAME)
        assert BeautifulSoup(render_html(contents), "lxml").select_one("#provenance") is not None
        assert contents.outcome == ("accepted" if "check_acceptance" in state.artifacts else "undecided")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_does_nothing(store: ArtifactStore, folder: Path, text: str) -> None:
    run = hostile_run(store, text)
    contents = gather(run.state, run.config, store, text)
    page = BeautifulSoup(render_html(contents), "lxml")
    reference = BeautifulSoup(plain_page(folder), "lxml")

    # Pictures may need another number of marks for another text, but no other kinds of them.
    for drawn in (*page.find_all("svg"), *reference.find_all("svg")):
        assert {tag.name for tag in drawn.find_all(True)} <= DRAWN
        drawn.clear()
    assert [tag.name for tag in page.find_all(True)] == [tag.name for tag in reference.find_all(True)]
    attributes = [sorted(tag.attrs) for tag in page.find_all(True)]
    assert attributes == [sorted(tag.attrs) for tag in reference.find_all(True)]
    assert text in page.select_one("#explanation blockquote").get_text()
    for section in ("#gate", "#slices", "#behavior", "#explanation", "#data", "#provenance"):
        assert text in page.select_one(section).get_text(), section
    assert text in page.select_one("header").get_text()


def test_terminal_escapes_and_bidi_overrides_are_spelled_out_in_every_format(store: ArtifactStore) -> None:
    run = hostile_run(store, "a\x1b[31mred\x1b[0m \u202egnp.exe\u202c\u2066 \x00\x07 \u200b\ufeff end")
    folder = store.folder(report(run.state, run.config, "run\x1b]0;owned\x07\u202e", store))

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


def test_the_page_stays_small_with_long_reviews_full_curves_and_six_variants(store: ArtifactStore) -> None:
    run = example_run(store, "default", seeds=[1, 2, 3], review="word " * 120)
    contents = gather(run.state, run.config, store)
    full = curves(0.93, points=200)

    def with_full_curves(judged: EvaluationSummary) -> EvaluationSummary:
        return judged.model_copy(update={"curves": full, "mistakes": judged.mistakes * 6})

    variants = tuple(
        variant.model_copy(update={"evaluated": with_full_curves(variant.evaluated)}) for variant in contents.variants
    )
    assert len(variants) == 6
    assert len(full.roc) >= 200
    assert len(render_html(contents.model_copy(update={"variants": variants})).encode()) < 3_000_000


def test_every_section_is_there_when_its_figures_are(folder: Path) -> None:
    def sections(profile: str) -> list[str]:
        page = page_of(folder, profile)
        linked = [link["href"][1:] for link in page.select("nav a")]
        assert linked == [section["id"] for section in page.select("main > section")]
        return linked

    all_but_the_article = ["acceptance", "gate", "warnings", "scores", "comparison", "curves", "confusion", "slices",
                           "behavior", "explanation", "data", "provenance"]  # fmt: skip
    assert sections("default") == all_but_the_article
    assert sections("article") == [*all_but_the_article[:5], "article", *all_but_the_article[5:]]
    assert sections("refused") == ["acceptance", "warnings", "data", "provenance"]
    assert not {"gate", "slices", "behavior", "article"} & set(sections("minimal"))


def test_the_first_screen_answers_what_a_reader_asks(folder: Path) -> None:
    contents = contents_of(folder, "default")
    page = page_of(folder, "default")

    asked = {row.dt.get_text(): row.dd.get_text(" ", strip=True) for row in page.select("#acceptance .questions > div")}
    assert asked == {
        "Can I use this model?": "✓ Yes",
        "Is it better than always predicting the majority class?": "✓ Yes",
        "Is it better than TF-IDF with logistic regression?": "? Not shown",
        "Is it better than Unidirectional LSTM, seed 1?": "? Not shown",
        "Is it better than the champion?": "? Not shown",
        "Which data was it trained on?": "? Newest review 14 years old",
        "Where does it fail?": "✕ Stars: 4 stars; Negation: with a negation",
    }
    tiles = page.select_one("#acceptance .figures").get_text(" ", strip=True)
    scores = contents.best.evaluated.scores
    for figure in (scores.balanced_accuracy, scores.accuracy, scores.roc_auc):
        assert f"{figure.value:.3f} {figure.low:.3f}–{figure.high:.3f}" in tiles
    assert f"TF-IDF {contents.tfidf.scores.balanced_accuracy.value:.3f}" in tiles


def test_a_refused_model_says_so_first_and_names_the_rule(folder: Path) -> None:
    page = page_of(folder, "rejected")

    assert page.h1.get_text() == "The model is rejected"
    reasons = [reason.get_text(" ", strip=True) for reason in page.select("#acceptance .reasons li")]
    assert len(reasons) == 1
    assert reasons[0].startswith("✕ Failed: Balanced accuracy is")
    trust = page.select_one("#acceptance .questions > div")
    assert "bad" in trust["class"]
    assert "fails 1 of 3 rules of the acceptance check" in trust.get_text()


def test_serious_warnings_stand_on_the_first_screen(folder: Path) -> None:
    page = page_of(folder, "article")

    assert "no better than the majority" in page.select_one("#acceptance .warnings .serious").get_text()
    assert page_of(folder, "default").select_one("#acceptance .warnings") is None


def test_words_are_marked_by_effect_in_shape_and_named_in_text(folder: Path) -> None:
    page = page_of(folder, "default")

    marked = {span.get_text(): span["class"][0] for span in page.select("#explanation .text span")}
    assert marked["love"] == "effect-positive-3"
    assert marked["awful"] == "effect-negative-3"
    assert marked["wanted"] == "effect-negative-1"
    assert "smell" not in marked
    named = page.select_one("#explanation article").get_text()
    assert "Towards negative: awful (÷4.2), not (÷2.4)" in named
    for name in set(marked.values()):
        assert page.select_one(f"#explanation .legend .{name}") is not None
    assert "text-decoration-style: dashed" in page.style.string


def test_behavior_tests_stand_beside_the_baseline(folder: Path) -> None:
    page = page_of(folder, "default")

    row = next(row for row in page.select("#behavior .stack tbody tr") if "Praise that is negated" in row.get_text())
    cells = {cell["data-label"]: cell.get_text(" ", strip=True) for cell in row.find_all("td")}
    assert cells["Bidirectional LSTM, seed 2"].startswith("64.6\u202f%")
    assert cells["TF-IDF with logistic regression"].startswith("29.2\u202f%")
    assert next(iter(cells)) == "Bidirectional LSTM, seed 2"
    assert "The coffee was not bad at all." in page.select_one("#behavior .cases").get_text()


def test_slices_too_small_to_tell_say_so(folder: Path) -> None:
    rows = page_of(folder, "default").select("#slices .stack tbody tr")
    texts = [row.get_text(" ", strip=True) for row in rows]

    small = [text for text in texts if "too few reviews" in text]
    assert len(small) == 1
    assert small[0].startswith("Votes: 10 and more")


def test_what_changed_since_the_previous_dump_is_told(folder: Path) -> None:
    contents = contents_of(folder, "default")
    data = page_of(folder, "default").select_one("#data").get_text(" ")

    assert "fine_foods_2011.csv.gz" in data
    assert "keurig" in data
    assert [warning.title for warning in contents.warnings if warning.code == "drift"] == [
        "The reviews have drifted from earlier ones"
    ]


def test_many_warnings_fold_away_but_never_a_serious_one(folder: Path) -> None:
    contents = contents_of(folder, "default")
    serious = tuple(
        contents.warnings[0].model_copy(update={"serious": True, "title": f"Serious {number}"}) for number in range(9)
    )
    changed = contents.model_copy(update={"warnings": serious + contents.warnings})
    page = BeautifulSoup(render_html(changed), "lxml")

    assert len(page.select("#acceptance > .warnings .serious")) == 9
    assert not page.select("#warnings .serious")
    assert len(page.select("#warnings .warnings li")) == len(contents.warnings)


def test_every_picture_of_the_page_carries_its_table(folder: Path) -> None:
    figures = page_of(folder, "default").select("figure.picture")

    assert len(figures) >= 10
    for figure in figures:
        assert figure.figcaption.get_text(strip=True)
        assert figure.find("svg", recursive=False)["role"] == "img"
        # Its own, or the section's where that has the same figures.
        assert figure.select("details table tbody tr") or figure.find_parent("section").select("table tbody tr")


def test_the_page_speaks_of_the_settings_that_differ(folder: Path) -> None:
    page = page_of(folder, "article")

    assert "--profile article --dumps fine_foods_a.csv.gz --epochs 8" in page.select_one("#provenance pre").get_text()
    differing = [row.th.get_text(" ", strip=True) for row in rows_below(page, "settings differ")]
    assert differing == ["Dumps dumps", "Epochs epochs"]


def test_the_page_says_what_the_linear_part_gives(folder: Path) -> None:
    text = page_of(folder, "default").select_one("#curves").get_text(" ", strip=True)

    assert "network 0.930, linear part 0.945, both 0.951" in text
    assert "linear part" not in page_of(folder, "article").select_one("#curves").get_text()


def rows_below(page: BeautifulSoup, caption: str) -> Iterator[Any]:
    for table in page.find_all("table"):
        if caption in table.caption.get_text():
            yield from table.tbody.find_all("tr")


def test_a_model_that_fails_plain_sentences_is_a_serious_warning(store: ArtifactStore) -> None:
    run = example_run(store, "default", seeds=[1])
    best = run.state.variants[-1]
    behavioral_tests = store.summary(best["run_behavioral_tests"], BehavioralTestsSummary)
    plain = behavioral_tests.tests[0].model_copy(update={"passed": 12, "pass_rate": wilson_interval(12, 60)})
    failing = place(
        store, "run_behavioral_tests", behavioral_tests.model_copy(update={"tests": (plain,)}), label="failing"
    )
    variants = (*run.state.variants[:-1], replaced(best, {"run_behavioral_tests": failing}))
    contents = gather(with_models(run, variants=variants), run.config, store)

    assert contents.warnings[0].serious
    assert contents.warnings[0].code == "failed_behavior"
    assert "12 of 60 cases" in contents.warnings[0].text
    assert contents.summary_questions.usable.answer == "Read the warnings first"
    assert "Plain praise and complaint" in contents.summary_questions.weaknesses.evidence


@pytest.mark.parametrize(("low", "told"), [(0.051, True), (0.049, False)])
def test_probabilities_that_are_no_chances_are_told_beyond_the_bound(
    store: ArtifactStore, low: float, told: bool
) -> None:
    run = example_run(store, "default", seeds=[1])
    best = run.state.variants[-1]
    judged = store.summary(best["evaluate"], EvaluationSummary)
    error = Interval(value=0.08, low=low, high=0.11)
    changed = judged.model_copy(update={"scores": judged.scores.model_copy(update={"calibration_error": error})})
    changed = changed.model_copy(update={"warnings": tuple(warnings_for(changed))})
    evaluated = place(store, "evaluate", changed, label="calibrated")
    variants = (*run.state.variants[:-1], replaced(best, {"evaluate": evaluated}))
    contents = gather(with_models(run, variants=variants), run.config, store)

    assert any(warning.code == "calibration" for warning in contents.warnings) == told
