"""A generated dump in Kaggle's schema, so that the workflow runs anywhere without data, and says so.

It has what a real dump has: repeated reviews under other products, near-duplicates, HTML, links, quoted commas and
line ends, empty summaries, neutral scores, wrong labels and a few broken rows. Only ``random.Random.random``
is drawn from: its sequence is fixed by Python's documentation for a given seed, those of ``choice``, ``sample`` and
``shuffle`` are not. The same arguments give the same bytes on every version.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pipeline.sources import demo_phrases as phrases

Item = TypeVar("Item")

DEMO_ROWS = 6_000
DEMO_SEED = 20_121_026
HEADER = (
    "Id",
    "ProductId",
    "UserId",
    "ProfileName",
    "HelpfulnessNumerator",
    "HelpfulnessDenominator",
    "Score",
    "Time",
    "Summary",
    "Text",
)

# Shares of the scores 1 to 5 among reviews that say something new.
_SCORE_SHARES = ((5, 0.58), (4, 0.16), (3, 0.08), (2, 0.06), (1, 0.12))
# Share of a review's judging sentences that praise, by the score that its writer felt.
_PRAISE_SHARES = {5: 0.96, 4: 0.87, 3: 0.5, 2: 0.18, 1: 0.06}
_DUPLICATE_SHARE = 0.10
_NEAR_COPY_SHARE = 0.03
_WRONG_SCORE_SHARE = 0.02
_NEGATION_SHARE = 0.13
_SARCASM_SHARE = 0.12
_HTML_SHARE = 0.25
_FIRST_DAY, _LAST_DAY = 12_784, 15_705
"""2005-01-01 and 2012-12-31 in days since 1970."""
_DAY_SECONDS = 86_400
_BROKEN_EACH = 0.00125
"""Share of rows with each of the four kinds of fault: half a per cent in all, below what the contract allows."""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


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
    fields_lost: int = 0
    """Fields missing from the row's end; -1 for one too many."""


def write_demo_dump(path: Path, *, rows: int = DEMO_ROWS, seed: int = DEMO_SEED) -> None:
    """Write the demo dump as CSV.

    Args:
        path: Where to.
        rows: Number of rows, at least 100.
        seed: Another seed gives another dump of the same nature.
    """
    generator = _Generator(seed)
    with path.open("w", encoding="utf-8", newline="") as sink:
        sink.write(",".join(HEADER) + "\n")
        for number, review in enumerate(generator.reviews(rows), start=1):
            about = [review.product, review.user, review.profile, review.numerator, review.denominator, review.score]
            fields = [str(number), *about, str(review.time), review.summary, review.text]
            if review.fields_lost:
                fields = [*fields, "extra"] if review.fields_lost < 0 else fields[: -review.fields_lost]
            sink.write(",".join(_quoted(value) for value in fields) + "\n")


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if any(c in value for c in ',"\n') else value


@dataclass(frozen=True)
class _Subject:
    """What a review is about."""

    kind: phrases.Kind
    item: str


