"""The language of a dump's reviews, from a sample of their texts.

Cleaning keeps the letters a–z and drops English stop words, so a model of another language would learn from fragments.
py3langid tells the language: 4.5 MB, offline, and the same answer on each machine (docs/decisions/0013-text-repair.md).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

ENGLISH = "en"
MIN_ENGLISH_SHARE = 0.5
"""Share of the sampled reviews that must be in English. Of real English reviews 99 % are recognized."""

SAMPLED_TEXTS = 400
LONGEST_TEXT = 1_000
"""Characters of a text that are read."""
SHORTEST_TEXT = 40
"""Characters. Shorter texts, such as `Super!`, have no sure language and are read together."""
JOINED_CHARACTERS = 200

LANGUAGES = {
    "ar": "Arabic",
    "bg": "Bulgarian",
    "bn": "Bengali",
    "ca": "Catalan",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    ENGLISH: "English",
    "es": "Spanish",
    "et": "Estonian",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "ms": "Malay",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sk": "Slovak",
    "sl": "Slovenian",
    "sr": "Serbian",
    "sv": "Swedish",
    "ta": "Tamil",
    "te": "Telugu",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "vi": "Vietnamese",
    "zh": "Chinese",
}
"""The languages that a dump may be said to be in, by their ISO 639 codes."""

LANGUAGE_MEASURES = pa.schema([("english", pa.int8())])


@dataclass(frozen=True)
class LanguageSample:
    """The languages of some texts.

    Attributes:
        reviews: Number of sampled reviews by ISO 639 code.
        lost_letters: Share of the letters (0–1) that are not Latin: cleaning removes them.
    """

    reviews: Counter[str]
    lost_letters: float

    def measures(self) -> pa.Table:
        """Return ``LANGUAGE_MEASURES`` ``[sampled reviews]``: 1 for English, else 0."""
        flags = [int(code == ENGLISH) for code, count in sorted(self.reviews.items()) for _ in range(count)]
        return pa.table({"english": pa.array(flags, pa.int8())}, schema=LANGUAGE_MEASURES)

    def most_frequent_other(self) -> str:
        """Return the name of the most frequent language other than English, or an empty string."""
        others = sorted(self.reviews.keys() - {ENGLISH})
        return LANGUAGES[max(others, key=lambda code: self.reviews[code])] if others else ""


class TextSampler:
    """Keeps texts at equal distances of a stream of unknown length: the same texts for the same stream."""

    def __init__(self) -> None:
        """Begin with no text."""
        self.texts: list[str] = []
        self._step, self._seen = 1, 0

    def add(self, texts: pa.Array) -> None:
        """Look at the next texts of the stream."""
        first = -self._seen % self._step
        self._seen += len(texts)
        places = pa.array(range(first, len(texts), self._step), pa.int64())
        self.texts += [text[:LONGEST_TEXT] for text in texts.take(places).to_pylist() if text]
        while len(self.texts) > 2 * SAMPLED_TEXTS:
            self.texts = self.texts[::2]
            self._step *= 2


def sample_languages(texts: list[str]) -> LanguageSample:
    """Return the languages of texts; short texts are read together."""
    found: Counter[str] = Counter()
    for count, text in _readable(texts):
        found[_identifier().classify(text)[0]] += count
    column = pa.array(texts, pa.string())
    letters, latin = (pc.sum(pc.count_substring_regex(column, kind)).as_py() or 0 for kind in (r"\p{L}", r"\p{Latin}"))
    return LanguageSample(found, 1 - latin / letters if letters else 0.0)


@cache
def _identifier() -> LanguageIdentifier:
    """Return the model, loaded once per process: it takes half a second."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(LANGUAGES)
    return identifier


def _readable(texts: list[str]) -> list[tuple[int, str]]:
    """Return texts with the number of reviews in each."""
    long = [(1, text) for text in texts if len(text) >= SHORTEST_TEXT]
    joined: list[tuple[int, str]] = []
    parts: list[str] = []
    for text in texts:
        if len(text) < SHORTEST_TEXT:
            parts.append(text)
            if sum(map(len, parts)) >= JOINED_CHARACTERS:
                joined.append((len(parts), ". ".join(parts)))
                parts = []
    if parts and not long and not joined:
        joined.append((len(parts), ". ".join(parts)))
    return long + joined
