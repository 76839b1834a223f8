"""Write the generated pages of docs/reference (`make docs`); a test checks that they are current."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from pipeline.config import PROFILES, RunConfig
from pipeline.reporting.schema import report_schema_text
from pipeline.settings import fields_by_variable
from pipeline.stages import STAGES, VariantStageSpec

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"


def parameters() -> str:
    """Return the page of the parameters: a table per section, with the values of every profile."""
    profiles = [RunConfig.from_flat({"profile": name}).flat() for name in PROFILES]
    lines = [
        "# Parameters",
        "",
        "Generated from `pipeline/config.py` by `make docs`. The same names are the fields of the trigger form, the",
        "options of the command line (`--max-length`) and the keys of a YAML file for `--config`. An empty field of",
        "the form uses the value of the profile. An empty cell means the value of `default`.",
    ]
    current = ""
    for section, name, field in RunConfig.fields():
        if section != current:
            current = section
            lines += [
                "",
                f"## {section.capitalize()}",
                "",
                f"| name | meaning | {' | '.join(PROFILES)} |",
                "|---" * (2 + len(PROFILES)) + "|",
            ]
        default, *others = (_parameter(values[name]) for values in profiles)
        values = [default, *("" if value == default else value for value in others)]
        lines.append(f"| `{name}` | **{field.title}.** {field.description} | {' | '.join(values)} |")
    return "\n".join(lines) + "\n"


def _parameter(value: object) -> str:
    if value is None or isinstance(value, dict):
        return "–"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def settings() -> str:
    """Return the page of the settings: one row per environment variable."""
    lines = [
        "# Settings",
        "",
        "Generated from `pipeline/settings.py` by `make docs`. These environment variables describe a deployment:",
        "its places, and what runs automatically. Set them for every process of Airflow (in `.env` with Docker",
        "Compose). An empty variable counts as unset. [Parameters](parameters.md) describe a run.",
        "",
        "| variable | meaning | default |",
        "|---|---|---|",
    ]
    for name, field in fields_by_variable().items():
        lines.append(f"| `{name}` | {_description(field)} | {_setting(field.default)} |")
    return "\n".join(lines) + "\n"


def _description(field: FieldInfo) -> str:
    low = [bound.ge for bound in field.metadata if isinstance(bound, Ge)]
    high = [bound.le for bound in field.metadata if isinstance(bound, Le)]
    return f"{field.description} {low[0]} to {high[0]}." if low and high else str(field.description)


def _setting(value: object) -> str:
    if value is None or value == ():
        return "unset"
    return f"`{value:g}`" if isinstance(value, float) else f"`{str(value).lower()}`"


def stages() -> str:
    """Return the page of the stages: one row per stage, in their order."""
    lines = [
        "# Stages",
        "",
        "Generated from `pipeline/stages.py` by `make docs`. `review-sentiment stages` prints the same list. A stage",
        "with an asterisk runs once for each variant. An *enforce* task follows its stage and can stop the run. After",
        "the last stage, the run publishes its report and promotes the challenger if the gate decided so.",
        "",
        "| stage | what it does | inputs | [parameters](parameters.md) |",
        "|---|---|---|---|",
    ]
    for spec in STAGES:
        name = f"`{spec.name}`" + (" *" if isinstance(spec, VariantStageSpec) else "")
        lines.append(f"| {name} | {spec.help} | {_names(spec.inputs)} | {', '.join(spec.sections)} |")
        if spec.check is not None:
            lines.append(f"| → `{spec.check.name}` | {spec.check.help} | `{spec.name}` | |")
    gpu = _names(tuple(spec.name for spec in STAGES if spec.on_gpu))
    lines += [
        "",
        f"The tasks of these stages use the GPU queue and pool ([settings](settings.md)): {gpu}.",
        "",
        "[Artifacts](artifacts.md) describes the files of each stage.",
    ]
    return "\n".join(lines) + "\n"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


PAGES: dict[Path, Callable[[], str]] = {
    REFERENCE / "parameters.md": parameters,
    REFERENCE / "settings.md": settings,
    REFERENCE / "stages.md": stages,
    REFERENCE / "report.schema.json": report_schema_text,
}


if __name__ == "__main__":
    for path, content in PAGES.items():
        path.write_text(content(), encoding="utf-8")
