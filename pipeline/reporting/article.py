"""The results that the article reports next to those of this run (docs/explanation/replicated_experiment.md)."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.config import RunConfig
from pipeline.reporting import formatting
from pipeline.reporting.records import ArticleComparison, ArticleFigures, VariantReport

ARTICLE_PROFILE = "article"

ARTICLE_TEST_ROWS = 36_418
ARTICLE_TEST_POSITIVE = 30_307

ARTICLE_RESULTS = (
    ArticleFigures(
        direction="uni",
        accuracy=0.83,
        negative_precision=0.0,
        negative_recall=0.0,
        negative_f1=0.0,
        seconds_per_epoch=22,
    ),
    ArticleFigures(
        direction="bi",
        accuracy=0.92,
        negative_precision=0.75,
        negative_recall=0.76,
        negative_f1=0.76,
        seconds_per_epoch=51,
    ),
)

AT_ENTROPY = 0.03
"""Relative distance of a training loss from the entropy of the labels below which nothing was learned."""


def article_comparison(config: RunConfig, variants: Sequence[VariantReport]) -> ArticleComparison | None:
    """Return the article's figures and their explanation, for a run of its profile; else ``None``."""
    if config.profile != ARTICLE_PROFILE:
        return None
    return ArticleComparison(
        test_rows=ARTICLE_TEST_ROWS,
        majority_accuracy=ARTICLE_TEST_POSITIVE / ARTICLE_TEST_ROWS,
        figures=ARTICLE_RESULTS,
        explanation=tuple(_explanation(config, variants)),
    )


def _explanation(config: RunConfig, variants: Sequence[VariantReport]) -> list[str]:
    positive_share = formatting.share(ARTICLE_TEST_POSITIVE / ARTICLE_TEST_ROWS)
    opening = (
        f"The article's unidirectional model scores 83 %, and {positive_share} of its test reviews are positive. "
        "That is no weaker model: it is the accuracy of answering “positive” every time, which is why precision, "
        "recall and F1 of the negative class are all zero."
    )
    sentences = [opening]
    sentences += [sentence for variant in variants if (sentence := _of_variant(variant))]
    if config.training.padding == "unmasked":
        sentences.append(
            "The reason is the padding. Reviews are filled with zeros at the end and the network reads them all, so "
            "its last state has forgotten the review after a hundred zeros. The article's bidirectional model "
            "survives because its backward half ends on the first word. With masking, both train: choose "
            "“masked” for Padding."
        )
    else:
        sentences.append("This run masks the padding, which the article's does not: the comparison shows the effect.")
    return sentences


def _of_variant(variant: VariantReport) -> str | None:
    if variant.evaluated is None:
        return None
    scores = variant.evaluated.scores
    sentence = (
        f"Here, {variant.title} calls {formatting.share(scores.predicted_positive_share)} of the test reviews "
        f"positive, and its probabilities spread by {formatting.score(scores.probability_spread)} "
        "(standard deviation)"
    )
    if variant.trained is not None and variant.trained.epochs:
        loss, entropy = variant.trained.epochs[-1].loss, variant.trained.label_entropy
        stayed = abs(loss - entropy) <= AT_ENTROPY * entropy
        sentence += (
            f"; its training loss ended at {formatting.score(loss)}, "
            + ("still at the entropy of the labels" if stayed else "against an entropy of the labels of")
            + (f" ({formatting.score(entropy)})" if stayed else f" {formatting.score(entropy)}")
        )
    if not variant.evaluated.no_better_than_majority:
        acceptance = "It has learned something."
    elif scores.predicted_positive_share in (0, 1):
        acceptance = "It gives every review the same answer."
    else:
        acceptance = "It is no better than giving every review the same answer."
    return f"{sentence}. {acceptance}"
