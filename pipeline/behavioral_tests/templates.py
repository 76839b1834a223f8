"""The texts of the behavioral tests: sentences with slots, filled in the same way each time.

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

from pipeline.behavioral_tests.behavior import TOLERANCE, Behavior, Case, Expected

SEED = "review-sentiment behavior 1"
"""The fillings with the smallest digest of seed and text are used. Unlike a random generator's, this choice is the same
in every version of Python, and a new template does not change the fillings of the others."""


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
        one = {"this": "this", "is": "is", "was": "was", "it": "it", "has": "has", "does": "does", "tastes": "tastes"}
        many = {
            "this": "these",
            "is": "are",
            "was": "were",
            "it": "them",
            "has": "have",
            "does": "do",
            "tastes": "taste",
        }
        return {"product": self.name, **(many if self.plural else one)}


PRODUCTS = (
    *(
        Product(name, plural=False)
        for name in ("coffee", "tea", "chocolate", "cereal", "soup", "bread", "peanut butter", "popcorn", "jam", "rice")
    ),
    *(
        Product(name, plural=True)
        for name in ("cookies", "crackers", "almonds", "chips", "noodles", "muffins", "raisins", "candies")
    ),
)
BRANDS = ("Norvale", "Tarkwell", "Pellmoor", "Brindlow", "Quenbury", "Halverd", "Ostermill", "Sudwick")
"""Invented, so that no model has learned an opinion about them."""

PRAISE = ("delicious", "excellent", "wonderful", "great", "fantastic", "perfect", "amazing", "tasty", "good", "awesome")
"""As many as in ``COMPLAINT``: a filling uses one of each."""
COMPLAINT = (
    "awful",
    "terrible",
    "horrible",
    "disgusting",
    "bad",
    "nasty",
    "disappointing",
    "gross",
    "rotten",
    "revolting",
)
GRADED_PRAISE = frozenset({"good", "tasty", "nice", "happy", "pleased", "satisfied"})
"""The positive ones among the adjectives that "very" intensifies."""

PRAISING = (
    "{This} {product} {is} {praise}.",
    "{This} {product} {tastes} {praise}.",
    "I love {this} {product}.",
    "What {praise_with_article} taste!",
    "My whole family loves {this} {brand} {product}.",
    "Best {product} I ever had, simply {praise}.",
    "{This} {product} {is} {praise} and I will buy {it} again.",
)
COMPLAINING = (
    "{This} {product} {is} {complaint}.",
    "{This} {product} {tastes} {complaint}.",
    "I hate {this} {product}.",
    "What {complaint_with_article} taste!",
    "My whole family hates {this} {brand} {product}.",
    "Worst {product} I ever had, simply {complaint}.",
    "{This} {product} {is} {complaint} and I threw {it} in the trash.",
)
NEUTRAL = (
    "I ordered on a Tuesday.",
    "The parcel came on Thursday afternoon.",
    "My sister was visiting that week.",
    "There is a picture of a mountain on the front.",
    "The store around the corner sells another size.",
    "I read about the company in a magazine.",
    "We keep it in the kitchen cupboard next to the plates.",
    "The package weighs twelve ounces.",
    "I work at an office downtown.",
    "There were four people at the table.",
    "The lid is blue and the letters are white.",
    "Each serving is about half a cup.",
)

NEGATED_PRAISE = (
    "{This} {product} {is} not {praise}.",
    "{This} {product} {is} not {praise} at all.",
    "{This} {product} {does} not taste {praise}.",
    "I would not call {this} {product} {praise}.",
    "Nothing about {this} {product} was {praise}.",
    "There is nothing {praise} about {this} {product}.",
)
NEGATED_COMPLAINT = (
    "{This} {product} {is} not bad at all.",
    "I have no complaints about {this} {product}.",
    "I have never been disappointed by {this} {product}.",
    "There is nothing wrong with {this} {product}.",
    "{This} {product} {is} anything but {complaint}.",
    "I had no problems with {this} {product} and no regrets.",
    "{This} {product} {has} never disappointed me.",
)
NEGATED_VERDICTS = (
    "I would not buy {this} {product} again.",
    "I will not order {this} {brand} {product} again.",
    "I do not recommend {this} {product}.",
    "I can not recommend {this} {brand} {product} to anyone.",
    "{This} {product} {is} not worth the money.",
    "I did not like {this} {product}.",
    "We did not enjoy {this} {brand} {product}.",
)
DISTANT_NEGATIONS = (
    "I can't say that {this} {product} {is} {praise}.",
    "I don't think that anyone in my family would call {this} {product} {praise}.",
    "I do not believe what they write on the box, that {this} {product} {is} {praise}.",
    "Nobody at our table said that {this} {product} {was} {praise}.",
    "It would not be honest of me to write that {this} {brand} {product} {is} {praise}.",
    "Not one of the people who tried {this} {product} found {it} {praise}.",
)
CONTRACTIONS = (
    ("{This} {product} {is} not {praise}.", "{This} {product} {is}n't {praise}."),
    ("{This} {product} {was} not {praise}.", "{This} {product} {was}n't {praise}."),
    ("I do not like {this} {product}.", "I don't like {this} {product}."),
    ("I did not like {this} {product}.", "I didn't like {this} {product}."),
    ("I will not buy {this} {product} again.", "I won't buy {this} {product} again."),
    ("I would not buy {this} {product} again.", "I wouldn't buy {this} {product} again."),
    ("I can not recommend {this} {product}.", "I can't recommend {this} {product}."),
    ("{This} {product} {is} not worth the money.", "{This} {product} {is}n't worth the money."),
)
"""Negative sentences, spelled out and contracted."""

ADDED_PRAISE = (
    "I love it and will order more.",
    "It is delicious.",
    "My kids love it too.",
    "Highly recommended!",
    "The taste is wonderful and the price is great.",
    "We enjoyed every bite.",
)
ADDED_COMPLAINT = (
    "I hate it and want my money back.",
    "It is disgusting.",
    "My kids hate it too.",
    "Do not waste your money!",
    "The taste is awful and the price is terrible.",
    "It was stale and we threw it away.",
)
ADDRESSES = (
    "http://www.example.com/dp/B000Q7K2XY",
    "https://example.org/shop/item?id=48213&ref=list",
    "www.example.net/label-4",
    "http://example.com/gp/product/B001T4M9ZW#reviews",
)
STRENGTHENED = (
    ("{This} {product} {is} {plain}.", ("good", "tasty", "nice", "bad", "bland", "stale")),
    ("{This} {product} {tastes} {plain}.", ("good", "nice", "bad", "bland", "stale")),
    ("I am {plain} with {this} {product}.", ("happy", "pleased", "satisfied", "unhappy", "disappointed")),
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
        ("praise", "praise", PRAISING, "positive"),
        ("complaint", "complaints", COMPLAINING, "negative"),
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
        _classified(_filled(NEGATED_PRAISE, each=7), "negative"),
    )
    yield Behavior(
        "negation",
        "negated_complaint",
        "Negated complaints",
        'A negated complaint ("not bad at all", "no complaints") is classified as positive.',
        _classified(_filled(NEGATED_COMPLAINT, each=6), "positive"),
    )
    yield Behavior(
        "negation",
        "negated_verdict",
        "Negated recommendations",
        'A negated recommendation ("I would not buy this again", "not worth the money") is classified as negative.',
        _classified(_filled(NEGATED_VERDICTS, each=6), "negative"),
    )
    yield Behavior(
        "negation",
        "distant_negation",
        "Distant negation",
        'Praise negated several words earlier ("I can\'t say that this tea is good") is classified as negative.',
        _classified(_filled(DISTANT_NEGATIONS, each=7), "negative"),
    )
    yield Behavior(
        "negation",
        "contracted_negation",
        "Contracted negation",
        'A contracted negation ("isn\'t", "won\'t", "can’t") is classified as negative.',
        _classified(_typographic(_filled([short for _, short in CONTRACTIONS], each=5)), "negative"),
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
        ((text, f"{text} {_in_turn(ADDRESSES, place)}") for place, text in enumerate(texts)),
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
        _pairs_filled(CONTRACTIONS, each=5),
    )


def _direction() -> Iterator[Behavior]:
    texts = _reviews()
    additions: tuple[tuple[str, str, str, tuple[str, ...], Expected], ...] = (
        (
            "added_complaint",
            "Added complaint",
            f"A complaint added to a review raises the probability of positive by at most {TOLERANCE:g}.",
            ADDED_COMPLAINT,
            "not_higher",
        ),
        (
            "added_praise",
            "Added praise",
            f"Praise added to a review lowers the probability of positive by at most {TOLERANCE:g}.",
            ADDED_PRAISE,
            "not_lower",
        ),
    )
    for name, title, expectation, added, expected in additions:
        cases = tuple(Case(text, expected, f"{text} {_in_turn(added, place)}") for place, text in enumerate(texts))
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
    combinations = itertools.product(PRODUCTS, BRANDS, range(len(PRAISE)))
    return tuple(_slots(product, brand, place) for product, brand, place in combinations)


def _slots(product: Product, brand: str, adjective: int) -> dict[str, str]:
    slots = product.slots() | {"brand": brand, "praise": PRAISE[adjective], "complaint": COMPLAINT[adjective]}
    slots |= {f"{name}_with_article": _with_article(slots[name]) for name in ("praise", "complaint")}
    return slots | {"This": slots["this"].capitalize()}


def _with_article(adjective: str) -> str:
    return f"{'an' if adjective[0] in 'aeiou' else 'a'} {adjective}"


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
    return tuple(_in_turn(NEUTRAL, place + 2 * step) for step in range(count))


def _in_turn(listed: Sequence[str], place: int) -> str:
    """Return one item for a place; two adjacent places, a positive and a negative text, get the same."""
    return listed[place // 2 % len(listed)]


def _with_neutral(text: str, place: int) -> str:
    # Six sentences after the one that the review already contains.
    added = _in_turn(NEUTRAL, place + len(NEUTRAL))
    return f"{text} {added}" if place // 2 % 2 else f"{added} {text}"


@cache
def _reviews() -> tuple[str, ...]:
    """Return short reviews of two sentences to change, positive and negative in turn."""
    praising, complaining = _filled(PRAISING, each=3), _filled(COMPLAINING, each=3)
    sentences = [sentence for pair in zip(praising, complaining, strict=True) for sentence in pair]
    return tuple(f"{_neutral(place, 1)[0]} {sentence}" for place, sentence in enumerate(sentences))


def _typographic(texts: Sequence[str]) -> list[str]:
    """Write every third text with the typographic apostrophe of phone keyboards."""
    return [text.replace("'", "’") if place % 3 == 0 else text for place, text in enumerate(texts)]


def _swapped_products() -> Iterator[tuple[str, str]]:
    templates = [sentence for sentence in (*PRAISING, *COMPLAINING) if "{product}" in sentence]
    for plural in (False, True):
        alike = [product for product in PRODUCTS if product.plural == plural]
        for place, template in enumerate((*templates, *templates)):
            brand, adjective = BRANDS[place % len(BRANDS)], 3 * place % len(PRAISE)
            first, second = alike[place % len(alike)], alike[(place + 3) % len(alike)]
            yield (
                template.format_map(_slots(first, brand, adjective)),
                template.format_map(_slots(second, brand, adjective)),
            )


def _swapped_brands() -> Iterator[tuple[str, str]]:
    for place, text in enumerate(_reviews()):
        brand, other = _in_turn(BRANDS, place), _in_turn(BRANDS, place + 6)
        opening = "The name on the box is {brand}. "
        bare = text
        for known in BRANDS:
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
    for template, adjectives in STRENGTHENED:
        for place, adjective in enumerate(adjectives):
            expected: Expected = "not_lower" if adjective in GRADED_PRAISE else "not_higher"
            for step in range(3):
                slots = _slots(PRODUCTS[(5 * place + 7 * step) % len(PRODUCTS)], BRANDS[0], 0)
                plain, strong = (
                    template.format_map(slots | {"plain": word}) for word in (adjective, f"very {adjective}")
                )
                yield Case(plain, expected, strong)
