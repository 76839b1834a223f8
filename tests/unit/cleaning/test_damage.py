"""Damaged text has the words of the undamaged text: no damage turns the meaning of a review."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cleaning import normalize_many

MOJIBAKE = tuple(
    "’".encode().decode(first).encode(second).decode(third)
    for first, second, third in (
        ("cp1252", "utf-8", "utf-8"),
        ("latin-1", "utf-8", "utf-8"),
        ("mac_roman", "utf-8", "utf-8"),
        ("cp437", "utf-8", "utf-8"),
        ("cp1251", "utf-8", "utf-8"),
        ("cp1252", "utf-8", "cp1252"),
        ("latin-1", "utf-8", "latin-1"),
    )
)
SIGNS = ("’", "‘", "\x92", "\ufffd", "`", "´", "＇", "′", "‛", "ʻ", "ʼ", "''", "\\'", "\\u2019", "\\xe2\\x80\\x99", "?")
ENTITIES = ("&#39;", "&#39", "&#039;", "&#146;", "&#x92;", "&rsquo;", "&amp;#8217;", "&apos;", "#39;", "<U+2019>")
MARKS = (*MOJIBAKE, *SIGNS, *ENTITIES)
"""Forms of an apostrophe, for every contraction."""

NEGATION_MARKS = (*MARKS, "", '"', ",", ";", ".", " '", "' ", " ", "\xad'", "'\u200b", "\u0315", "âÂ", "???", "â", "Õ")
"""What is found before the t of a negated verb."""

INVISIBLE = ("\xad", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u200e")

NEGATED = (
    *("don't", "can't", "won't", "isn't", "wasn't", "doesn't", "didn't", "haven't", "couldn't", "wouldn't", "aren't"),
    *("ain't", "mustn't", "shan't", "needn't", "daren't", "shouldn't", "hadn't", "hasn't", "weren't", "mightn't"),
)
WORDS = ("the", "tea", "tastes", "great", "bad", "it's", "we're", "I'd", "buy", "again", "café", "not", "but", "very")


def words(text: str) -> str:
    return normalize_many([text], "default")[0]


@pytest.mark.parametrize("verb", NEGATED)
def test_a_negated_verb_stays_negated_whatever_its_apostrophe_became(verb: str) -> None:
    expected = words(f"You {verb} recommend it")
    assert "not recommend" in expected
    damaged = [f"You {verb.replace(chr(39), mark)} recommend it" for mark in NEGATION_MARKS]
    assert dict.fromkeys(normalize_many(damaged, "default")) == {expected: None}


@settings(deadline=None, max_examples=300, derandomize=True)
@given(data=st.data(), review=st.lists(st.sampled_from((*WORDS, *NEGATED)), min_size=1, max_size=12))
def test_damage_at_random_changes_no_word(data: st.DataObject, review: list[str]) -> None:
    damaged = []
    for word in review:
        if "'" in word:
            marks = NEGATION_MARKS if word in NEGATED else MARKS
            word = word.replace("'", data.draw(st.sampled_from(marks)))  # noqa: PLW2901 - the damaged word
        elif data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(word) - 1))
            word = word[:place] + data.draw(st.sampled_from(INVISIBLE)) + word[place:]  # noqa: PLW2901
        damaged.append(word)
    assert words(" ".join(damaged)) == words(" ".join(review)), damaged


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Other ways to damage a negation.
        ("We do n't / do nt like it", "not not like"),
        ("We don like it, it isn good", "not like not good"),
        ("I dontlike it", "not like"),
        ("ｎｏｔ ｇｏｏｄ, 𝐧𝐨𝐭 good, n0t good, nоt good, noooot good", "not good not good not good not good not good"),
        ("no\u200bt good, not\u200bgood, don't\u200bbuy, not\u00adhing", "not good not good not buy nothing"),
        ("Nice tea\\nNot good\\r\\nNever\\tagain, good\\not bad", "nice tea not good never good not bad"),
        # No negation.
        ("Thank you Don, he won. T-shirts as good as I can. T-shirt", "thank shirts good shirt"),
        ("a tshirt and a T-shirt", "tshirt shirt"),
        # Markup that is no review, and a review that looks like markup.
        ("<script>alert('bad')</script>Nice <STYLE type='a'>.bad{}</STYLE>tea", "nice tea"),
        ("<script>bad", ""),
        ("&lt;script&gt;bad&lt;/script&gt;nice &amp;lt;br&amp;gt;tea", "nice tea"),
        ("<!-- bad > bad -->nice<o:p></o:p> <img alt='a > b bad'>tea", "nice tea"),
        ("<not recommended> <<good>> <3 price < 5 > 3", "not recommended good price"),
        ("[[ASIN:B000FAKE00 Green Tea]] [[VIDEOID:7f2ab]]bad", "green tea bad"),
        # Letters of other alphabets stay separate; those with accents are folded, also as mojibake and as entities.
        ("déçu, CAFÉ, cafe\u0301, naïve, Straße, œuvre, ﬁne", "decu cafe cafe naive strasse oeuvre fine"),
        ("cafÃ© cafÃƒÂ© caf&eacute; Ã\xa0 â€œbadâ€\x9d goodÂ tea goodâ€¦tea", "cafe cafe cafe bad good tea good tea"),
        ("Нет слов good 没有", "good"),
    ],
)
def test_what_a_reader_would_read(text: str, expected: str) -> None:
    found = words(text)
    assert " ".join(word for word in found.split() if word != "won") == expected
