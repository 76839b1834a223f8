"""What a reader of the model card would miss: every section, this run's own figures, and inert text from outside."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.reporting import formatting, model_card
from pipeline.reporting.gathering import gather
from pipeline.reporting.model_card import SECTIONS, ModelCardError, render_model_card, sections
from pipeline.reporting.records import ReportContents
from pipeline.statistics import Interval
from pipeline.store import ArtifactStore
from tests.unit.reporting.factories import example_run, minimal_run, refused_run, rejected_run, window_run

HOSTILE = (
    "| cell | `code` <script>alert(1)</script> [here](javascript:alert(2)) ![x](http://evil/x.png) @all\n"
    "## Model details\n\n- item\u202e"
)


def gathered(folder: Path, make: Any = example_run, *arguments: Any, **changes: Any) -> ReportContents:
    store = ArtifactStore(str(folder))
    run = make(store, *arguments, **changes)
    return gather(run.state, run.config, store, changes.get("run_name", "run"))


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (example_run, ()),
        (example_run, ("article",)),
        (example_run, ("demo",)),
        (rejected_run, ()),
        (refused_run, ()),
        (minimal_run, ()),
        (window_run, ()),
    ],
    ids=["complete", "collapsed", "demo", "rejected", "refused", "minimal", "window"],
)
def test_no_section_is_missing_or_empty(tmp_path: Path, make: Any, arguments: tuple[Any, ...]) -> None:
    card = render_model_card(gathered(tmp_path, make, *arguments))
    found = sections(card)
    assert tuple(found) == SECTIONS
    for body in found.values():
        assert len(body.split()) > 5
        assert not re.search(r"^\|[-|]+\|$(?!\n\|)", body, re.MULTILINE)
    assert "None" not in card
    assert "\n\n\n" not in card


def test_a_refused_run_says_in_each_section_about_a_model_that_none_came_of_it(tmp_path: Path) -> None:
    card = render_model_card(gathered(tmp_path, refused_run))
    found = sections(card)
    for name in set(SECTIONS) - {"Evaluation data"}:
        assert "this run has no model" in found[name].lower(), name
    assert "did not reach its split" in found["Evaluation data"]
    assert "9,542 read" in found["Training data"]
    assert "374 of 9,542" in found["Model details"]


def test_the_figures_are_those_of_the_json(tmp_path: Path) -> None:
    contents = gathered(tmp_path)
    data = json.loads(contents.model_dump_json())
    found = sections(render_model_card(contents))
    rows = [line for line in found["Quantitative analyses"].splitlines() if line.startswith("| ")][1:]
    judged = [variant["evaluated"] for variant in data["variants"]] + data["baselines"]["evaluations"]
    assert len(rows) == len(judged)
    for row, item in zip(rows, judged, strict=True):
        expected = [item["scores"][name] for name in ("balanced_accuracy", "accuracy", "roc_auc")]
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[0].startswith(item["title"])
        assert cells[1:4] == [f"{one['value']:.3f} ({one['low']:.3f}–{one['high']:.3f})" for one in expected]
        recall = item["scores"]["negative"]["recall"]["value"]
        assert cells[4].startswith(formatting.markdown(formatting.share(recall)))
    best = next(variant for variant in data["variants"] if variant["name"] == data["best_variant"])
    assert f"{best['trained']['weights']:,} weights" in found["Model details"]
    assert f"{best['evaluated']['threshold']:.3f}" in found["Model details"]
    test = next(part for part in data["split"]["splits"] if part["name"] == "test")
    assert f"{test['rows']:,} reviews" in found["Evaluation data"]
    missed = 1 - best["evaluated"]["scores"]["negative"]["recall"]["value"]
    assert f"misses {formatting.markdown(formatting.share(missed))}" in found["Ethical considerations"]


def test_the_dumps_of_the_window_are_named_with_their_digests(tmp_path: Path) -> None:
    training = sections(render_model_card(gathered(tmp_path, window_run)))["Training data"]
    assert "- Training window: 3 dumps, 19,044 clean reviews; " in training
    assert (
        "; Duplicate of a review of an earlier dump: 5,211 excluded; Near-duplicate of a row in another split: 7 "
        "excluded; 13,826 left." in training
    )
    dumps = [line for line in training.splitlines() if line.startswith("- Dump received")]
    assert [line[line.index("(SHA") :][:23] for line in dumps] == [
        "(SHA-256 0a0a0a0a0a0a…)",
        "(SHA-256 7e7e7e7e7e7e…)",
        "(SHA-256 5d1f4bcf1f9e…)",
    ]
    assert "Rows of this run's files: 9,542 read, 8,530 left after cleaning" in training


def test_the_gates_decision_is_told_and_that_it_is_not_the_last_word(tmp_path: Path) -> None:
    use = sections(render_model_card(gathered(tmp_path)))["Intended use"]
    assert "- Promotion: Needs approval. Bidirectional LSTM, seed 2 needs manual approval to replace" in use
    assert "The champion page and its history" in use


def test_the_collapsed_model_is_named_as_such(tmp_path: Path) -> None:
    contents = gathered(tmp_path, example_run, "article")
    collapsed = next(item for item in contents.variants if item.evaluated.no_better_than_majority)
    card = render_model_card(contents.model_copy(update={"best_variant": collapsed.name}))
    assert "not significantly better than the majority class" in sections(card)["Quantitative analyses"]


def test_every_caution_is_told(tmp_path: Path) -> None:
    contents = gathered(tmp_path)
    caveats = sections(render_model_card(contents))["Caveats and recommendations"]
    assert contents.warnings
    for warning in contents.warnings:
        assert formatting.markdown(warning.title) in caveats


def test_only_slices_that_are_shown_to_be_worse_are_called_so(tmp_path: Path) -> None:
    contents = gathered(tmp_path)
    best = contents.best
    unsure = best.evaluated.slices[0].model_copy(
        update={"label": "perhaps", "too_small": False, "gap": Interval(value=-0.2, low=-0.5, high=0.1)}
    )
    changed = best.model_copy(update={"evaluated": best.evaluated.model_copy(update={"slices": (unsure,)})})
    card = render_model_card(contents.model_copy(update={"variants": (changed,)}))
    assert "perhaps" not in card
    assert "is significantly worse" in card


def test_outside_text_stays_plain_text(tmp_path: Path) -> None:
    contents = gathered(
        tmp_path,
        window_run,
        **dict.fromkeys(("file_name", "review", "origin", "word", "label", "champion", "reason"), HOSTILE),
    )
    best = contents.best
    titled = best.model_copy(
        update={"title": HOSTILE, "evaluated": best.evaluated.model_copy(update={"title": HOSTILE})}
    )
    card = render_model_card(
        contents.model_copy(
            update={"variants": (titled,), "run_name": HOSTILE, "headline": HOSTILE, "reproduce": HOSTILE}
        )
    )
    assert tuple(sections(card)) == SECTIONS
    outside_code = re.sub(r"`[^`\n]*`", "", card)
    assert "<" not in outside_code
    assert not re.search(r"(?<!\\)\]\(", outside_code)
    assert "`" not in re.sub(r"\\`", "", outside_code)
    assert "@all" not in outside_code
    assert "\u202e" not in card
    for row in (line for line in card.splitlines() if line.startswith("|")):
        assert len(re.findall(r"(?<!\\)\|", row)) == 7


def test_an_empty_section_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = gathered(tmp_path, refused_run)
    monkeypatch.setattr(model_card, "SECTIONS", (*SECTIONS, "Color"))
    with pytest.raises(ModelCardError, match="empty sections: Color"):
        render_model_card(contents)


@pytest.mark.parametrize(
    "body", ["", "\n\n", "| A |\n|---|\n", "| A |\n|---|\n| 1 |", "Text.\n\n| A |\n|---|\n\nMore."]
)
def test_a_table_without_rows_or_words_around_it_says_nothing(body: str) -> None:
    assert not model_card._says_something(body)
