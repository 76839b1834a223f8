"""The data contracts of raw and clean reviews: the expectations, and what to do when one fails.

Each expectation is one of Great Expectations on one frame. Frames hold figures only, never text: ``columns`` (one row
per column of the table), ``dump`` (one row per row read: was it quarantined?), ``reviews`` (one row per review, see
``pipeline.validation.measures``) and ``languages`` (one row per sampled review, see ``pipeline.validation.language``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pyarrow as pa

from pipeline.config import ValidationConfig
from pipeline.readers.ratings import HIGHEST_SCORE, LOWEST_SCORE, NEUTRAL_SCORE
from pipeline.readers.schema import REVIEW_SCHEMA as INGESTED
from pipeline.readers.times import EARLIEST_TIME, LATEST_TIME
from pipeline.validation.language import MIN_ENGLISH_SHARE, LanguageSample
from pipeline.validation.tables import CLEANED, typed_name

FrameName = Literal["columns", "dump", "reviews", "languages"]

LABELED_SCORES = tuple(score for score in range(LOWEST_SCORE, HIGHEST_SCORE + 1) if score != NEUTRAL_SCORE)
_INGEST_FAULT = "The stage ingest reads such values as unknown: report it as a defect of this project."
NON_EMPTY_SHARE = 0.99
"""Share of clean reviews that must have at least one word. The rest may be a lone URL, for example."""
MEDIAN_WORDS = (2, 1_000)
"""Plausible median of words per clean review. Real dumps have about 5 (short shop reviews) to 40 (Fine Foods). A median
of 1 means that cleaning removed the text, thousands mean that records ran together."""


@dataclass(frozen=True)
class Observation:
    """The result of an expectation, and the frame that it was checked on."""

    result: Mapping[str, Any]
    frame: pa.Table

    @property
    def rows(self) -> int:
        """Rows of the frame."""
        return int(self.frame.num_rows)


@dataclass(frozen=True)
class Expectation:
    """One expectation of a contract.

    ``kind`` is Great Expectations' name for it, e.g. ``expect_column_values_to_not_be_null``. ``expected`` is the
    expected value in words, ``observed`` describes the one that was found.
    """

    frame: FrameName
    kind: str
    arguments: Mapping[str, Any]
    title: str
    expected: str
    observed: Callable[[Observation], str]
    advice: str


_of_reviews = partial(Expectation, "reviews")


def percentage(share: float) -> str:
    """Return a share (0–1) in percent with two decimals, or ``less than 0.01 %`` for a small one above zero."""
    return "less than 0.01 %" if 0 < share < 0.00005 else f"{share:.2%}".replace("%", " %")  # noqa: PLR2004 - half a step


def raw_contract(
    config: ValidationConfig, bad_rows: str = "", languages: LanguageSample | None = None
) -> tuple[Expectation, ...]:
    """Return the contract of the kept rows of a dump, in the order of the report.

    Args:
        config: The limits.
        bad_rows: The most frequent problems of this dump's bad rows, which the advice begins with.
        languages: The languages of this dump's reviews. A dump without any text has no language to check.
    """
    advice = (
        "Read the first rows named in quarantine.parquet. Check delimiter, encoding, column mapping and rating scale, "
        "and repair the dump, or raise max_bad_row_share if these rows may be left out."
    )
    return (
        *_columns(INGESTED, stage="ingest"),
        Expectation(
            "dump",
            "expect_column_mean_to_be_between",
            {"column": "quarantined", "max_value": config.max_bad_row_share},
            "Few bad rows",
            f"at most {percentage(config.max_bad_row_share)} of the rows",
            _bad_row_share,
            f"{bad_rows}. {advice}" if bad_rows else advice,
        ),
        _enough_rows(
            config,
            "Enough reviews",
            "Check that the whole dump arrived and not a part of it, or lower min_rows for a trial.",
        ),
        _range(
            "score",
            (LOWEST_SCORE, HIGHEST_SCORE),
            f"Every score is {LOWEST_SCORE} to {HIGHEST_SCORE}",
            f"every row has a score from {LOWEST_SCORE} to {HIGHEST_SCORE}",
            "have another score or none",
            advice=_rule_fault("bad_score"),
        ),
        _of_reviews(
            "expect_column_values_to_not_be_null",
            {"column": "text_characters"},
            "Every review has a text",
            "no row without text",
            _unexpected_rows("have no text"),
            _rule_fault("empty_text"),
        ),
        _range(
            "unreadable_characters",
            (0, 0),
            "Few texts are damaged",
            f"at most {percentage(config.max_unreadable_share)} of the rows with a character that could not be read",
            "have a character that could not be read",
            advice="The notes of ingest name the files. Name their encoding with the parameter Text encoding "
            "(encoding), export them again as UTF-8, or raise max_unreadable_share.",
            mostly=1 - config.max_unreadable_share,
        ),
        _class_shares(
            config,
            "Both classes exist",
            "Check that the right column is mapped to score and that the dump is not a selection of one class. Lower "
            "min_class_share only if the data are meant to be so.",
        ),
        _range(
            "time",
            (EARLIEST_TIME, LATEST_TIME),
            "Every time is plausible",
            "no time before 1995 or after 2099; missing times are ignored",
            "have an implausible time",
            advice=_INGEST_FAULT,
        ),
        *(
            _range(
                column,
                (0, None),
                f"No count of {votes} is negative",
                f"no negative count of {votes}; missing counts are ignored",
                f"have a negative count of {votes}",
                advice=_INGEST_FAULT,
            )
            for column, votes in (("helpfulness_numerator", "helpful votes"), ("helpfulness_denominator", "votes"))
        ),
        *([] if config.allow_other_languages or (languages and not languages.reviews) else [_in_english(languages)]),
    )


def _in_english(languages: LanguageSample | None) -> Expectation:
    def observed(observation: Observation) -> str:
        share = observation.result["observed_value"]
        english = f"{percentage(share)} of {observation.rows:,} sampled reviews are in English"
        if languages is None or share >= MIN_ENGLISH_SHARE:
            return english
        lost = percentage(languages.lost_letters)
        return f"this looks like {languages.most_frequent_other()}: {english}, and {lost} of the letters are not Latin"

    return Expectation(
        "languages",
        "expect_column_mean_to_be_between",
        {"column": "english", "min_value": MIN_ENGLISH_SHARE},
        "Most reviews are in English",
        f"at least {percentage(MIN_ENGLISH_SHARE)} of a sample",
        observed,
        "This product's cleaning is for English: it keeps a–z and drops English stop words. Provide English reviews, "
        "check that the text column is mapped to the reviews, or set allow_other_languages to train all the same.",
    )


_EXCLUSIONS = {
    "no_words": "have no word of a–z left: another language or script, or the wrong column is mapped to text",
    "duplicate": "repeat another review",
    "neutral_score": f"have the neutral score {NEUTRAL_SCORE}",
    "helpfulness_above_denominator": "have more helpful votes than votes",
}
"""What cleaning excludes, by the reason in its row account."""


def clean_contract(config: ValidationConfig, excluded: Mapping[str, int] | None = None) -> tuple[Expectation, ...]:
    """Return the contract of the clean reviews, in the order of the report.

    Args:
        config: The limits.
        excluded: The rows that cleaning excluded, by reason; the advice names the most frequent reason.
    """
    most = max(excluded or {}, key=lambda reason: (excluded or {})[reason], default="")
    lost = f"Of the excluded rows, most ({(excluded or {})[most]:,}) {_EXCLUSIONS.get(most, most)}. " if most else ""
    fault = "Cleaning guarantees this: report it as a defect of this project."
    return (
        *_columns(CLEANED, stage="clean"),
        _enough_rows(
            config,
            "Enough reviews are left",
            f"{lost}Check the cleaning funnel of the report. Provide a dump of which more is left, or lower min_rows "
            "for a trial.",
        ),
        _of_reviews(
            "expect_column_values_to_be_unique",
            {"column": "row"},
            "Row numbers are unique",
            "no row number twice",
            _unexpected_rows("share their number with another"),
            fault,
        ),
        _of_reviews(
            "expect_column_values_to_be_in_set",
            {"column": "score", "value_set": list(LABELED_SCORES)},
            "No score is neutral",
            f"only scores {', '.join(map(str, LABELED_SCORES))}",
            _unexpected_rows(f"have the score {NEUTRAL_SCORE}, another or none"),
            fault,
        ),
        _of_reviews(
            "expect_column_values_to_be_in_set",
            {"column": "label", "value_set": [0, 1]},
            "Every review has a label",
            "only labels 0 and 1",
            _unexpected_rows("have another label or none"),
            fault,
        ),
        _of_reviews(
            "expect_column_pair_values_to_be_equal",
            {"column_A": "label", "column_B": "label_by_score", "ignore_row_if": "either_value_is_missing"},
            "Labels agree with scores",
            f"label 1 for a score above {NEUTRAL_SCORE}, 0 for a score below",
            _unexpected_rows("have a label that contradicts the score"),
            fault,
        ),
        _class_shares(
            config,
            "Both classes are left",
            "Compare with the classes of the raw data. If only cleaning removed one, its reviews are mostly "
            "duplicates. Provide a more mixed dump; lower min_class_share only if the data are meant to be so.",
        ),
        _of_reviews(
            "expect_column_values_to_not_be_null",
            {"column": "word_count"},
            "Words are never missing",
            "no row with null as words",
            _unexpected_rows("have null as words"),
            fault,
        ),
        _range(
            "word_count",
            (1, None),
            "Nearly every review has words",
            f"at least one word in {percentage(NON_EMPTY_SHARE)} of the rows",
            "have no word left",
            advice="Read the texts of these rows. Another language or script leaves no a–z, or the wrong column is "
            "mapped to text.",
            mostly=NON_EMPTY_SHARE,
        ),
        _range(
            "foreign_characters",
            (0, 0),
            "Words are a–z, separated by one space",
            "no other character, no extra space",
            "have another character or an extra space",
            advice=fault,
        ),
        _of_reviews(
            "expect_column_median_to_be_between",
            {"column": "word_count", "min_value": MEDIAN_WORDS[0], "max_value": MEDIAN_WORDS[1]},
            "Reviews have a plausible length",
            f"a median of {MEDIAN_WORDS[0]:,} to {MEDIAN_WORDS[1]:,} words",
            _median_words,
            "Check that the text column is mapped to the reviews themselves and that records do not run together.",
        ),
    )


def _columns(schema: pa.Schema, *, stage: str) -> tuple[Expectation, ...]:
    """Return the expectations on the columns of a stage's table and on their types."""
    advice = f"This version cannot read the table of {stage}. Remove the folder of that artifact and run again."
    names, typed = list(schema.names), [typed_name(field) for field in schema]
    return tuple(
        Expectation(
            "columns",
            "expect_column_distinct_values_to_contain_set",
            {"column": column, "value_set": values},
            title,
            ", ".join(values),
            _missing_values(column, values),
            advice,
        )
        for column, values, title in (
            ("column", names, "All columns exist"),
            ("column_and_type", typed, "All columns have their type"),
        )
    )


