"""The stage ``baselines``: what it fits, on which rows, and what it says."""

from __future__ import annotations

import re
import warnings
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from pipeline.config import EvaluationConfig
from pipeline.evaluation import MAJORITY, NAIVE_BAYES, TFIDF, VADER, BaselinesSummary, baselines
from pipeline.evaluation.baselines import BaselinesError
from pipeline.evaluation.baselines.naive_bayes import FILE as NB_FILE
from pipeline.evaluation.baselines.naive_bayes import log_count_ratios
from pipeline.evaluation.baselines.vader import MAX_CHARACTERS, compound_scores
from pipeline.evaluation.linear_model import LINEAR_MODEL, LinearModel, LinearModelError
from pipeline.store import ArtifactStore
from tests.factories import contents
from tests.unit.evaluation.factories import CLEAN, reviews, split

CONFIG = EvaluationConfig(bootstrap_samples=100)
MODELS = (MAJORITY, TFIDF, NAIVE_BAYES, VADER)
FILLER = ["tea", "coffee", "bag", "box", "dog", "cat", "cup", "morning", "order", "came", "with", "from", "my"]


def dump(rows: int = 300, seed: int = 3) -> tuple[list[int], list[str], list[str]]:
    """Labels, words and parts: 'great' and 'not good' speak for the label, most words for nothing."""
    random = np.random.default_rng(seed)
    labels = (random.random(rows) < 0.75).astype(int).tolist()
    words = []
    for label in labels:
        drawn = random.choice(FILLER, 6).tolist()
        sign = ["great", "good"] if label else ["not", "good"]
        words.append(" ".join(drawn[:3] + (sign if random.random() < 0.9 else []) + drawn[3:]))
    parts = random.choice(["train", "validation", "test"], rows, p=[0.6, 0.2, 0.2]).tolist()
    return labels, words, parts


def run(store, labels, words, parts, **given):
    return baselines(reviews(store, labels, words=words, **given), split(store, parts), CONFIG, store)


def scored(store, reference, model):
    return next(one for one in store.summary(reference, BaselinesSummary).evaluations if one.model == model)


def test_every_baseline_is_evaluated_and_predicts_every_held_out_row(store):
    labels, words, parts = dump()
    reference = run(store, labels, words, parts)
    summary = store.summary(reference, BaselinesSummary)
    assert [(one.model, one.kind) for one in summary.evaluations] == [(model, "baseline") for model in MODELS]
    table = pq.read_table(store.folder(reference) / "predictions.parquet")
    assert table.schema.names == ["row", "split", "label", "probability", "model"]
    assert [str(kind) for kind in table.schema.types] == ["int64", "string", "int8", "float", "string"]
    expected = [(row, part, labels[row]) for row, part in enumerate(parts) if part != "train"]
    for model in MODELS:
        got = [(r["row"], r["split"], r["label"]) for r in table.to_pylist() if r["model"] == model]
        assert sorted(got) == expected


def test_the_majority_says_the_training_share_of_every_review(store):
    labels, words, parts = dump()
    reference = run(store, labels, words, parts)
    majority = store.summary(reference, BaselinesSummary).evaluations[0]
    share = np.mean([label for label, part in zip(labels, parts, strict=True) if part == "train"])
    table = pq.read_table(store.folder(reference) / "predictions.parquet").to_pylist()
    assert {r["probability"] for r in table if r["model"] == MAJORITY} == {float(np.float32(share))}
    assert majority.scores.balanced_accuracy.value == 0.5
    assert majority.scores.predicted_positive_share == 1
    assert majority.no_better_than_majority


def test_the_linear_model_learns_words_and_pairs(store):
    labels, words, parts = dump()
    summary = store.summary(run(store, labels, words, parts), BaselinesSummary)
    linear = summary.evaluations[1]
    assert linear.scores.balanced_accuracy.value > 0.85
    assert not linear.no_better_than_majority
    assert {"great", "great good"} <= {term.term for term in summary.positive_terms}
    assert {"not", "not good"} <= {term.term for term in summary.negative_terms}
    weights = [term.weight for term in summary.positive_terms]
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] > 0 > summary.negative_terms[0].weight
    assert summary.inverse_regularization in (1, 4, 16)


