"""The article's cleaning, step after step, with the tools it used: slow, plain, and what the fast way must equal.

Source: docs/explanation/replicated_experiment.md, sections "The cleaning funnel" and "The text normalization".
Nothing here is imported by the product; the tests compare with it and ``bench/cleaning.py`` measures against it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning, XMLParsedAsHTMLWarning

# NLTK's English stop words without no, nor, not, plus br; those with an apostrophe cannot match a token of a–z.
STOP_WORDS = frozenset(
    re.findall(
        "[a-z]+",
        """
        br i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers
        herself it its itself they them their theirs themselves what which who whom this that these those am is are was
        were be been being have has had having do does did doing a an the and but if or because as until while of at by
        for with about against between into through during before after above below to from up down in out on off over
        under again further then once here there when where why how all any both each few more most other some such only
        own same so than too very s t can will just don should now d ll m o re ve y ain aren couldn didn doesn hadn hasn
        haven isn ma mightn mustn needn shan shouldn wasn weren won wouldn
        """,
    )
)


@contextmanager
def _no_parser_warnings() -> Iterator[None]:
    """Silence BeautifulSoup's guesses that a short text may be a file name or an address."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MarkupResemblesLocatorWarning)
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        yield


def _article_words(text: str) -> str:
    """Return a review's words as the article's notebook makes them, joined by one space."""
    text = re.sub(r"http\S+", "", text)
    text = BeautifulSoup(text, "lxml").get_text()
    text = re.sub(r"won't", "will not", text)
    text = re.sub(r"can't", "can not", text)
    text = re.sub(r"n't", " not", text)
    text = re.sub(r"'re", " are", text)
    text = re.sub(r"'s", " is", text)
    text = re.sub(r"'d", " would", text)
    text = re.sub(r"'ll", " will", text)
    text = re.sub(r"'t", " not", text)
    text = re.sub(r"'ve", " have", text)
    text = re.sub(r"'m", " am", text)
    text = re.sub(r"\S*\d\S*", "", text)
    text = re.sub(r"[^A-Za-z]+", " ", text)
    return " ".join(word.lower() for word in text.split() if word.lower() not in STOP_WORDS)


def article_words(text: str) -> str:
    """Return one review's words."""
    with _no_parser_warnings():
        return _article_words(text)


def article_words_of_all(texts: Iterable[str]) -> list[str]:
    """Return the words of every text, in one loop, as the notebook does."""
    with _no_parser_warnings():
        return [_article_words(text) for text in texts]


@dataclass(frozen=True)
class Funnel:
    """What is left of a dump.

    Attributes:
        steps: Name of each step and the rows left after it.
        rows: The number (column ``row``) of each row kept, in the order of the output.
        labels: 1 (positive) or 0 (negative) of each row kept.
        excluded: Reason by row number, for every row that left.
    """

    steps: tuple[tuple[str, int], ...]
    rows: tuple[int, ...]
    labels: tuple[int, ...]
    excluded: dict[int, str]


def article_funnel(reviews: pd.DataFrame, *, deduplicate: bool = True) -> Funnel:
    """Drop neutral scores, sort by product, drop duplicates and impossible helpfulness, and label the rest.

    Args:
        reviews: Columns as in ``validate_raw`` (docs/reference/artifacts.md).
        deduplicate: Whether duplicates are dropped at all.
    """
    steps, excluded = [("read", len(reviews))], {}

    def drop(frame: pd.DataFrame, keep: pd.Series, reason: str) -> pd.DataFrame:
        excluded.update(dict.fromkeys(frame.loc[~keep, "row"].tolist(), reason))
        steps.append((reason, int(keep.sum())))
        return frame[keep]

    reviews = drop(reviews, reviews["score"] != 3, "neutral_score")
    reviews = reviews.sort_values("row", kind="stable").sort_values("id", kind="stable")
    reviews = reviews.sort_values("product_id", kind="stable")
    if deduplicate:
        same = ["user_id", "profile_name", "time", "text"]
        # Not in the article, whose reviews all have users: short texts of unknown people differ without equal ids.
        unknown = reviews["user_id"].fillna("").eq("") & reviews["profile_name"].fillna("").eq("")
        unknown &= (reviews["time"].fillna(0) % 86_400 == 0) & (reviews["text"].fillna("").str.len() < 50)
        equal_ids = reviews.duplicated([*same, "id"], keep="first") & reviews["id"].notna()
        repeated = reviews.duplicated(same, keep="first").where(~unknown, equal_ids)
        reviews = drop(reviews, ~repeated, "duplicate")
    helpful = reviews["helpfulness_numerator"] > reviews["helpfulness_denominator"]
    reviews = drop(reviews, ~helpful.fillna(value=False).astype(bool), "helpfulness_above_denominator")
    labels = (reviews["score"] > 3).astype(int)
    return Funnel(tuple(steps), tuple(reviews["row"].tolist()), tuple(labels.tolist()), excluded)
