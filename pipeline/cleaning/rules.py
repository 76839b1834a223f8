r"""Both normalizations as regular expressions with the same meaning in Python and in an exported model.

A rule is one regular expression and its replacement. The patterns keep to what Python's ``re`` (with
``re.ASCII``) and RE2 [1]_ understand in the same way: explicit classes instead of ``\S``, no look-around, no
back-reference inside a pattern. So the same data normalizes in training (Python) and in an exported model
(``tf.strings.regex_replace``), and the two cannot drift apart.

``default``: lower-case (ASCII only), ``DEFAULT_RULES``, stop words dropped. What training sees is exactly this.
``article``: the steps of docs/explanation/replicated_experiment.md with an HTML parser in Python;
``ARTICLE_GRAPH_RULES`` are their closest form without a parser, then lower-case, then stop words dropped.

.. [1] https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, get_args

from pipeline.errors import ConfigurationError, quoted

Normalization = Literal["default", "article"]
NORMALIZATIONS: tuple[str, ...] = get_args(Normalization)

STOP_WORDS_FILE = "stop_words.txt"
NEGATIONS = frozenset({"no", "nor", "not"})
"""What the article takes out of NLTK's list: without them, "not good" reads as "good"."""

OPINION_STOP_WORDS = frozenset({
    "against", "but", "down", "few", "more", "most", "off", "only", "out", "over", "same", "too", "under", "up", "very",
})  # fmt: skip
"""Stop words of NLTK's list that carry an opinion ("too", "only") or change one ("but"); ``default`` keeps them.
Measured in docs/decisions/0002-cleaning.md."""


@dataclass(frozen=True)
class TextRule:
    r"""One step: every match of a pattern is replaced.

    Its pattern has the same meaning in Python's ``re`` with ``re.ASCII`` and in RE2.
    """

    name: str
    pattern: str
    replacement: str


_WHITE = r" \t\r\n\f\v"

DEFAULT_RULES: tuple[TextRule, ...] = (
    # A space, so that the words before and after `<br />` stay two. `<3` is text: no tag starts like this.
    TextRule("HTML tags", r"<[a-z/!?][^<>]*>", " "),
    # `(?:amp;)*` is for dumps that were escaped twice.
    TextRule("entities of the apostrophe", r"&(?:amp;)*(?:apos|lsquo|rsquo|#0*39|#x0*27|#8216|#8217|#x201[89]);", "'"),
    TextRule(
        "other entities",
        r"&(?:amp;)*(?:(?:amp|quot|nbsp|lt|gt)\b;?|[a-z][a-z0-9]{1,30};|#[0-9]{1,7};|#x[0-9a-f]{1,6};)",
        " ",
    ),
    # Only printable ASCII belongs to an address, so that no kind of space is removed.
    TextRule("web addresses", r"(?:https?://|\bwww\.[a-z0-9])[!-~]*", " "),
    # The last one is U+2019 in UTF-8 that was decoded as cp1252, which happens in dumps that were saved twice.
    TextRule("typographic apostrophes", "[‘’ʼ´`]|â€™", "'"),
    TextRule("won't", r"\bwon'?t\b", "will not"),
    TextRule("can't", r"\bcan(?:'?t|not)\b", "can not"),
    TextRule(
        "not, without its apostrophe", r"\b(are|could|did|does|do|had|has|have|is|should|was|were|would)nt\b", r"\1 not"
    ),
    TextRule("n't", r"n't\b", " not"),
    TextRule("'re", r"'re\b", " are"),
    TextRule("'s", r"'s\b", " is"),
    TextRule("'d", r"'d\b", " would"),
    TextRule("'ll", r"'ll\b", " will"),
    TextRule("'ve", r"'ve\b", " have"),
    TextRule("'m", r"'m\b", " am"),
    TextRule("everything but letters", r"[^a-z]+", " "),
)
"""``default``, applied in this order to lower-case text; the result has only ``[a-z ]``."""

ARTICLE_CONTRACTIONS = (
    ("won't", "will not"),
    ("can't", "can not"),
    ("n't", " not"),
    ("'re", " are"),
    ("'s", " is"),
    ("'d", " would"),
    ("'ll", " will"),
    ("'t", " not"),
    ("'ve", " have"),
    ("'m", " am"),
)
"""In this order; source: docs/explanation/replicated_experiment.md, "The text normalization", step 3."""

