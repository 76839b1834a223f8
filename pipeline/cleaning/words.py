"""Turns review texts into words with a cache of tokens.

After the markup is gone, every further step of both normalizations acts on one whitespace-separated token alone, and
nine of ten tokens are among the few thousand most frequent. So a token is cleaned once and then looked up. The
result is equal to that of the plain way (``rules.apply_normalization``; for ``article`` the steps of
docs/explanation/replicated_experiment.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache

from pipeline.cleaning.html import html_to_text
from pipeline.cleaning.rules import (
    ARTICLE_CONTRACTIONS,
    CONTRACTION_RULES,
    JOINED,
    MARKUP_RULES,
    MOJIBAKE_RULES,
    NEGATION_RULES,
    NORMALIZATIONS,
    ONLY_LETTERS,
    SIGN_RULES,
    TAG_RULES,
    UNICODE_RULES,
    Normalization,
    TextRule,
    ascii_lower,
    stop_words,
)
from pipeline.errors import ConfigurationError, quoted

CACHED_TOKENS = 262_144
"""Size of the cache, about 50 MB. A full cache is cleared, so that memory stays bounded."""

LONGEST_CACHED_TOKEN = 64
"""Characters. Longer tokens are rare, and those of a hostile dump may be huge."""

WHOLE_TEXT = "\0"
"""In the words of a token: the text is normalized as a whole, because the token belongs to the one before it."""


def normalize_many(texts: Iterable[str], normalization: Normalization) -> list[str]:
    """Return the words of every text, joined by one space, in the same order.

    Raises:
        ConfigurationError: There is no such normalization.
    """
    return normalizer(normalization).many(texts)


class Normalizer:
    """Text → its words in lower-case a–z, joined by one space."""

    def __init__(
        self,
        without_markup: Callable[[str], str],
        words_of_token: Callable[[str], str],
        words_of_text: Callable[[str], str],
    ) -> None:
        """Build a normalizer.

        Args:
            without_markup: The steps that need the whole text.
            words_of_token: Words of one whitespace-separated token, each followed by a space, or ``WHOLE_TEXT``.
            words_of_text: The same for a whole text without markup, never ``WHOLE_TEXT``.
        """
        self._without_markup = without_markup
        self._cache = _TokenCache(words_of_token)
        self._words_of_text = words_of_text

    def __call__(self, text: str) -> str:
        """Return one text's words."""
        return self.many([text])[0]

    def many(self, texts: Iterable[str]) -> list[str]:
        """Return every text's words."""
        without_markup, words_of, join = self._without_markup, self._cache.__getitem__, "".join
        found = []
        for text in texts:
            plain = without_markup(text)
            words = join(map(words_of, plain.split()))
            found.append((self._words_of_text(plain) if WHOLE_TEXT in words else words)[:-1])
        return found


class _TokenCache(dict[str, str]):
    """The words of each token, computed once."""

    def __init__(self, words_of_token: Callable[[str], str]) -> None:
        super().__init__()
        self._words_of_token = words_of_token

    def __missing__(self, token: str) -> str:
        words = self._words_of_token(token)
        if len(token) <= LONGEST_CACHED_TOKEN:
            if len(self) >= CACHED_TOKENS:
                self.clear()
            self[token] = words
        return words


@cache
def normalizer(normalization: str) -> Normalizer:
    """Return the normalizer of that name; it keeps its token cache for the life of the process.

    Raises:
        ConfigurationError: There is no such normalization.
    """
    if normalization == "default":
        return Normalizer(_default_without_markup, _default_words(JOINED), _default_words(frozenset()))
    if normalization == "article":
        words_of = _article_words()
        return Normalizer(_article_without_markup, words_of, words_of)
    raise ConfigurationError(
        f"Normalization {quoted(normalization)} does not exist; choose one of {', '.join(NORMALIZATIONS)}."
    )


_WEB_ADDRESS = re.compile(r"http\S+")


def _article_without_markup(text: str) -> str:
    if "http" in text:
        text = _WEB_ADDRESS.sub("", text)
    if "<" in text or "&" in text:
        return html_to_text(text)
    return text


PUNCTUATION = '.,!?;:()*-"'


def _article_words() -> Callable[[str], str]:
    dropped = frozenset(stop_words("article"))
    digit = re.compile(r"\d")
    no_letters = re.compile("[^A-Za-z]+")

    def words_of_token(token: str) -> str:
        # Most new tokens are a word and a comma or a full stop: neither is a letter, a digit or an apostrophe.
        word = token.strip(PUNCTUATION)
        if word.isascii() and word.isalpha():
            word = word.lower()
            return "" if word in dropped else word + " "
        if "'" in token:
            for contraction, expanded in ARTICLE_CONTRACTIONS:
                token = token.replace(contraction, expanded)
        if digit.search(token):
            token = " ".join(part for part in token.split() if not digit.search(part))
        words = [word.lower() for word in no_letters.sub(" ", token).split()]
        return "".join([word + " " for word in words if word not in dropped])

    return words_of_token


def _compiled(rules: Iterable[TextRule]) -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(rule.pattern, re.ASCII), rule.replacement) for rule in rules]


def _applied(rules: Iterable[tuple[re.Pattern[str], str]], text: str) -> str:
    for pattern, replacement in rules:
        text = pattern.sub(replacement, text)
    return text


def _any_of(rules: Iterable[TextRule]) -> re.Pattern[str]:
    """Return a pattern that matches a text if any rule does: one search instead of many."""
    return re.compile("|".join(f"(?:{rule.pattern})" for rule in rules), re.ASCII)


_MARKUP, _TAGS, _MOJIBAKE = _compiled(MARKUP_RULES), _compiled(TAG_RULES), _compiled(MOJIBAKE_RULES)
_ANY_MOJIBAKE = _any_of(MOJIBAKE_RULES)


def _default_without_markup(text: str) -> str:
    text = ascii_lower(text)
    if "&" in text or "#" in text:
        text = _applied(_MARKUP, text)
    elif "<" in text:
        text = _applied(_TAGS, text)
    if not text.isascii() and _ANY_MOJIBAKE.search(text):
        text = _applied(_MOJIBAKE, text)
    return text


def _default_words(joined: frozenset[str]) -> Callable[[str], str]:
    """Return the function from a token or a text to its words; it asks for the whole text after ``joined``."""
    dropped = frozenset(stop_words("default"))
    ascii_rules = (*SIGN_RULES, *NEGATION_RULES, *CONTRACTION_RULES)
    unicode_rules, rules = _compiled(UNICODE_RULES), _compiled(ascii_rules)
    any_rule, any_negation = _any_of(ascii_rules), _any_of(NEGATION_RULES)
    ((only_letters, space),) = _compiled([ONLY_LETTERS])

    def words_of(text: str) -> str:
        # Most new tokens are a word with a comma or a full stop, in which only a negation can match.
        word = text.strip(PUNCTUATION)
        if word.isascii() and word.isalpha() and not ("n" in word and any_negation.search(word)):
            words = [word]
        else:
            if not text.isascii():
                text = _applied(unicode_rules, text)
            if any_rule.search(text):
                text = _applied(rules, text)
            words = only_letters.sub(space, text).split()
        if words and words[0] in joined:
            return WHOLE_TEXT
        return "".join([word + " " for word in words if word not in dropped])

    return words_of
