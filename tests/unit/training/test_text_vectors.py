"""Word vectors from the training rows."""

from __future__ import annotations

import numpy as np

from pipeline.training.text_vectors import COMPONENT_SIZE, text_vectors
from tests.unit.training.factories import sequences


def vectors(rows: list[list[int]], seed: int = 1) -> np.ndarray:
    return text_vectors(sequences(rows), vocabulary_size=24, first_word_id=2, embedding_dim=4, seed=seed)


def rows_of_two_topics() -> list[list[int]]:
    """Words 2–9 and 10–17 occur near each other; word 23 occurs in no row."""
    generator = np.random.default_rng(5)
    topics = [np.arange(2, 10), np.arange(10, 18)]
    return [generator.choice(topics[number % 2], 6).tolist() for number in range(400)]


def test_words_of_one_topic_are_similar_and_others_are_not() -> None:
    found = vectors(rows_of_two_topics())
    unit = found[2:18] / np.linalg.norm(found[2:18], axis=1, keepdims=True)
    similarity = unit @ unit.T
    assert similarity[:8, :8].mean() > 0.8
    assert similarity[:8, 8:].mean() < 0.3
    np.testing.assert_allclose((found[2:18] ** 2).mean(axis=1), COMPONENT_SIZE**2, rtol=1e-5)


def test_padding_is_zero_and_words_without_neighbors_are_random() -> None:
    found = vectors(rows_of_two_topics())
    assert found.dtype == np.float32
    assert not found[0].any()
    assert found[1].any()
    assert 0 < np.abs(found[23]).max() <= 0.05


def test_the_same_rows_and_seed_give_the_same_vectors() -> None:
    rows = rows_of_two_topics()
    np.testing.assert_array_equal(vectors(rows), vectors(rows))
    assert not np.array_equal(vectors(rows), vectors(rows, seed=2))


def test_too_few_words_for_a_decomposition_are_random() -> None:
    assert np.abs(vectors([[2, 3], [3]])).max() <= 0.05
