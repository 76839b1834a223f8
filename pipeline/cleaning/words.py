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
    DEFAULT_RULES,
    NORMALIZATIONS,
    Normalization,
    ascii_lower,
    stop_words,
)
from pipeline.errors import ConfigurationError, quoted

CACHED_TOKENS = 262_144
"""Size of the cache, about 50 MB. A full cache is cleared, so that memory stays bounded."""

LONGEST_CACHED_TOKEN = 64
"""Characters. Longer tokens are rare, and those of a hostile dump may be huge."""

WHOLE_TEXT_RULES = 3
"""The first rules of ``DEFAULT_RULES`` read the whole text, not single tokens: tags and entities, so < or &."""


def normalize_many(texts: Iterable[str], normalization: Normalization) -> list[str]:
    """Return the words of every text, joined by one space, in the same order.

    Raises:
        ConfigurationError: There is no such normalization.
    """
    return normalizer(normalization).many(texts)


class Normalizer:
    """Text → its words in lower-case a–z, joined by one space."""

    def __init__(self, without_markup: Callable[[str], str], words_of_token: Callable[[str], str]) -> None:
        """Build a normalizer.

        Args:
            without_markup: The steps that need the whole text.
            words_of_token: Words of one whitespace-separated token, each followed by a space.
        """
        self._without_markup = without_markup
        self._cache = _TokenCache(words_of_token)

    def __call__(self, text: str) -> str:
        """Return one text's words."""
        return "".join(map(self._cache.__getitem__, self._without_markup(text).split()))[:-1]

    def many(self, texts: Iterable[str]) -> list[str]:
        """Return every text's words."""
        without_markup, words_of, join = self._without_markup, self._cache.__getitem__, "".join
        return [join(map(words_of, without_markup(text).split()))[:-1] for text in texts]


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
        return Normalizer(_default_without_markup, _default_token())
    if normalization == "article":
        return Normalizer(_article_without_markup, _article_token())
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


def _article_token() -> Callable[[str], str]:
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


_DEFAULT_MARKUP = tuple(
    (re.compile(rule.pattern, re.ASCII), rule.replacement) for rule in DEFAULT_RULES[:WHOLE_TEXT_RULES]
)


def _default_without_markup(text: str) -> str:
    text = ascii_lower(text)
    if "<" in text or "&" in text:
        for pattern, replacement in _DEFAULT_MARKUP:
            text = pattern.sub(replacement, text)
    return text


def _default_token() -> Callable[[str], str]:
    dropped = frozenset(stop_words("default"))
    *rules, letters = [
        (re.compile(rule.pattern, re.ASCII), rule.replacement) for rule in DEFAULT_RULES[WHOLE_TEXT_RULES:]
    ]
    # If no rule matches the token, none will match later: one search instead of a dozen.
    any_rule = re.compile("|".join(f"(?:{rule.pattern})" for rule in DEFAULT_RULES[WHOLE_TEXT_RULES:-1]), re.ASCII)
    only_letters, space = letters

    def words_of_token(token: str) -> str:
        if any_rule.search(token):
            for pattern, replacement in rules:
                token = pattern.sub(replacement, token)
        return "".join([word + " " for word in only_letters.sub(space, token).split() if word not in dropped])

    return words_of_token
