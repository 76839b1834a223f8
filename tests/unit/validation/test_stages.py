"""The stages ``validate_raw`` and ``validate_clean``, and ``enforce_contract``."""

from __future__ import annotations

import csv
import gzip
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import ValidationConfig
from pipeline.errors import MESSAGE_LIMIT, ArtifactError, ContractViolationError
from pipeline.readers.schema import REVIEW_SCHEMA
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.validation.clean import validate_clean
from pipeline.validation.enforcement import enforce_contract, violation_message
from pipeline.validation.raw import validate_raw
from pipeline.validation.records import ContractResult, ExpectationResult, ValidationSummary
from pipeline.validation.tables import KEPT, QUARANTINE
from tests.factories import contents
from tests.unit.validation.factories import ROWS, clean_table, dump, place_clean, place_dump

CONFIG = ValidationConfig()
HOSTILE = "<script>alert(1)</script>"


def raw(store: ArtifactStore, table: pa.Table, config: ValidationConfig = CONFIG) -> ArtifactReference:
    return validate_raw(place_dump(store, table), config, store)


def refusal(store: ArtifactStore, reference: ArtifactReference) -> str:
    with pytest.raises(ContractViolationError) as caught:
        enforce_contract(reference, store)
    return str(caught.value)


def observed(store: ArtifactStore, reference: ArtifactReference) -> dict[str, str]:
    """Return the observed value of each failed expectation by its title."""
    return {result.title: result.observed for result in store.summary(reference, ValidationSummary).contract.failed}


def test_a_good_dump_passes_and_bad_rows_are_quarantined_with_their_place(store):
    table = dump(changes={7: {"score": 9}, 9: {"problem": "unparseable", "problem_detail": "why", "raw": "a,b"}})
    reference = raw(store, table)
    enforce_contract(reference, store)

    folder = store.folder(reference)
    kept, quarantine = pq.read_table(folder / "reviews.parquet"), pq.read_table(folder / "quarantine.parquet")
    assert kept.schema.equals(KEPT)
    assert quarantine.schema.equals(QUARANTINE)
    assert not {"problem", "problem_detail", "raw"} & set(kept.column_names)
    good = [row for row in range(ROWS) if row not in (7, 9)]
    assert kept.to_pylist() == table.select(KEPT.names).take(good).to_pylist()
    assert quarantine.select(["row", "file", "line", "reason", "detail", "raw"]).to_pylist() == [
        {"row": 7, "file": "dump.csv", "line": 9, "reason": "bad_score", "detail": "score is 9", "raw": None},
        {"row": 9, "file": "dump.csv", "line": 11, "reason": "unparseable", "detail": "why", "raw": "a,b"},
    ]
    assert pq.ParquetFile(folder / "reviews.parquet").metadata.row_group(0).column(0).compression == "ZSTD"
    summary = store.summary(reference, ValidationSummary)
    assert (summary.data_set, summary.rows, summary.quarantined) == ("raw", ROWS, {"unparseable": 1, "bad_score": 1})
    rows = store.manifest(reference).rows
    assert rows is not None
    assert (rows.rows_in, rows.kept, rows.excluded) == (ROWS, ROWS - 2, {"unparseable": 1, "bad_score": 1})


def test_too_many_bad_rows_are_refused_with_their_reasons_and_first_places(store):
    changes = {row: {"score": 9} for row in range(20, 30)} | {5: {"text": ""}, 6: {"text": None}}
    changes |= {30: {"file": "<b>\x1b[31m.csv", "problem": "unparseable", "problem_detail": "why"}}
    reference = raw(store, dump(changes=changes))
    message = refusal(store, reference)
    assert "1 of 12 expectations failed" in message
    assert "Few bad rows: observed 13 of 240 rows (5.42 %); expected at most 1.00 % of the rows." in message
    assert "bad_score 10, first dump.csv:22 (score is 9); empty_text 2, first dump.csv:7 (text is empty); " in message
    assert "unparseable 1, first <b>\\x1b[31m.csv:32 (why)" in message
    assert "max_bad_row_share" in message
    assert message.endswith(f"data_docs/index.html of artifact {reference}.")
    assert pq.read_table(store.folder(reference) / "quarantine.parquet").num_rows == 13


