"""Validated reviews, real dumps and hostile texts for the tests of cleaning."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from pipeline.cleaning import CleanSummary
from pipeline.cleaning.rules import joined
from pipeline.cleaning.words import normalizer
from pipeline.config import TextConfig
from pipeline.store import ArtifactReference, ArtifactStore, Record
from tests.factories import place

SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("id", pa.int64()),
        ("product_id", pa.string()),
        ("user_id", pa.string()),
        ("profile_name", pa.string()),
        ("helpfulness_numerator", pa.int32()),
        ("helpfulness_denominator", pa.int32()),
        ("score", pa.int8()),
        ("time", pa.int64()),
        ("summary", pa.string()),
        ("text", pa.string()),
        ("split", pa.string()),
    ]
)


class Upstream(Record):
    """An empty summary."""


def reviews(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows as a table of ``validate_raw``; missing values get a valid default."""
    full = [
        {
            "row": number,
            "file": "Reviews.csv",
            "line": number + 2,
            "id": number + 1,
            "product_id": "B001",
            "user_id": f"A{number}",
            "profile_name": "somebody",
            "helpfulness_numerator": 0,
            "helpfulness_denominator": 0,
            "score": 5,
            "time": 1_300_000_000,
            "summary": "good",
            "text": f"review number {number}",
        }
        | dict(row)
        for number, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(full, schema=SCHEMA)


def validated(store: ArtifactStore, table: pa.Table, label: str = "test") -> ArtifactReference:
    """Put reviews into the store as the artifact of ``validate_raw``."""
    return place(store, "validate_raw", Upstream(), tables={"reviews.parquet": table}, label=label)


def read(store: ArtifactStore, cleaned: ArtifactReference, name: str = "reviews.parquet") -> pa.Table:
    """Return a table of a ``clean`` artifact."""
    return pq.read_table(store.folder(cleaned) / name)


def summary(store: ArtifactStore, cleaned: ArtifactReference) -> CleanSummary:
    """Return the summary of a ``clean`` artifact."""
    return store.summary(cleaned, CleanSummary)


@cache
def fine_foods(folder: Path, *names: str) -> pa.Table:
    """Return the real reviews of one or more dumps as a table of ``validate_raw``."""
    rows = []
    for name in names:
        with gzip.open(folder / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
            rows += [
                {
                    "id": int(row["Id"]),
                    "product_id": row["ProductId"],
                    "user_id": row["UserId"],
                    "profile_name": row["ProfileName"] or None,
                    "helpfulness_numerator": int(row["HelpfulnessNumerator"]),
                    "helpfulness_denominator": int(row["HelpfulnessDenominator"]),
                    "score": int(row["Score"]),
                    "time": int(row["Time"]),
                    "summary": row["Summary"] or None,
                    "text": row["Text"],
                }
                for row in csv.DictReader(file)
            ]
    return reviews(rows)


FRAGMENTS = (
    *("great", "Tea", "NOT", "i", "very", "don't", "DON'T", "dont", "won't", "wont", "can't", "cannot", "I've", "it's"),
    *(
        "'tis",
        "'t",
        "don’t",
        "donâ€™t",
        "didn´t",
        "'",
        '"',
        "`",
        "5oz",
        "6-pack",
        "v2's",
        "٣x",
        "½",
        "café",
        "\u0130",
        "\u212a",
    ),
    *(" ", "  ", "\n", "\t", "\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\xa0", "\u2028", "\u200b"),
    *("\x00", "\x01", "\x1f", "\x7f", "\ufeff", "\ufffe", "\U0001f600"),
    *("<br />", "<br>", "<BR/>", "</br>", "<p>", "</p>", "<b>", "</b>", "<a href=x>", "<a href='x y'>", "</a>"),
    *('<a href="', '">', '<a href=" Pancake</a>', '<span class="tiny">', "</span>", "<img src=x>", "<o:p>", "<x<y>"),
    *(
        "<",
        ">",
        "<3",
        "< b",
        "</",
        "<!",
        "<?",
        "<!-- c -->",
        "<!--",
        "-->",
        "<!DOCTYPE html>",
        "<![CDATA[x]]>",
        "<?pi x?>",
    ),
    *("<script>", "</script>", "<style>", "</style>", "<template>", "</template>", "<noscript>", "</noscript>"),
    *("<table>", "<tr>", "<td>", "</table>", "<ul>", "<li>", "<select>", "<option>", "<textarea>", "</textarea>"),
    *("<title>", "</title>", "<head>", "<body>", "</body>", "<html>", "</html>", "<frameset>", "<plaintext>", "<xmp>"),
    *("<ruby>", "<rt>", "</rt>", "<svg>", "<math>", "<iframe>", "</iframe>", "<pre>", "</pre>", "<form>", "<input>"),
    *("&", " & ", "&&", "M&M's", "AT&T", "&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#39;", "&#039;", "&#x27;"),
    *("&amp;#39;", "&amp;lt;", "&amp;amp;quot;", "&nbsp;", "&nbsp", "&eacute;", "&eacute", "&bogus;", "&#0;", "&#65;"),
    *("&#xD800;", "&#9999999;", "&#;", "&;", "&rsquo;", "&ampx"),
    *("http", "http://", "http://a.b/c?d=e", "https://x.y", "HTTP://X.Y", "www.", "www.a.com", "awww.so", "httpx"),
)

hostile = st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join) | st.text(max_size=40)


def normalize(summary: str | None, text: str, config: TextConfig) -> str:
    """Return the words of one review, joined by one space."""
    return normalizer(config.normalization)(joined(summary, text) if config.include_summary else text)