class _Generator:
    """Draws products, people and reviews from one seeded sequence."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random  # noqa: S311 - reviews, not secrets
        self._people = [self._person() for _ in range(900)]

    def reviews(self, rows: int) -> list[_Review]:
        """Return the reviews in the order of their products, with faults put in at the end."""
        found: list[_Review] = []
        while len(found) < rows:
            product, kind = self._code("B00", 7), self._pick(phrases.KINDS)
            # A few products have most of the reviews, as in a shop.
            item = self._pick(kind.names)
            popularity = 1 + int(45 * self._random() ** 3)
            for _ in range(popularity):
                draw = self._random()
                if found and draw < _DUPLICATE_SHARE:
                    found.append(replace(self._pick(found), product=product))
                elif found and draw < _DUPLICATE_SHARE + _NEAR_COPY_SHARE:
                    found.append(self._near_duplicate(self._pick(found), product))
                else:
                    found.append(self._review(product, _Subject(kind, item)))
        return self._with_faults(found[:rows])

    def _pick(self, items: Sequence[Item]) -> Item:
        return items[int(self._random() * len(items))]

    def _code(self, start: str, length: int) -> str:
        return start + "".join(self._pick(_LETTERS) for _ in range(length))

    def _person(self) -> tuple[str, str]:
        user = self._code("#oc-R" if self._random() < 0.01 else "A", 13)  # noqa: PLR2004 - some users of the original
        name = f"{self._pick(phrases.FIRST_NAMES)} {self._pick(phrases.LAST_NAMES)}"
        draw = self._random()
        if draw < 0.15:  # noqa: PLR2004
            name = f'{name} "{self._pick(phrases.NICKNAMES)}"'
        elif draw < 0.2:  # noqa: PLR2004
            name = f"{name[0]}. {name.split()[1]}, {self._pick(('PhD', 'Jr.', 'Ohio', 'Texas'))}"
        elif draw < 0.21:  # noqa: PLR2004
            name = "nan"
        return user, name

    def _review(self, product: str, subject: _Subject) -> _Review:
        felt = self._felt_score()
        user, profile = self._pick(self._people)
        votes = int(12 * self._random() ** 3)
        day = _FIRST_DAY + int((_LAST_DAY - _FIRST_DAY + 1) * self._random() ** 0.5)
        given = 6 - felt if self._random() < _WRONG_SCORE_SHARE else felt
        return _Review(
            product=product,
            user=user,
            profile=profile,
            numerator=str(int((votes + 1) * self._random())),
            denominator=str(votes),
            score=str(given),
            time=day * _DAY_SECONDS,
            summary=self._summary(felt, subject),
            text=self._text(felt, subject),
        )

    def _felt_score(self) -> int:
        draw = self._random()
        for score, share in _SCORE_SHARES:
            if draw < share:
                return score
            draw -= share
        return 1

    def _summary(self, felt: int, subject: _Subject) -> str:
        draw = self._random()
        if draw < 0.005:  # noqa: PLR2004
            return ""
        if draw < 0.40 or felt == 3:  # noqa: PLR2004
            return self._filled(self._pick(phrases.NEUTRAL_TITLES), subject)
        praising = self._random() < _PRAISE_SHARES[felt]
        return self._filled(self._pick(phrases.PRAISING_TITLES if praising else phrases.BLAMING_TITLES), subject)

    def _text(self, felt: int, subject: _Subject) -> str:
        judging = 2 + int(4 * self._random() ** 2)
        telling = int(6 * self._random() ** 1.5)
        templates = [self._judgment(felt) for _ in range(judging)]
        templates += [self._pick(phrases.NEUTRAL) for _ in range(telling)]
        sentences = [self._filled(template, subject) for template in dict.fromkeys(templates)]
        for share, more in ((0.03, phrases.LINKS), (0.02, phrases.ENTITIES), (0.005, phrases.FOREIGN_WORDS)):
            if self._random() < share:
                sentences.append(self._filled(self._pick(more), subject))
        # Sorting by drawn keys is a shuffle that every version does alike.
        keyed = sorted((self._random(), place) for place in range(len(sentences)))
        ordered = [sentences[place] for _, place in keyed]
        gap = " "
        if self._random() < _HTML_SHARE:
            gap = self._pick(("<br /><br />", "<br />", " <br /> ", "\n", "</p><p>"))
        breaks = int(self._random() * len(ordered))
        text = "".join(
            sentence if place == 0 else (gap if place == breaks else " ") + sentence
            for place, sentence in enumerate(ordered)
        )
        return f"<b>{ordered[0]}</b> {text}" if self._random() < 0.01 else text  # noqa: PLR2004

    def _judgment(self, felt: int) -> str:
        draw = self._random()
        if draw < (0.35 if felt == 3 else 0.06):  # noqa: PLR2004
            return self._pick(phrases.MIXED)
        if felt < 3 and draw > 1 - _SARCASM_SHARE:  # noqa: PLR2004
            return self._pick(phrases.SARCASM)
        praising = self._random() < _PRAISE_SHARES[felt]
        by_negation = self._random() < _NEGATION_SHARE
        if praising:
            bank = phrases.PRAISING_BY_NEGATION if by_negation else phrases.PRAISING
        else:
            bank = phrases.BLAMING_BY_NEGATION if by_negation else phrases.BLAMING
        return self._pick(bank)

    def _filled(self, template: str, subject: _Subject) -> str:
        kind = subject.kind
        praise, blame = (*kind.praise, *phrases.COMMON_PRAISE), (*kind.blame, *phrases.COMMON_BLAME)
        values = {
            "item": subject.item,
            "aspect": self._pick(kind.aspects),
            "other_aspect": self._pick(kind.aspects),
            "praise": self._pick(praise),
            "other_praise": self._pick(praise),
            "blame": self._pick(blame),
            "other_blame": self._pick(blame),
            "degree": self._pick(phrases.DEGREES),
            "person": self._pick(phrases.PEOPLE),
            "package": self._pick(phrases.PACKAGES),
            "span": self._pick(phrases.SPANS),
            "month": self._pick(phrases.MONTHS),
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
        user, profile = self._pick(self._people)
        ending = self._pick((" Enjoy.", " Hope this helps.", " That is all.", "!", ""))
        return replace(
            review, product=product, user=user, profile=profile, text=review.text.replace(" the ", " that ", 1) + ending
        )

    def _with_faults(self, reviews: list[_Review]) -> list[_Review]:
        """Break a few rows, each kind as often, and let two have more helpful votes than votes."""
        broken = max(1, int(_BROKEN_EACH * len(reviews)))
        keyed = sorted((self._random(), place) for place in range(len(reviews)))
        places = iter([place for _, place in keyed])
        for turn in range(broken):
            at = next(places)
            reviews[at] = replace(reviews[at], fields_lost=(1, 3, -1)[turn % 3])
            at = next(places)
            reviews[at] = replace(reviews[at], score=("five", "", "5.0 out of 5 stars", "4.5")[turn % 4])
            at = next(places)
            reviews[at] = replace(reviews[at], numerator=str(-1 - turn))
            at = next(places)
            reviews[at] = replace(reviews[at], text="")
        for votes in ("3", "2"):
            at = next(places)
            reviews[at] = replace(reviews[at], numerator=votes, denominator="1")
        return reviews