FRENCH = ("Qualité médiocre, très déçu, je n’ai pas aimé ce thé", "Très bon thé, je suis enchanté, déjà commandé")


@pytest.mark.parametrize(
    ("texts", "language", "lost"),
    [
        (FRENCH, "French", "0.00 %"),
        (
            ("Muy mal producto, no lo recomiendo a nadie", "Me encanta, llegó rápido y es buena calidad"),
            "Spanish",
            "0.00 %",
        ),
        (("质量太差了，不推荐", "这个产品很好，我很喜欢"), "Chinese", "100.00 %"),
        (("Не работает, очень плохое качество товара", "Отличный чай, всем рекомендую"), "Russian", "100.00 %"),
    ],
)
def test_a_dump_in_another_language_is_refused_by_its_name(store, texts, language, lost):
    table = dump(changes={row: {"text": f"{texts[row % 2]} {row}"} for row in range(ROWS)})
    reference = raw(store, table)
    message = refusal(store, reference)
    assert f"this looks like {language}: 0.00 % of" in message
    assert f"{lost} of the letters are not Latin" in message
    assert "This product's cleaning is for English" in message
    assert "allow_other_languages" in message
    enforce_contract(raw(store, table, ValidationConfig(allow_other_languages=True)), store)


def test_a_few_reviews_in_another_language_are_no_reason_to_refuse_a_dump(store):
    enforce_contract(raw(store, dump(changes={row: {"text": FRENCH[0]} for row in range(0, ROWS, 10)})), store)


@pytest.mark.parametrize("text", ["Super!", "nice", "good product", "value for money", "5/5", "👍"])
def test_short_reviews_are_read_together(store, text):
    texts = (text, "great tea", "very bad, broke", "ok", "love it", "waste of money")
    enforce_contract(raw(store, dump(changes={row: {"text": texts[row % 6]} for row in range(ROWS)})), store)


def test_all_rows_quarantined_is_refused(store):
    reference = raw(store, dump(changes={row: {"score": None} for row in range(ROWS)}))
    assert observed(store, reference) == {
        "Few bad rows": "240 of 240 rows (100.00 %)",
        "Enough reviews": "0 rows",
        "Both classes exist": "no review with a score other than 3",
    }
    assert "Enough reviews: observed 0 rows; expected at least 200 rows." in refusal(store, reference)
    assert pq.read_table(store.folder(reference) / "reviews.parquet").num_rows == 0
    assert (store.folder(reference) / "data_docs" / "index.html").exists()


def test_an_empty_dump_is_refused(store):
    reference = raw(store, dump(0))
    assert observed(store, reference) == {
        "Few bad rows": "no rows",
        "Enough reviews": "0 rows",
        "Both classes exist": "no review with a score other than 3",
    }
    for name, schema in (("reviews", KEPT), ("quarantine", QUARANTINE)):
        assert pq.read_table(store.folder(reference) / f"{name}.parquet").schema.equals(schema)


def test_one_class_is_refused(store):
    reference = raw(store, dump(changes={row: {"score": 5} for row in range(ROWS)}))
    assert observed(store, reference) == {"Both classes exist": "negative 0.00 %, positive 100.00 %"}


def test_a_table_without_columns_that_it_needs_is_refused(store):
    reference = raw(store, dump().drop_columns(["row", "score", "raw"]))
    assert observed(store, reference)["All columns exist"] == "missing: row, score, raw"
    assert store.summary(reference, ValidationSummary).quarantined == {"bad_score": ROWS}


def test_a_column_of_another_type_is_read_where_it_fits_and_named(store):
    table = dump()
    wide = table.set_column(table.schema.get_field_index("score"), "score", table["score"].cast(pa.int64()))
    words = wide.set_column(wide.schema.get_field_index("time"), "time", pa.array(["noon"] * ROWS))
    reference = raw(store, words)
    assert observed(store, reference) == {"All columns have their type": "missing: score: int8, time: int64"}
    kept = pq.read_table(store.folder(reference) / "reviews.parquet")
    assert kept["score"].to_pylist() == table["score"].to_pylist()
    assert kept["time"].null_count == ROWS


