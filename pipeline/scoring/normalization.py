"""The text rules of ``pipeline.cleaning.rules`` as the first layer of an exported model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline.cleaning.rules import graph_rules, lower_case_before, stop_words

if TYPE_CHECKING:
    from pipeline.scoring.layers import ReviewNormalizer

LAYER_NAME = "words"


def normalizer(normalization: Literal["default", "article"]) -> ReviewNormalizer:
    """Return the layer that reads text as the normalization of that name does.

    ``default`` agrees with the pipeline's words on every text. ``article`` replaces an HTML parser by patterns and
    agrees on all but a few.
    """
    from pipeline.scoring.layers import ReviewNormalizer

    return ReviewNormalizer(
        [(rule.pattern, rule.replacement) for rule in graph_rules(normalization)],
        lower_case_before=lower_case_before(normalization),
        stop_words=stop_words(normalization),
        name=LAYER_NAME,
    )
