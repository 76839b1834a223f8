"""The model card (Mitchell et al. 2019): what a model is for, how it was judged and what is not known of it."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment

from pipeline.behavioral_tests.records import BehavioralTestsSummary, BehaviorTest
from pipeline.errors import PipelineError
from pipeline.evaluation.records import EvaluationSummary, Slice
from pipeline.reporting import formatting
from pipeline.reporting.gate_text import HISTORY_HINT, gate_word
from pipeline.reporting.records import ReportContents
from pipeline.reporting.templating import template_environment

TEMPLATES = Path(__file__).parent / "templates"
TEMPLATE = "model_card.md.j2"

SECTIONS = (
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
)
"""Of Mitchell et al., *Model Cards for Model Reporting*, FAT* 2019, section 4, in their order."""

MOST_SLICES = 5
MOST_CHARACTERS = 500
"""Of each text that comes from elsewhere."""

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_TABLE_RULE = re.compile(r"^\|[ :|-]+\|$")


class ModelCardError(PipelineError):
    """The model card would lack a section or leave one empty."""


class _Ready(str):
    """Text that is Markdown already."""

    __slots__ = ()


def render_model_card(contents: ReportContents) -> str:
    """Return the model card of a run as Markdown; of a run without a model it says so in each section.

    Args:
        contents: What the report shows; the texts in it from outside are shown as plain text.

    Raises:
        ModelCardError: A section is missing or empty.
    """
    best = contents.best
    judged = best.evaluated if best is not None else None
    card = (
        _environment()
        .get_template(TEMPLATE)
        .render(
            report=contents,
            best=best,
            judged=judged,
            trained=best.trained if best is not None else None,
            exported=best.exported if best is not None else None,
            behavioral_tests=best.behavioral_tests if best is not None else None,
            worst=_worst(judged),
            failed=_failed(best.behavioral_tests if best is not None else None),
            code=_code,
            gate_word=gate_word(contents.gate) if contents.gate is not None else None,
            history_hint=HISTORY_HINT,
        )
    )
    found = sections(card)
    empty = [name for name in SECTIONS if not _says_something(found.get(name, ""))]
    if empty:
        raise ModelCardError(
            f"The model card of run {contents.run_name!r} says nothing under: {', '.join(empty)}. Each section of a "
            f"model card must say what is known or that nothing is; mend {TEMPLATE}."
        )
    return card


def sections(card: str) -> dict[str, str]:
    """Return the sections of a card: what stands under each heading of the second level, by its name.

    Args:
        card: Markdown of :func:`render_model_card`.
    """
    pieces = _HEADING.split(card)
    return {name.strip(): body.strip() for name, body in zip(pieces[1::2], pieces[2::2], strict=True)}


def _says_something(body: str) -> bool:
    """Return whether a section has a sentence, and each table in it a row."""
    lines = body.splitlines()
    for number, line in enumerate(lines):
        if _TABLE_RULE.match(line) and not (number + 1 < len(lines) and lines[number + 1].startswith("|")):
            return False
    return any(line.strip() and not line.startswith(("#", "|")) for line in lines)


def _worst(judged: EvaluationSummary | None) -> tuple[Slice, ...]:
    if judged is None:
        return ()
    telling = [one for one in judged.slices if not one.too_small and one.gap.high < 0]
    return tuple(sorted(telling, key=lambda one: one.gap.value)[:MOST_SLICES])


def _failed(behavioral_tests: BehavioralTestsSummary | None) -> tuple[BehaviorTest, ...]:
    return (
        tuple(test for test in behavioral_tests.tests if test.passed < test.cases)
        if behavioral_tests is not None
        else ()
    )


def _plain(value: object) -> str:
    """Return what stands between the template's words: outside text as plain text, cut to a length."""
    if isinstance(value, _Ready):
        return value
    text = str(value)
    line = formatting.markdown(text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…")
    # The template's own words begin or end with a space where they join others.
    return " " * text.startswith(" ") + line + " " * text.endswith(" ")


def _code(text: str) -> _Ready:
    """Return a text as a piece of code on one line; a backtick would end it and becomes an apostrophe."""
    return _Ready("`" + " ".join(formatting.visible(text).replace("`", "'").split()) + "`")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return template_environment(TEMPLATES, escape=_plain)
