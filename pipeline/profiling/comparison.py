"""Compares a dump with the previous dump."""

from __future__ import annotations

from collections import Counter

import pyarrow.compute as pc

from pipeline.cleaning.records import CleanSummary
from pipeline.profiling.clean_reviews import CleanReviews
from pipeline.profiling.drift import column_drift, share_difference
from pipeline.profiling.periods import moment
from pipeline.profiling.records import ColumnDrift, DumpComparison, NewWord, ProfiledDump
from pipeline.sources.records import FetchSummary
from pipeline.statistics import share_of
from pipeline.store import ArtifactStore
from pipeline.validation.records import ValidationSummary

MAX_NEW_WORDS = 20


def same_words_rules(dump: ProfiledDump, previous: ProfiledDump, store: ArtifactStore) -> bool:
    """Return whether the words of both dumps were made with the same rules, so that they can be compared."""
    rules = [store.summary(one.cleaned, CleanSummary).text_rules for one in (dump, previous)]
    return rules[0] == rules[1]


def compare_dumps(
    dump: ProfiledDump,
    reviews: CleanReviews,
    previous: ProfiledDump,
    previous_reviews: CleanReviews,
    store: ArtifactStore,
) -> DumpComparison:
    """Hold a dump against the one before.

    Args:
        dump: This dump.
        reviews: Its clean reviews, read with the words of the previous dump as known words if words are comparable.
        previous: The previous dump.
        previous_reviews: Its clean reviews.
        store: The store.

    Raises:
        ArtifactError: The summary of an artifact is missing or damaged.
    """
    comparable = reviews.vocabulary.known is not None
    fetched = store.summary(previous.fetched, FetchSummary)
    shift = share_difference(reviews.positive, reviews.rows, previous_reviews.positive, previous_reviews.rows)
    quarantine, previous_quarantine = (_quarantined(one, store) for one in (dump, previous))
    risen = share_difference(*quarantine, *previous_quarantine)
    return DumpComparison(
        previous_dumps=tuple(file.name for file in fetched.files),
        previous_rows=previous_reviews.rows,
        previous_newest=moment(previous_reviews.newest),
        repeated_rows=int(pc.sum(pc.is_in(reviews.texts, value_set=previous_reviews.texts)).as_py() or 0),
        columns=_columns(reviews, previous_reviews, with_words=comparable),
        positive_share_shift=shift,
        label_shifted=shift.low > 0 or shift.high < 0,
        new_word_share=_new_word_share(reviews) if comparable else 0.0,
        new_words=_new_words(reviews.vocabulary.unknown_reviews) if comparable else (),
        quarantined_share=share_of(*quarantine),
        previous_quarantined_share=share_of(*previous_quarantine),
        quarantine_risen=risen.low > 0,
        words_compared=comparable,
    )


def _columns(reviews: CleanReviews, before: CleanReviews, *, with_words: bool) -> tuple[ColumnDrift, ...]:
    columns = [
        column_drift("stars", "Stars", reviews.stars, before.stars),
        column_drift("characters", "Characters in the text", reviews.characters, before.characters),
        column_drift("votes", "Votes on helpfulness", reviews.votes, before.votes),
        column_drift("product_reviews", "Reviews of a product", reviews.product_sizes, before.product_sizes),
    ]
    if with_words:
        columns.insert(1, column_drift("words", "Words after normalization", reviews.word_counts, before.word_counts))
    return tuple(sorted((column for column in columns if column), key=lambda column: -column.stability_index))


def _quarantined(dump: ProfiledDump, store: ArtifactStore) -> tuple[int, int]:
    """Return the number of quarantined rows and of all rows."""
    summary = store.summary(dump.validated_raw, ValidationSummary)
    return sum(summary.quarantined.values()), summary.rows


def _new_word_share(reviews: CleanReviews) -> float:
    vocabulary = reviews.vocabulary
    unknown = sum(vocabulary.occurrences[word] for word in vocabulary.unknown_reviews)
    return share_of(unknown, vocabulary.occurrences.total())


def _new_words(unknown_reviews: Counter[str]) -> tuple[NewWord, ...]:
    # Equally frequent words are sorted by code points, so that the order of rows does not matter.
    most = sorted(unknown_reviews.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_NEW_WORDS]
    return tuple(NewWord(word=word, reviews=count) for word, count in most)
