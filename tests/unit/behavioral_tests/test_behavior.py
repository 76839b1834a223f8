"""The behavioral tests: the same texts each time, and different results for different models."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline.behavioral_tests import run_tests
from pipeline.behavioral_tests.behavior import Behavior, Case
from pipeline.behavioral_tests.templates import behaviors, texts_digest, with_typo
from pipeline.sources.demo import phrases
from tests.unit.behavioral_tests.factories import Scorer, counting, reading

CHECKOUT = Path(__file__).resolve().parents[3]
GOLDEN = "8d33ae39f7cba2c476a7fa147a0161f39e31bf0ad225d9f1d18fdff1c293458c"
"""Changes with every text, and every model is then tested again; change it only on purpose."""


def pass_rates(scorer):
    return {test.name: test.pass_rate.value for test in run_tests(scorer)}


def of_kind(kind):
    return {test.name for test in behaviors() if test.kind == kind}


def single(expected, text="a text"):
    return Behavior("negation", "one", "One", "It passes.", (Case(text, expected),))


def pair(expected, *cases):
    pairs = tuple(Case(first, expected, second) for first, second in cases)
    return Behavior("invariance", "pair", "Pair", "It passes.", pairs)


def test_the_texts_are_the_same_each_time():
    assert (len(behaviors()), sum(len(test.cases) for test in behaviors())) == (21, 890)
    assert texts_digest() == GOLDEN
    program = "from pipeline.behavioral_tests.templates import texts_digest; print(texts_digest())"
    other = subprocess.run(
        [sys.executable, "-c", program],
        cwd=CHECKOUT,
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == GOLDEN


def test_every_test_has_twenty_to_sixty_cases_and_none_twice():
    for test in behaviors():
        assert 20 <= len(test.cases) <= 60, test.name
        assert len(set(test.cases)) == len(test.cases), test.name
        assert all(case.changed != case.text for case in test.cases), test.name
        assert not any("{" in case.text + (case.changed or "") for case in test.cases), test.name
    names = Counter(test.name for test in behaviors())
    assert set(names.values()) == {1}
    assert {test.kind for test in behaviors()} == {"minimum_functionality", "negation", "invariance", "direction"}


def test_half_of_the_texts_are_positive():
    for name in ("added_complaint", "added_praise", "typo", "case", "neutral_sentence"):
        (test,) = (test for test in behaviors() if test.name == name)
        positive = sum(reading(case.text) > 0.5 for case in test.cases)
        assert positive == len(test.cases) / 2, name


def test_no_text_is_a_sentence_of_the_demo_dump():
    demo = {
        sentence
        for listed in phrases().values()
        for sentence in listed
        if isinstance(sentence, str) and " " in sentence
    }
    for test in behaviors():
        for case in test.cases:
            assert not any(sentence in case.text for sentence in demo if "{" not in sentence), case.text


def test_a_model_that_knows_words_and_negations_passes_nearly_everything():
    rates = pass_rates(Scorer(reading))
    assert {name: rate for name, rate in rates.items() if rate < 0.95} == {}


def test_a_model_that_always_says_positive_fails_every_complaint():
    rates = pass_rates(Scorer(lambda _: 0.83))
    assert rates["plain_praise"] == rates["praise_among_neutral"] == rates["negated_complaint"] == 1
    assert rates["plain_complaint"] == rates["complaint_among_neutral"] == rates["negated_praise"] == 0
    assert all(rates[name] == 1 for name in of_kind("invariance") | of_kind("direction"))


def test_a_model_that_counts_words_fails_only_negation():
    rates = pass_rates(Scorer(counting))
    assert all(rates[name] > 0.95 for name in of_kind("minimum_functionality"))
    assert all(rates[name] < 0.5 for name in of_kind("negation"))


@pytest.mark.parametrize(
    ("test", "weak"),
    [
        ("case", lambda text: reading(text) if text != text.upper() else 0.5),
        ("html", lambda text: 0.9 if "<" in text else 0.5),
        ("web_address", lambda text: 0.9 if "example" in text else 0.5),
        ("typo", lambda text: 0.1 if "ordreed" in text else 0.9),
        ("punctuation", lambda text: 0.9 if text[-1] in " \n!" else 0.5),
        ("brand_name", lambda text: 0.9 if "Norvale" in text else 0.1),
        ("product_name", lambda text: 0.9 if "coffee" in text else 0.1),
        ("contraction", lambda text: counting(text) if "n't" in text else reading(text)),
        ("added_complaint", lambda text: min(0.99, len(text) / 150)),
        ("added_praise", lambda text: max(0.01, 1 - len(text) / 150)),
        ("very", lambda text: 0.5 if "very" in text else reading(text)),
    ],
)
def test_each_weakness_is_found_by_its_test(test, weak):
    assert pass_rates(Scorer(weak))[test] < 1


def test_answers_that_are_not_numbers_fail_their_cases():
    results = run_tests(Scorer(lambda _: np.nan))
    assert all(result.passed == 0 for result in results)
    shown = results[0].failures[0]
    assert (shown.probability, shown.changed_probability) == (0.5, None)
    # JSON has no NaN: the stored result must be readable.
    assert all(type(result).model_validate_json(result.model_dump_json()) == result for result in results)


def test_a_pair_with_an_invalid_probability_is_the_first_failure():
    scorer = Scorer(lambda text: {"b": 2.0, "d": 0.9}.get(text, 0.1))
    (result,) = run_tests(scorer, [pair("same", ("c", "d"), ("a", "b"))])
    assert result.passed == 0
    assert [case.text for case in result.failures] == ["a", "c"]


@pytest.mark.parametrize(
    ("expected", "probability", "passes"),
    [("positive", 0.3, True), ("positive", 0.29, False), ("negative", 0.29, True), ("negative", 0.3, False)],
)
def test_texts_are_classified_at_the_models_threshold(expected, probability, passes):
    (result,) = run_tests(Scorer(lambda _: probability, threshold=float(np.float32(0.3))), [single(expected)])
    assert bool(result.passed) == passes


@pytest.mark.parametrize(
    ("expected", "after", "passes"),
    [
        ("same", 0.58, True),
        ("same", 0.42, True),
        ("same", 0.62, False),
        ("same", 0.38, False),
        ("not_higher", 0.1, True),
        ("not_higher", 0.58, True),
        ("not_higher", 0.62, False),
        ("not_lower", 0.9, True),
        ("not_lower", 0.42, True),
        ("not_lower", 0.38, False),
    ],
)
def test_pairs_may_move_by_a_tenth(expected, after, passes):
    scorer = Scorer(lambda text: after if text == "after" else 0.5)
    (result,) = run_tests(scorer, [pair(expected, ("before", "after"))])
    assert bool(result.passed) == passes


def test_the_five_worst_failures_are_listed():
    cases = tuple(Case(str(place), "negative") for place in (7, 2, 9, 6, 5, 8, 1, 10))
    test = Behavior("negation", "many", "Many", "They pass.", cases)
    (result,) = run_tests(Scorer(lambda text: int(text) / 10), [test])
    assert (result.cases, result.passed) == (8, 2)
    assert [case.text for case in result.failures] == ["10", "9", "8", "7", "6"]
    assert result.pass_rate.low < 0.25 == result.pass_rate.value < result.pass_rate.high


def test_every_text_is_scored_once_in_one_call():
    scorer = Scorer(reading)
    run_tests(scorer)
    (asked,) = scorer.asked
    assert len(asked) == len(set(asked))


def test_a_typing_error_swaps_two_letters():
    assert with_typo("I ordered on a Tuesday. It is good.") == "I ordreed on a Tuesday. It is good."
    assert with_typo("A book about letters. Fine.") == "A book about letetrs. Fine."
