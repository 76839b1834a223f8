"""The results of the article that the profile ``article`` replicates, compared with those of a run.

The article is "Long Short-Term Memory (LSTM) in Keras", notebook LSTMblog1.ipynb of
github.com/riteshranjan110/MediumBlogsCode; see docs/explanation/replicated_experiment.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.config import RunConfig
from pipeline.reporting import formatting
from pipeline.reporting.records import ArticleComparison, ArticleFigures, VariantReport

ARTICLE_PROFILE = "article"
TEST_ROWS = 36_418
TEST_POSITIVE = 30_307
RESULTS = (
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
OPENING = (
    "The article's unidirectional model has an accuracy of 83 %, and {majority} of its test reviews are positive. This "
    "does not mean that the model is weaker: 83 % is the accuracy of the majority class. That is why precision, recall "
    "and F1 of its negative class are zero."
)
PADDING = {
    "unmasked": "The cause is the padding. Reviews are padded with zeros at the end, and the network reads all of "
    "them. After about a hundred zeros, its last state has forgotten the review. The article's bidirectional model "
    "still learns, because its backward half ends on the first word. With masked padding both models learn: set "
    "Padding to “masked”.",
    "masked": "This run masks the padding and the article does not, so the comparison shows the effect of masking.",
}
AT_ENTROPY = 0.03
"""Relative distance of the training loss from the label entropy up to which a model learned nothing."""


def compare_with_article(config: RunConfig, variants: Sequence[VariantReport]) -> ArticleComparison | None:
    """Return the results of the article and their explanation; ``None`` for a run of another profile."""
    if config.profile != ARTICLE_PROFILE:
        return None
    majority = TEST_POSITIVE / TEST_ROWS
    return ArticleComparison(
        test_rows=TEST_ROWS,
        majority_accuracy=majority,
        figures=RESULTS,
        explanation=(
            OPENING.format(majority=formatting.share(majority)),
            *(sentence for variant in variants if (sentence := _of_variant(variant)) is not None),
            PADDING[config.training.padding],
        ),
    )


def _of_variant(variant: VariantReport) -> str | None:
    if variant.evaluated is None:
        return None
    scores, trained = variant.evaluated.scores, variant.trained
    positive, spread = formatting.share(scores.predicted_positive_share), formatting.score(scores.probability_spread)
    sentences = [f"In this run, {variant.title} predicts positive for {positive} of the test reviews."]
    sentences.append(f"The standard deviation of its probabilities is {spread}.")
    if trained is not None and trained.epochs:
        loss, entropy = trained.epochs[-1].loss, trained.label_entropy
        verb = "stayed at" if abs(loss - entropy) <= AT_ENTROPY * entropy else "ended at"
        sentences.append(
            f"Its training loss {verb} {formatting.score(loss)}; the label entropy is {formatting.score(entropy)}."
        )
    if not variant.evaluated.no_better_than_majority:
        sentences.append("The model has learned.")
    elif scores.predicted_positive_share in (0, 1):
        sentences.append("It predicts the same class for every review.")
    else:
        sentences.append("It is no better than the majority class.")
    return " ".join(sentences)
