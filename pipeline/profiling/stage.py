"""The stage ``profile``: the distributions of the clean reviews of a dump, and their drift since the previous dump."""

from __future__ import annotations

import logging

import pyarrow as pa

from pipeline.errors import ArtifactError, quoted
from pipeline.profiling.clean_reviews import CleanReviews, read_clean_reviews
from pipeline.profiling.comparison import compare_dumps, same_words_rules
from pipeline.profiling.periods import label_share_over_time, moment
from pipeline.profiling.records import DumpComparison, ProfiledDump, ProfileSummary
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage

log = logging.getLogger(__name__)

STAGE = Stage("profile", version=1)
PREVIOUS = "previous_"
"""Prefix of the input names of the previous dump's artifacts."""
MOST_STARS = 5


def profile(dump: ProfiledDump, previous: ProfiledDump | None, store: ArtifactStore) -> ArtifactReference:
    """Profile the clean reviews of a dump, and compare them with those of the previous dump.

    Args:
        dump: The dump.
        previous: The dump to compare it with (:func:`pipeline.profiling.previous_dump`); ``None`` for the first dump of
            a store.
        store: The store.

    Returns:
        An artifact with nothing but its summary, a ``ProfileSummary``.

    Raises:
        ArtifactError: One of the artifacts is missing or damaged.
    """
    return store.produce(
        STAGE,
        inputs=dump.inputs() | (previous.inputs(PREVIOUS) if previous else {}),
        params=None,
        build=lambda _: _build(dump, previous, store),
    )


def _build(dump: ProfiledDump, previous: ProfiledDump | None, store: ArtifactStore) -> Outcome:
    if previous is None:
        reviews, comparison = _read(dump.cleaned, store), None
    else:
        reviews, comparison = _read_both(dump, previous, store)
    moved = [column.name for column in comparison.columns if column.moved] if comparison else []
    log.info("profile: %d reviews; drift since the previous dump: %s", reviews.rows, ", ".join(moved) or "none")
    return Outcome(_summary(reviews, comparison))


def _read(cleaned: ArtifactReference, store: ArtifactStore, known_words: pa.Array | None = None) -> CleanReviews:
    try:
        return read_clean_reviews(store.folder(cleaned), known_words)
    except (pa.ArrowInvalid, OSError) as error:
        raise ArtifactError(
            f"The clean reviews of {cleaned} cannot be read: {quoted(str(error), 200)}. Remove the folder of that "
            "artifact and run again, which produces it again."
        ) from error


def _read_both(dump: ProfiledDump, previous: ProfiledDump, store: ArtifactStore) -> tuple[CleanReviews, DumpComparison]:
    before = _read(previous.cleaned, store)
    known = None
    if same_words_rules(dump, previous, store):
        known = pa.array(before.vocabulary.occurrences, type=pa.string())
    reviews = _read(dump.cleaned, store, known)
    return reviews, compare_dumps(dump, reviews, previous, before, store)


def _summary(reviews: CleanReviews, comparison: DumpComparison | None) -> ProfileSummary:
    return ProfileSummary(
        rows=reviews.rows,
        positive=reviews.positive,
        stars=tuple(int((reviews.stars == stars).sum()) for stars in range(1, MOST_STARS + 1)),
        oldest=moment(reviews.oldest),
        newest=moment(reviews.newest),
        products=len(reviews.products) or None,
        users=len(reviews.users) or None,
        repeated_texts=len(reviews.texts) - len(reviews.texts.unique()),
        periods=label_share_over_time(reviews.times, reviews.timed_labels),
        comparison=comparison,
    )
