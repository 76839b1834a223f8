"""The stage ``run_behavioral_tests``: inputs, results and reuse."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.behavioral_tests import BehavioralTestsSummary, run_baseline_behavioral_tests, run_behavioral_tests
from pipeline.behavioral_tests.stage import BehavioralTestsError
from pipeline.config import EvaluationConfig
from pipeline.evaluation import (
    TFIDF,
    BaselinesSummary,
    baselines,
)
from pipeline.evaluation.linear_model import LinearScorer
from pipeline.splitting.records import SplitSummary
from tests.factories import contents, place
from tests.unit.behavioral_tests.factories import (
    Scorer,
    cleaned_reviews,
    evaluated_model,
    exported_model,
    reading,
)

CHECKOUT = Path(__file__).resolve().parents[3]
TEXTS = ["I like it.", "x" * 601, "Bad tea, really.", *(f"Good number {number}." for number in range(8))]
"""Reviews 0–10; the second is too long to be explained."""


def behavioral_tests(store, cleaned, evaluated, score=reading, *, joins=False, model="bi-seed1"):
    scorer = Scorer(score)
    reference = run_behavioral_tests(
        exported_model(store), evaluated, cleaned, lambda: scorer, store, model=model, include_summary=joins
    )
    return reference, store.summary(reference, BehavioralTestsSummary)


def test_the_title_comes_from_the_evaluation_and_the_threshold_from_the_model(store):
    _, summary = behavioral_tests(store, cleaned_reviews(store, TEXTS), evaluated_model(store, [0]), lambda _: 0.55)
    assert (summary.model, summary.title, summary.threshold) == ("bi-seed1", "Model bi-seed1", 0.5)
    passed = {test.name: test.passed for test in summary.tests}
    assert passed["plain_praise"] > 0 == passed["plain_complaint"]


def test_the_six_most_confident_short_mistakes_are_explained_in_order(store):
    rows = [9, 1, 2, 0, 4, 3, 10, 7, 8]
    _, summary = behavioral_tests(store, cleaned_reviews(store, TEXTS), evaluated_model(store, rows))
    assert [item.row for item in summary.explained] == [9, 2, 0, 4, 3, 10]
    bad = summary.explained[1]
    assert "".join(word.text for word in bad.words) == TEXTS[2]
    # Only "Bad " moves the answer.
    assert [math.copysign(1, word.effect) if word.effect else 0 for word in bad.words] == [-1, 0, 0]


def test_summaries_are_read_as_in_training(store):
    cleaned = cleaned_reviews(store, ["It is tea.", "It is tea."], ["Awful", None], joins=True)
    evaluated = evaluated_model(store, [0, 1])
    _, with_summaries = behavioral_tests(store, cleaned, evaluated, joins=True)
    _, without = behavioral_tests(store, cleaned, evaluated, joins=False)
    assert ["".join(word.text for word in item.words) for item in with_summaries.explained] == [
        "Awful It is tea.",
        "It is tea.",
    ]
    assert ["".join(word.text for word in item.words) for item in without.explained] == ["It is tea."] * 2
    assert with_summaries.explained[0].probability < without.explained[0].probability


def test_results_are_reused_without_loading_the_model(store):
    cleaned, evaluated = cleaned_reviews(store, TEXTS), evaluated_model(store, [0])
    first, _ = behavioral_tests(store, cleaned, evaluated)

    def load():
        raise AssertionError("loaded although the result exists")

    again = run_behavioral_tests(
        exported_model(store), evaluated, cleaned, load, store, model="bi-seed1", include_summary=False
    )
    assert again == first


def test_other_texts_make_other_results(store, monkeypatch):
    cleaned, evaluated = cleaned_reviews(store, TEXTS), evaluated_model(store, [0])
    first, _ = behavioral_tests(store, cleaned, evaluated)
    monkeypatch.setattr("pipeline.behavioral_tests.stage.texts_digest", lambda: "0" * 64)
    assert behavioral_tests(store, cleaned, evaluated)[0] != first


def test_a_diverged_model_fails_every_test(store):
    _, summary = behavioral_tests(
        store, cleaned_reviews(store, TEXTS), evaluated_model(store, [0, 2]), lambda _: np.nan
    )
    assert all(test.passed == 0 for test in summary.tests)
    assert summary.explained == ()


def test_a_model_without_mistakes_has_nothing_explained(store):
    _, summary = behavioral_tests(store, cleaned_reviews(store, TEXTS), evaluated_model(store, []))
    assert summary.explained == ()


def test_a_difference_from_the_evaluation_is_logged(store, caplog):
    with caplog.at_level(logging.WARNING):
        behavioral_tests(store, cleaned_reviews(store, TEXTS), evaluated_model(store, [0, 2]))
    assert "of 1 of 2 explained mistakes differently" in caplog.text
    assert "the first is row 2" in caplog.text


def test_an_evaluation_of_another_model_is_refused(store):
    with pytest.raises(BehavioralTestsError, match="evaluates bi-seed1, not 'uni-seed1'"):
        behavioral_tests(store, cleaned_reviews(store, TEXTS), evaluated_model(store, [0]), model="uni-seed1")


def test_mistakes_of_other_reviews_are_refused(store):
    with pytest.raises(BehavioralTestsError, match="the first is row 77"):
        behavioral_tests(store, cleaned_reviews(store, TEXTS), evaluated_model(store, [0, 77]))


def test_the_baseline_is_tested_from_raw_text(store):
    random = np.random.default_rng(5)
    labels = (random.random(300) < 0.6).astype(int).tolist()
    texts = []
    for label in labels:
        opinion = random.choice(["Delicious", "Great", "I love it"] if label else ["Awful", "Terrible", "I hate it"])
        texts.append(f"{opinion}!<br />{' '.join(random.choice(['Tea', 'box', 'came', 'cookies', 'today'], 4))}.")
    # A mistake that the model cannot avoid.
    texts[-1], labels[-1] = "Great!<br />Tea came today.", 0
    parts = ["train" if row % 5 else "validation" for row in range(298)] + ["test", "test"]
    cleaned = cleaned_reviews(store, texts, labels=labels)
    table = pa.table({"row": pa.array(range(300), pa.int64()), "split": parts})
    split = place(
        store,
        "split",
        SplitSummary(strategy="grouped", group_by="product", splits=(), notes=()),
        tables={"splits.parquet": table},
    )
    fitted = baselines(cleaned, split, EvaluationConfig(bootstrap_samples=100), store)
    reference = run_baseline_behavioral_tests(fitted, cleaned, store)
    summary = store.summary(reference, BehavioralTestsSummary)
    judged = next(e for e in store.summary(fitted, BaselinesSummary).evaluations if e.model == TFIDF)
    assert (summary.model, summary.title, summary.threshold) == (TFIDF, judged.title, judged.threshold)
    assert [item.row for item in summary.explained] == [mistake.row for mistake in judged.mistakes] == [299]
    mistake = summary.explained[0]
    assert mistake.probability == pytest.approx(judged.mistakes[0].probability, abs=1e-6)
    assert max(mistake.words, key=lambda word: word.effect).text == "Great!<br />"
    scorer = LinearScorer.load(fitted, cleaned, store)
    assert scorer.contributions(texts[-1])[0].term == "great"
    assert run_baseline_behavioral_tests(fitted, cleaned, store) == reference
    assert not any(name.endswith((".pkl", ".joblib")) for name in contents(store.folder(fitted)))


def test_the_package_needs_no_tensorflow():
    program = (
        "import sys\nfrom pipeline.behavioral_tests import run_tests\n"
        "answers = {'threshold': 0.5, 'probabilities': lambda self, texts: [0.5] * len(texts)}\n"
        "run_tests(type('S', (), answers)())\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'tensorflow', 'keras', 'sklearn', 'matplotlib'}))"
    )
    found = subprocess.run([sys.executable, "-c", program], env={}, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
