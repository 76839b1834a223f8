"""The pages' own templates: every value escaped, one look for all."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.reporting.formatting import visible

TEMPLATES = Path(__file__).parent / "templates"


def page(template: str, *, status: int = 200, **values: object) -> HTMLResponse:
    """Return a page made from a template; text in ``values`` is escaped, its control characters spelled out."""
    shown = {name: visible(value) if isinstance(value, str) else value for name, value in values.items()}
    return HTMLResponse(_environment().get_template(template).render(shown), status_code=status)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
