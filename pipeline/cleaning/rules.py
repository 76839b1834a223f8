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

from pipeline.cleaning.characters import (
    APOSTROPHES,
    BREAKING,
    COMBINING,
    INVISIBLE,
    continuation_class,
    damaged_apostrophes,
    damaged_letters,
    letters_by_base,
)
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

_HTML_ELEMENTS = (
    "a|abbr|acronym|address|area|article|aside|audio|b|base|bdi|bdo|big|blockquote|body|br|button|canvas|caption|center|"
    "cite|code|col|colgroup|dd|del|details|dfn|dir|div|dl|dt|em|embed|fieldset|figcaption|figure|font|footer|form|frame|"
    "frameset|h[1-6r]|head|header|html|i|iframe|img|input|ins|kbd|label|legend|li|link|main|map|mark|menu|meta|nav|"
    "noscript|object|ol|optgroup|option|p|param|picture|pre|q|rp|rt|ruby|s|samp|section|select|small|source|span|"
    "strike|strong|sub|summary|sup|svg|table|tbody|td|template|textarea|tfoot|th|thead|time|title|tr|tt|u|ul|var|video|"
    "wbr|[a-z]+:[a-z]+"
)
_START_OF_TAG = rf"<(?:/?(?:{_HTML_ELEMENTS})\b|[!?][a-z\[-])"

ESCAPED_TAG_RULES: tuple[TextRule, ...] = (
    # `(?:amp;)*` is for dumps that were escaped twice.
    TextRule("escaped <", r"&(?:amp;)*(?:lt|#0*60|#x0*3c);", "<"),
    TextRule("escaped >", r"&(?:amp;)*(?:gt|#0*62|#x0*3e);", ">"),
)
TAG_RULES: tuple[TextRule, ...] = (
    TextRule("U+2019 as R and others write it", r"<u\+(?:2018|2019|02bc|0092)>", "'"),
    # Up to the end of the text if they are not closed, as in a browser: so the time stays linear.
    TextRule("scripts, styles and comments", r"<(?:script|style)\b[^<>]*>(?s:.)*?(?:</(?:script|style)|$)", " "),
    TextRule("comments", r"<!--(?s:.)*?(?:-->|$)", " "),
    # A space, so that the words before and after `<br />` stay two. `<3` and `<not good>` are text.
    TextRule("HTML tags", rf"""{_START_OF_TAG}(?:[^<>=]|=(?:"[^"<]*"|'[^'<]*'|[^"'<>]))*>""", " "),
    TextRule("HTML tags with a quotation mark left open", rf"{_START_OF_TAG}[^<>]*>", " "),
)
"""Tags and what they hide; every match begins with <."""

ENTITY_RULES: tuple[TextRule, ...] = (
    TextRule(
        "entities of the apostrophe",
        r"&(?:amp;)*(?:(?:apos|lsquo|rsquo|lsquor|rsquor|sbquo|prime|acute|grave|diacriticalgrave);?|"
        r"acirc;(?:&(?:amp;)*)euro;(?:&(?:amp;)*)(?:trade|tilde);|#226;(?:&(?:amp;)*)#(?:128;|8364;)(?:&(?:amp;)*)#(?:153|8482);|"
        r"#0*(?:39|96|145|146|180|700|699|8216|8217|8219|8242|65287);|"
        r"#x0*(?:27|60|91|92|b4|2bb|2bc|2018|2019|201b|2032|ff07);)",
        "'",
    ),
    TextRule(
        "entities of the apostrophe without their semicolon",
        r"&(?:amp;)*(?:#0*(?:39|145|146|8216|8217)([^0-9;]|$)|#x0*(?:27|91|92|2018|2019)([^0-9a-f;]|$))",
        r"'\1\2",
    ),
    TextRule("entities without their ampersand", " ?#(?:39|146|8217);", "'"),
    TextRule(
        "entities of invisible characters", r"&(?:amp;)*(?:shy|zwn?j|#0*173|#x0*ad|#820[3-7]|#x200[b-f]|#65279);", ""
    ),
    TextRule(
        "entities of letters",
        r"&(?:amp;)*(?:([a-z])(?:acute|grave|circ|uml|tilde|cedil|ring|slash|caron|macr|breve|ogon)|(ae|oe)lig);",
        r"\1\2",
    ),
    TextRule(
        "other entities",
        r"&(?:amp;)*(?:(?:amp|quot|nbsp|lt|gt)\b;?|[a-z][a-z0-9]{1,30};|#[0-9]{1,7};|#x[0-9a-f]{1,6};)",
        " ",
    ),
)
"""Entities; every match contains & or #."""

