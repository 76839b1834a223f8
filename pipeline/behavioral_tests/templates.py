"""The texts of the behavioral tests: the sentences of ``templates.yaml``, with slots filled the same way each time.

Method: CheckList (Ribeiro et al. 2020, *Beyond Accuracy: Behavioral Testing of NLP Models with CheckList*, ACL). The
sentences were written for this project; none comes from a data set. To add one, see
``docs/explanation/behavioral_tests.md``.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from pipeline.behavioral_tests.behavior import TOLERANCE, Behavior, Case, Expected

SEED = "review-sentiment behavior 1"
"""The fillings with the smallest digest of seed and text are used. Unlike a random generator's, this choice is the same
in every version of Python, and a new template does not change the fillings of the others."""
TEMPLATES_FILE = "templates.yaml"


@dataclass(frozen=True)
class Product:
    """Something to eat or drink.

    Attributes:
        name: The noun.
        plural: Whether the noun is plural ("these … are").
    """

    name: str
    plural: bool

    def slots(self) -> dict[str, str]:
        """Return the noun and the words of a sentence that must agree with it."""
        names = ("this", "is", "was", "it", "has", "does", "tastes")
        words = ("these", "are", "were", "them", "have", "do", "taste") if self.plural else names
        return {"product": self.name, **dict(zip(names, words, strict=True))}


@cache
def _templates() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(resources.files(__package__).joinpath(TEMPLATES_FILE).read_text("utf-8"))
    return found


def _sentences(name: str) -> tuple[str, ...]:
    return tuple(_templates()[name])


@cache
def _products() -> tuple[Product, ...]:
    return (
        *(Product(name, plural=False) for name in _sentences("singular_products")),
        *(Product(name, plural=True) for name in _sentences("plural_products")),
    )


@cache
def behaviors() -> tuple[Behavior, ...]:
    """Return every behavioral test, by kind; the same texts in the same order each time."""
    return (*_minimum_functionality(), *_negation(), *_invariance(), *_direction())


@cache
def texts_digest() -> str:
    """Return the SHA-256, in hexadecimal, of the tests' texts and expectations: their version."""
    digest = hashlib.sha256()
    for behavior in behaviors():
        for part in (behavior.kind, behavior.name, behavior.title, behavior.expectation):
            digest.update(part.encode() + b"\0")
        for case in behavior.cases:
            digest.update("\0".join((case.text, case.changed or "", case.expected, "")).encode())
    return digest.hexdigest()


def _minimum_functionality() -> Iterator[Behavior]:
    sides: tuple[tuple[str, str, tuple[str, ...], Expected], ...] = (
        ("praise", "praise", _sentences("praising"), "positive"),
        ("complaint", "complaints", _sentences("complaining"), "negative"),
    )
    for name, title, templates, expected in sides:
        yield Behavior(
            "minimum_functionality",
            f"plain_{name}",
            f"Plain {title}",
            f"A short, clear sentence is classified as {expected}.",
            _classified(_filled(templates, each=6), expected),
        )
    for name, title, templates, expected in sides:
        texts = [
            " ".join((*_neutral(2 * place, 2), sentence, *_neutral(2 * place + 4, 2)))
            for place, sentence in enumerate(_filled(templates, each=6))
        ]
        yield Behavior(
            "minimum_functionality",
            f"{name}_among_neutral",
            f"{title.capitalize()} among neutral sentences",
            f"A clear sentence among four neutral ones is classified as {expected}.",
            _classified(texts, expected),
        )


def _negation() -> Iterator[Behavior]:
    yield Behavior(
        "negation",
        "negated_praise",
        "Negated praise",
        'Negated praise ("not good at all") is classified as negative.',
        _classified(_filled(_sentences("negated_praise"), each=7), "negative"),
    )
    yield Behavior(
        "negation",
        "negated_complaint",
        "Negated complaints",
        'A negated complaint ("not bad at all", "no complaints") is classified as positive.',
        _classified(_filled(_sentences("negated_complaint"), each=6), "positive"),
    )
    yield Behavior(
        "negation",
        "negated_verdict",
        "Negated recommendations",
        'A negated recommendation ("I would not buy this again", "not worth the money") is classified as negative.',
        _classified(_filled(_sentences("negated_recommendations"), each=6), "negative"),
    )
    yield Behavior(
        "negation",
        "distant_negation",
        "Distant negation",
        'Praise negated several words earlier ("I can\'t say that this tea is good") is classified as negative.',
        _classified(_filled(_sentences("distant_negations"), each=7), "negative"),
    )
    yield Behavior(
        "negation",
        "contracted_negation",
        "Contracted negation",
        'A contracted negation ("isn\'t", "won\'t", "can’t") is classified as negative.',
        _classified(_typographic(_filled([short for _, short in _templates()["contractions"]], each=5)), "negative"),
    )


