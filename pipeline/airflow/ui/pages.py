"""Rendering of the pages: one layout, every value escaped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from enum import StrEnum
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TypeVar

from fastapi.responses import HTMLResponse
from jinja2 import Environment

from pipeline.errors import PipelineError
from pipeline.reporting import formatting
from pipeline.reporting.html import OUTCOME_TITLES
from pipeline.reporting.templating import TEMPLATES as REPORT_TEMPLATES
from pipeline.reporting.templating import template_environment
from pipeline.settings import load_settings

log = logging.getLogger(__name__)

Value = TypeVar("Value")
Other = TypeVar("Other")

TEMPLATES = Path(__file__).parent / "templates"
FILES = Path(__file__).parent
MAX_COMMIT = 40
"""Characters of a SHA-1 digest in hexadecimal."""

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
"""The default Content-Security-Policy."""


class PageFile(StrEnum):
    """The static files of the pages; no others are served."""

    FIGURES = "figures.css"
    STYLE = "style.css"
    THEME = "theme.js"
    LIVE = "live.js"
    AIRFLOW = "airflow.js"

    @property
    def media_type(self) -> str:
        """The file's media type."""
        return "text/css" if self.endswith(".css") else "text/javascript"

    @property
    def path(self) -> Path:
        """The file; the style sheet of the figures is the report's."""
        return (REPORT_TEMPLATES if self is PageFile.FIGURES else FILES) / self


base: ContextVar[str] = ContextVar("base", default="/review-sentiment")
"""The path below which this request sees the pages, including the prefix of a proxy."""
NAVIGATION = (
    ("/", "Overview"),
    ("/history", "Model history"),
    ("/training", "Training now"),
    ("/score", "Try a review"),
)


def page(
    template: str, *, status: int = 200, here: str = "", policy: str | None = None, **values: object
) -> HTMLResponse:
    """Return a page made from a template; texts are escaped and control characters made visible.

    Args:
        template: The file's name.
        status: HTTP status.
        here: The page's address in the navigation.
        policy: A Content-Security-Policy instead of ``POLICY``.
        values: What the template shows.
    """
    made = _environment().get_template(template).render(values, here=here, base=base.get(), about=about())
    return HTMLResponse(made, status_code=status, headers={"Content-Security-Policy": policy or POLICY})


def describe_error(error: Exception) -> str:
    """Return the message of an error for a page: the project's own errors whole, of others only the kind.

    The message of another library may hold an address with a login; it goes to the log.
    """
    if isinstance(error, PipelineError):
        return str(error)
    log.error("A page could not be built.", exc_info=error)
    return f"It cannot be read ({type(error).__name__}); see the API server's log."


def attempt(read: Callable[[], Value], otherwise: Other) -> tuple[Value | Other, str | None]:
    """Return what is read from the store; or, if that is damaged or unreachable, another value and the message."""
    try:
        return read(), None
    except (PipelineError, OSError) as error:
        return otherwise, describe_error(error)


def about() -> str:
    """Return the project's version, and its commit if ``REVIEW_SENTIMENT_COMMIT`` is set."""
    commit = (load_settings().commit or "")[:MAX_COMMIT]
    return f"Review sentiment {metadata.version('review-sentiment')}" + (f", commit {commit}" if commit else "")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = template_environment(TEMPLATES)
    environment.globals |= {"navigation": NAVIGATION, "outcomes": OUTCOME_TITLES}
    environment.filters["difference_of_log_odds"] = lambda value: f"{value:+.2f}".replace("-", formatting.MINUS)
    # Before escaping, and not for markup, which the templates make.
    environment.finalize = lambda value: formatting.visible(value) if type(value) is str else value
    return environment
