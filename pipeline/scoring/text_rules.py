"""The text rules of an exported model as data, and their meaning without TensorFlow.

An export keeps the rules it was made with, so it scores the same after this project's rules have changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.cleaning.rules import graph_rules, lower_case_before, stop_words
from pipeline.errors import ArtifactError, quoted
from pipeline.store import Record


class TextRules(Record):
    """Regular expressions that turn a review into words; see ``pipeline.cleaning.rules``."""

    rules: tuple[tuple[str, str], ...]
    r"""RE2 pattern and replacement (with ``\1``) of each rule, in order."""
    lower_case_before: int
    """Number of rules that see the text before it is lower-cased (ASCII letters only)."""
    stop_words: tuple[str, ...]
    """Words that are dropped after the rules."""


def current_text_rules(normalization: Literal["default", "article"]) -> TextRules:
    """Return the rules that this version of the project writes into exports.

    ``default`` gives the pipeline's words for every text. ``article`` replaces an HTML parser by patterns and gives the
    same words for all but a few texts.
    """
    return TextRules(
        rules=tuple((rule.pattern, rule.replacement) for rule in graph_rules(normalization)),
        lower_case_before=lower_case_before(normalization),
        stop_words=stop_words(normalization),
    )


def apply_text_rules(texts: Sequence[str], text_rules: TextRules) -> list[str]:
    """Return each text's words, joined by one space.

    The patterns run in RE2, the engine that TensorFlow uses too: its time is linear in the text, whatever the pattern.

    Raises:
        ArtifactError: A pattern is not valid in RE2.
    """
    # Half a surrogate pair has no UTF-8 form; it becomes a question mark, which is not a letter either.
    column = pa.array([text.encode("utf-8", "replace").decode() for text in texts], pa.large_string())
    for number, (pattern, replacement) in enumerate(text_rules.rules):
        if number == text_rules.lower_case_before:
            column = pc.ascii_lower(column)
        try:
            column = pc.replace_substring_regex(column, pattern=pattern, replacement=replacement)
        except pa.ArrowInvalid as error:
            raise ArtifactError(
                f"Text rule {number + 1} of the exported model, {quoted(pattern, 100)}, is not a valid pattern: "
                f"{quoted(str(error), 100)}. Export the model again."
            ) from error
    if text_rules.lower_case_before >= len(text_rules.rules):
        column = pc.ascii_lower(column)
    dropped = frozenset(text_rules.stop_words)
    return [" ".join(word for word in text.split(" ") if word and word not in dropped) for text in column.to_pylist()]