MARKUP_RULES = (*ESCAPED_TAG_RULES, *TAG_RULES, *ENTITY_RULES)
"""Markup, which may span several tokens."""

_LETTERS = letters_by_base()
_CONTINUATION = continuation_class()

MOJIBAKE_RULES: tuple[TextRule, ...] = (
    TextRule("mojibake of the apostrophe", damaged_apostrophes(), "'"),
    # U+2019 as Mac Roman read as Latin-1, and as UTF-8 of which one byte is left.
    TextRule("rest of the apostrophe in n't", "n[âÕÃÂ€¢]{1,4}t([^a-zß-ÿ]|$)", r"n't\1"),
    TextRule(
        "rest of the apostrophe elsewhere",
        r"\b(he|i|it|she|that|there|they|we|what|who|you)[âÕ](d|ll|m|re|s|ve)([^a-zß-ÿ]|$)",
        r"\1'\2\3",
    ),
    TextRule("letters, two levels deep", "Ã[ƒ\x83]Â?", "Ã"),
    *(
        TextRule(f"mojibake of {base}", damaged, base)
        for base, letters in _LETTERS.items()
        if (damaged := damaged_letters(letters))
    ),
    TextRule("other mojibake", rf"[à-ï][{_CONTINUATION}]{{2}}|ð[{_CONTINUATION}]{{2,3}}|Â[{_CONTINUATION}]|â€", " "),
    TextRule("rest of a space that cannot break", r"Â([^a-zß-ÿ]|$)", r" \1"),
)
"""Mojibake, which may include white space. No rule matches a text of ASCII alone."""

UNICODE_RULES: tuple[TextRule, ...] = (
    TextRule(
        "invisible characters in a word that begins with not",
        rf"\b(not|never)[{INVISIBLE}]+(hing|withstanding|theless|(?:ic(?:e|ed|es|ing)|es?|ed|able|ch|if(?:y|ied)|orious)\b)",
        r"\1\2",
    ),
    TextRule("invisible characters after a negation", rf"\b(not|never|cannot)[{BREAKING}]+([a-z])", r"\1 \2"),
    TextRule("invisible characters after n't", rf"(n['’]t)[{BREAKING}]+([a-z])", r"\1 \2"),
    TextRule("invisible characters", f"[{INVISIBLE}{COMBINING}]+", ""),
    *(TextRule(f"letters like {base}", f"[{letters}]", base) for base, letters in _LETTERS.items()),
    TextRule("typographic apostrophes", f"[{APOSTROPHES}]", "'"),
)
"""Characters that stand for others. No rule matches a token of ASCII alone."""