def test_rows_of_several_batches_are_all_accounted_for(store, monkeypatch):
    monkeypatch.setattr("pipeline.validation.tables.BATCH_ROWS", 7)
    bad = {row: {"score": 9} for row in range(0, ROWS, 50)}
    reference = raw(store, dump(changes=bad), ValidationConfig(max_bad_row_share=0.05))
    folder = store.folder(reference)
    kept = pq.read_table(folder / "reviews.parquet")["row"].to_pylist()
    assert kept == [row for row in range(ROWS) if row not in bad]
    assert pq.read_table(folder / "quarantine.parquet")["row"].to_pylist() == list(bad)
    assert pq.ParquetFile(folder / "reviews.parquet").metadata.row_group(0).num_rows <= 7
    assert "first dump.csv:2 " in store.summary(reference, ValidationSummary).contract.expectations[2].advice


def test_two_files_may_both_count_their_ids_from_one(store):
    second = {row: {"file": "second.csv", "id": row - ROWS // 2 + 1} for row in range(ROWS // 2, ROWS)}
    enforce_contract(raw(store, dump(changes=second)), store)


def test_a_damaged_table_is_named(store):
    ingested = place_dump(store, dump())
    (store.folder(ingested) / "reviews.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(ArtifactError, match=r"reviews.parquet of artifact ingest/.* cannot be read"):
        validate_raw(ingested, CONFIG, store)


def test_pages_show_no_text_of_the_dump_and_load_and_run_nothing(store):
    hostile = dict.fromkeys(("product_id", "user_id", "profile_name", "summary", "text", "file"), HOSTILE)
    bad = {1: hostile | {"problem": "unparseable", "problem_detail": HOSTILE, "raw": HOSTILE}}
    bad |= {row: hostile | {"score": 9} for row in range(2, 12)}
    reference = raw(store, dump(changes=bad | dict.fromkeys(range(12, 40), hostile)))
    folder = store.folder(reference) / "data_docs"
    pages = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert sorted(pages) == ["columns.html", "dump.html", "index.html", "languages.html", "reviews.html"]
    for page in pages.values():
        assert page.startswith("<!DOCTYPE html>")
        assert "<script" not in page
        assert "http://" not in page
        assert "https://" not in page
        assert "default-src 'none'" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages["index.html"]
    assert "alert(1)" not in pages["reviews.html"] + pages["dump.html"] + pages["columns.html"]
    assert "Few bad rows" in pages["index.html"]
    assert 'class="failed"' in pages["index.html"]
    assert "mean must be less than or equal to" in pages["dump.html"]
    assert "failed" in pages["dump.html"]
    assert "greater than or equal to" in pages["reviews.html"]


def test_a_hostile_file_name_cannot_act_in_a_message(store):
    reference = raw(store, dump(changes={row: {"file": "\x1b[31m" + "x" * 300, "score": 9} for row in range(9)}))
    message = refusal(store, reference)
    assert "\x1b" not in message
    assert "x" * 80 not in message


def test_the_same_dump_gives_the_same_bytes(tmp_path):
    table = dump(changes={row: {"score": 9} for row in range(0, 60, 3)} | {4: {"id": 7}, 50: {"id": 7}})
    one, other = (ArtifactStore(str(tmp_path / name)) for name in ("one", "other"))
    files = [contents(store.folder(raw(store, table))) for store in (one, other)]
    assert files[0] == files[1]
    assert {"summary.json", "reviews.parquet", "quarantine.parquet", "data_docs/index.html"} <= set(files[0])
    files = [
        contents(store.folder(validate_clean(place_clean(store, clean_table()), CONFIG, store)))
        for store in (one, other)
    ]
    assert files[0] == files[1]


def test_great_expectations_says_nothing_and_leaves_no_traces(store, tmp_path, monkeypatch, caplog, capfd):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO)
    raw(store, dump())
    assert [record.name for record in caplog.records if record.name.startswith("great_expectations")] == []
    said = capfd.readouterr()
    assert said.out == ""
    assert "Calculating Metrics" not in said.err
    assert not (tmp_path / "home").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


def test_a_good_clean_table_passes_and_keeps_every_row(store):
    reference = validate_clean(place_clean(store, clean_table()), CONFIG, store)
    enforce_contract(reference, store)
    summary = store.summary(reference, ValidationSummary)
    assert (summary.data_set, summary.rows, summary.quarantined) == ("clean", ROWS, {})
    assert sorted(contents(store.folder(reference))) == [
        "data_docs/columns.html",
        "data_docs/index.html",
        "data_docs/reviews.html",
        "summary.json",
    ]
    rows = store.manifest(reference).rows
    assert rows is not None
    assert (rows.rows_in, rows.kept) == (ROWS, ROWS)


def test_a_bad_clean_table_is_refused(store):
    changes = {1: {"words": "Great!"}, 2: {"label": 0}, 3: {"score": 3}}
    reference = validate_clean(place_clean(store, clean_table(changes=changes)), CONFIG, store)
    message = refusal(store, reference)
    assert message.startswith("The clean data violate their contract: 3 of 12 expectations failed")
    assert "Labels agree with scores: observed 1 of 240 rows" in message


def test_an_empty_clean_table_is_refused(store):
    reference = validate_clean(place_clean(store, clean_table(0)), CONFIG, store)
    assert set(observed(store, reference)) == {
        "Enough reviews are left",
        "Both classes are left",
        "Reviews have a plausible length",
    }


def test_the_share_of_bad_rows_is_no_part_of_the_clean_key(store):
    cleaned = place_clean(store, clean_table())
    keys = {validate_clean(cleaned, ValidationConfig(max_bad_row_share=share), store).key for share in (0.1, 0.2)}
    assert len(keys) == 1
    assert validate_clean(cleaned, ValidationConfig(min_rows=100), store).key not in keys


def test_a_long_message_is_cut_between_expectations_and_keeps_its_end():
    result = ExpectationResult(
        name="expect",
        title="T" * 50,
        column=None,
        success=False,
        observed="o" * 999,
        expected="e" * 999,
        advice="a" * 99,
    )
    contract = ContractResult(success=False, expectations=(result,) * 12)
    summary = ValidationSummary(data_set="raw", rows=1, quarantined={}, contract=contract, data_docs="docs.html")
    message = violation_message(summary, ArtifactReference(stage="validate_raw", key="0" * 32))
    assert len(message) <= MESSAGE_LIMIT
    assert "\n- and 11 more.\n" in message or "\n- and 10 more.\n" in message
    assert message.endswith("docs.html of artifact validate_raw/000000000000.")


@pytest.mark.parametrize("name", ["fine_foods_a", "fine_foods_b"])
def test_real_reviews_fulfil_the_contract(store, shared_data, name):
    reference = raw(store, read_dump(shared_data / f"{name}.csv.gz"))
    enforce_contract(reference, store)
    summary = store.summary(reference, ValidationSummary)
    assert summary.quarantined == {}
    assert summary.rows == {"fine_foods_a": 9_542, "fine_foods_b": 10_632}[name]


def read_dump(path: Path) -> pa.Table:
    """Read a Kaggle CSV as ingest would, as far as these clean files need it."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        records = list(csv.DictReader(stream))
    rows = [
        {
            "row": row,
            "file": path.name,
            "line": row + 2,
            "id": int(record["Id"]),
            "product_id": record["ProductId"],
            "user_id": record["UserId"],
            "profile_name": record["ProfileName"],
            "helpfulness_numerator": int(record["HelpfulnessNumerator"]),
            "helpfulness_denominator": int(record["HelpfulnessDenominator"]),
            "score": int(record["Score"]),
            "time": int(record["Time"]),
            "summary": record["Summary"],
            "text": record["Text"],
        }
        for row, record in enumerate(records)
    ]
    return pa.Table.from_pylist(rows, REVIEW_SCHEMA)
