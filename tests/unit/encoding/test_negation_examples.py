"""The generated training texts: reproducible, in known words, and none of the sentences that models are tested with."""

from __future__ import annotations

import csv
from pathlib import Path

from pipeline.behavioral_tests.templates import behaviors
from pipeline.cleaning.words import normalizer
from pipeline.config import EncodingConfig, VocabularyConfig
from pipeline.encoding import EncodingSummary, Vocabulary, encode, fit_vocabulary, load_training_sequences
from pipeline.encoding.negation_examples import negation_examples
from pipeline.store import ArtifactStore
from tests.unit.splitting.factories import cleaned_table, place_cleaned, place_splits

WORDS = (
    *("not", "bad", "awful", "good", "great", "tasty", "never", "nothing", "no", "it", "is"),
    *("tea", "coffee", "this", "taste", "the", "love"),
)
VOCABULARY = Vocabulary(WORDS, tuple([1] * len(WORDS)), unknown_id=1)
KEPT = Path(__file__).parents[2] / "data" / "plain_sentences.csv"


def test_the_same_vocabulary_gives_the_same_sentences() -> None:
    examples = negation_examples(200, VOCABULARY)
    assert examples == negation_examples(200, VOCABULARY)
    assert examples[:50] == negation_examples(50, VOCABULARY)
    assert 0.5 < sum(example.label for example in examples) / 200 < 0.8
    assert not any("{" in example.text for example in examples)


def test_opinions_are_words_of_the_vocabulary_and_negation_turns_them_round() -> None:
    labels = {example.text: example.label for example in negation_examples(3_000, VOCABULARY)}
    assert (labels["not bad"], labels["not good"], labels["so good"], labels["very awful"]) == (1, 0, 1, 0)
    assert not any(" horrible" in text for text in labels)


def test_a_vocabulary_without_opinions_gives_none() -> None:
    assert negation_examples(10, Vocabulary(("tea", "coffee"), (2, 1), unknown_id=1)) == ()


def test_no_sentence_that_models_are_tested_with_is_generated() -> None:
    generated = {example.text for example in negation_examples(20_000, VOCABULARY)}
    with KEPT.open(encoding="utf-8", newline="") as stream:
        kept = [row["text"] for row in csv.DictReader(stream)]
    normalize = normalizer("default")
    # "Not bad" and "not good" are what the sentences are about.
    assert set(normalize.many(generated)) & set(normalize.many(kept)) <= {"not bad", "not good"}
    behavioral = {text for behavior in behaviors() for case in behavior.cases for text in (case.text, case.changed)}
    assert not generated & {(text or "").lower().rstrip(".") for text in behavioral}


def test_they_are_training_texts_only(store: ArtifactStore) -> None:
    cleaned = place_cleaned(store, cleaned_table(["good tea", "bad tea"] * 10, labels=[1, 0] * 10))
    names = ["train"] * 16 + ["validation"] * 2 + ["test"] * 2
    splits = place_splits(store, dict(enumerate(names)))
    vocabulary = fit_vocabulary(cleaned, splits, VocabularyConfig(), store)
    encoded = encode(cleaned, splits, vocabulary, EncodingConfig(negation_examples=0.25), store)
    texts = load_training_sequences(store, encoded)
    assert texts.row.tolist() == [*range(16), -1, -1, -1, -1]
    assert store.summary(encoded, EncodingSummary).generated_texts == 4
    without = encode(cleaned, splits, vocabulary, EncodingConfig(negation_examples=0), store)
    assert load_training_sequences(store, without).row.tolist() == [*range(16)]
