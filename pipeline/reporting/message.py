"""A short form of the report as Markdown, for chat messages."""

from __future__ import annotations

from pipeline.reporting.gate_text import gate_word
from pipeline.reporting.html import OUTCOME_TITLES
from pipeline.reporting.records import ReportContents
from pipeline.reporting.templating import TEMPLATES, template_environment

TEMPLATE = "message.md.j2"

MAX_WARNINGS = 3


def render_message(contents: ReportContents) -> str:
    """Return the outcome, the main figures, the warnings and the command that repeats the run."""
    best = contents.best
    template = template_environment(TEMPLATES, escape=str).get_template(TEMPLATE)
    return template.render(
        report=contents,
        outcome=OUTCOME_TITLES[contents.outcome],
        gate_word=gate_word(contents.gate) if contents.gate is not None else None,
        scores=best.evaluated.scores if best is not None and best.evaluated is not None else None,
        most_warnings=MAX_WARNINGS,
    )
