"""The documentation says what is: generated pages are current, named files and commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import write_parameter_reference

CHECKOUT = Path(__file__).resolve().parents[2]

PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")])


def test_the_parameter_reference_is_current() -> None:
    assert write_parameter_reference.TARGET.read_text(encoding="utf-8") == write_parameter_reference.reference(), (
        "run `make docs` and commit docs/reference/parameters.md"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", prose):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_make_targets_named_in_the_docs_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z][a-z-]*)", page.read_text(encoding="utf-8")))
    assert named <= targets


def test_commands_of_the_pipeline_named_in_the_docs_exist() -> None:
    listing = subprocess.run(
        [sys.executable, "-m", "pipeline", "--help"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    named = {
        command
        for page in PAGES
        for command in re.findall(r"python -m pipeline ([a-z][a-z-]*)", page.read_text(encoding="utf-8"))
    }
    assert named
    assert not [command for command in named if not re.search(rf"^    {command}(\s|$)", listing, re.MULTILINE)]