ARTICLE_GRAPH_RULES: tuple[TextRule, ...] = (
    TextRule("web addresses", rf"http[^{_WHITE}]+", ""),
    # Removing an address often opens a tag inside its quotes; the parser then continues to the next quote.
    TextRule("HTML comments", r"<!--(?:[^-]|-[^-]|--[^>])*-->", ""),
    TextRule("HTML tags", r"""<[A-Za-z/!?](?:[^>=]|=(?:"[^"]*"|'[^']*'|[^"'>]))*>""", ""),
    TextRule("tags never closed", r"""<[A-Za-z/!?](?:[^>=]|=(?:"[^"]*"|'[^']*'|[^"'>]))*=?(?:"[^"]*|'[^']*)?$""", ""),
    TextRule("entities of the apostrophe", r"&(?:apos|#0*39|#[xX]0*27);", "'"),
    TextRule("entities of spaces", r"&(?:nbsp|#160|#[xX][aA]0);", " "),
    TextRule("other entities", r"&(?:[A-Za-z][A-Za-z0-9]{1,30}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});", "*"),
    *(TextRule(written, written, words) for written, words in ARTICLE_CONTRACTIONS),
    TextRule("tokens with a digit", rf"[^{_WHITE}]*[0-9][^{_WHITE}]*", ""),
    TextRule("everything but letters", r"[^A-Za-z]+", " "),
)
"""The steps of docs/explanation/replicated_experiment.md in the same order, without a parser.

docs/decisions/0002-cleaning.md measures how far they agree with the parser.
"""


def graph_rules(normalization: str) -> tuple[TextRule, ...]:
    """Return the rules of a normalization in an exported model."""
    return DEFAULT_RULES if _known(normalization) == "default" else ARTICLE_GRAPH_RULES


def lower_case_before(normalization: str) -> int:
    """Return how many of ``graph_rules`` apply before the text is converted to lower case (ASCII letters only).

    ``default``: 0, lower case comes first. ``article``: all of them, lower case comes last.
    """
    return 0 if _known(normalization) == "default" else len(ARTICLE_GRAPH_RULES)


@cache
def shipped_stop_words() -> tuple[str, ...]:
    """Return NLTK's English list as shipped with this project (179 words, in NLTK's order).

    Source: Bird, Klein, Loper: Natural Language Toolkit, corpus ``stopwords`` (Porter et al.), file ``english``.
    """
    text = resources.files(__package__).joinpath(STOP_WORDS_FILE).read_text(encoding="utf-8")
    return tuple(text.split())


@cache
def stop_words(normalization: str) -> tuple[str, ...]:
    """Return the words dropped after the rules, sorted; only those that can match a token of a–z.

    ``article``: NLTK's list without *no, nor, not*, plus *br*. ``default``: the same list without the words of
    ``OPINION_STOP_WORDS``, and without *br*, which its rules never leave behind.
    """
    listed = {word for word in shipped_stop_words() if re.fullmatch("[a-z]+", word)} - NEGATIONS
    if _known(normalization) == "article":
        return tuple(sorted(listed | {"br"}))
    return tuple(sorted(listed - OPINION_STOP_WORDS))


def stop_words_sha256(normalization: str) -> str:
    """Return the SHA-256 of the words that a normalization drops, one per line: the same on every machine."""
    return hashlib.sha256("\n".join(stop_words(normalization)).encode()).hexdigest()


def joined(summary: str | None, text: str) -> str:
    """Return the text with its summary: summary, one space, text."""
    return f"{summary} {text}" if summary else text


def ascii_lower(text: str) -> str:
    """Convert only A–Z to lower case, as an exported model does; ``str.lower`` turns the Kelvin sign into a k."""
    if text.isascii():
        return text.lower()
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def apply_rules(text: str, rules: Sequence[TextRule]) -> str:
    """Apply rules one by one with Python's ``re``: slow, but the definition for all faster implementations."""
    for rule in rules:
        text = re.sub(rule.pattern, rule.replacement, text, flags=re.ASCII)
    return text


def apply_normalization(text: str, normalization: str) -> str:
    """Normalize one text by ``graph_rules`` alone, as an exported model does; this also defines ``default``."""
    rules, before = graph_rules(normalization), lower_case_before(normalization)
    text = apply_rules(ascii_lower(apply_rules(text, rules[:before])), rules[before:])
    dropped = set(stop_words(normalization))
    return " ".join(word for word in text.split() if word not in dropped)


def _known(normalization: str) -> str:
    if normalization not in NORMALIZATIONS:
        raise ConfigurationError(
            f"Normalization {quoted(normalization)} does not exist; choose one of {', '.join(NORMALIZATIONS)}."
        )
    return normalization
