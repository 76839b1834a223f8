"""Damage on the way of a dump turns no review around, and loses none without a reason: read, validate, clean."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.cleaning import clean, normalize_many
from pipeline.config import DataConfig, TextConfig, ValidationConfig
from pipeline.readers import check_dump, ingest
from pipeline.sources import fetch
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.validation import validate_raw
from pipeline.validation.records import ContractResult
from tests.factories import HEADER
from tests.unit.cleaning.test_damage import INVISIBLE, MARKS, NEGATED, NEGATION_MARKS

REVIEWS = 1_000
GOODS = ("tea", "coffee", "café au lait", "bread", "it's honey", "soup, too")
OPINIONS = ("good", "bad", "love", "hate", "great", "awful", "recommend", "not", "never", "no", "buy", "again")


def review(chance: random.Random) -> str:
    """Return a text whose meaning depends on single words, many of them with an apostrophe."""
    words = []
    for _ in range(chance.randint(2, 9)):
        words += [chance.choice(("We", "I", "You")), chance.choice(NEGATED), chance.choice(OPINIONS)]
        words += [chance.choice(OPINIONS), "the", chance.choice(GOODS)][: chance.randint(0, 3)]
    return " ".join(words)


def with_damaged_characters(text: str, chance: random.Random) -> bytes:
    """Return a text with other apostrophes and invisible characters, or in another encoding."""
    if chance.random() < 0.5:
        words = []
        for word in text.split(" "):
            place, mark = chance.randrange(len(word)), chance.choice(NEGATION_MARKS if word in NEGATED else MARKS)
            invisible = chance.choice(INVISIBLE) if chance.random() < 0.1 else ""
            words.append(word.replace("'", mark) if "'" in word else word[:place] + invisible + word[place:])
        return " ".join(words).encode()
    text, middle = text.replace("'", "’"), chance.randrange(len(text))
    return chance.choice(
        (
            text.encode(),
            text.encode("cp1252"),
            text.encode().decode("cp1252").encode(),
            text[:middle].encode() + text[middle:].encode("cp1252"),
        )
    )


def quoted(text: bytes, chance: random.Random) -> bytes:
    """Return a text as a field of a CSV file: in quotes or not, with sound or broken quotes or line ends in it."""
    middle = text.find(b" ", len(text) // 2)
    before, after = text[:middle], text[middle:]
    plain = text.replace(b",", b";").replace(b'"', b"")
    doubled = before.replace(b'"', b'""'), after.replace(b'"', b'""')
    inside = chance.choice((b"", b' ""really""', b' ""really"",', b"\n", b"\r\n", b"\r", b' "really"', b', "really",'))
    sound = b'"' + doubled[0] + inside + doubled[1] + b'"'
    return chance.choice((sound, sound, sound, sound, plain, b'"' + plain, plain + b'"', b'"' + before + b'"' + after))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_damaged_reviews_keep_their_words_or_are_quarantined_with_a_reason(
    tmp_path: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    # Great Expectations takes seconds to start, and does not decide about single rows.
    monkeypatch.setattr(
        "pipeline.validation.raw.check_contract", lambda *_: ContractResult(success=True, expectations=())
    )
    chance = random.Random(seed)  # noqa: S311 - the same damage each time
    texts = [review(chance) for _ in range(REVIEWS)]
    lines = [",".join(HEADER).encode()]
    for number, text in enumerate(texts):
        field = quoted(with_damaged_characters(text, chance), chance)
        score, time = chance.choice((1, 5)), 1_300_000_000 + number
        lines.append(f'{number},B{number % 50},U{number},"user, {number}",0,0,{score},{time},Summary,'.encode() + field)
    dump = tmp_path / "Reviews.csv"
    dump.write_bytes(b"".join(line + chance.choice((b"\n", b"\r\n")) for line in lines))

    data, text_rules = DataConfig(dumps=(str(dump),)), TextConfig(include_summary=False)
    validated = validate_raw(ingest(fetch(data, store, check_dump), data, store), ValidationConfig(), store)
    cleaned = clean(validated, text_rules, store, processes=1)

    def rows(artifact: ArtifactReference, name: str) -> list[dict[str, Any]]:
        return pq.read_table(store.folder(artifact) / name).to_pylist()

    found = {row["id"]: row["words"].replace(" really", "") for row in rows(cleaned, "reviews.parquet")}
    quarantine = rows(validated, "quarantine.parquet")
    # A broken record may contain the next one, if that is broken, too.
    quarantined = {int(number) for row in quarantine for number in re.findall(r"^(\d+),B", row["raw"], re.MULTILINE)}
    expected = dict(enumerate(normalize_many(texts, text_rules.normalization)))
    assert found == {number: words for number, words in expected.items() if number in found}
    assert found.keys() | quarantined == set(range(REVIEWS))
    assert all(row["reason"] and row["detail"] for row in quarantine)
    assert len(quarantined) < REVIEWS / 4
