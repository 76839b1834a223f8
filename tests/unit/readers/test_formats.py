"""Every format of a dump gives the same rows."""

from __future__ import annotations

import bz2
import decimal
import gzip
import io
import json
import lzma
import zipfile
from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from openpyxl import Workbook

from tests.unit.readers.factories import read
from tests.unit.sources.factories import CHIPS, KAGGLE_HEADER, TEA, csv_text, written

EXPECTED = [
    {
        "row": 0,
        "line": 2,
        "id": 1,
        "product_id": "B001",
        "user_id": "U1",
        "profile_name": "Ann",
        "helpfulness_numerator": 1,
        "helpfulness_denominator": 2,
        "score": 5,
        "time": 1303862400,
        "summary": "Good tea",
        "text": "I like this tea.",
    },
    {
        "row": 1,
        "line": 3,
        "id": 2,
        "product_id": "B002",
        "user_id": "U2",
        "profile_name": 'Bo "chips"',
        "helpfulness_numerator": 0,
        "helpfulness_denominator": 0,
        "score": 1,
        "time": 1346976000,
        "summary": "Not, as advertised",
        "text": 'Salty, "stale"\nand <br /> old.',
    },
]


def zipped(members: dict[str, str | bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.getvalue()


def json_lines(**changes: object) -> str:
    rows = [dict(zip(KAGGLE_HEADER, row, strict=True)) for row in (TEA, CHIPS)]
    return "".join(json.dumps({**row, **changes}) + "\n" for row in rows)


CSV = csv_text()
ALL_QUOTED = csv_text(quoting=1, lineterminator="\r\n")
SHAPES = {
    "plain": ("Reviews.csv", CSV.encode()),
    "no line end at the end": ("Reviews.csv", CSV.rstrip("\n").encode()),
    "empty lines between": ("Reviews.csv", CSV.encode() + b"\n\n"),
    "mark": ("Reviews.csv", b"\xef\xbb\xbf" + CSV.encode()),
    "all quoted, CRLF": ("Reviews.csv", ALL_QUOTED.encode()),
    "all quoted, CRLF, mark": ("Reviews.csv", b"\xef\xbb\xbf" + ALL_QUOTED.encode()),
    "utf-16": ("Reviews.csv", CSV.encode("utf-16")),
    "semicolons": ("Reviews.csv", csv_text(delimiter=";").encode()),
    "tabs": ("reviews.tsv", csv_text(delimiter="\t").encode()),
    "bars": ("reviews.txt", csv_text(delimiter="|").encode()),
    "gzip": ("Reviews.csv.gz", gzip.compress(CSV.encode())),
    "gzip under another name": ("Reviews.csv", gzip.compress(CSV.encode())),
    "gzip of two members": ("Reviews.csv.gz", gzip.compress(CSV[:90].encode()) + gzip.compress(CSV[90:].encode())),
    "bzip2": ("Reviews.csv.bz2", bz2.compress(CSV.encode())),
    "bzip2 of two streams": ("Reviews.csv.bz2", bz2.compress(CSV[:90].encode()) + bz2.compress(CSV[90:].encode())),
    "xz": ("Reviews.csv.xz", lzma.compress(CSV.encode())),
    "xz of two streams": ("r.xz", lzma.compress(CSV[:90].encode()) + bytes(4) + lzma.compress(CSV[90:].encode())),
    "zstd": ("Reviews.csv.zst", zstandard.compress(CSV.encode())),
    "zstd of two frames": ("r.zst", zstandard.compress(CSV[:90].encode()) + zstandard.compress(CSV[90:].encode())),
    "zstd with a skipped frame": ("r.zst", b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstandard.compress(CSV.encode())),
    "zip with xz in it": ("archive.zip", zipped({"data/Reviews.csv.xz": lzma.compress(CSV.encode())})),
    "zip": ("archive.zip", zipped({"Reviews.csv": CSV, "__MACOSX/._Reviews.csv": b"\0\1", "hashes.txt": "abc"})),
    "zip with gzip in it": ("archive.zip", zipped({"data/Reviews.csv.gz": gzip.compress(CSV.encode())})),
    "json lines": ("reviews.jsonl", json_lines().encode()),
    "json lines, gzip": ("reviews.jsonl.gz", gzip.compress(json_lines().encode())),
    "header in other letters": ("Reviews.csv", CSV.replace("ProductId", "PRODUCT_ID").replace("Text", "text").encode()),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_format_gives_the_same_rows(tmp_path, store, shape) -> None:
    name, content = SHAPES[shape]
    rows, summary = read(store, written(tmp_path / name, content))
    assert summary.rows == len(rows) == 2
    assert summary.problem_rows == 0
    assert summary.missing_columns == ()
    for row, expected in zip(rows, EXPECTED, strict=True):
        line = expected["line"] - shape.startswith("json")  # no header line there
        assert {name: row[name] for name in expected} == {**expected, "line": line}
        assert row["problem"] is row["problem_detail"] is row["raw"] is None


def test_the_summary_says_how_a_file_was_read(tmp_path, store) -> None:
    _, summary = read(store, written(tmp_path / "Reviews.csv", gzip.compress(csv_text(delimiter=";").encode())))
    (file,) = summary.files
    assert (file.format, file.compression, file.encoding, file.delimiter) == ("csv", "gzip", "utf-8", ";")
    assert file.column_mapping["helpfulness_numerator"] == "HelpfulnessNumerator"


def test_parquet(tmp_path, store) -> None:
    table = pa.table({name: [TEA[place], CHIPS[place]] for place, name in enumerate(KAGGLE_HEADER)})
    table = table.set_column(6, "Score", pa.array([5.0, 1.0])).set_column(
        1, "ProductId", table["ProductId"].dictionary_encode()
    )
    times = pa.array([1303862400000, 1346976000000], pa.timestamp("ms"))
    pq.write_table(table.set_column(7, "Time", times), tmp_path / "reviews.parquet")
    rows, summary = read(store, tmp_path / "reviews.parquet")
    assert [row["line"] for row in rows] == [1, 2]
    for row, expected in zip(rows, EXPECTED, strict=True):
        assert {name: row[name] for name in expected if name != "line"} == {
            k: v for k, v in expected.items() if k != "line"
        }
    assert summary.files[0].format == "parquet"


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("Score", pa.array([decimal.Decimal("5.00"), decimal.Decimal("1.00")], pa.decimal128(3, 2)), [5, 1]),
        ("Score", pa.array([5.0, float("nan")]), [5, None]),
        ("Score", pa.array([5.0, float("nan")], pa.float16()), [5, None]),
        ("Time", pa.array([1303862400.0, float("nan")]), [1303862400, None]),
        ("Time", pa.array([1303862400, None], pa.decimal128(10, 0)), [1303862400, None]),
        ("Text", pa.array(["don’t".encode(), b"don\x92t"], pa.binary()), ["don’t", "don’t"]),
        ("Text", pa.array(["a", "b"], pa.large_string()).dictionary_encode(), ["a", "b"]),
    ],
)
def test_types_of_parquet(tmp_path, store, column, values, expected) -> None:
    table = pa.table({name: [TEA[place], CHIPS[place]] for place, name in enumerate(KAGGLE_HEADER)})
    pq.write_table(table.set_column(KAGGLE_HEADER.index(column), column, values), tmp_path / "reviews.parquet")
    rows, _ = read(store, tmp_path / "reviews.parquet")
    assert [row[column.lower()] for row in rows] == expected
    assert [row["problem"] for row in rows] == [None, "bad_score" if expected == [5, None] else None]


TABLE = pd.DataFrame([TEA, CHIPS], columns=list(KAGGLE_HEADER), index=[7, 3])
RECORDS = TABLE.to_json(orient="records")
JSON = {
    "columns": TABLE.to_json(),
    "index": TABLE.to_json(orient="index"),
    "split": TABLE.to_json(orient="split"),
    "table": TABLE.to_json(orient="table"),
    "records": RECORDS,
    "records, indented": TABLE.to_json(orient="records", indent=2),
    "records, a line each": RECORDS.replace("},{", "},\n{"),
    "records in an object": f'{{"count": 2, "reviews": {RECORDS}}}',
    "lists": json.dumps(TABLE.to_dict("list")),
    "objects over lines": "\n".join(json.dumps(row, indent=1) for row in TABLE.to_dict("records")),
    "objects with commas": RECORDS[1:-1].replace("},{", "},\n{"),
}


@pytest.mark.parametrize("kind", JSON)
def test_json_tables_and_arrays_give_the_same_rows(tmp_path, store, kind) -> None:
    rows, summary = read(store, written(tmp_path / "reviews.json", JSON[kind]))
    assert summary.files[0].format == "json"
    assert [row["line"] for row in rows] == [1, 2]
    for row, expected in zip(rows, EXPECTED, strict=True):
        assert {name: row[name] for name in expected if name != "line"} == {
            k: v for k, v in expected.items() if k != "line"
        }


def test_an_array_longer_than_any_line_is_read_in_parts(tmp_path, store) -> None:
    reviews = [{"rating": 5 - number % 2, "review": f"trè{number} 😍 " + "words " * 60} for number in range(20_000)]
    rows, _ = read(store, written(tmp_path / "r.json", json.dumps(reviews, ensure_ascii=False)))
    assert [(row["score"], row["text"]) for row in rows] == [(one["rating"], one["review"]) for one in reviews]


@pytest.mark.parametrize("first", ['{"text": "b", "score":', '{"helpful": [1, 2], "text": "a", "score": 5}'])
def test_json_lines_stay_json_lines(tmp_path, store, first) -> None:
    _, summary = read(store, written(tmp_path / "r.json", first + '\n{"text": "a", "score": 5}\n'))
    assert summary.files[0].format == "json_lines"


def test_the_sheet_of_a_workbook_that_has_reviews(tmp_path, store) -> None:
    workbook = Workbook()
    workbook.active.append(["Notes"])
    sheet = workbook.create_sheet("All reviews")
    sheet.append(["Export of May"])
    sheet.append([])
    sheet.append(["rating", "review", "date", "asin"])
    sheet.append([5, "Good, “warm” tea", date(2012, 10, 26), 42])
    sheet.append([])
    sheet.append([1.0, "Stale_x000D_\nand old", None, None])
    sheet.append(["five", None, None, None])
    workbook.save(tmp_path / "r.xlsx")
    rows, summary = read(store, tmp_path / "r.xlsx", columns={"time": "date"})
    found = [(row["line"], row["score"], row["text"], row["time"], row["product_id"], row["problem"]) for row in rows]
    assert found == [
        (4, 5, "Good, “warm” tea", 1351209600, "42", None),
        (6, 1, "Stale\r\nand old", None, None, None),
        (7, None, None, None, None, "bad_score"),
    ]
    assert rows[2]["raw"] == "five"
    assert (summary.files[0].format, summary.files[0].sheet) == ("excel", "All reviews")
    assert "the sheet 'All reviews' is read" in summary.notes[-1]


SNAP = """product/productId: B001
review/userId: U1
review/profileName: Ann
review/helpfulness: 1/2
review/score: 5.0
review/time: 1303862400
review/summary: Good tea
review/text: I like this tea: caf\xe9.

product/productId: B002
review/userId: U2
review/profileName: Bo
the second
review/helpfulness: 0/0
review/score: 1.0
review/time: 1346976000
review/summary: Not, as advertised
review/text: Salty: stale.

product/productId: B003
review/userId: U3
review/score: 2.0

"""


def test_snap_text_in_latin_1_with_a_name_over_two_lines(tmp_path, store) -> None:
    rows, summary = read(store, written(tmp_path / "finefoods.txt.gz", gzip.compress(SNAP.encode("latin-1"))))
    assert [row["line"] for row in rows] == [1, 10, 20]
    assert rows[0]["text"] == "I like this tea: café."
    assert (rows[0]["helpfulness_numerator"], rows[0]["helpfulness_denominator"]) == (1, 2)
    assert rows[1]["profile_name"] == "Bo\nthe second"
    assert (rows[1]["score"], rows[1]["time"], rows[1]["text"]) == (1, 1346976000, "Salty: stale.")
    assert rows[2]["problem"] == "unparseable"
    assert "no line review/text:" in rows[2]["problem_detail"]
    assert rows[2]["raw"].startswith("product/productId: B003\n")
    assert summary.files[0].encoding == "windows-1252"
    assert summary.missing_columns == ("id",)


def test_amazon_json_of_2014_with_helpfulness_as_a_pair(tmp_path, store) -> None:
    review = {
        "reviewerID": "A1",
        "asin": "B1",
        "helpful": [3, 4],
        "reviewText": "Fine.",
        "overall": 4.0,
        "unixReviewTime": 1252800000,
    }
    rows, _ = read(store, written(tmp_path / "reviews.json", json.dumps(review) + "\n"))
    row = rows[0]
    assert (row["user_id"], row["product_id"], row["text"], row["score"], row["time"]) == (
        "A1",
        "B1",
        "Fine.",
        4,
        1252800000,
    )
    assert (row["helpfulness_numerator"], row["helpfulness_denominator"]) == (3, 4)


def test_a_key_that_first_occurs_later_in_json_lines_is_read(tmp_path, store) -> None:
    lines = [{"text": "a", "rating": 5}, {"text": "b", "rating": 1, "title": "late"}]
    rows, _ = read(store, written(tmp_path / "r.jsonl", "\n".join(map(json.dumps, lines))))
    assert [row["summary"] for row in rows] == [None, "late"]


def test_broken_json_lines_are_kept_with_their_line_number(tmp_path, store) -> None:
    good = '{"text": "a", "score": 5}'
    broken = [
        '{"text": "b", "score":',
        "[1]",
        '{"text": {"en": "c"}, "score": 4}',
        "[" * 5000,
        '{"text": "\\ud800", "score": 3}',
    ]
    rows, _ = read(store, written(tmp_path / "r.jsonl", "\n".join([good, *broken])))
    assert [row["problem"] for row in rows] == [None, *["unparseable"] * 4, None]
    assert [row["line"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert "expected an object" in rows[2]["problem_detail"]
    assert rows[3]["raw"] == broken[2] + "\n"
    assert rows[5]["text"] == "\ufffd"


def test_several_csv_files_in_a_zip_are_shards(tmp_path, store) -> None:
    content = zipped({"b.csv": csv_text([CHIPS]), "a.csv": csv_text([TEA]), "notes.md": "# hello"})
    rows, summary = read(store, written(tmp_path / "two.zip", content))
    assert [(row["row"], row["id"], row["file"]) for row in rows] == [(0, 1, "two.zip/a.csv"), (1, 2, "two.zip/b.csv")]
    assert [file.compression for file in summary.files] == ["zip", "zip"]


UTF8, WINDOWS, MIXED = "don’t 😍".encode(), "don’t “é”".encode("cp1252"), "é don’t".encode() + b" isn\x92t"


@pytest.mark.parametrize(
    ("lines", "asked", "encoding", "texts", "unreadable"),
    [
        (["Crème brûlée".encode()], None, "utf-8", ["Crème brûlée"], 0),
        ([WINDOWS], None, "windows-1252", ["don’t “é”"], 0),
        # One line does not decide the encoding of the others.
        ([WINDOWS, WINDOWS, UTF8], None, "utf-8, windows-1252", ["don’t “é”"] * 2 + ["don’t 😍"], 0),
        ([UTF8, UTF8, WINDOWS], None, "utf-8, windows-1252", ["don’t 😍"] * 2 + ["don’t “é”"], 0),
        # The byte that windows-1252 does not define is the control character of the Encoding Standard.
        ([WINDOWS, b"caf\xe9 \x9d"], None, "windows-1252", ["don’t “é”", "café \x9d"], 1),
        # Two fields of one line.
        ([MIXED], None, "utf-8", ["é don’t isn’t"], 0),
        # Characters that are cut off.
        (["Crème brûlée ".encode() + b"\xe2\x80"], None, "utf-8", ["Crème brûlée \ufffd"], 1),
        (["très bon caf".encode() + b"\xc3"], None, "utf-8", ["très bon caf\ufffd"], 1),
        (["already \ufffd \x9a and \x92".encode()], None, "utf-8", ["already \ufffd \x9a and \x92"], 2),
        (["žluťoučký".encode("cp1250")], "cp1250", "cp1250", ["žluťoučký"], 0),
        ([b"don\x92t \x9d"], "cp1252", "cp1252", ["don’t \x9d"], 0),
        ([b"don\x92t"], "latin-1", "latin-1", ["don\x92t"], 0),
        ([b"nul\x00byte"], None, "utf-8", ["nul\x00byte"], 0),
    ],
)
def test_every_line_is_read_in_its_encoding(tmp_path, store, lines, asked, encoding, texts, unreadable) -> None:  # noqa: PLR0917 - pytest passes by name
    rest = b"".join(b"4,plain old text of some length\n" for _ in range(20))
    dump = written(tmp_path / "r.csv", b"Score,Text\n" + b"".join(b"5," + line + b"\n" for line in lines) + rest)
    rows, summary = read(store, dump, encoding=asked)
    assert [row["text"] for row in rows[: len(lines)]] == texts
    (file,) = summary.files
    assert (file.encoding, file.unreadable_characters) == (encoding, unreadable)
    assert sum(file.lines_by_encoding.values()) == (0 if asked else 21 + len(lines))
    assert any("characters could not be read" in note for note in summary.notes) == (unreadable > 0)
    others = file.lines_by_encoding.get("windows-1252", 0)
    assert others == (sum(line in {WINDOWS, b"caf\xe9 \x9d"} for line in lines) if not asked else 0)
    assert any(f"{others} of {21 + len(lines)} lines are not valid UTF-8" in note for note in summary.notes) == bool(
        others
    )


def test_words_for_missing_values_stay_words(tmp_path, store) -> None:
    words = ["nan", "NA", "None", "null", "", "#N/A"]
    rows, _ = read(
        store,
        written(tmp_path / "r.csv", csv_text([("5", word, word) for word in words], ("Score", "Text", "ProfileName"))),
    )
    assert [row["profile_name"] for row in rows] == words
    assert [row["text"] for row in rows] == words
