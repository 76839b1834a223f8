"""Rating scales: recognized from all values, stated by a parameter, or refused."""

from __future__ import annotations

from collections import Counter

import pytest

from pipeline.errors import ConfigurationError, SourceError
from pipeline.readers.ratings import Ambiguity, RatingScale, find_scale, named_scale
from tests.unit.readers.factories import read
from tests.unit.sources.factories import csv_text, written


def ratings(*values: str | float, each: int = 100) -> Counter:
    return Counter(dict.fromkeys(values, each))


def labels(scale: RatingScale, values: list[str]) -> str:
    """Return one sign per value: ``-`` negative, ``0`` neutral, ``+`` positive, ``?`` not on the scale."""
    scores = [scale.score(value) for value in values]
    return "".join("?" if score is None else "-0+"[(score > 3) - (score < 3) + 1] for score in scores)


RECOGNIZED = [
    ("1-5", "1 2 3 4 5", "--0++"),
    ("1-5", "1 5", "-+"),
    ("1-5", "1 4", "-+"),
    ("1-5", "1.0 2.0 4,0 5,0", "--++"),
    ("1-5", "1.5 2 2.5 3 3.5 4 4.5 5", "--000+++"),
    ("0.5-5", "0.5 1 1.5 2 2.5 3 3.5 4 4.5 5", "----00++++"),
    ("0-1", "0 1", "-+"),
    ("0-1", "0.0 1.0", "-+"),
    ("1-2", "1 2", "-+"),
    ("0-4", "0 4", "-+"),
    ("0-4", "0 2 4", "-0+"),
    ("0-4", "0 1 2 3 4", "--0++"),
    ("-1 to 1", "-1 0 1", "-0+"),
    ("-1 to 1", "-1 1", "-+"),
    ("1-10", "1 2 3 4 5 6 7 8 9 10", "----00++++"),
    ("1-10", "1 2 3 4 7 8 9 10", "----++++"),
    ("0-10", "0 1 2 3 4 5 6 7 8 9 10", "----000++++"),
    ("1-10", "1/10 4/10 8/10 10/10", "--++"),
    ("1-5", "1/5 3/5 5/5", "-0+"),
    ("1-5", "1.0 out of 5 stars|3.0 out of 5 stars|5.0 out of 5 stars", "-0+"),
    ("0-100", "0 10 37 50 63 90 100", "---0+++"),
    ("0-100", "10% 50% 80% 100%", "-0++"),
    ("20-100", "20 40 60 80 100", "--0++"),
    ("10-50", "10 20 30 40 50", "--0++"),
    ("words", "positive|negative", "+-"),
    ("words", "Pos|NEG|neutral", "+-0"),
    ("words", "very positive|somewhat negative|mixed", "+-0"),
]


@pytest.mark.parametrize(("name", "found", "expected"), RECOGNIZED)
def test_a_scale_is_recognized_by_its_values(name, found, expected) -> None:
    values = found.split("|") if "|" in found else found.split()
    scale = find_scale(ratings(*values))
    assert isinstance(scale, RatingScale), scale
    assert (scale.name, labels(scale, values)) == (name, expected)


AMBIGUOUS = [
    ("1 2 3 4", ["1-4", "1-5"]),
    ("1 2 3", ["1-3", "1-5"]),
    ("0 1 2", ["0-2", "0-4"]),
    ("0 1 2 3", ["0-3", "0-4"]),
    ("0 1 2 3 4 5", ["0-5", "1-5"]),
    ("1 2 3 4 5 6 7", ["1-7", "1-10"]),
    ("1 2 3 4 5 10", ["1-5", "1-10"]),
    ("0.12 0.5 0.77 0.91", ["0-1"]),
    ("1 50 99 250", []),
    ("good bad", []),
    ("4/5 8/10", []),
]


@pytest.mark.parametrize(("found", "candidates"), AMBIGUOUS)
def test_ambiguous_ratings_are_no_scale(found, candidates) -> None:
    scale = find_scale(ratings(*found.split()))
    assert isinstance(scale, Ambiguity), scale
    assert [candidate.name for candidate in scale.candidates] == candidates


def test_a_few_wrong_values_do_not_change_the_scale() -> None:
    stars = ratings("1", "2", "3", "4", "5", each=1000)
    for strays in ({"0": 20}, {"10": 20}, {"five": 40}, {"4.5": 40}, {"": 900}, {"6": 2, "7": 2}):
        scale = find_scale(stars | Counter(strays))
        assert isinstance(scale, RatingScale), strays
        assert scale.name == "1-5"
        assert all(scale.score(value) is None for value in strays)


def test_few_ratings_from_1_to_5_are_stars() -> None:
    scale = find_scale(ratings("1", "2", "3", "4", each=2))
    assert isinstance(scale, RatingScale)
    assert scale.name == "1-5"


def dump(values: list[str]) -> str:
    return csv_text(
        [(value, f"review number {row} of a tea") for row, value in enumerate(values)], ("rating", "review")
    )


SEVEN = [str(1 + row % 7) for row in range(210)]


