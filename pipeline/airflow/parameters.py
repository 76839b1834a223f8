"""The trigger form, generated from :class:`pipeline.config.RunConfig` like the command line and the docs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from airflow.sdk import Param

from pipeline.config import DEMO_DUMP, INBOX_DUMP, KAGGLE_DUMP, PROFILES, RunConfig
from pipeline.settings import load_settings
from pipeline.sources.naming import DUMP_ENDINGS

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
    "normalization": {"default": "Default", "article": "Of the article"},
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

FROM_INBOX = "inbox_dumps"
"""A field of the form only: its files are added to ``dumps``. Airflow's multi-select takes no free text."""
MAX_OFFERED_FILES = 50
MAX_LISTED_FILES = 5_000
"""Entries of the inbox that are read: the form is built at each parse, which must stay fast."""
_DUMP_ENDINGS = (*DUMP_ENDINGS, ".txt")


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
                description_md=f"{field.description} One per line.",
            )
            params |= _inbox_field()
            continue
        params[name] = Param(
            None,
            title=field.title,
            description_md=f"{field.description} {_default_text(name, default, choices)}",
            section=SECTION_TITLES[section],
            **_nullable(schema, choices),
        )
    return params


def config_from(params: Mapping[str, Any], conf: Mapping[str, Any] | None) -> RunConfig:
    """Return the run's configuration; unknown keys, which Airflow accepts, are rejected.

    Raises:
        ConfigurationError: A name is unknown or a value does not fit.
    """
    given = {**params, **(conf or {})}
    chosen = given.pop(FROM_INBOX, None)
    if chosen:
        named = given.get("dumps") or []
        given["dumps"] = [*([] if list(named) == [DEMO_DUMP] else named), *chosen]
    return RunConfig.from_flat(given)


def inbox_files() -> dict[str, str]:
    """Return path and name of the files in the inbox, if it is a folder, newest first.

    An unreadable inbox gives an empty form field, not an error.
    """
    home = load_settings().inbox or ""
    if not home or "://" in home.removeprefix("file://"):
        return {}
    found: list[tuple[float, str, str]] = []
    try:
        with os.scandir(Path(home.removeprefix("file://")).expanduser()) as entries:
            for entry in islice(entries, MAX_LISTED_FILES):
                fits = entry.name.lower().endswith(_DUMP_ENDINGS) and entry.name[0] not in "._~#"
                if fits and entry.name.isprintable() and entry.is_file(follow_symlinks=False):
                    found.append((entry.stat(follow_symlinks=False).st_mtime, entry.path, entry.name))
    except (OSError, ValueError, RuntimeError):
        return {}
    return {path: name for _, path, name in sorted(found, reverse=True)[:MAX_OFFERED_FILES]}


def _inbox_field() -> dict[str, Param]:
    """Return the field with the files of the inbox, if there are any."""
    files = inbox_files()
    if not files:
        return {}
    return {
        FROM_INBOX: Param(
            None,
            type=["array", "null"],
            items={"type": "string"},
            title="Dumps from the inbox",
            description_md="Files in the inbox, newest first. They are added to the dumps above and replace "
            f"`{DEMO_DUMP}`. `{INBOX_DUMP}` above selects all new files, `{KAGGLE_DUMP}` a public data set.",
            examples=list(files),
            values_display=files,
        )
    }


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
