"""The JSON Schema of report.json, published in docs/."""

from __future__ import annotations

import json
from typing import Any

from pipeline.reporting.records import ReportContents


def report_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``report.json``.

    A number that is not finite (the loss of a diverged training) is ``null`` there, since JSON has no such numbers.
    """
    schema = _with_null_numbers(ReportContents.model_json_schema(mode="serialization"))
    assert isinstance(schema, dict)  # noqa: S101 - a schema of a record is an object, and stays one
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def report_schema_text() -> str:
    """Return the text of ``docs/reference/report.schema.json``."""
    return json.dumps(report_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _with_null_numbers(schema: object) -> object:
    if isinstance(schema, list):
        return [_with_null_numbers(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {name: _with_null_numbers(item) for name, item in schema.items()}
    if changed.get("type") == "number":
        changed["type"] = ["number", "null"]
    return changed