def test_the_linear_model_is_scikit_learns_pipeline(store):
    labels, words, parts = dump()
    reference = run(store, labels, words, parts)
    summary = store.summary(reference, BaselinesSummary)
    of_part = {
        name: [row for row, part in enumerate(parts) if part == name] for name in ("train", "validation", "test")
    }
    vectorizer = TfidfVectorizer(token_pattern=r"[^ ]+", ngram_range=(1, 2), min_df=2, sublinear_tf=True)  # noqa: S106
    train = vectorizer.fit_transform([words[row] for row in of_part["train"]])
    model = LogisticRegression(C=summary.inverse_regularization, tol=1e-8, max_iter=1000)
    model.fit(train, [labels[row] for row in of_part["train"]])
    expected = model.predict_proba(vectorizer.transform([words[row] for row in of_part["test"]]))[:, 1]
    table = pq.read_table(store.folder(reference) / "predictions.parquet").to_pylist()
    got = {r["row"]: r["probability"] for r in table if r["model"] == TFIDF}
    assert summary.terms == train.shape[1]
    assert [got[row] for row in of_part["test"]] == pytest.approx(expected.tolist(), abs=2e-3)


def saved(store, reference):
    summary = store.summary(reference, BaselinesSummary)
    return LinearModel.load(store.folder(reference), summary.intercept), summary


def test_the_saved_model_gives_the_probabilities_that_were_judged(store):
    labels, words, parts = dump()
    reference = run(store, labels, words, parts)
    model, summary = saved(store, reference)
    table = pq.read_table(store.folder(reference) / "predictions.parquet").to_pylist()
    judged = {r["row"]: r["probability"] for r in table if r["model"] == TFIDF}
    probabilities = model.probabilities([words[row] for row in judged])
    assert probabilities.tolist() == pytest.approx(list(judged.values()), abs=1e-6)
    assert len(model.terms) == summary.terms
    columns = pq.read_schema(store.folder(reference) / LINEAR_MODEL)
    assert dict(zip(columns.names, map(str, columns.types), strict=True)) == {
        "term": "string",
        "inverse_document_frequency": "double",
        "weight": "double",
    }


def test_contributions_add_up_to_the_log_odds(store):
    labels, words, parts = dump()
    model, summary = saved(store, run(store, labels, words, parts))
    text = "tea not good not good cup unheard"
    found = model.contributions(text)
    assert {"not", "not good", "good"} <= {item.term for item in found}
    assert not any("unheard" in item.term for item in found)
    strengths = [abs(item.contribution) for item in found]
    assert strengths == sorted(strengths, reverse=True)
    log_odds = sum(item.contribution for item in found) + summary.intercept
    assert model.probabilities([text])[0] == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=1e-12)
    assert model.contributions("") == ()
    assert model.probabilities(["", "unheard"]) == pytest.approx(1 / (1 + np.exp(-summary.intercept)))
    assert model.probabilities([]).shape == (0,)


def test_a_model_put_together_from_columns_is_scikit_learns():
    texts = ["good tea", "bad tea", "good good coffee", "bad bad bad coffee box", "tea tea"]
    vectorizer = TfidfVectorizer(token_pattern=r"[^ ]+", ngram_range=(1, 2), sublinear_tf=True)  # noqa: S106
    matrix = vectorizer.fit_transform(texts)
    fitted = LogisticRegression().fit(matrix, [1, 0, 1, 0, 1])
    model = LinearModel.of(
        vectorizer.get_feature_names_out().tolist(), vectorizer.idf_, fitted.coef_[0], fitted.intercept_[0]
    )
    asked = [*texts, "coffee box bad tea", "new words", ""]
    expected = fitted.predict_proba(vectorizer.transform(asked))[:, 1]
    assert model.probabilities(asked) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "holds no linear_model.parquet"),
        ({"term": ["a"], "weight": [1.0]}, "should hold the columns"),
        ({"term": ["a", "a"], "inverse_document_frequency": [1.0, 1.0], "weight": [1.0, 2.0]}, "each term once"),
        ({"term": ["a"], "inverse_document_frequency": [1.0], "weight": [float("nan")]}, "are no numbers"),
        (b"no parquet", "is damaged"),
    ],
)
def test_a_damaged_linear_model_is_refused(tmp_path, table, message):
    if isinstance(table, bytes):
        (tmp_path / LINEAR_MODEL).write_bytes(table)
    elif table is not None:
        pq.write_table(pa.table(table), tmp_path / LINEAR_MODEL)
    with pytest.raises(LinearModelError, match=message):
        LinearModel.load(tmp_path, 0.0)


