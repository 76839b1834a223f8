"""The pages' own templates: every value escaped, one look for all."""

from __future__ import annotations

from contextvars import ContextVar
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from fastapi.responses import HTMLResponse
from jinja2 import Environment

from pipeline.reporting import formatting
from pipeline.reporting.html import VERDICT_WORDS
from pipeline.reporting.templating import template_environment

TEMPLATES = Path(__file__).parent / "templates"
FILES = Path(__file__).parent


class PageFile(StrEnum):
    """What the pages load: each by its name, and nothing else."""

    STYLE = "style.css"
    THEME = "theme.js"
    LIVE = "live.js"

    @property
    def media_type(self) -> str:
        """The file's media type."""
        return "text/css" if self is PageFile.STYLE else "text/javascript"


base: ContextVar[str] = ContextVar("base", default="/review-sentiment")
"""Where the pages are mounted in this request: below whatever prefix a proxy puts before Airflow."""
NAVIGATION = (
    ("/", "Overview"),
    ("/history", "Model history"),
    ("/training", "Training now"),
    ("/score", "Try a review"),
)


def page(template: str, *, status: int = 200, here: str = "", **values: object) -> HTMLResponse:
    """Return a page made from a template; text in ``values`` is escaped, its control characters spelled out."""
    shown = {name: formatting.visible(value) if isinstance(value, str) else value for name, value in values.items()}
    return HTMLResponse(
        _environment().get_template(template).render(shown, here=here, base=base.get()), status_code=status
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = template_environment(TEMPLATES)
    environment.globals |= {"navigation": NAVIGATION, "outcomes": VERDICT_WORDS}
    environment.filters["difference_of_log_odds"] = lambda value: f"{value:+.2f}".replace("-", formatting.MINUS)
    return environment