def _invariance() -> Iterator[Behavior]:
    texts = _reviews()

    def invariant(name: str, title: str, change: str, pairs: Iterable[tuple[str, str]]) -> Behavior:
        cases = tuple(Case(text, "same", changed) for text, changed in pairs)
        expectation = f"The probability of positive moves by at most {TOLERANCE:g} when {change}."
        return Behavior("invariance", name, title, expectation, cases)

    yield invariant("product_name", "Another product", "the product is replaced by another one", _swapped_products())
    yield invariant("brand_name", "Another brand", "an invented brand is replaced by another one", _swapped_brands())
    yield invariant(
        "typo",
        "Typing error",
        "two adjacent letters of a neutral word are swapped",
        _each(texts, with_typo),
    )
    yield invariant("html", "HTML tags", "HTML tags are added", _changed(texts, HTML_CHANGES))
    yield invariant(
        "case", "Capital letters", "the whole review is in capital letters", ((t.lower(), t.upper()) for t in texts)
    )
    yield invariant(
        "punctuation",
        "Punctuation and spaces",
        "spaces, line breaks or the final punctuation change",
        _changed(texts, PUNCTUATION_CHANGES),
    )
    yield invariant(
        "web_address",
        "Added web address",
        "a web address is added",
        ((text, f"{text} {_in_turn(_sentences('addresses'), place)}") for place, text in enumerate(texts)),
    )
    yield invariant(
        "neutral_sentence",
        "Added neutral sentence",
        "a neutral sentence is added at the start or the end",
        ((text, _with_neutral(text, place)) for place, text in enumerate(texts)),
    )
    yield invariant(
        "contraction",
        "Contraction",
        'a negation is contracted ("is not", "isn\'t")',
        _pairs_filled(_templates()["contractions"], each=5),
    )


def _direction() -> Iterator[Behavior]:
    texts = _reviews()
    additions: tuple[tuple[str, str, str, tuple[str, ...], Expected], ...] = (
        (
            "added_complaint",
            "Added complaint",
            f"A complaint added to a review raises the probability of positive by at most {TOLERANCE:g}.",
            _sentences("added_complaint"),
            "not_higher",
        ),
        (
            "added_praise",
            "Added praise",
            f"Praise added to a review lowers the probability of positive by at most {TOLERANCE:g}.",
            _sentences("added_praise"),
            "not_lower",
        ),
    )
    for name, title, expectation, added, expected in additions:
        cases = tuple(Case(text, expected, longer) for text, longer in _each_with(texts, added))
        yield Behavior("direction", name, title, expectation, cases)
    yield Behavior(
        "direction",
        "very",
        "“Very”",
        f"“Very” before an adjective moves the probability against that adjective by at most {TOLERANCE:g}.",
        tuple(_strengthened()),
    )


def _classified(texts: Iterable[str], expected: Expected) -> tuple[Case, ...]:
    return tuple(Case(text, expected) for text in texts)


@cache
def _fillings() -> tuple[dict[str, str], ...]:
    """Return the slots for every combination of product, brand and adjectives."""
    combinations = itertools.product(_products(), _sentences("brands"), range(len(_sentences("praise"))))
    return tuple(_slots(product, brand, place) for product, brand, place in combinations)


def _slots(product: Product, brand: str, adjective: int) -> dict[str, str]:
    slots = product.slots() | {"brand": brand}
    for name in ("praise", "complaint"):
        word = _sentences(name)[adjective]
        slots |= {name: word, f"{name}_with_article": f"{'an' if word[0] in 'aeiou' else 'a'} {word}"}
    return slots | {"This": slots["this"].capitalize()}


def _filled(templates: Sequence[str], each: int) -> list[str]:
    """Fill every template in ``each`` ways, or in fewer if its slots allow no more."""
    return [text for text, _ in _pairs_filled([(template, "") for template in templates], each)]


def _pairs_filled(templates: Sequence[tuple[str, str]], each: int) -> list[tuple[str, str]]:
    """Fill every pair of templates in ``each`` ways; the two texts of a pair have the same filling."""
    chosen: list[tuple[str, str]] = []
    for first, second in templates:
        fillings = {(first.format_map(slots), second.format_map(slots)) for slots in _fillings()}
        chosen += sorted(fillings, key=_digest)[:each]
    return chosen


def _digest(texts: tuple[str, str]) -> bytes:
    return hashlib.sha256("\0".join((SEED, *texts)).encode()).digest()


