"""The stage ``run_behavioral_tests``: what it reads, keeps and reuses."""

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
from pipeline.cleaning import normalize_many
from pipeline.cleaning.records import CleanSummary
from pipeline.config import EvaluationConfig
from pipeline.evaluation import (
    TFIDF,
    BaselinesSummary,
    ClassScores,
    ConfusionMatrix,
    EvaluationSummary,
    Mistake,
    Scores,
    baselines,
)
from pipeline.evaluation.linear_model import LinearScorer
from pipeline.splitting.records import SplitSummary
from pipeline.statistics import Interval
from pipeline.training.records import ExportSummary
from tests.support import contents, place
from tests.unit.behavioral_tests.scorers import Scorer, reading

CHECKOUT = Path(__file__).resolve().parents[3]
TEXTS = ["I like it.", "x" * 601, "Bad tea, really.", *(f"Good number {number}." for number in range(8))]
"""Reviews 0–10; the second is too long to be explained."""


def cleaned_reviews(store, texts, summaries=None, labels=None, *, joins=False):
    """Place reviews, cleaned as the pipeline does."""
    count = len(texts)
    table = pa.table(
        {
            "row": pa.array(range(count), pa.int64()),
            "label": pa.array([0] * count if labels is None else labels, pa.int8()),
            "summary": pa.array([None] * count if summaries is None else summaries, pa.string()),
            "text": pa.array(texts, pa.string()),
            "words": pa.array(normalize_many(texts, "default"), pa.string()),
        }
    )
    summary = CleanSummary(
        normalization="default", summary_joined=joins, stop_words_sha256="", steps=(), positive=0, negative=0, notes=()
    )
    return place(store, "clean", summary, tables={"reviews.parquet": table})


def evaluated_model(store, rows, *, model="bi-seed1", threshold=0.4):
    """Place the evaluation of a model with these mistakes, most confident first."""
    figure = Interval(value=0.9, low=0.8, high=0.95)
    of_class = ClassScores(precision=figure, recall=figure, f1=figure, rows=100)
    figures = dict.fromkeys(
        (name for name, field in Scores.model_fields.items() if field.annotation is Interval), figure
    )
    scores = Scores(
        rows=200,
        negative=of_class,
        positive=of_class,
        confusion=ConfusionMatrix(true_negative=90, false_positive=10, false_negative=10, true_positive=90),
        predicted_positive_share=0.5,
        probability_spread=0.3,
        **figures,
    )
    summary = EvaluationSummary(
        model=model,
        kind="variant",
        title=f"Model {model}",
        threshold=threshold,
        threshold_source="0.5, as configured",
        scores=scores,
        validation_balanced_accuracy=0.9,
        no_better_than_majority=False,
        warnings=(),
        mistakes=tuple(Mistake(row=row, label=0, probability=0.95, text="cut …") for row in rows),
    )
    return place(store, "evaluate", summary, label=model)


def exported_model(store):
    summary = ExportSummary(
        variant="bi-seed1",
        files=(),
        checked_rows=0,
        identical_ids=0,
        largest_difference=0.0,
        threshold=0.4,
        **{name: 0 for name, field in ExportSummary.model_fields.items() if field.is_required() and name == "seconds"},
    )
    return place(store, "export", summary)


def behavioral_tests(store, cleaned, evaluated, score=reading, *, joins=False, model="bi-seed1"):
    scorer = Scorer(score)
    reference = run_behavioral_tests(
        exported_model(store), evaluated, cleaned, lambda: scorer, store, model=model, include_summary=joins
    )
    return reference, store.summary(reference, BehavioralTestsSummary)


def test_a_model_is_tested_at_its_own_threshold_under_its_own_title(store):
    _, summary = behavioral_tests(store, cleaned_reviews(store, TEXTS), evaluated_model(store, [0]), lambda _: 0.45)
    assert (summary.model, summary.title, summary.threshold) == ("bi-seed1", "Model bi-seed1", 0.4)
    passed = {test.name: test.passed for test in summary.tests}
    assert passed["plain_praise"] > 0 == passed["plain_complaint"]


