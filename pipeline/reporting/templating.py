"""The Jinja environment of every template: undefined names are errors, and every format is a filter."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.evaluation.text import comparison_sentence
from pipeline.promotion.rule_text import row_set_sentence
from pipeline.reporting import formatting

TEMPLATES = Path(__file__).parent / "templates"
"""Folder of the templates of the report."""


@cache
def template_environment(folder: Path, *, escape: Callable[[object], object] | None = None) -> Environment:
    """Return the environment of a folder of templates.

    Args:
        folder: The folder of the templates.
        escape: Escapes a value for another language than HTML; the default escapes for HTML.
    """
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=escape is None,  # noqa: S701 - other languages bring their own escape
        finalize=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=escape is not None,
    )
    environment.filters |= dict(inspect.getmembers(formatting, inspect.isfunction))
    environment.filters |= {"comparison": comparison_sentence, "row_set": row_set_sentence}
    return environment