def _neutral(place: int, count: int) -> tuple[str, ...]:
    """Return neutral sentences, different ones for each place."""
    return tuple(_in_turn(_sentences("neutral"), place + 2 * step) for step in range(count))


def _in_turn(listed: Sequence[str], place: int) -> str:
    """Return one item for a place; two adjacent places, a positive and a negative text, get the same."""
    return listed[place // 2 % len(listed)]


def _each_with(texts: Iterable[str], added: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each text, and the text with one of the sentences added."""
    return ((text, f"{text} {_in_turn(added, place)}") for place, text in enumerate(texts))


def _with_neutral(text: str, place: int) -> str:
    # Six sentences after the one that the review already contains.
    added = _in_turn(_sentences("neutral"), place + len(_sentences("neutral")))
    return f"{text} {added}" if place // 2 % 2 else f"{added} {text}"


@cache
def _reviews() -> tuple[str, ...]:
    """Return short reviews of two sentences to change, positive and negative in turn."""
    praising, complaining = _filled(_sentences("praising"), each=3), _filled(_sentences("complaining"), each=3)
    sentences = [sentence for pair in zip(praising, complaining, strict=True) for sentence in pair]
    return tuple(f"{_neutral(place, 1)[0]} {sentence}" for place, sentence in enumerate(sentences))


def _typographic(texts: Sequence[str]) -> list[str]:
    """Write every third text with the typographic apostrophe of phone keyboards."""
    return [text.replace("'", "’") if place % 3 == 0 else text for place, text in enumerate(texts)]


def _swapped_products() -> Iterator[tuple[str, str]]:
    templates = [
        sentence for sentence in (*_sentences("praising"), *_sentences("complaining")) if "{product}" in sentence
    ]
    for plural in (False, True):
        alike = [product for product in _products() if product.plural == plural]
        for place, template in enumerate((*templates, *templates)):
            brand, adjective = (
                _sentences("brands")[place % len(_sentences("brands"))],
                3 * place % len(_sentences("praise")),
            )
            first, second = alike[place % len(alike)], alike[(place + 3) % len(alike)]
            yield (
                template.format_map(_slots(first, brand, adjective)),
                template.format_map(_slots(second, brand, adjective)),
            )


def _swapped_brands() -> Iterator[tuple[str, str]]:
    for place, text in enumerate(_reviews()):
        brand, other = _in_turn(_sentences("brands"), place), _in_turn(_sentences("brands"), place + 6)
        opening = "The name on the box is {brand}. "
        bare = text
        for known in _sentences("brands"):
            bare = bare.replace(f" {known}", "")
        yield opening.format(brand=brand) + bare, opening.format(brand=other) + bare


def with_typo(text: str) -> str:
    """Swap two adjacent different letters near the middle of the longest word of the first sentence."""
    first = text.split(". ", maxsplit=1)[0]
    word = max(re.findall("[A-Za-z]+", first), key=len)
    middle = len(word) // 2
    places = sorted(range(1, len(word) - 1), key=lambda place: abs(place - middle))
    place = next(place for place in places if word[place] != word[place + 1])
    mistyped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return text.replace(word, mistyped, 1)


def _each(texts: Iterable[str], change: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    return ((text, change(text)) for text in texts)


def _changed(texts: Sequence[str], changes: Sequence[Callable[[str], str]]) -> Iterator[tuple[str, str]]:
    return ((text, changes[place % len(changes)](text)) for place, text in enumerate(texts))


HTML_CHANGES: tuple[Callable[[str], str], ...] = (
    lambda text: text.replace(". ", ".<br /><br />"),
    lambda text: text + "<br />",
    lambda text: f"<p>{text}</p>",
    lambda text: re.sub(r"([A-Za-z]+)([.!])$", r"<b>\1</b>\2", text),
    lambda text: text.replace(". ", ".<br> "),
)
PUNCTUATION_CHANGES: tuple[Callable[[str], str], ...] = (
    lambda text: text.rstrip(".!"),
    lambda text: text.rstrip(".!") + "!!!",
    lambda text: text.replace(". ", ".\n\n") + "\n",
    lambda text: f"  {text}   ",
    lambda text: text.rstrip(".!") + " ...",
)


def _strengthened() -> Iterator[Case]:
    for template, adjectives in _templates()["strengthened"]:
        for place, adjective in enumerate(adjectives):
            expected: Expected = "not_lower" if adjective in _sentences("graded_praise") else "not_higher"
            for step in range(3):
                slots = _slots(_products()[(5 * place + 7 * step) % len(_products())], _sentences("brands")[0], 0)
                plain, strong = (
                    template.format_map(slots | {"plain": word}) for word in (adjective, f"very {adjective}")
                )
                yield Case(plain, expected, strong)