def test_a_validation_part_of_one_class_takes_the_first_regularization(store):
    labels, words, parts = dump()
    parts = ["train" if part == "validation" and not label else part for label, part in zip(labels, parts, strict=True)]
    summary = store.summary(run(store, labels, words, parts), BaselinesSummary)
    assert summary.inverse_regularization == 1


def test_only_the_training_part_is_learned_from(store, tmp_path):
    labels, words, parts = dump()
    other = [text if part == "train" else "unheard words" for text, part in zip(words, parts, strict=True)]
    first = store.summary(run(store, labels, words, parts), BaselinesSummary)
    elsewhere = ArtifactStore(str(tmp_path / "other"))
    second = elsewhere.summary(run(elsewhere, labels, other, parts), BaselinesSummary)
    assert first.terms == second.terms
    assert not any("unheard" in term.term for term in (*second.positive_terms, *second.negative_terms))


def test_rows_that_the_split_set_aside_are_left_out(store):
    labels, words, parts = dump()
    cleaned = reviews(store, labels, words=words)
    kept = [row for row in range(len(parts)) if row % 10]
    given = split(store, [parts[row] for row in kept], rows=kept)
    reference = baselines(cleaned, given, CONFIG, store)
    rows = pq.read_table(store.folder(reference) / "predictions.parquet")["row"].to_pylist()
    assert set(rows) == {row for row in kept if parts[row] != "train"}


def test_the_same_reviews_give_the_same_bytes_but_for_the_times(store, tmp_path):
    labels, words, parts = dump()
    results = []
    for place in (store, ArtifactStore(str(tmp_path / "other"))):
        reference = run(place, labels, words, parts)
        summary = place.summary(reference, BaselinesSummary).model_copy(update={"costs": ()})
        results.append(contents(place.folder(reference)) | {"summary.json": summary.model_dump_json().encode()})
    assert results[0] == results[1]


def test_nb_svm_weights_terms_by_their_log_count_ratio(store):
    # Of 3 positive and 2 negative reviews, p = (good 3+1, tea 1+1, bad 0+1) and q = (good 1+1, tea 1+1, bad 2+1).
    present = csr_matrix([[1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 1], [0, 1, 1]])
    ratios = log_count_ratios(present, np.array([1, 1, 1, 0, 0], dtype=np.int8))
    assert ratios == pytest.approx(np.log([(4 / 7) / (2 / 7), (2 / 7) / (2 / 7), (1 / 7) / (3 / 7)]))
    labels, words, parts = dump()
    reference = run(store, labels, words, parts)
    found = scored(store, reference, NAIVE_BAYES)
    assert found.scores.balanced_accuracy.value > 0.85
    saved_model = {r["term"]: r["weight"] for r in pq.read_table(store.folder(reference) / NB_FILE).to_pylist()}
    assert saved_model["not good"] < 0 < saved_model["great good"]
    assert abs(saved_model["tea"]) < abs(saved_model["not good"]) / 2


def test_vader_reads_punctuation_and_capitals_of_the_text_as_written(store):
    """The words of all reviews are equal: only the raw text and the summary tell the classes apart."""
    labels, _, parts = dump()
    texts = ["It is good" if label else "It is GOOD?? No. It is HORRIBLE!!!" for label in labels]
    by_text = scored(store, run(store, labels, None, parts, texts=texts), VADER)
    assert by_text.scores.roc_auc.value == 1
    assert by_text.scores.balanced_accuracy.value == 1


@pytest.mark.parametrize("included", [True, False])
def test_vader_reads_the_summary_if_the_other_models_do(store, monkeypatch, included):
    labels, _, parts = dump()
    monkeypatch.setattr("tests.unit.evaluation.factories.CLEAN", CLEAN.model_copy(update={"summary_joined": included}))
    summaries = pa.array(["Wonderful!" if label else "Awful!" for label in labels])
    found = scored(store, run(store, labels, None, parts, texts=["Tea."] * len(labels), summary=summaries), VADER)
    assert found.scores.roc_auc.value == (1 if included else 0.5)


