"""A generated dump in the schema of the Kaggle data set, so that the workflow runs without data.

It has the features of a real dump: repeated reviews under other products, near-duplicates, HTML, links, quoted commas
and line ends, empty summaries, neutral scores, wrong labels and a few broken rows. The same arguments give the same
bytes on every version of Python: only ``random.Random.random`` is used, because Python documents its sequence for a
given seed, but not those of ``choice``, ``sample`` and ``shuffle``.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml

from pipeline.sources.source import FoundFile, SeenFiles

Item = TypeVar("Item")

DEMO_FILE = "demo_reviews.csv"
DEMO_ROWS = 6_000
DEMO_SEED = 20_121_026
HEADER = "Id,ProductId,UserId,ProfileName,HelpfulnessNumerator,HelpfulnessDenominator,Score,Time,Summary,Text"

_SCORE_SHARES = ((5, 0.58), (4, 0.16), (3, 0.08), (2, 0.06), (1, 0.12))
"""Shares of the scores among new reviews."""
_PRAISE_SHARES = {5: 0.96, 4: 0.87, 3: 0.5, 2: 0.18, 1: 0.06}
"""Share of praise among the opinions of a review, by the score that its author means."""
_NEUTRAL_SCORE = 3
_MIXED_SHARE, _MIXED_SHARE_IF_NEUTRAL = 0.06, 0.35
_DUPLICATE_SHARE = 0.10
_NEAR_DUPLICATE_SHARE = 0.03
_WRONG_SCORE_SHARE = 0.02
_NEGATION_SHARE = 0.13
_SARCASM_SHARE = 0.12
_HTML_SHARE = 0.25
_FIRST_DAY, _LAST_DAY = 12_784, 15_705
"""2005-01-01 and 2012-12-31 in days since 1970."""
_DAY_SECONDS = 86_400
_FAULT_SHARE = 0.00125
"""Share of rows with each of the four kinds of fault: 0.5 % in total, less than the data contract allows."""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def fetch_demo(_dump: str, folder: Path, _seen: SeenFiles) -> list[FoundFile]:
    """Write the demo dump into the folder; the other arguments are not used."""
    path = folder / DEMO_FILE
    write_demo_dump(path)
    return [FoundFile(path, DEMO_FILE, "demo", staged=True, demo=True)]


@cache
def phrases() -> dict[str, Any]:
    """Return the phrases of ``demo_phrases.yaml``: lists of strings by name, and ``kinds`` of groceries."""
    text = resources.files("pipeline.sources").joinpath("demo_phrases.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content


def write_demo_dump(path: Path, *, rows: int = DEMO_ROWS, seed: int = DEMO_SEED) -> None:
    """Write a demo dump as CSV.

    Args:
        path: The file to write.
        rows: Number of rows, at least 100.
        seed: Another seed gives another dump of the same kind.
    """
    with path.open("w", encoding="utf-8", newline="") as sink:
        sink.write(HEADER + "\n")
        for number, review in enumerate(_Generator(seed).reviews(rows), start=1):
            about = [review.product, review.user, review.profile, review.numerator, review.denominator, review.score]
            fields = [str(number), *about, str(review.time), review.summary, review.text]
            if review.missing_fields:
                fields = [*fields, "extra"] if review.missing_fields < 0 else fields[: -review.missing_fields]
            sink.write(",".join(map(_csv_field, fields)) + "\n")


def _csv_field(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if any(c in value for c in ',"\n') else value


@dataclass(frozen=True)
class _Review:
    product: str
    user: str
    profile: str
    numerator: str
    denominator: str
    score: str
    time: int
    summary: str
    text: str
    missing_fields: int = 0
    """Number of fields missing at the end of the row; -1 if there is one too many."""


@dataclass(frozen=True)
class _Subject:
    """What a review is about."""

    kind: dict[str, list[str]]
    item: str


class _Generator:
    """Draws products, people and reviews from one seeded sequence."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random  # noqa: S311 - reviews, not secrets
        self._phrases = phrases()
        self._people = [self._person() for _ in range(900)]

    def reviews(self, rows: int) -> list[_Review]:
        """Return the reviews, grouped by product, with a few faults."""
        found: list[_Review] = []
        while len(found) < rows:
            product, kind = self._code("B00", 7), self._pick("kinds")
            subject = _Subject(kind, self._choice(kind["names"]))
            # A few products have most of the reviews, as in a shop.
            popularity = 1 + int(45 * self._random() ** 3)
            for _ in range(popularity):
                draw = self._random()
                if found and draw < _DUPLICATE_SHARE:
                    found.append(replace(self._choice(found), product=product))
                elif found and draw < _DUPLICATE_SHARE + _NEAR_DUPLICATE_SHARE:
                    found.append(self._near_duplicate(self._choice(found), product))
                else:
                    found.append(self._review(product, subject))
        return self._with_faults(found[:rows])

    def _choice(self, items: Sequence[Item]) -> Item:
        return items[int(self._random() * len(items))]

    def _pick(self, name: str) -> Any:  # noqa: ANN401 - a phrase, or a kind of grocery
        return self._choice(self._phrases[name])

    def _happens(self, share: float) -> bool:
        return self._random() < share

    def _weighted(self, shares: Sequence[tuple[Item, float]], otherwise: Item) -> Item:
        draw = self._random()
        for item, share in shares:
            if draw < share:
                return item
            draw -= share
        return otherwise

    def _shuffled(self, size: int) -> list[int]:
        """Return the numbers below ``size`` in random order: sorting by drawn keys is the same on every version."""
        return [place for _, place in sorted((self._random(), place) for place in range(size))]

    def _code(self, start: str, length: int) -> str:
        return start + "".join(self._choice(_LETTERS) for _ in range(length))

    def _person(self) -> tuple[str, str]:
        # Some users of the original data set have ids that begin with "#oc-R".
        user = self._code("#oc-R" if self._happens(0.01) else "A", 13)
        first, last = self._pick("first_names"), self._pick("last_names")
        style = self._weighted((("nickname", 0.15), ("title", 0.05), ("missing", 0.01)), otherwise="plain")
        if style == "nickname":
            return user, f'{first} {last} "{self._pick("nicknames")}"'
        if style == "title":
            return user, f"{first[0]}. {last}, {self._choice(('PhD', 'Jr.', 'Ohio', 'Texas'))}"
        return user, "nan" if style == "missing" else f"{first} {last}"

    def _review(self, product: str, subject: _Subject) -> _Review:
        meant = self._weighted(_SCORE_SHARES, otherwise=1)
        user, profile = self._choice(self._people)
        votes = int(12 * self._random() ** 3)
        day = _FIRST_DAY + int((_LAST_DAY - _FIRST_DAY + 1) * self._random() ** 0.5)
        return _Review(
            product=product,
            user=user,
            profile=profile,
            score=str(6 - meant if self._happens(_WRONG_SCORE_SHARE) else meant),
            numerator=str(int((votes + 1) * self._random())),
            denominator=str(votes),
            time=day * _DAY_SECONDS,
            summary=self._summary(meant, subject),
            text=self._text(meant, subject),
        )

    def _summary(self, meant: int, subject: _Subject) -> str:
        kind = self._weighted((("empty", 0.005), ("neutral", 0.395)), otherwise="opinion")
        if kind == "empty":
            return ""
        if kind == "neutral" or meant == _NEUTRAL_SCORE:
            return self._filled(self._pick("neutral_titles"), subject)
        praises = self._happens(_PRAISE_SHARES[meant])
        return self._filled(self._pick("praising_titles" if praises else "blaming_titles"), subject)

    def _text(self, meant: int, subject: _Subject) -> str:
        opinions = 2 + int(4 * self._random() ** 2)
        facts = int(6 * self._random() ** 1.5)
        templates = [self._opinion(meant) for _ in range(opinions)]
        templates += [self._pick("neutral") for _ in range(facts)]
        sentences = [self._filled(template, subject) for template in dict.fromkeys(templates)]
        for share, name in ((0.03, "links"), (0.02, "entities"), (0.005, "foreign_words")):
            if self._happens(share):
                sentences.append(self._filled(self._pick(name), subject))
        sentences = [sentences[place] for place in self._shuffled(len(sentences))]
        gap = " "
        if self._happens(_HTML_SHARE):
            gap = self._choice(("<br /><br />", "<br />", " <br /> ", "\n", "</p><p>"))
        breaks = int(self._random() * len(sentences))
        text = sentences[0]
        for place, sentence in enumerate(sentences[1:], start=1):
            text += (gap if place == breaks else " ") + sentence
        return f"<b>{sentences[0]}</b> {text}" if self._happens(0.01) else text

    def _opinion(self, meant: int) -> str:
        draw = self._random()
        if draw < (_MIXED_SHARE_IF_NEUTRAL if meant == _NEUTRAL_SCORE else _MIXED_SHARE):
            return str(self._pick("mixed"))
        if meant < _NEUTRAL_SCORE and draw > 1 - _SARCASM_SHARE:
            return str(self._pick("sarcasm"))
        opinion = "praising" if self._happens(_PRAISE_SHARES[meant]) else "blaming"
        return str(self._pick(f"{opinion}_by_negation" if self._happens(_NEGATION_SHARE) else opinion))

    def _filled(self, template: str, subject: _Subject) -> str:
        praise = [*subject.kind["praise"], *self._phrases["common_praise"]]
        blame = [*subject.kind["blame"], *self._phrases["common_blame"]]
        values = {
            "item": subject.item,
            "aspect": self._choice(subject.kind["aspects"]),
            "other_aspect": self._choice(subject.kind["aspects"]),
            "praise": self._choice(praise),
            "other_praise": self._choice(praise),
            "blame": self._choice(blame),
            "other_blame": self._choice(blame),
            "degree": self._pick("degrees"),
            "person": self._pick("people"),
            "package": self._pick("packages"),
            "span": self._pick("spans"),
            "month": self._pick("months"),
            "number": str(2 + int(self._random() * 8)),
            "code": self._code("", 6),
        }
        for name in ("item", "praise", "blame", "package"):
            values[f"{name}_capital"] = values[name][0].upper() + values[name][1:]
        text = template.format(**values)
        for vowel in "aeio":
            text = text.replace(f" a {vowel}", f" an {vowel}")
        return text

    def _near_duplicate(self, review: _Review, product: str) -> _Review:
        user, profile = self._choice(self._people)
        ending = self._choice((" Enjoy.", " Hope this helps.", " That is all.", "!", ""))
        text = review.text.replace(" the ", " that ", 1) + ending
        return replace(review, product=product, user=user, profile=profile, text=text)

    def _with_faults(self, reviews: list[_Review]) -> list[_Review]:
        """Break a few rows, the same number of each kind, and give two rows more helpful votes than votes."""
        places = iter(self._shuffled(len(reviews)))

        def change(**values: Any) -> None:  # noqa: ANN401 - fields of a review
            place = next(places)
            reviews[place] = replace(reviews[place], **values)

        for turn in range(max(1, int(_FAULT_SHARE * len(reviews)))):
            change(missing_fields=(1, 3, -1)[turn % 3])
            change(score=("five", "", "4 or 5", "4.5")[turn % 4])
            change(numerator=str(-1 - turn), score="n/a")
            change(text="")
        for votes in ("3", "2"):
            change(numerator=votes, denominator="1")
        return reviews
