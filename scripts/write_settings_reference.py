"""Write docs/reference/settings.md from ``pipeline.settings`` (``make docs``); a test checks that it is current."""

from __future__ import annotations

from pathlib import Path

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from pipeline.settings import fields_by_variable

CHECKOUT = Path(__file__).resolve().parents[1]
TARGET = CHECKOUT / "docs" / "reference" / "settings.md"


def reference() -> str:
    """Return the page: one row per environment variable."""
    lines = [
        "# Settings",
        "",
        "Generated from `pipeline/settings.py` by `make docs`. These environment variables describe a deployment:",
        "where things are, and what runs automatically. Set them for every process of Airflow (in `.env` with Docker",
        "Compose). A blank variable counts as unset. [Parameters](parameters.md) of a run are on their own page.",
        "",
        "| variable | what it is | default |",
        "|---|---|---|",
    ]
    for name, field in fields_by_variable().items():
        lines.append(f"| `{name}` | {_described(field)} | {_default(field.default)} |")
    return "\n".join(lines) + "\n"


def _described(field: FieldInfo) -> str:
    low = [bound.ge for bound in field.metadata if isinstance(bound, Ge)]
    high = [bound.le for bound in field.metadata if isinstance(bound, Le)]
    return f"{field.description} {low[0]} to {high[0]}." if low and high else str(field.description)


def _default(value: object) -> str:
    if value is None or value == ():
        return "unset"
    return f"`{value:g}`" if isinstance(value, float) else f"`{str(value).lower()}`"


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
