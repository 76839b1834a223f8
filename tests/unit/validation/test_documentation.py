"""docs/reference/data_contract.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.config import ValidationConfig
from pipeline.validation.contracts import Expectation, clean_contract, raw_contract
from pipeline.validation.rules import ROW_RULES

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "data_contract.md").read_text(encoding="utf-8")


def table(heading: str) -> list[str]:
    """Return the rows of the first table below a heading."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\|.*\|$", section, re.MULTILINE)[2:]


def row_of(expectation: Expectation) -> str:
    expected = "as in [artifacts.md](artifacts.md)" if expectation.frame == "columns" else expectation.expected
    return f"| {expectation.title} | `{expectation.frame}` | {expected} | `{expectation.kind}` |"


def test_the_row_rules():
    assert table("Row rules") == [
        f"| `{rule.reason}` | {', '.join(f'`{column}`' for column in rule.columns)} | {rule.sentence} |"
        for rule in ROW_RULES
    ]


def test_the_raw_contract():
    assert table("The contract of the raw data") == [row_of(one) for one in raw_contract(ValidationConfig())]


def test_the_clean_contract():
    assert table("The contract of the clean data") == [row_of(one) for one in clean_contract(ValidationConfig())]
