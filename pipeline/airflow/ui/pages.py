"""The pages' own templates: every value escaped, one look for all."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from enum import StrEnum
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from fastapi.responses import HTMLResponse
from jinja2 import Environment

from pipeline.errors import PipelineError
from pipeline.reporting import formatting
from pipeline.reporting.html import TEMPLATES as REPORT_TEMPLATES
from pipeline.reporting.html import VERDICT_WORDS
from pipeline.reporting.templating import template_environment
from pipeline.settings import load_settings

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "templates"
FILES = Path(__file__).parent
LONGEST_COMMIT = 40
"""Characters of a SHA-1 digest in hexadecimal."""

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
"""For pages that bring no policy of their own."""


class PageFile(StrEnum):
    """What the pages load: each by its name, and nothing else."""

    FIGURES = "figures.css"
    STYLE = "style.css"
    THEME = "theme.js"
    LIVE = "live.js"

    @property
    def media_type(self) -> str:
        """The file's media type."""
        return "text/css" if self.endswith(".css") else "text/javascript"

    @property
    def path(self) -> Path:
        """Where the file is; the report has the same style sheet for its figures."""
        return (REPORT_TEMPLATES if self is PageFile.FIGURES else FILES) / self


base: ContextVar[str] = ContextVar("base", default="/review-sentiment")
"""Where the pages are mounted in this request: below whatever prefix a proxy puts before Airflow."""
NAVIGATION = (
    ("/", "Overview"),
    ("/history", "Model history"),
    ("/training", "Training now"),
    ("/score", "Try a review"),
)


def page(
    template: str, *, status: int = 200, here: str = "", policy: str | None = None, **values: object
) -> HTMLResponse:
    """Return a page made from a template; every text in it is escaped, its control characters spelled out.

    Args:
        template: The file's name.
        status: HTTP status.
        here: The address in the navigation that the page belongs to.
        policy: A Content-Security-Policy instead of ``POLICY``.
        values: What the template shows.
    """
    made = _environment().get_template(template).render(values, here=here, base=base.get(), about=about())
    return HTMLResponse(made, status_code=status, headers={"Content-Security-Policy": policy or POLICY})


def told(error: Exception) -> str:
    """Return what may stand on a page of a failed read: our own sentences whole, of any other its kind alone.

    Another library's message may hold an address with a login; it goes to the log.
    """
    if isinstance(error, PipelineError):
        return str(error)
    log.error("A page could not read what it shows.", exc_info=error)
    return f"It cannot be read ({type(error).__name__}); the API server's log says more."


def about() -> str:
    """Return which version of the project made a page, and of which commit where ``REVIEW_SENTIMENT_COMMIT`` tells."""
    commit = (load_settings().commit or "")[:LONGEST_COMMIT]
    return f"Review sentiment {metadata.version('review-sentiment')}" + (f", commit {commit}" if commit else "")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = template_environment(TEMPLATES)
    environment.globals |= {"navigation": NAVIGATION, "outcomes": VERDICT_WORDS}
    environment.filters["difference_of_log_odds"] = lambda value: f"{value:+.2f}".replace("-", formatting.MINUS)
    # Before escaping. Not what is markup already, which the templates themselves made.
    environment.finalize = lambda value: formatting.visible(value) if type(value) is str else value
    return environment
