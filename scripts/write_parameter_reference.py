"""Write docs/reference/parameters.md from RunConfig (`make docs`); a test proves that it is current."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import PROFILES, RunConfig

CHECKOUT = Path(__file__).resolve().parents[1]

TARGET = CHECKOUT / "docs" / "reference" / "parameters.md"


def reference() -> str:
    """Return the page: a table per section, each knob with its value in every profile."""
    profiles = {name: RunConfig.from_flat({"profile": name}).flat() for name in ("default", "article", "demo")}
    assert set(profiles) == set(PROFILES)  # noqa: S101 - a profile added later must not be missing here
    lines = [
        "# Parameters",
        "",
        "Generated from `pipeline/config.py` by `make docs`. The same names are the trigger form's fields, the command",
        "line's options (`--max-length`) and the keys of a YAML file for `--config`. A blank field of the form takes",
        "the profile's value.",
    ]
    section = ""
    for home, name, field in RunConfig.fields():
        if home != section:
            section = home
            lines += ["", f"## {home.capitalize()}", "", "| name | what it is | default | article | demo |"]
            lines += ["|---|---|---|---|---|"]
        values = [_shown(profiles[profile][name]) for profile in ("default", "article", "demo")]
        same = [values[0], *("" if value == values[0] else value for value in values[1:])]
        lines.append(f"| `{name}` | **{field.title}.** {field.description} | {' | '.join(same)} |")
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return "–"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