SIGN_RULES: tuple[TextRule, ...] = (
    TextRule(
        "escaped apostrophes",
        r"\\+(?:'|u(?:0027|0060|0091|0092|00b4|02bb|02bc|2018|2019|201b|2032|ff07)|x(?:27|91|92|xe2)|"
        r"xe2\\+x80\\+x(?:98|99|b2)|342\\+200\\+23[01])|%27|%92|%e2%80%9[89]|=27|=92|=e2=80=9[89]|"
        "_x00(?:27|92)_|_x2019_",
        "'",
    ),
    # `\nothing` is no new line before `othing`.
    TextRule("a backslash before a negation", r"\\+(no|not|nothing)\b", r" \1"),
    TextRule("escaped white space and characters", r"\\+(?:[nrt]|u[0-9a-f]{4}|x[0-9a-f]{2})", " "),
    TextRule("links and videos as Amazon writes them", r"\[\[(?:asin|videoid):[a-z0-9]*", " "),
    # Only printable ASCII belongs to an address, so that no kind of space is removed.
    TextRule("web addresses", r"(?:https?://|\bwww\.[a-z0-9])[!-~]*", " "),
    TextRule("an apostrophe that was lost", "([a-z])[?\ufffd]{1,3}(d|ll|m|re|s|t|ve)\\b", r"\1'\2"),
    TextRule("doubled apostrophes", "''+", "'"),
    # Its t is no end of a negation: `all I can. T-shirts …`
    TextRule("T-shirts", r"\bt[^a-z0-9]{1,2}shirt", " shirt"),
)
"""Signs in a token. No rule matches a token of the letters a–z alone."""

_NEGATED = "are|could|dare|did|does|do|had|has|have|is|may|might|must|need|ought|should|was|were|would"
_MARK = "[^a-z0-9]{0,6}"
"""What may stand for the apostrophe of a negated verb: nothing, white space or a few signs of any kind."""

NEGATION_RULES: tuple[TextRule, ...] = (
    TextRule("not, written with other letters", r"\bn[0oоο]+t+\b", "not"),
    TextRule("won't", rf"\bwon{_MARK}t\b", "will not"),
    TextRule("can't", rf"\bcan(?:{_MARK}t|not)\b", "can not"),
    TextRule("ain't", rf"\bain{_MARK}t\b", "is not"),
    TextRule("shan't", rf"\bshan{_MARK}t\b", "shall not"),
    TextRule("a negated verb", rf"\b({_NEGATED})n{_MARK}t\b", r"\1 not"),
    TextRule(
        "a negated verb joined to the next word",
        r"\b(could|did|does|do|has|have|is|should|was|were|would)n'?t([a-z]{3,})",
        r"\1 not \2",
    ),
    TextRule(
        "a negated verb without its t",
        r"\b(are|could|did|does|had|has|is|might|must|need|should|was|were|would)n\b",
        r"\1 not",
    ),
    TextRule("don without its t", r"\b(i|they|we) don\b", r"\1 do not"),
    TextRule("n't", r"n't\b", " not"),
    TextRule("n't without its apostrophe", r"\bnt\b", "not"),
)
"""Negations, damaged or not: each gives the word *not*. Every match contains the letter n."""

CONTRACTION_RULES: tuple[TextRule, ...] = (
    TextRule("'re", r"'re\b", " are"),
    TextRule("'s", r"'s\b", " is"),
    TextRule("'d", r"'d\b", " would"),
    TextRule("'ll", r"'ll\b", " will"),
    TextRule("'ve", r"'ve\b", " have"),
    TextRule("'m", r"'m\b", " am"),
)
"""Contractions; every match begins with an apostrophe."""

ONLY_LETTERS = TextRule("everything but letters", r"[^a-z]+", " ")

JOINED = frozenset({"t", "don"})
"""Words that belong to the word before them (``don t``, ``I don``).

The rules after ``MOJIBAKE_RULES`` give the same for a text and for its tokens one by one, unless a token starts with
one of these."""

DEFAULT_RULES: tuple[TextRule, ...] = (
    *MARKUP_RULES,
    *MOJIBAKE_RULES,
    *UNICODE_RULES,
    *SIGN_RULES,
    *NEGATION_RULES,
    *CONTRACTION_RULES,
    ONLY_LETTERS,
)
"""``default``, applied in this order to lower-case text; the result has only ``[a-z ]``.

Damage is repaired here and nowhere else, so that training, every scorer and an exported model read the same words
(docs/decisions/0013-text-repair.md).
"""

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
