"""HTML to text gives what BeautifulSoup over lxml gives."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings

from pipeline.cleaning.html import html_to_text
from tests.unit.cleaning.factories import hostile

pytestmark = pytest.mark.filterwarnings(
    "ignore::bs4.MarkupResemblesLocatorWarning", "ignore::bs4.XMLParsedAsHTMLWarning"
)


def letters(text: str) -> list[str]:
    """What the next steps can tell apart: everything but which white space and which other sign it is."""
    return "".join(sign if sign.isalnum() or sign.isspace() or sign == "'" else "*" for sign in text).split()


@settings(deadline=None, max_examples=100, derandomize=True)
@given(text=hostile)
def test_text_is_that_of_beautiful_soup(text: str) -> None:
    # A byte-order mark at the start is no letter and no space: whether it stays makes no difference to words.
    text = text.lstrip("\ufeff")
    assert letters(html_to_text(text)) == letters(BeautifulSoup(text, "lxml").get_text())


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("good<br />bad", "goodbad"),
        ("I <3 it & M&M's", "I <3 it & M&M's"),
        ("caf&eacute; &lt;b&gt;", "café <b>"),
        ("a<script>b</script>c<style>d</style>e<template>f</template>", "ace"),
        ("a<!-- b -->c", "ac"),
        ("half a pair \ud83d<b>tea</b>", "half a pair ?tea"),
        ("a<ruby>b<rp>(</rp><rt>c</rt><rp>)</rp>d</ruby>", "abd"),
        (
            '<a href=" Tea<br />more</a> never closed',
            BeautifulSoup('<a href=" Tea<br />more</a> never closed', "lxml").get_text(),
        ),
    ],
)
def test_known_markup(markup: str, text: str) -> None:
    assert html_to_text(markup) == text