def test_the_six_most_confident_short_mistakes_are_explained_in_order(store):
    rows = [9, 1, 2, 0, 4, 3, 10, 7, 8]
    _, summary = behavioral_tests(store, cleaned_reviews(store, TEXTS), evaluated_model(store, rows))
    assert [item.row for item in summary.explained] == [9, 2, 0, 4, 3, 10]
    bad = summary.explained[1]
    assert "".join(word.text for word in bad.words) == TEXTS[2]
    # Without "Bad " nothing speaks against the tea.
    assert [math.copysign(1, word.effect) if word.effect else 0 for word in bad.words] == [-1, 0, 0]


def test_mistakes_are_read_as_in_training(store):
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


def test_an_examination_is_reused_without_loading_the_model(store):
    cleaned, evaluated = cleaned_reviews(store, TEXTS), evaluated_model(store, [0])
    first, _ = behavioral_tests(store, cleaned, evaluated)

    def load():
        raise AssertionError("loaded for nothing")

    again = run_behavioral_tests(
        exported_model(store), evaluated, cleaned, load, store, model="bi-seed1", include_summary=False
    )
    assert again == first


def test_other_texts_are_another_examination(store, monkeypatch):
    cleaned, evaluated = cleaned_reviews(store, TEXTS), evaluated_model(store, [0])
    first, _ = behavioral_tests(store, cleaned, evaluated)
    monkeypatch.setattr("pipeline.behavioral_tests.stage.texts_digest", lambda: "0" * 64)
    assert behavioral_tests(store, cleaned, evaluated)[0] != first


def test_a_diverged_model_is_examined_and_fails_everything(store):
    _, summary = behavioral_tests(
        store, cleaned_reviews(store, TEXTS), evaluated_model(store, [0, 2]), lambda _: np.nan
    )
    assert all(test.passed == 0 for test in summary.tests)
    assert summary.explained == ()


def test_a_model_without_mistakes_has_nothing_explained(store):
    _, summary = behavioral_tests(store, cleaned_reviews(store, TEXTS), evaluated_model(store, []))
    assert summary.explained == ()


def test_a_model_that_reads_the_text_otherwise_than_judged_is_told_of(store, caplog):
    with caplog.at_level(logging.WARNING):
        behavioral_tests(store, cleaned_reviews(store, TEXTS), evaluated_model(store, [0, 2]))
    assert "scores 1 of 2 explained mistakes otherwise" in caplog.text
    assert "the first is row 2" in caplog.text


def test_an_evaluation_of_another_model_is_refused(store):
    with pytest.raises(BehavioralTestsError, match="judges bi-seed1, not 'uni-seed1'"):
        behavioral_tests(store, cleaned_reviews(store, TEXTS), evaluated_model(store, [0]), model="uni-seed1")


def test_mistakes_of_other_reviews_are_refused(store):
    with pytest.raises(BehavioralTestsError, match="the first is row 77"):
        behavioral_tests(store, cleaned_reviews(store, TEXTS), evaluated_model(store, [0, 77]))


def test_the_linear_baseline_is_examined_from_raw_text(store):
    random = np.random.default_rng(5)
    labels = (random.random(300) < 0.6).astype(int).tolist()
    texts = []
    for label in labels:
        acceptance = random.choice(["Delicious", "Great", "I love it"] if label else ["Awful", "Terrible", "I hate it"])
        texts.append(f"{acceptance}!<br />{' '.join(random.choice(['Tea', 'box', 'came', 'cookies', 'today'], 4))}.")
    # One that cannot be called rightly.
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


def test_the_room_imports_no_tensorflow():
    program = (
        "import sys\nfrom pipeline.behavioral_tests import judge\n"
        "judge(type('S', (), {'probabilities': lambda self, texts: [0.5] * len(texts)})(), 0.5)\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'tensorflow', 'keras', 'sklearn', 'matplotlib'}))"
    )
    found = subprocess.run([sys.executable, "-c", program], env={}, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