def _enough_rows(config: ValidationConfig, title: str, advice: str) -> Expectation:
    return _of_reviews(
        "expect_table_row_count_to_be_between",
        {"min_value": config.min_rows},
        title,
        f"at least {config.min_rows:,} rows",
        lambda observation: f"{observation.rows:,} rows",
        advice,
    )


def _class_shares(config: ValidationConfig, title: str, advice: str) -> Expectation:
    # A class without any review cannot be learned, however small a share is allowed.
    share, only_present = config.min_class_share, config.min_class_share == 0
    limits = {"min_value": share, "max_value": 1 - share, "strict_min": only_present, "strict_max": only_present}
    return _of_reviews(
        "expect_column_mean_to_be_between",
        {"column": "positive", **limits},
        title,
        f"each class {f'at least {percentage(share)}' if share else 'more than 0 %'} of the labeled reviews",
        _observed_class_shares,
        advice,
    )


def _range(
    column: str,
    bounds: tuple[int, int | None],
    title: str,
    expected: str,
    unexpected: str,
    *,
    advice: str,
    mostly: float = 1,
) -> Expectation:
    return _of_reviews(
        "expect_column_values_to_be_between",
        {"column": column, "min_value": bounds[0], "max_value": bounds[1], "mostly": mostly},
        title,
        expected,
        _unexpected_rows(unexpected),
        advice,
    )


