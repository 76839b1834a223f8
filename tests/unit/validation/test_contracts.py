"""Each expectation of the contracts fails once, alone; Great Expectations checks them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from pipeline.config import ValidationConfig
from pipeline.readers.schema import REVIEW_SCHEMA
from pipeline.validation.checking import check_contract
from pipeline.validation.contracts import clean_contract, percentage, raw_contract
from pipeline.validation.language import LanguageSample
from pipeline.validation.measures import CLEAN_COLUMNS, CLEAN_MEASURES, RAW_MEASURES, clean_measures, raw_measures
from pipeline.validation.records import ContractResult
from pipeline.validation.tables import CLEANED, columns_frame
from tests.unit.validation.factories import ROWS, Changes, clean_review, clean_table, dump, review

ENGLISH = LanguageSample(Counter(en=9, fr=1), 0.0)
GOOD_FLAGS = pa.table({"quarantined": pa.array([1, *[0] * 199], pa.int8())})


def checked_raw(
    changes: Changes | None = None,
    *,
    flags: pa.Table = GOOD_FLAGS,
    schema: pa.Schema = REVIEW_SCHEMA,
    config: ValidationConfig | None = None,
    rows: int = ROWS,
    languages: LanguageSample = ENGLISH,
) -> ContractResult:
    measures = [raw_measures(batch) for batch in dump(rows, changes).to_batches(max_chunksize=50)]
    reviews = pa.Table.from_batches(measures, RAW_MEASURES)
    frames = {"columns": columns_frame(schema, REVIEW_SCHEMA), "dump": flags, "reviews": reviews}
    frames["languages"] = languages.measures()
    contract = raw_contract(config or ValidationConfig(), languages=languages)
    return check_contract("raw", contract, frames, data_docs=None)


def checked_clean(
    changes: Changes | None = None,
    *,
    schema: pa.Schema = CLEANED,
    config: ValidationConfig | None = None,
    rows: int = ROWS,
) -> ContractResult:
    table = clean_table(rows, changes).select(CLEAN_COLUMNS)
    reviews = pa.Table.from_batches([clean_measures(batch) for batch in table.to_batches()], CLEAN_MEASURES)
    frames = {"columns": columns_frame(schema, CLEANED), "reviews": reviews}
    return check_contract("clean", clean_contract(config or ValidationConfig()), frames, data_docs=None)


def without(schema: pa.Schema, name: str) -> pa.Schema:
    return schema.remove(schema.get_field_index(name))


def with_type(schema: pa.Schema, name: str, kind: pa.DataType) -> pa.Schema:
    return schema.set(schema.get_field_index(name), pa.field(name, kind))


def found(contract: ContractResult) -> dict[str, str]:
    """Return the observed value of each failed expectation by its title."""
    return {result.title: result.observed for result in contract.failed}


def every(rows: int, **change: Any) -> Changes:
    return dict.fromkeys(range(rows), change)


RAW_CASES: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {}),
    ({"languages": LanguageSample(Counter(), 0.0)}, {}),
    ({"languages": LanguageSample(Counter(fr=9), 0.0), "config": ValidationConfig(allow_other_languages=True)}, {}),
    (
        {"languages": LanguageSample(Counter(fr=9, zh=2, en=9), 0.1)},
        {
            "Most reviews are in English": "this looks like French: 45.00 % of 20 sampled reviews are in English, and "
            "10.00 % of the letters are not Latin"
        },
    ),
    (
        {"schema": without(REVIEW_SCHEMA, "raw")},
        {"All columns exist": "missing: raw", "All columns have their type": "missing: raw: string"},
    ),
    (
        {"schema": with_type(REVIEW_SCHEMA, "score", pa.int64())},
        {"All columns have their type": "missing: score: int8"},
    ),
    (
        {"flags": pa.table({"quarantined": pa.array([1, 1, 1, *[0] * 197], pa.int8())})},
        {"Few bad rows": "3 of 200 rows (1.50 %)"},
    ),
    ({"rows": 199}, {"Enough reviews": "199 rows"}),
    (
        {"changes": {3: {"score": 6}, 4: {"score": None}, 5: {"score": -1}}},
        {"Every score is 1 to 5": "3 of 240 rows (1.25 %) have another score or none"},
    ),
    (
        {"changes": {3: {"text": None}, 4: {"text": " \t"}}},
        {"Every review has a text": "2 of 240 rows (0.83 %) have no text"},
    ),
    (
        {
            "changes": {
                3: {"text": "caf\ufffd \ufffd"},
                4: {"summary": "na\x9fve"},
                5: {"text": "\x81", "summary": None},
            }
        },
        {"Few texts are damaged": "3 of 240 rows (1.25 %) have a character that could not be read"},
    ),
    # Quotes and dashes as control characters, two damaged texts of 240, and letters of all kinds.
    ({"changes": {**every(ROWS, text="don\x92t \x96 \x93é\x94 Žž €"), 3: {"text": "\ufffd"}, 4: {"text": "\x9d"}}}, {}),
    ({"changes": every(ROWS, score=5)}, {"Both classes exist": "negative 0.00 %, positive 100.00 %"}),
    ({"changes": every(ROWS, score=1)}, {"Both classes exist": "negative 100.00 %, positive 0.00 %"}),
    ({"changes": every(ROWS, score=3)}, {"Both classes exist": "no review with a score other than 3"}),
    ({"changes": {row: {"id": 7} for row in range(ROWS)}}, {}),
    (
        {"changes": {3: {"time": 0}, 4: {"time": 2**62}, 5: {"time": None}}},
        {"Every time is plausible": "2 of 240 rows (0.83 %) have an implausible time"},
    ),
    (
        {"changes": {3: {"helpfulness_numerator": -1}}},
        {"No count of helpful votes is negative": "1 of 240 rows (0.42 %) have a negative count of helpful votes"},
    ),
    (
        {"changes": {3: {"helpfulness_denominator": -1}}},
        {"No count of votes is negative": "1 of 240 rows (0.42 %) have a negative count of votes"},
    ),
]

CLEAN_CASES: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {}),
    (
        {"schema": without(CLEANED, "words")},
        {"All columns exist": "missing: words", "All columns have their type": "missing: words: string"},
    ),
    ({"schema": with_type(CLEANED, "label", pa.bool_())}, {"All columns have their type": "missing: label: int8"}),
    ({"rows": 199}, {"Enough reviews are left": "199 rows"}),
    (
        {"changes": {3: {"row": 4}}},
        {"Row numbers are unique": "2 of 240 rows (0.83 %) share their number with another"},
    ),
    (
        {"changes": {3: {"score": 3}, 4: {"score": None}}},
        {"No score is neutral": "2 of 240 rows (0.83 %) have the score 3, another or none"},
    ),
    (
        {"changes": {4: {"label": None}}},
        {
            "Every review has a label": "1 of 240 rows (0.42 %) have another label or none",
            "Labels agree with scores": "1 of 240 rows (0.42 %) have a label that contradicts the score",
        },
    ),
    (
        {"changes": {3: {"label": 1}}},
        {"Labels agree with scores": "1 of 240 rows (0.42 %) have a label that contradicts the score"},
    ),
    ({"changes": every(ROWS, score=5, label=1)}, {"Both classes are left": "negative 0.00 %, positive 100.00 %"}),
    (
        {"changes": {3: {"words": None}}},
        {"Words are never missing": "1 of 240 rows (0.42 %) have null as words"},
    ),
    (
        {"changes": every(4, words="")},
        {"Nearly every review has words": "4 of 240 rows (1.67 %) have no word left"},
    ),
    (
        {
            "changes": {
                0: {"words": "Good food"},
                1: {"words": "good  food"},
                2: {"words": " good"},
                3: {"words": "good "},
                4: {"words": "gut für"},
                5: {"words": "good\nfood"},
                6: {"words": "i"},
            }
        },
        {"Words are a–z, separated by one space": "6 of 240 rows (2.50 %) have another character or an extra space"},
    ),
    ({"changes": every(ROWS, words="good")}, {"Reviews have a plausible length": "1 words"}),
    ({"changes": every(ROWS, words="good " * 1_001 + "end")}, {"Reviews have a plausible length": "1002 words"}),
]


@pytest.mark.parametrize(("case", "failed"), RAW_CASES)
def test_raw_expectation(case, failed):
    contract = checked_raw(**case)
    assert found(contract) == failed
    assert contract.success is not bool(failed)
    assert all(result.advice and result.expected for result in contract.failed)


@pytest.mark.parametrize(("case", "failed"), CLEAN_CASES)
def test_clean_expectation(case, failed):
    contract = checked_clean(**case)
    assert found(contract) == failed
    assert contract.success is not bool(failed)
    assert all(result.advice and result.expected for result in contract.failed)


def test_every_expectation_fails_in_a_case():
    config = ValidationConfig()
    for contract, cases in ((raw_contract(config), RAW_CASES), (clean_contract(config), CLEAN_CASES)):
        assert {expectation.title for expectation in contract} == {title for _, failed in cases for title in failed}


def test_the_advice_names_why_most_rows_left():
    advice = {one.title: one.advice for one in clean_contract(ValidationConfig(), {"duplicate": 3, "no_words": 90})}
    assert advice["Enough reviews are left"].startswith("Of the excluded rows, most (90) have no word of a–z left")


def test_limits_come_from_the_configuration():
    config = ValidationConfig(min_rows=10, min_class_share=0.3, max_bad_row_share=0.001)
    contract = checked_raw(rows=100, config=config)
    expected = {result.title: result.expected for result in contract.expectations}
    assert set(found(contract)) == {"Few bad rows", "Both classes exist"}
    assert expected["Few bad rows"] == "at most 0.10 % of the rows"
    assert expected["Enough reviews"] == "at least 10 rows"
    assert expected["Both classes exist"] == "each class at least 30.00 % of the labeled reviews"


def test_a_missing_class_fails_even_if_the_minimum_share_is_zero():
    contract = checked_raw(every(ROWS, score=5), config=ValidationConfig(min_class_share=0))
    assert set(found(contract)) == {"Both classes exist"}


def test_missing_optional_values_are_no_failure():
    nothing = dict.fromkeys(("id", "time", "helpfulness_numerator", "helpfulness_denominator"))
    assert checked_raw(every(ROWS, **nothing)).success


def test_an_exception_inside_great_expectations_is_a_failed_expectation(tmp_path):
    columns = columns_frame(REVIEW_SCHEMA, REVIEW_SCHEMA)
    reviews = pa.table({"score": pa.array([5] * ROWS, pa.int8())})
    contract = check_contract(
        "raw",
        raw_contract(ValidationConfig()),
        {"columns": columns, "dump": GOOD_FLAGS, "reviews": reviews, "languages": ENGLISH.measures()},
        tmp_path / "data_docs",
    )
    observed = found(contract)["Every time is plausible"]
    assert observed.startswith("could not be checked: ")
    assert "time" in observed
    assert "Traceback" not in observed
    assert "Every score is 1 to 5" not in found(contract)
    assert "Traceback" not in (tmp_path / "data_docs" / "reviews.html").read_text(encoding="utf-8")


def test_measures_hold_no_text():
    kinds = [*RAW_MEASURES.types, *CLEAN_MEASURES.types]
    assert all(pa.types.is_integer(kind) for kind in kinds)


def test_word_counts():
    words = ["", "a", "good food", None, "a b c d"]
    batch = pa.RecordBatch.from_pylist([clean_review(row) | {"words": text} for row, text in enumerate(words)], CLEANED)
    assert clean_measures(batch).column("word_count").to_pylist() == [0, 1, 2, None, 4]


def test_text_is_measured_without_the_blanks_around_it():
    texts = ["  good\n", "\t", None, "ü"]
    batch = pa.RecordBatch.from_pylist([review(row) | {"text": text} for row, text in enumerate(texts)], REVIEW_SCHEMA)
    assert raw_measures(batch).column("text_characters").to_pylist() == [4, None, None, 1]


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0.00 %"), (0.00001, "less than 0.01 %"), (0.0123, "1.23 %"), (1, "100.00 %")]
)
def test_percentage(share, text):
    assert percentage(share) == text
