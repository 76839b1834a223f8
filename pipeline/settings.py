"""Settings of a deployment: every environment variable ``REVIEW_SENTIMENT_*``.

A setting says where things are and what runs automatically. A parameter of a run is in :mod:`pipeline.config`.
``docs/reference/settings.md`` is generated from this module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pipeline.errors import ConfigurationError, quoted

PREFIX = "REVIEW_SENTIMENT_"
NO_SCHEDULE = "none"
DAY_SECONDS = 24 * 3600
_SEPARATORS = {"sources": r"\s+", "score_after_promotion": ",", "notify_email": ","}
_ROOT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/@\s]*@)?(?:\[[^\]]*\]|[^:/]*)(?::\d+(?=[/:]|$))?[^:]*|[^:]+")
"""One root. A colon separates roots, but also follows a scheme and precedes a port."""

Texts = Annotated[tuple[str, ...], NoDecode]
"""Several values in one variable; separated by blanks, commas or colons instead of JSON."""


class Settings(BaseSettings):
    """The environment variables of this project; a blank variable counts as unset."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, str_strip_whitespace=True)

    store: str = Field(
        ".store", description="Folder or `s3://bucket/prefix` of the artifact store. Every worker must reach it."
    )
    store_conn: str | None = Field(
        None,
        description="Airflow connection (type `aws`) with the credentials of a store on `s3://`. Unset: AWS's own "
        "environment variables.",
    )
    inbox: str | None = Field(
        None,
        description="Folder (absolute path) or `s3://bucket/prefix/` in which new dumps arrive. The DAG processor, "
        "the triggerer and the workers must reach it.",
    )
    inbox_settle_seconds: float = Field(
        10.0, description="Seconds for which a file must be unchanged to count as complete.", ge=0, le=DAY_SECONDS
    )
    inbox_poll_seconds: float = Field(
        30.0, description="Seconds between two scans of the inbox by the triggerer.", ge=1, le=DAY_SECONDS
    )
    sources: Texts = Field(
        (),
        description="Dumps of automatic runs, separated by blanks: `inbox`, `kaggle`, addresses. Unset: `inbox`, if "
        "there is one.",
    )
    schedule: str = Field(
        "0 4 * * 1",
        description="Cron expression (UTC) of automatic training runs without a new file; `none` for new files only.",
    )
    retrain_config: Path | None = Field(None, description="YAML file with parameters of automatic training runs.")
    clean_up_schedule: str = Field(
        NO_SCHEDULE, description="Cron expression (UTC) of automatic clean-ups, which remove what they find; or `none`."
    )
    score_after_promotion: Texts = Field((), description="Dumps that every new champion scores, separated by commas.")
    allowed_roots: Texts = Field(
        (),
        description="Folders and URL prefixes that runs may read from, separated by `:`. Unset: anything. The demo, "
        "Kaggle's data set and the inbox are always allowed.",
    )
    allow_private_addresses: bool = Field(
        False, description="Whether dumps may come from private addresses, for servers in your own network."
    )
    gpu_queue: str = Field("default", description="Queue of the tasks that use a GPU.")
    gpu_pool: str = Field("default_pool", description="Pool of these tasks, with one slot per GPU.")
    gpu_executor: str | None = Field(
        None, description="Executor of these tasks, from `[core] executor`. Unset: the first one there."
    )
    tracking: Literal["on", "off"] = Field("on", description="`off` turns MLflow off.")
    notify_email: Texts = Field(
        (), description="Receivers of mails, separated by commas. Mails use Airflow's connection `smtp_default`."
    )
    notify_webhook_conn: str | None = Field(
        None, description="Airflow connection whose password is the address of an incoming webhook."
    )
    tensorboard_url: str | None = Field(None, description="Address of a TensorBoard that training tasks link to.")
    commit: str | None = Field(None, description="Git commit to show on the pages. The images set it.")

    @model_validator(mode="before")
    @classmethod
    def _without_blank(cls, values: Mapping[str, object]) -> dict[str, object]:
        return {name: value for name, value in values.items() if str(value).strip()}

    @field_validator(*_SEPARATORS, "allowed_roots", mode="before")
    @classmethod
    def _split(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        if info.field_name == "allowed_roots":
            parts = (part.strip() for part in _ROOT.findall(value))
        else:
            parts = (part.strip() for part in re.split(_SEPARATORS[str(info.field_name)], value))
        return tuple(part for part in parts if part)

    @field_validator("tracking", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value


def load_settings() -> Settings:
    """Return the settings as the environment has them now.

    Raises:
        ConfigurationError: A variable has an invalid value.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = [
            f"{variable(str(problem['loc'][0]))} is {quoted(problem['input'])}: {problem['msg']}."
            for problem in error.errors()
        ]
    raise ConfigurationError(
        f"{' '.join(problems)} Correct the environment of this process, or unset the variable to use its default."
    )


def variable(name: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + name.upper()


def fields_by_variable() -> dict[str, FieldInfo]:
    """Return every field by the name of its environment variable."""
    return {variable(name): field for name, field in Settings.model_fields.items()}
