"""The trigger form, generated from :class:`pipeline.config.RunConfig` like the command line and the docs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Param

from pipeline.config import PROFILES, RunConfig

SECTION_TITLES = {
    "data": "Data",
    "dataset": "Data",
    "validation": "Data",
    "drift": "Data",
    "split": "Data",
    "text": "Text",
    "vocabulary": "Text",
    "encoding": "Text",
    "training": "Models",
    "evaluation": "Evaluation",
    "export": "Answers of the model",
    "promotion": "Promotion",
    "hardware": "Hardware",
}

AS_PROFILE = "Value of the profile"
PROFILE_TITLES = {
    "default": "Recommended settings",
    "long_reviews": "For reviews of hundreds of words",
    "article": "The article's experiment, including its errors",
    "demo": "Small models for a first look",
}
CHOICES = {
    "window": {
        "these": "Only the dumps above",
        "all": "All dumps received so far",
        "last": "The latest dumps",
        "since": "Dumps received since a date",
    },
    "date_order": {
        "auto": "Recognized from the whole column",
        "day_first": "Day first: 03/04/2019 is 3 April",
        "month_first": "Month first: 03/04/2019 is 4 March",
    },
    "normalization": {"default": "Recommended", "article": "Of the article"},
    "strategy": {
        "grouped": "Grouped, stratified",
        "temporal": "Temporal: the newest reviews are the test split",
        "column": "Official: the column `split` of the dump",
        "article": "Of the article",
    },
    "group_by": {
        "product": "Product",
        "user": "User",
        "product_and_user": "Product and user",
        "nothing": "None",
    },
    "fit_on": {"train": "Training split", "all": "All rows (data leakage)"},
    "keep": {"last": "Last words", "first": "First words"},
    "directions": {"uni": "Unidirectional", "bi": "Bidirectional", "none": "Averaged vectors (no LSTM)"},
    "activation": {
        "tanh": "tanh",
        "relu": "ReLU",
        "sigmoid": "sigmoid",
        "elu": "ELU",
        "selu": "SELU",
        "gelu": "GELU",
    },
    "initial_vectors": {"text": "From the training text", "random": "Random"},
    "pooling": {"mean_max": "Mean and maximum over all words", "last": "Last word"},
    "schedule": {"cosine": "Rise and fall (cosine)", "constant": "Constant"},
    "padding": {"masked": "Masked", "unmasked": "Unmasked (the article's error)"},
    "class_weights": {"none": "None", "balanced": "Balanced"},
    "threshold": {
        "balanced_accuracy": "Best balanced accuracy",
        "negative_recall": "Recall of negative reviews",
        "half": "0.5",
    },
    "calibration": {"temperature": "0.5 is the threshold", "none": "As the network gives them"},
    "metric": {
        "balanced_accuracy": "Balanced accuracy",
        "accuracy": "Accuracy",
        "negative_recall": "Recall of negative reviews",
    },
    "approval": {
        "auto": "Never",
        "when_inconclusive": "If the gate is inconclusive",
        "always": "Before every promotion",
    },
    "device": {"auto": "GPU if available", "cpu": "CPU", "gpu": "GPU"},
    "precision": {"float32": "float32", "mixed_float16": "float16, mixed", "mixed_bfloat16": "bfloat16, mixed"},
}
"""Titles of the choices in the form; a choice without one is shown by its name."""


def form() -> dict[str, Param]:
    """Return the DAG's Params: profile and dumps first, then every other parameter; empty means the profile's value."""
    profile = RunConfig.model_fields["profile"]
    standard = RunConfig()
    values = standard.flat()
    params: dict[str, Param] = {
        "profile": Param(
            None,
            type=["string", "null"],
            enum=[*PROFILES, None],
            # Airflow shows a missing value under its JSON name.
            values_display={**PROFILE_TITLES, "null": "Automatic"},
            title=profile.title,
            description_md=f"{profile.description} Empty: `demo` for the demo dump, otherwise `default`.",
        )
    }
    for section, name, field in RunConfig.fields():
        schema = type(getattr(standard, section)).model_json_schema()["properties"][name]
        default, choices = values[name], CHOICES.get(name, {})
        if name == "dumps":
            params[name] = Param(
                default,
                type="array",
                items={"type": "string"},
                title=field.title,
                description_md=f"{field.description} One per line. The page *Review sentiment* lists the inbox.",
            )
            continue
        hint = ["Enter `on` or `off`."] if isinstance(default, bool) else []
        params[name] = Param(
            None,
            title=field.title,
            description_md=" ".join([field.description or "", *hint, _default_text(name, default, choices)]),
            section=SECTION_TITLES[section],
            **_nullable(schema, choices),
        )
    return params


def config_from(params: Mapping[str, Any], conf: Mapping[str, Any] | None) -> RunConfig:
    """Return the run's configuration; unknown keys, which Airflow accepts, are rejected.

    Raises:
        ConfigurationError: A name is unknown or a value does not fit.
    """
    return RunConfig.from_flat({**params, **(conf or {})})


def _nullable(schema: Mapping[str, Any], choices: Mapping[str, str]) -> dict[str, Any]:
    """Turn a field's JSON schema into a Param's: ``null`` is allowed, choices have titles."""
    branches = [branch for branch in schema.get("anyOf", [schema]) if branch.get("type") != "null"]
    taken = {
        name: value
        for branch in branches
        for name, value in branch.items()
        if name not in {"title", "description", "default"}
    }
    kind = taken.pop("type")
    kinds = {"tuple": "array"}.get(kind, kind)
    if kind == "boolean":
        # Airflow shows a missing boolean as a switch that is off, whatever the profile says.
        return {"type": ["string", "boolean", "null"], "examples": ["on", "off"], "pattern": "^(on|off)$"}
    if "enum" in taken:
        # Airflow shows a missing value under its JSON name.
        shown = {value: choices.get(value, value.replace("_", " ")) for value in taken["enum"]}
        taken["values_display"] = shown | {"null": AS_PROFILE}
        taken["enum"] = [*taken["enum"], None]
    elif "enum" in taken.get("items", {}):
        # Examples make the field a list to choose from.
        taken["examples"] = taken["items"]["enum"]
        taken["values_display"] = {value: choices.get(value, value) for value in taken["examples"]}
    return {**taken, "type": [kinds, "null"]}


def _default_text(name: str, default: object, choices: Mapping[str, str]) -> str:
    """Return the default and the values of the profiles that have another one."""
    others = [f"`{profile}`: {_as_text(own[name], choices)}" for profile, own in PROFILES.items() if name in own]
    text = f"Default: {_as_text(default, choices)}."
    return f"{text} In the profile {', '.join(others)}." if others else text


def _as_text(value: object, choices: Mapping[str, str]) -> str:
    """Return a value as the form shows it."""
    if isinstance(value, list | tuple):
        return ", ".join(_as_text(item, choices) for item in value) or "empty"
    if value is None or value == {}:
        return "empty"
    # Before any other comparison: 0 == False.
    if isinstance(value, bool):
        return "on" if value else "off"
    return choices.get(str(value), str(value))