def _rule_fault(reason: str) -> str:
    return f"The row rule {reason} quarantines such rows: report it as a defect of this project."


def _unexpected_rows(what: str) -> Callable[[Observation], str]:
    def observed(observation: Observation) -> str:
        if not observation.rows:
            return "no rows"
        found = int(observation.result["unexpected_count"])
        share = f" ({percentage(found / observation.rows)})" if found else ""
        return f"{found:,} of {observation.rows:,} rows{share} {what}"

    return observed


def _missing_values(column: str, expected: list[str]) -> Callable[[Observation], str]:
    def observed(observation: Observation) -> str:
        found = set(observation.frame.column(column).to_pylist())
        missing = [name for name in expected if name not in found]
        return f"missing: {', '.join(missing)}" if missing else f"all {len(expected)}"

    return observed


def _bad_row_share(observation: Observation) -> str:
    share = observation.result["observed_value"]
    if share is None:
        return "no rows"
    return f"{round(share * observation.rows):,} of {observation.rows:,} rows ({percentage(share)})"


def _observed_class_shares(observation: Observation) -> str:
    positive = observation.result["observed_value"]
    if positive is None:
        return f"no review with a score other than {NEUTRAL_SCORE}"
    return f"negative {percentage(1 - positive)}, positive {percentage(positive)}"


def _median_words(observation: Observation) -> str:
    median = observation.result["observed_value"]
    return "no rows" if median is None else f"{median:g} words"
