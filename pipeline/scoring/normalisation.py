"""The text rules of ``pipeline.cleaning.rules`` as the first layer of an exported model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline.cleaning.rules import graph_rules, lower_case_before, stop_words

if TYPE_CHECKING:
    from pipeline.scoring.layers import ReviewNormaliser

LAYER_NAME = "words"


def normaliser(normalisation: Literal["default", "article"]) -> ReviewNormaliser:
    """Return the layer that reads text as the normalisation of that name does.

    ``default`` agrees with the pipeline's words on every text. ``article`` replaces an HTML parser by patterns and
    agrees on all but a few.
    """
    from pipeline.scoring.layers import ReviewNormaliser

    return ReviewNormaliser(
        [(rule.pattern, rule.replacement) for rule in graph_rules(normalisation)],
        lower_case_before=lower_case_before(normalisation),
        stop_words=stop_words(normalisation),
        name=LAYER_NAME,
    )
