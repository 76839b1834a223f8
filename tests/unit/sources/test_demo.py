"""The demo dump: the same bytes everywhere, and the features of a real dump."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter

import pytest

from pipeline.sources.demo import DEMO_ROWS, HEADER, write_demo_dump
from tests.unit.readers.factories import read
from tests.unit.sources.factories import KAGGLE_HEADER

SHA256 = "3a7c46c08ea4d8af69b4110d575a41ac5363e2cba028e0d3809aeb3d31a61e8e"
"""A new digest means other demo figures in the documentation."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "demo.csv"
    write_demo_dump(path)
    return path


def test_the_bytes_are_the_same_on_every_version_and_machine(demo) -> None:
    assert hashlib.sha256(demo.read_bytes()).hexdigest() == SHA256


def test_it_reads_as_a_real_dump_with_few_problems(demo, store) -> None:
    rows, summary = read(store, demo)
    assert summary.rows == DEMO_ROWS
    problems = Counter(row["problem"] for row in rows if row["problem"])
    assert set(problems) == {"unparseable", "bad_score"}
    empty = sum(row["text"] == "" for row in rows)
    assert empty > 0
    assert summary.problem_rows + empty < 0.01 * DEMO_ROWS
    assert sum((row["helpfulness_numerator"] or 0) > (row["helpfulness_denominator"] or 0) for row in rows) == 2
    assert ",".join(KAGGLE_HEADER) == HEADER


def test_its_features(demo) -> None:
    with demo.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["Score"] in set("12345") and None not in row.values()]
    scores = Counter(row["Score"] for row in rows)
    assert 0.06 < scores["3"] / len(rows) < 0.10
    positive = scores["4"] + scores["5"]
    assert 0.77 < positive / (positive + scores["1"] + scores["2"]) < 0.83
    keys = Counter((row["UserId"], row["ProfileName"], row["Time"], row["Text"]) for row in rows)
    assert 0.07 < 1 - len(keys) / len(rows) < 0.13
    under_other_products = {}
    for row in rows:
        under_other_products.setdefault(row["Text"], set()).add(row["ProductId"])
    assert max(map(len, under_other_products.values())) > 1
    texts = " ".join(row["Text"] or "" for row in rows)
    for mark in ("<br />", "<a href=", "&amp;", "&quot;", "http://", "\n", '"', "é"):
        assert mark in texts
    assert any(row["Summary"] == "" for row in rows)
    assert any(row["ProfileName"] == "nan" for row in rows)
    times = [int(row["Time"]) for row in rows]
    assert min(times) >= 1104537600
    assert max(times) < 1356998400
    assert all(time % 86_400 == 0 for time in times)
    assert len({row["ProductId"] for row in rows}) > 300


def test_a_linear_model_learns_it_but_not_all_of_it(demo) -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score

    with demo.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["Score"] in set("1245") and row["Text"]]
    rows = list({row["Text"]: row for row in rows}.values())
    products = sorted({row["ProductId"] for row in rows})
    held_out = set(products[::6])
    train = [row for row in rows if row["ProductId"] not in held_out]
    test = [row for row in rows if row["ProductId"] in held_out]
    words = text.TfidfVectorizer(min_df=2)
    x = words.fit_transform([row["Summary"] + " " + row["Text"] for row in train])
    model = LogisticRegression(max_iter=300, class_weight="balanced").fit(x, [row["Score"] > "3" for row in train])
    predicted = model.predict(words.transform([row["Summary"] + " " + row["Text"] for row in test]))
    assert 0.85 < balanced_accuracy_score([row["Score"] > "3" for row in test], predicted) < 0.94


def test_another_seed_and_size_give_another_dump(tmp_path) -> None:
    for name, seed in (("a", 1), ("b", 2), ("c", 1)):
        write_demo_dump(tmp_path / name, rows=200, seed=seed)
    first, second, again = ((tmp_path / name).read_bytes() for name in "abc")
    assert first != second
    assert first == again