@pytest.mark.parametrize(
    ("config", "scale", "scores"),
    [
        ({"rating_scale": "1-7"}, "1-7", [1, 2, 2, 3, 4, 4, 5]),
        ({"rating_scale": "1-10"}, "1-10", [1, 1, 2, 2, 3, 3, 4]),
        ({"rating_scale": "1-5"}, "1-5", [1, 2, 3, 4, 5, None, None]),
        ({"negative_up_to": 2, "positive_from": 5}, "thresholds", [1, 1, 3, 3, 5, 5, 5]),
        ({"rating_labels": {"1": "negative", "7.0": "positive"}}, "labels", [1, None, None, None, None, None, 5]),
    ],
)
def test_a_parameter_states_the_scale(tmp_path, store, config, scale, scores) -> None:
    rows, summary = read(store, written(tmp_path / "r.csv", dump(SEVEN)), **config)
    assert [row["score"] for row in rows[:7]] == scores
    assert summary.rating_scale is not None
    assert (summary.rating_scale.name, summary.rating_scale.automatic) == (scale, False)


def test_the_chosen_scale_is_in_the_summary_and_the_log(tmp_path, store, caplog) -> None:
    caplog.set_level("INFO")
    values = ["positive", "negative"] * 100
    rows, summary = read(store, written(tmp_path / "r.csv", dump(values)))
    assert [row["score"] for row in rows[:2]] == [5, 1]
    assert all(row["problem"] is None for row in rows)
    assert summary.rating_scale is not None
    assert summary.rating_scale.automatic
    assert summary.rating_scale.sentiments == "'negative' is negative; 'positive' is positive"
    assert "Rating scale words, recognized from all values: 'negative' is negative" in caplog.text
    assert summary.files[0].rows == summary.rows == 200


def test_the_last_values_of_a_long_dump_count_too(tmp_path, store) -> None:
    early, late = [str(1 + row % 5) for row in range(9_000)], [str(6 + row % 5) for row in range(2_000)]
    rows, summary = read(store, written(tmp_path / "r.csv", dump(early + late)))
    assert summary.rating_scale is not None
    assert summary.rating_scale.name == "1-10"
    assert [row["score"] for row in rows[:5]] == [1, 1, 2, 2, 3]


def test_an_ambiguous_scale_is_refused_with_what_was_seen_and_how_to_state_it(tmp_path, store) -> None:
    with pytest.raises(SourceError) as error:
        read(store, written(tmp_path / "r.csv", dump([str(1 + row % 4) for row in range(200)])))
    message = str(error.value)
    assert "'r.csv': the ratings in 'rating' fit several scales: '1' (50), '2' (50), '3' (50), '4' (50)." in message
    assert "On the scale 1-4, 1, 2 are negative; 3, 4 are positive." in message
    assert "On the scale 1-5, 1, 2 are negative; 3 is neutral; 4 is positive." in message
    assert "(rating_scale), e.g. `1-4`" in message


def test_values_without_a_known_meaning_need_labels(tmp_path, store) -> None:
    recommended = written(tmp_path / "r.csv", dump(["True", "False"] * 100))
    with pytest.raises(SourceError, match=r"'False' \(100\), 'True' \(100\)\. State the meaning of each value with .*"):
        read(store, recommended)
    rows, _ = read(store, recommended, rating_labels={"true": "positive", "False": "negative"})
    assert [row["score"] for row in rows[:2]] == [5, 1]


def test_files_of_different_scales_are_refused(tmp_path, store) -> None:
    stars = written(tmp_path / "stars.csv", dump([str(1 + row % 5) for row in range(200)]))
    tens = written(tmp_path / "tens.csv", dump([str(1 + row % 10) for row in range(1000)]))
    with pytest.raises(
        SourceError, match=r"'stars\.csv' has ratings of the scale 1-5, but all files together have 1-10"
    ):
        read(store, stars, tens)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"rating_scale": "five"}, "Use `auto`, `words`, or the lowest and the highest rating"),
        ({"rating_scale": "5-1"}, "Use `auto`, `words`, or the lowest and the highest rating"),
        ({"negative_up_to": 4}, "belong together"),
        ({"negative_up_to": 4, "positive_from": 3}, "must be below"),
        ({"rating_labels": {"good": "positive"}, "rating_scale": "1-5"}, "give every rating its meaning"),
        ({"rating_labels": {"good": "great"}}, "rating_labels"),
    ],
)
def test_contradicting_settings_are_refused(config, message) -> None:
    from pipeline.config import RunConfig

    with pytest.raises(ConfigurationError, match=message):
        RunConfig.from_flat(config)


@pytest.mark.parametrize(
    ("name", "ends"), [("1-5", (1, 5)), ("-1 to 1", (-1, 1)), ("-1..1", (-1, 1)), ("0,5-5", (0.5, 5))]
)
def test_names_of_scales(name, ends) -> None:
    scale = named_scale(name)
    assert scale is not None
    assert (scale.lowest, scale.highest) == ends
    again = named_scale(scale.name)
    assert again == scale
