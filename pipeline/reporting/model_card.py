"""The model card (Mitchell et al. 2019): intended use, evaluation and limits of a model."""

from __future__ import annotations

import re

from pipeline.errors import PipelineError
from pipeline.reporting import formatting
from pipeline.reporting.gate_text import HISTORY_HINT, gate_word
from pipeline.reporting.records import ReportContents
from pipeline.reporting.summary_questions import worst_slices
from pipeline.reporting.templating import TEMPLATES, template_environment

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

MAX_SLICES = 5
MAX_CHARACTERS = 500
"""Maximum length of an outside text."""

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_TABLE_RULE = re.compile(r"^\|[ :|-]+\|$")


class ModelCardError(PipelineError):
    """The model card lacks a section or has an empty one."""


class _Ready(str):
    """Text that is Markdown already."""

    __slots__ = ()


def render_model_card(contents: ReportContents) -> str:
    """Return the model card of a run as Markdown; without a model, each section says so.

    Args:
        contents: The contents of the report; texts from outside are escaped.

    Raises:
        ModelCardError: A section is missing or empty.
    """
    best = contents.best
    evaluated = best.evaluated if best is not None else None
    tests = best.behavioral_tests if best is not None else None
    card = (
        template_environment(TEMPLATES, escape=_plain)
        .get_template(TEMPLATE)
        .render(
            report=contents,
            best=best,
            evaluated=evaluated,
            trained=best.trained if best is not None else None,
            exported=best.exported if best is not None else None,
            behavioral_tests=tests,
            worst_slices=worst_slices(evaluated)[:MAX_SLICES] if evaluated is not None else [],
            failed_tests=[test for test in tests.tests if test.passed < test.cases] if tests is not None else [],
            code=lambda text: _Ready(formatting.code(text)),
            gate_word=gate_word(contents.gate) if contents.gate is not None else None,
            history_hint=HISTORY_HINT,
        )
    )
    found = sections(card)
    empty = [name for name in SECTIONS if not _says_something(found.get(name, ""))]
    if empty:
        raise ModelCardError(
            f"The model card of run {contents.run_name!r} has empty sections: {', '.join(empty)}. Each section needs a "
            f"sentence and each table a row; fix {TEMPLATE}."
        )
    return card


def sections(card: str) -> dict[str, str]:
    """Return the text of each section by its heading.

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


def _plain(value: object) -> str:
    """Return an outside text as plain text, cut to a length."""
    if isinstance(value, _Ready):
        return value
    text = str(value)
    line = formatting.markdown(text, MAX_CHARACTERS)
    # Keep the spaces of texts in the template itself.
    return " " * text.startswith(" ") + line + " " * text.endswith(" ")
