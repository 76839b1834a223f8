"""The text rules have the same meaning in Python, in TensorFlow's graph and in RE2, for any text."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cleaning.rules import NORMALIZATIONS, apply_normalization, stop_words
from pipeline.scoring.text_rules import apply_text_rules, current_text_rules

PIECES = (
    *("<br />", "<br", "/>", "<", ">", "<3", "<!-- x -->", '<a href="', '">', "</a>", "<p>", "&", ";", "=", "<?"),
    *("&amp;", "&amp;quot;", "&#39;", "&#x27;", "&apos;", "&nbsp;", "&lt;", "&gt;", "&eacute;", "&#8217;", "&amp"),
    *("http://", "https://", "www.", "shop.com/a?b=c", "HTTP://X", "wwww.a", "&#0;", "<A ", "good", "BAD", "not"),
    *("won't", "Won\u2019t", "can't", "cannot", "CANT", "dont", "isn't", "I'm", "you're", "it's", "he'd", "we'll"),
    *("doesnt", "wouldnt", "n't", "'t", "'", "\u2018", "\u2019", "`", "\u00b4", "\u00e2\u20ac\u2122", '"', "I've"),
    *("the", "i", "very", "t", "s", "br", "amp", "2nd", "100%", "a1b", "-", "--", "_", ".", "!", "~", "''", "\x00"),
    *("don", "didn", "isn ", "nt", "t", "'t", "\\'", "\\n", "\\u2019", "<U+2019>", "#39;", "&#146;", "&#39t", "&rsquo"),
    *(
        "\x92",
        "\u00c3\u00a2\u00e2\u201a\u00ac\u00e2\u201e\u00a2",
        "\u00e2",
        "\u00d5",
        "\u00c2",
        "\u00c3\u00a9",
        "\u00c3",
    ),
    *("\uff07", "\u2032", "\u00ad", "\u200d", "\u0315", "\U0001d427", "n\u043et", "\ufb01", "\u0153", "T-shirt"),
    *(
        "<script>",
        "</script>",
        "<style>",
        "<!--",
        "-->",
        "<not ",
        "&eacute;",
        "&amp;lt;",
        "[[ASIN:B0",
        "=92",
        "_x2019_",
    ),
    *(" ", "  ", "\t", "\n", "\r\n", "\v", "\f", "\x1c", "\x85", "\xa0", "\u2028", "\u3000", "\u200b", "\ufeff"),
    *("\u212a", "\u0130", "\u017f", "\u00df", "é", "e\u0301", "\U0001f600", "Ａ", "ｇｏｏｄ", "\ufffd", "\U0010ffff"),
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=14).map("".join),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=14).map(" ".join),
).map(lambda text: text.encode("utf-8", "ignore").decode())


@pytest.fixture(scope="module")
def in_graph():
    """Normalize texts by the layers, one per normalization, each traced once."""
    import tensorflow as tf

    from pipeline.scoring.model import normalizer

    signature = [tf.TensorSpec([None], tf.string)]
    traced = {
        name: tf.function(normalizer(current_text_rules(name)).call, input_signature=signature, autograph=False)
        for name in NORMALIZATIONS
    }

    def run(texts, normalization):
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        return [word.decode() for word in traced[normalization](tf.constant(encoded, tf.string)).numpy()]

    return run


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@settings(deadline=None, max_examples=100, derandomize=True)
@given(texts=st.lists(TEXTS, min_size=20, max_size=60))
def test_any_text_has_the_same_words(in_graph, normalization, texts):
    expected = [apply_normalization(text, normalization) for text in texts]
    assert in_graph(texts, normalization) == expected
    assert apply_text_rules(texts, current_text_rules(normalization)) == expected


def test_every_pair_of_awkward_pieces_has_the_same_words(in_graph):
    texts = [first + second for first in PIECES for second in PIECES]
    expected = [apply_normalization(text, "default") for text in texts]
    assert in_graph(texts, "default") == expected
    assert apply_text_rules(texts, current_text_rules("default")) == expected


def test_every_sign_of_unicode_has_the_same_words(in_graph):
    signs = [chr(code) for code in range(0x110000)]
    texts = ["good" + "bad".join(signs[start : start + 64]) + "tea" for start in range(0, len(signs), 64)]
    expected = [apply_normalization(text, "default") for text in texts]
    assert in_graph(texts, "default") == expected
    assert apply_text_rules(texts, current_text_rules("default")) == expected


def test_what_a_reader_of_reviews_expects(in_graph):
    texts = [
        "Great coffee!<br /><br />I couldn&#39;t complain &amp; won\u2019t.",
        "NOT good: http://x.y/z isn't   the best",
        "",
        "<br />",
    ]
    assert in_graph(texts, "default") == ["great coffee could not complain not", "not good not best", "", ""]


def test_bytes_that_are_no_text_separate_words(in_graph):
    import tensorflow as tf

    from pipeline.scoring.model import normalizer

    words = normalizer(current_text_rules("default")).call(tf.constant([b"good\xffbad", b"\xc3(tea"]))
    assert words.numpy().tolist() == [b"good bad", b"tea"]


def test_stop_words_of_both_normalizations_are_dropped_and_negations_kept(in_graph):
    for normalization in NORMALIZATIONS:
        # One without its apostrophe's t is a negation: `isn good`.
        for listed, words in zip(
            stop_words(normalization), in_graph(stop_words(normalization), normalization), strict=True
        ):
            assert words == "" or (listed.endswith("n") and words.endswith("not"))
        assert in_graph(["no nor not"], normalization) == ["no nor not"]


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_real_reviews_have_the_same_words(in_graph, shared_data: Path, normalization):
    with gzip.open(shared_data / "fine_foods_a.csv.gz", "rt", encoding="utf-8", newline="") as file:
        reviews = [f"{row['Summary']} {row['Text']}" for row, _ in zip(csv.DictReader(file), range(1500), strict=False)]
    assert in_graph(reviews, normalization) == [apply_normalization(review, normalization) for review in reviews]
