"""The trigger form, generated from ``RunConfig``, so that form, command line and docs cannot disagree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Param

from pipeline.config import PROFILES, RunConfig

SECTION_TITLES = {
    "data": "Data",
    "collection": "Data",
    "validation": "Data",
    "drift": "Data",
    "split": "Data",
    "text": "Text",
    "vocabulary": "Text",
    "encoding": "Text",
    "training": "Models",
    "evaluation": "Evaluation",
    "promotion": "Promotion",
    "hardware": "Hardware",
}

AS_PROFILE = "As the profile says"
PROFILE_TITLES = {
    "default": "Recommended settings",
    "article": "The article's experiment, bugs included",
    "demo": "Small models for a first look",
}


def form() -> dict[str, Param]:
    """Return the DAG's Params: profile and dumps first, then every other knob, empty meaning "as the profile says"."""
    profile = RunConfig.model_fields["profile"]
    standard = RunConfig()
    params: dict[str, Param] = {
        "profile": Param(
            None,
            type=["string", "null"],
            enum=[*PROFILES, None],
            # Airflow shows a missing value under its JSON name.
            values_display={**PROFILE_TITLES, "null": "As fits the dump"},
            title=profile.title,
            description_md=f"{profile.description} Empty: `demo` for the demo dump, `default` for any other.",
        )
    }
    for section, name, field in RunConfig.fields():
        schema = type(getattr(standard, section)).model_json_schema()["properties"][name]
        default = standard.flat()[name]
        if name == "dumps":
            params[name] = Param(
                default, type="array", items={"type": "string"}, title=field.title, description_md=field.description
            )
            continue
        params[name] = Param(
            None,
            title=field.title,
            description_md=f"{field.description} Empty: as the profile says (`default`: {_shown(default)}).",
            section=SECTION_TITLES[section],
            **_nullable(schema),
        )
    return params


def config_from(params: Mapping[str, Any], conf: Mapping[str, Any] | None) -> RunConfig:
    """Return the run's configuration; Airflow accepts unknown keys in ``conf`` silently, this does not.

    Raises:
        ConfigurationError: A name is unknown or a value does not fit.
    """
    return RunConfig.from_flat({**params, **(conf or {})})


def _nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a field's JSON schema into a Param's, with ``null`` allowed."""
    branches = [branch for branch in schema.get("anyOf", [schema]) if branch.get("type") != "null"]
    taken = {
        name: value
        for branch in branches
        for name, value in branch.items()
        if name not in {"title", "description", "default"}
    }
    kind = taken.pop("type")
    kinds = {"tuple": "array"}.get(kind, kind)
    if "enum" in taken:
        # Airflow shows a missing value under its JSON name.
        taken["values_display"] = {value: value.replace("_", " ") for value in taken["enum"]} | {"null": AS_PROFILE}
        taken["enum"] = [*taken["enum"], None]
    return {**taken, "type": [kinds, "null"]}


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return {None: "none", True: "yes", False: "no"}.get(value, str(value)) if not isinstance(value, dict) else "none"