def test_vader_gives_probabilities_that_fit_the_labels_of_validation(store):
    labels, words, parts = dump()
    reviewed = ["I love it" if label else "I hate it" for label in labels]
    # A tenth of the reviews says the opposite of its stars, so that nothing is certain.
    texts = [text if place % 10 else "I hate it" for place, text in enumerate(reviewed)]
    assert scored(store, run(store, labels, words, parts, texts=texts), VADER).scores.calibration_error.value < 0.1


def test_a_long_review_of_one_repeated_trick_does_not_stop_vader():
    """VADER looks each word up in a list of all words, so that its time grows with the square of the length."""
    hostile = "but good " * 1_000_000
    assert compound_scores([hostile, hostile[:MAX_CHARACTERS]]).tolist() == [pytest.approx(1, abs=0.01)] * 2


def test_each_baseline_has_its_costs(store):
    labels, words, parts = dump()
    reference = run(store, labels, words, parts)
    costs = {cost.model: cost for cost in store.summary(reference, BaselinesSummary).costs}
    assert list(costs) == list(MODELS[1:])
    assert all(cost.training_seconds >= 0 and cost.scoring_rate > 0 for cost in costs.values())
    sizes = {path.name: path.stat().st_size for path in store.folder(reference).iterdir()}
    assert (costs[TFIDF].model_bytes, costs[NAIVE_BAYES].model_bytes) == (sizes[LINEAR_MODEL], sizes[NB_FILE])
    assert costs[VADER].model_bytes > 0


def test_a_handful_of_reviews_without_a_common_word_still_has_a_model(store):
    words = ["lovely", "awful", "fine", "bad", "good", "poor"]
    parts = ["train", "train", "validation", "validation", "test", "test"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary = store.summary(run(store, [1, 0, 1, 0, 1, 0], words, parts), BaselinesSummary)
    assert summary.terms == 2
    assert [term.term for term in summary.positive_terms] == ["lovely"]


def test_on_real_reviews_the_linear_model_is_a_serious_rival(store, shared_data):
    table = csv.read_csv(
        shared_data / "fine_foods_a.csv.gz", parse_options=csv.ParseOptions(newlines_in_values=True)
    ).slice(0, 6000)
    rows = [row for row in table.select(["Score", "Text", "ProductId"]).to_pylist() if row["Score"] != 3]
    labels = [int(row["Score"] > 3) for row in rows]
    texts = [row["Text"] for row in rows]
    words = [" ".join(re.findall("[a-z]+", text.lower())) for text in texts]
    # Reviews of one product stay together, and copies of a text within it.
    parts = [
        ["train", "train", "train", "validation", "test"][zlib.crc32(row["ProductId"].encode()) % 5] for row in rows
    ]
    summary = store.summary(run(store, labels, words, parts, texts=texts), BaselinesSummary)
    majority, linear = summary.evaluations[:2]
    assert majority.no_better_than_majority
    assert not linear.no_better_than_majority
    assert linear.scores.roc_auc.low > 0.85
    assert "great" in {term.term for term in summary.positive_terms}
    assert "not" in {term.term for term in summary.negative_terms}
    assert len(linear.mistakes) == 20
    assert all(mistake.text for mistake in linear.mistakes)


def test_training_reviews_of_one_class_are_refused(store):
    with pytest.raises(BaselinesError, match="fewer than two classes"):
        run(store, [1, 1, 0, 1], ["a", "b", "c", "d"], ["train", "train", "validation", "test"])


def test_training_reviews_without_words_are_refused(store):
    with pytest.raises(BaselinesError, match="No review of the training part holds a word"):
        run(store, [1, 0, 0, 1], ["", "", "c", "d"], ["train", "train", "validation", "test"])


def test_a_split_of_other_reviews_is_refused(store):
    cleaned = reviews(store, [1, 0], words=["a", "b"])
    with pytest.raises(BaselinesError, match="not among the reviews"):
        baselines(cleaned, split(store, ["train", "train", "test"]), CONFIG, store)
