"""The contract of the whole data set, clause by clause, as data: what is expected, and what to do when it fails.

Each clause is one expectation of Great Expectations on one frame. The frames hold figures only, never text:
``columns`` (one row per column of the table), ``dump`` (one row per row read: was it quarantined?) and
``reviews`` (one row per review of the data set, see ``pipeline.validation.measures``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from pipeline.config import ValidationConfig
from pipeline.readers.schema import REVIEW_SCHEMA as INGESTED
from pipeline.validation.rules import EARLIEST_TIME, HIGHEST_SCORE, LATEST_TIME, LOWEST_SCORE
from pipeline.validation.tables import CLEANED, typed_name

FrameName = Literal["columns", "dump", "reviews"]

NEUTRAL_SCORE = 3
"""The score that is neither positive nor negative."""
LABELLED_SCORES = tuple(score for score in range(LOWEST_SCORE, HIGHEST_SCORE + 1) if score != NEUTRAL_SCORE)
NON_EMPTY_SHARE = 0.99
"""Share of clean reviews that must hold at least one word; the rest may be, say, a lone URL."""
MEDIAN_WORDS = (2, 1_000)
"""Plausible median of words per clean review. Real dumps lie between about 5 (a shop's one-liners) and 40 (Amazon
Fine Foods); 1 means that cleaning removed the text, thousands that rows were joined."""


@dataclass(frozen=True)
class Observation:
    """What Great Expectations saw.

    Attributes:
        result: Its result, in its own keys.
        frame: What it looked at.
    """

    result: Mapping[str, Any]
    frame: pa.Table

    @property
    def rows(self) -> int:
        """Rows of the frame."""
        return int(self.frame.num_rows)


@dataclass(frozen=True)
class Clause:
    """One clause of a contract.

    Attributes:
        frame: What it is about.
        expectation: Great Expectations' type.
        arguments: The expectation's arguments under a configuration.
        title: The clause in plain words.
        expected: What is expected under a configuration.
        observed: What was found.
        advice: What to do when it fails.
    """

    frame: FrameName
    expectation: str
    arguments: Callable[[ValidationConfig], dict[str, Any]]
    title: str
    expected: Callable[[ValidationConfig], str]
    observed: Callable[[Observation], str]
    advice: str


def percentage(share: float) -> str:
    """Return a share (0–1) in per cent with two decimals; one that is small but not zero says so."""
    return "less than 0.01 %" if 0 < share < 0.00005 else f"{share:.2%}".replace("%", " %")  # noqa: PLR2004 - half a step


def _always(**arguments: object) -> Callable[[ValidationConfig], dict[str, Any]]:
    return lambda _: arguments


def _says(text: str) -> Callable[[ValidationConfig], str]:
    return lambda _: text


def _unexpected_rows(what: str) -> Callable[[Observation], str]:
    def observed(seen: Observation) -> str:
        if not seen.rows:
            return "no rows to look at"
        found = int(seen.result["unexpected_count"])
        share = f" ({percentage(found / seen.rows)})" if found else ""
        return f"{found:,} of {seen.rows:,} rows{share} {what}"

    return observed


def _missing_values(column: str, names: tuple[str, ...]) -> Callable[[Observation], str]:
    def observed(seen: Observation) -> str:
        found = set(seen.frame.column(column).to_pylist())
        missing = [name for name in names if name not in found]
        return f"missing: {', '.join(missing)}" if missing else f"all {len(names)}"

    return observed


def _row_count(seen: Observation) -> str:
    return f"{seen.rows:,} rows"


def _bad_row_share(seen: Observation) -> str:
    share = seen.result["observed_value"]
    if share is None:
        return "no rows to look at"
    return f"{round(share * seen.rows):,} of {seen.rows:,} rows ({percentage(share)})"


def _class_shares(seen: Observation) -> str:
    positive = seen.result["observed_value"]
    if positive is None:
        return "no review with a score other than 3"
    return f"negative {percentage(1 - positive)}, positive {percentage(positive)}"


def _median_words(seen: Observation) -> str:
    median = seen.result["observed_value"]
    return "no rows to look at" if median is None else f"{median:g} words"


def _share_between(column: str) -> Callable[[ValidationConfig], dict[str, Any]]:
    def arguments(config: ValidationConfig) -> dict[str, Any]:
        # A class that is not there at all cannot be learned, however small a share is allowed.
        only_present = config.min_class_share == 0
        return {
            "column": column,
            "min_value": config.min_class_share,
            "max_value": 1 - config.min_class_share,
            "strict_min": only_present,
            "strict_max": only_present,
        }

    return arguments


def _expected_shares(config: ValidationConfig) -> str:
    least = f"at least {percentage(config.min_class_share)}" if config.min_class_share else "more than 0 %"
    return f"each class {least} of the labeled reviews"


def _column_clauses(schema: pa.Schema, advice: str) -> tuple[Clause, ...]:
    names = tuple(schema.names)
    typed = tuple(typed_name(field) for field in schema)
    return (
        Clause(
            "columns",
            "expect_column_distinct_values_to_contain_set",
            _always(column="column", value_set=list(names)),
            "Every column is there",
            _says(", ".join(names)),
            _missing_values("column", names),
            advice,
        ),
        Clause(
            "columns",
            "expect_column_distinct_values_to_contain_set",
            _always(column="column_and_type", value_set=list(typed)),
            "Every column has its type",
            _says(", ".join(typed)),
            _missing_values("column_and_type", typed),
            advice,
        ),
    )


_ENOUGH_ROWS = Clause(
    "reviews",
    "expect_table_row_count_to_be_between",
    lambda config: {"min_value": config.min_rows},
    "Enough reviews",
    lambda config: f"at least {config.min_rows:,} rows",
    _row_count,
    "Check that the whole dump arrived (a half download, one shard of many?), or lower min_rows for a trial.",
)

FEW_BAD_ROWS = Clause(
    "dump",
    "expect_column_mean_to_be_between",
    lambda config: {"column": "quarantined", "max_value": config.max_bad_row_share},
    "Few bad rows",
    lambda config: f"at most {percentage(config.max_bad_row_share)} of the rows",
    _bad_row_share,
    "Look at the first rows named in quarantine.parquet; check delimiter, encoding and column mapping, mend the "
    "dump, or raise max_bad_row_share if those rows may go.",
)

RAW_CLAUSES: tuple[Clause, ...] = (
    *_column_clauses(
        INGESTED,
        "The ingested table is not what this version reads; remove the ingest artifact's folder and run again.",
    ),
    FEW_BAD_ROWS,
    _ENOUGH_ROWS,
    Clause(
        "reviews",
        "expect_column_values_to_be_between",
        _always(column="score", min_value=LOWEST_SCORE, max_value=HIGHEST_SCORE),
        f"Every score is {LOWEST_SCORE} to {HIGHEST_SCORE}",
        _says(f"no row without a score from {LOWEST_SCORE} to {HIGHEST_SCORE}"),
        _unexpected_rows("have another score or none"),
        "The row rule bad_score should have set these aside: report it as a fault of this project.",
    ),
    Clause(
        "reviews",
        "expect_column_values_to_not_be_null",
        _always(column="text_characters"),
        "Every review has a text",
        _says("no row without text"),
        _unexpected_rows("have no text"),
        "The row rule empty_text should have set these aside: report it as a fault of this project.",
    ),
    Clause(
        "reviews",
        "expect_column_mean_to_be_between",
        _share_between("positive"),
        "Both classes are there",
        _expected_shares,
        _class_shares,
        "Check that the score column is the right one and that the dump is no selection of one kind of review; "
        "lower min_class_share only if the data are meant to be so.",
    ),
    Clause(
        "reviews",
        "expect_column_values_to_be_unique",
        _always(column="id"),
        "No id stands twice",
        _says("no id in two rows, where there are ids"),
        _unexpected_rows("share their id with another"),
        "Check whether one file was named twice or two dumps overlap, and name each review once; where every file "
        "counts its ids anew, map id to a column that is unique.",
    ),
    Clause(
        "reviews",
        "expect_column_values_to_be_between",
        _always(column="time", min_value=EARLIEST_TIME, max_value=LATEST_TIME),
        "Every time is plausible",
        _says("no time before 1995 or after 2099, where there are times"),
        _unexpected_rows("have an implausible time"),
        "The row rule bad_time should have set these aside: report it as a fault of this project.",
    ),
    *(
        Clause(
            "reviews",
            "expect_column_values_to_be_between",
            _always(column=f"helpfulness_{part}", min_value=0),
            f"No count of {votes} is negative",
            _says(f"no negative count of {votes}, where there are counts"),
            _unexpected_rows(f"have a negative count of {votes}"),
            "The row rule bad_helpfulness should have set these aside: report it as a fault of this project.",
        )
        for part, votes in (("numerator", "helpful votes"), ("denominator", "votes"))
    ),
)
"""What the kept rows of a dump must fulfil, in the order of the report."""

_CLEANING_FAULT = "Cleaning should have seen to this: report it as a fault of this project."

CLEAN_CLAUSES: tuple[Clause, ...] = (
    *_column_clauses(
        CLEANED,
        "The cleaned table is not what this version reads; remove the clean artifact's folder and run again.",
    ),
    Clause(
        _ENOUGH_ROWS.frame,
        _ENOUGH_ROWS.expectation,
        _ENOUGH_ROWS.arguments,
        "Enough reviews are left",
        _ENOUGH_ROWS.expected,
        _row_count,
        "Look at the funnel: neutral and repeated reviews have left. Give a larger dump, or lower min_rows for "
        "a trial.",
    ),
    Clause(
        "reviews",
        "expect_column_values_to_be_unique",
        _always(column="row"),
        "No row stands twice",
        _says("no row number in two rows"),
        _unexpected_rows("share their number with another"),
        _CLEANING_FAULT,
    ),
    Clause(
        "reviews",
        "expect_column_values_to_be_in_set",
        _always(column="score", value_set=list(LABELLED_SCORES)),
        "No score is neutral",
        _says(f"only scores {', '.join(map(str, LABELLED_SCORES))}"),
        _unexpected_rows(f"have the score {NEUTRAL_SCORE}, another or none"),
        _CLEANING_FAULT,
    ),
    Clause(
        "reviews",
        "expect_column_values_to_be_in_set",
        _always(column="label", value_set=[0, 1]),
        "Every review has a label",
        _says("only labels 0 and 1"),
        _unexpected_rows("have another label or none"),
        _CLEANING_FAULT,
    ),
    Clause(
        "reviews",
        "expect_column_pair_values_to_be_equal",
        _always(column_A="label", column_B="label_by_score", ignore_row_if="either_value_is_missing"),
        "Labels agree with scores",
        _says(f"label 1 where the score is above {NEUTRAL_SCORE}, 0 where it is below"),
        _unexpected_rows("have a label that contradicts the score"),
        _CLEANING_FAULT,
    ),
    Clause(
        "reviews",
        "expect_column_mean_to_be_between",
        _share_between("positive"),
        "Both classes are left",
        _expected_shares,
        _class_shares,
        "Compare with the raw classes: if only cleaning lost one, its texts are mostly repeats. Give a more mixed "
        "dump; lower min_class_share only if the data are meant to be so.",
    ),
    Clause(
        "reviews",
        "expect_column_values_to_not_be_null",
        _always(column="word_count"),
        "Words are never missing",
        _says("no row whose words are null"),
        _unexpected_rows("have null instead of words"),
        _CLEANING_FAULT,
    ),
    Clause(
        "reviews",
        "expect_column_values_to_be_between",
        _always(column="word_count", min_value=1, mostly=NON_EMPTY_SHARE),
        "Nearly every review has words",
        _says(f"at least one word in {percentage(NON_EMPTY_SHARE)} of the rows"),
        _unexpected_rows("have no word left"),
        "Look at the texts of these rows: another language or script leaves nothing of a–z, and the text column may "
        "be mapped to the wrong one.",
    ),
    Clause(
        "reviews",
        "expect_column_values_to_be_between",
        _always(column="foreign_characters", min_value=0, max_value=0),
        "Words are a–z with one space between",
        _says("no other character, no space too many"),
        _unexpected_rows("hold another character or a space too many"),
        _CLEANING_FAULT,
    ),
    Clause(
        "reviews",
        "expect_column_median_to_be_between",
        _always(column="word_count", min_value=MEDIAN_WORDS[0], max_value=MEDIAN_WORDS[1]),
        "Reviews are of a plausible length",
        _says(f"a median of {MEDIAN_WORDS[0]:,} to {MEDIAN_WORDS[1]:,} words"),
        _median_words,
        "Check that the text column is mapped to the reviews themselves and that its records do not run together.",
    ),
)
"""What the clean reviews must fulfil, in the order of the report."""
