"""docs/reference/data_contract.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.config import ValidationConfig
from pipeline.validation.clauses import CLEAN_CLAUSES, RAW_CLAUSES, Clause
from pipeline.validation.rules import ROW_RULES

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "data_contract.md").read_text(encoding="utf-8")


def table(heading: str) -> list[str]:
    """Return the rows of the first table below a heading."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\|.*\|$", section, re.MULTILINE)[2:]


def in_words(clause: Clause) -> str:
    expected = (
        "as in [artifacts.md](artifacts.md)" if clause.frame == "columns" else clause.expected(ValidationConfig())
    )
    return f"| {clause.title} | `{clause.frame}` | {expected} | `{clause.expectation}` |"


def test_the_row_rules():
    assert table("Row rules") == [
        f"| `{rule.reason}` | {', '.join(f'`{column}`' for column in rule.columns)} | {rule.sentence} |"
        for rule in ROW_RULES
    ]


def test_the_raw_contract():
    assert table("The contract of the raw data") == [in_words(clause) for clause in RAW_CLAUSES]


def test_the_clean_contract():
    assert table("The contract of the clean data") == [in_words(clause) for clause in CLEAN_CLAUSES]
