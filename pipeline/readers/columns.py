"""Matching the columns of a dump to ours: the mapping of the user first, then built-in names, chosen by values."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigurationError, SourceError, quoted
from pipeline.readers.evidence import (
    is_constant,
    is_rating,
    is_sentiment_words,
    is_varied_text,
    what_instead_of_text,
)
from pipeline.readers.ratings import RatingScale, find_scale
from pipeline.readers.scalars import Scalar
from pipeline.readers.schema import OPTIONAL_COLUMNS, REQUIRED_COLUMNS

HELPFULNESS = "helpfulness"
"""A single column for both helpfulness columns: ``3/4`` (SNAP) or ``[3, 4]``."""
MAPPABLE_COLUMNS = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS, HELPFULNESS)
MAPPING_FILE_BYTES = 64 * 1024

# Names are compared without case and punctuation. Sources: Reviews.csv of Kaggle; SNAP; the Amazon review data sets of
# 2014, 2018 and 2023 (reviewText, overall, …); the Amazon customer reviews TSV (star_rating, review_body, …); common
# exports; Google Play scrapers; Sephora. The first name that a dump has is used, unless `choose_columns` knows better.
# An asin of 2023 is a variant such as a color, a parent asin is the product.
_BUILT_IN: dict[str, tuple[str, ...]] = {
    "text": ("text", "reviewtext", "reviewbody", "reviewcontent", "review", "body", "content", "comment", "comments"),
    "score": ("score", "reviewscore", "rating", "reviewrating", "overall", "starrating", "stars"),
    "id": ("id", "reviewid"),
    "product_id": ("productid", "parentasin", "asin", "itemid"),
    "user_id": ("userid", "reviewerid", "customerid", "authorid"),
    "profile_name": ("profilename", "reviewername", "username", "authorname"),
    "helpfulness_numerator": ("helpfulnessnumerator", "helpfulvotes", "helpfulvote"),
    "helpfulness_denominator": ("helpfulnessdenominator", "totalvotes"),
    "time": ("time", "unixreviewtime", "timestamp", "unixtime", "reviewdate", "reviewtime", "submissiontime"),
    "summary": ("summary", "reviewsummary", "reviewheadline", "headline", "reviewtitle", "title"),
    HELPFULNESS: ("helpfulness", "helpful"),
    "split": ("split",),
}

# A suggestion of a score must have a name like one of these, or consist of words for a sentiment.
_SIMILAR_TO_SCORE = ("rate", "grade", "points", "label", "sentiment", "polarity", "target", "class")
_ALIKE, _NEARLY_EQUAL = 0.6, 0.8
SAMPLE_ROWS = 400
"""Rows whose values decide between columns; more add nothing to how a column looks."""
_LISTED_COLUMNS = 25
_EXAMPLE = "Write one line per column, e.g. `text: Review`."
_HOW_TO_MAP = 'Map it with the parameter Column mapping (columns), ours first: {{"{ours}": "{theirs}"}}.'
_ITS_NAME = "its name in the dump"


def check_mapping(mapping: Mapping[str, str]) -> None:
    """Refuse an invalid mapping before any file is opened.

    Args:
        mapping: The column of the dump for each of our columns; an empty name switches a column off.

    Raises:
        ConfigurationError: A key is not one of our columns, or a value is used twice, or empty for the text.
    """
    used: dict[str, str] = {}
    for ours, theirs in mapping.items():
        if ours not in MAPPABLE_COLUMNS:
            close = difflib.get_close_matches(ours, MAPPABLE_COLUMNS, 1, 0.5)
            hint = f" Did you mean {quoted(close[0])}?" if close else ""
            if theirs in MAPPABLE_COLUMNS:
                hint = " The mapping goes from our column to the column of the dump."
            raise ConfigurationError(
                f"Column mapping (columns): {quoted(ours)} is not one of our columns.{hint} "
                f"Ours are: {', '.join(MAPPABLE_COLUMNS)}."
            )
        if not theirs.strip():
            if ours == "text":
                raise ConfigurationError(
                    f"Column mapping (columns): {quoted(ours)} is mapped to an empty name, but every review needs a "
                    "text; leave the entry out."
                )
            continue
        if theirs in used:
            raise ConfigurationError(
                f"Column mapping (columns): the column {quoted(theirs)} of the dump is given for "
                f"{quoted(used[theirs])} and for {quoted(ours)}; it can be only one of them."
            )
        used[theirs] = ours


def resolve_columns(
    found: Sequence[str],
    mapping: Mapping[str, str],
    name: str,
    *,
    require: bool = True,
    required: Sequence[str] = REQUIRED_COLUMNS,
) -> dict[str, int]:
    """Return the position in ``found`` of each of our columns that the dump has.

    Args:
        found: The column names of the dump, in order.
        mapping: The column mapping, which has priority over the built-in names; an empty name switches a column off.
        name: The name of the file, for messages.
        require: Whether the required and the mapped columns must exist.
        required: Columns that the dump must have; reviews that are only scored need no stars.

    Raises:
        SourceError: A required or mapped column is missing, or a name that is used occurs twice.
    """
    names = [column.strip() for column in found]
    positions: dict[str, int] = {}
    for ours, theirs in mapping.items():
        if not theirs.strip():
            continue
        position = _named(names, theirs.strip(), name)
        if position is None:
            if not require:
                continue
            close = difflib.get_close_matches(theirs, names, 1, 0.5)
            raise SourceError(
                f"{quoted(name)} has no column {quoted(theirs)}, which the column mapping gives for {ours!r}."
                + (f" Did you mean {quoted(close[0])}?" if close else "")
                + f" Its columns: {_listed(names)}."
            )
        positions[ours] = position
    plain = [_plain(column) for column in names]
    for ours, known in _BUILT_IN.items():
        if ours in mapping or (ours == HELPFULNESS and "helpfulness_numerator" in {*positions, *mapping}):
            continue
        position = _built_in(names, plain, known, name, set(positions.values()))
        if position is not None:
            positions[ours] = position
    missing = [ours for ours in required if ours not in positions]
    if missing and require:
        raise SourceError(_missing(missing, names, name, set(positions.values()), {}))
    return positions


@dataclass(frozen=True)
class ChosenColumns:
    """Which columns of a file are read.

    Attributes:
        mapping: The mapping of the user, and the choices made by values.
        passed_over: Columns with a recognized name that are not read, with the reason.
    """

    mapping: dict[str, str]
    passed_over: tuple[str, ...] = ()


def choose_columns(
    sample: Mapping[str, Sequence[Scalar]],
    mapping: Mapping[str, str],
    name: str,
    required: Sequence[str] = REQUIRED_COLUMNS,
    *,
    complete: bool,
) -> ChosenColumns:
    """Choose the columns of text and score by their values where names alone would be a guess.

    Args:
        sample: The first values of each column, in the order of the file; names that occur twice are left out.
        mapping: The column mapping of the user; what it names is taken.
        name: The name of the file, for messages.
        required: Columns that the dump must have.
        complete: Whether the sample has every column of the file.

    Raises:
        SourceError: Several columns fit, the values of the only one do not fit, or a required column is missing.
    """
    names = list(sample)
    plain = [_plain(column) for column in names]
    chosen, passed_over = dict(mapping), list[str]()
    mapped = {theirs.strip().casefold() for theirs in mapping.values()}
    if complete:
        positions = resolve_columns(names, mapping, name, require=False, required=required)
        missing = [ours for ours in required if ours not in positions]
        # A mapped column that does not exist is a fault of its own.
        if missing and mapped - {""} <= {column.strip().casefold() for column in names}:
            raise SourceError(_missing(missing, names, name, set(positions.values()), sample))
    for ours, known in _BUILT_IN.items():
        if ours in mapping:
            continue
        named = [
            names[position]
            for candidate in known
            for position, column in enumerate(plain)
            if column == candidate and names[position].strip().casefold() not in mapped
        ]
        if len({_plain(column) for column in named}) < len(named) or not named:
            continue
        if ours in required:
            free = [column for column in names if column not in named and column.casefold() not in mapped]
            used, others = _choose(
                ours, {column: sample[column] for column in named}, name, _suggested(ours, free, sample)
            )
            chosen[ours] = used
        else:
            used, others = named[0], dict.fromkeys(named[1:], "")
        passed_over += [
            f"{quoted(column)} for {ours}, which is read from {quoted(used)}{f': {reason}' if reason else ''}"
            for column, reason in others.items()
        ]
    return ChosenColumns(chosen, tuple(passed_over))


def _choose(
    ours: str, columns: Mapping[str, Sequence[Scalar]], name: str, other: str | None
) -> tuple[str, dict[str, str]]:
    """Return the column to read of those with a recognized name, and why not the others.

    Args:
        ours: Our column.
        columns: The values of the columns with a recognized name.
        name: The name of the file, for messages.
        other: A column to suggest if none of them fits.

    Raises:
        SourceError: No column or several columns fit.
    """
    if ours == "text":
        faults = {column: what_instead_of_text(values) for column, values in columns.items()}
    else:
        faults = {column: "" if is_rating(values) else "no ratings" for column, values in columns.items()}
    fitting = [column for column, fault in faults.items() if not fault]
    if ours == "text" and not fitting:
        first = next(iter(columns))
        value = next((value for value in columns[first] if value is not None), "")
        raise SourceError(
            f"{quoted(name)}: {_places(columns)} would be read as 'text' by its name, but holds {faults[first]}, e.g. "
            f"{quoted(value, 60)}. "
            + (f"Closest is {quoted(other, 40)}. " if other else "")
            + _HOW_TO_MAP.format(ours=ours, theirs=other or _ITS_NAME)
        )
    if len(fitting) > 1:
        for column in fitting:
            if is_constant(columns[column]):
                faults[column] = "one value only"
            elif ours == "text" and not is_varied_text(columns[column]):
                faults[column] = "few different values"
        fitting = [column for column in fitting if not faults[column]] or fitting
    used = (fitting or list(columns))[0]
    rivals = [column for column in fitting or list(columns) if list(columns[column]) != list(columns[used])]
    if rivals:
        raise SourceError(
            f"{quoted(name)}: {_places([used, *rivals])} could each be {ours!r}, and their values differ. Name the "
            "right one with the parameter Column mapping (columns), e.g. "
            + " or ".join(f'{{"{ours}": "{quoted(column, 40)[1:-1]}"}}' for column in [used, *rivals][:3])
            + "."
        )
    return used, {column: fault or "the same values" for column, fault in faults.items() if column != used}


def _places(columns: Iterable[str]) -> str:
    return " and ".join(quoted(column, 40) for column in columns)


def read_column_mapping(path: str | Path) -> dict[str, str]:
    """Read a column mapping from a YAML file with one line ``ours: theirs`` per column.

    Args:
        path: A file such as docs/examples/column_mappings/flipkart.yaml, at most 64 KiB.

    Raises:
        ConfigurationError: The file does not exist, or is not a valid mapping.
    """
    import yaml

    path = Path(path)
    where = f"Column mapping file {quoted(path)}"
    try:
        with path.open("rb") as stream:
            data = stream.read(MAPPING_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"{where} cannot be read: {reason}.") from None
    if len(data) > MAPPING_FILE_BYTES:
        raise ConfigurationError(f"{where} is larger than {MAPPING_FILE_BYTES:,} bytes; a column mapping is smaller.")
    try:
        content = yaml.safe_load(data.decode("utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{where}{line} is not YAML. {_EXAMPLE}") from None
    if not isinstance(content, dict) or not content:
        raise ConfigurationError(f"{where} is not a mapping. {_EXAMPLE}")
    # A line `time:` without a name switches the column off.
    content = {ours: "" if theirs is None else theirs for ours, theirs in content.items()}
    for ours, theirs in content.items():
        if not isinstance(ours, str) or not isinstance(theirs, str):
            raise ConfigurationError(
                f"{where}: {quoted(ours)}: {quoted(theirs)} is not a pair of names. Put names that YAML reads as "
                "numbers, dates or yes/no in quotes."
            )
    try:
        check_mapping(content)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None
    return dict(content)


def _plain(column: str) -> str:
    """Return the name of a column without case, punctuation and the ``review/`` prefix of SNAP."""
    return re.sub(r"[\W_]+", "", column.rpartition("/")[2].casefold())


def _named(names: Sequence[str], theirs: str, name: str) -> int | None:
    """Return the position of a column that the user named: as written, otherwise without regard to case."""
    exact = [position for position, column in enumerate(names) if column == theirs]
    similar = [position for position, column in enumerate(names) if column.casefold() == theirs.casefold()]
    for hits in (exact, similar):
        if len(hits) > 1:
            raise SourceError(_twice(names, hits, name))
        if hits:
            return hits[0]
    return None


def _built_in(
    names: Sequence[str], plain: Sequence[str], known: Sequence[str], name: str, used: set[int]
) -> int | None:
    for candidate in known:
        hits = [position for position, column in enumerate(plain) if column == candidate and position not in used]
        if len(hits) > 1:
            raise SourceError(_twice(names, hits, name))
        if hits:
            return hits[0]
    return None


def _twice(names: Sequence[str], hits: Sequence[int], name: str) -> str:
    places = " and ".join(f"{quoted(names[hit])} (column {hit + 1})" for hit in hits[:3])
    return (
        f"{quoted(name)}: {places} have the same name, so it is unclear which one to read. "
        "Rename one in the header, or name the right one exactly in the parameter Column mapping (columns)."
    )


def _missing(
    missing: Sequence[str], names: Sequence[str], name: str, used: set[int], sample: Mapping[str, Sequence[Scalar]]
) -> str:
    """Return the message about missing columns; it suggests only columns that are not in use and whose values fit."""
    free = [column for position, column in enumerate(names) if position not in used and column.strip()]
    sentences = []
    for ours in missing:
        closest = _suggested(ours, free, sample)
        nearest = f" Closest is {quoted(closest, 40)}." if closest else ""
        sentences.append(
            f"No column for {ours!r}.{nearest} " + _HOW_TO_MAP.format(ours=ours, theirs=closest or _ITS_NAME)
        )
    return (
        f"{quoted(name)}: {' '.join(sentences)} Columns found: {_listed(names)}. "
        "If these look like a review, the line with the column names is missing."
    )


def _suggested(ours: str, free: Sequence[str], sample: Mapping[str, Sequence[Scalar]]) -> str | None:
    """Return the only free column that fits by its values and, for a score or between several, by its name."""
    if not sample:
        return None
    if ours == "text":
        fitting = [column for column in free if is_varied_text(sample[column])]
        if len(fitting) > 1:
            fitting = [column for column in fitting if _is_like(column, _BUILT_IN["text"])]
    else:
        fitting = [
            column
            for column in free
            if is_rating(sample[column]) and not is_constant(sample[column]) and _may_be_score(column, sample[column])
        ]
    return fitting[0] if len(fitting) == 1 else None


def _may_be_score(column: str, values: Sequence[Scalar]) -> bool:
    """Return whether a column of ratings can be suggested: flags, ages and counts look like ratings, too."""
    similar = (*_BUILT_IN["score"], *_SIMILAR_TO_SCORE)
    if is_sentiment_words(values) or _is_like(column, similar, _NEARLY_EQUAL):
        return True
    return _is_like(column, similar) and isinstance(find_scale(Counter(values)), RatingScale)


def _is_like(column: str, known: Sequence[str], ratio: float = _ALIKE) -> bool:
    return any(difflib.SequenceMatcher(None, _plain(column), name).ratio() >= ratio for name in known)


def _listed(names: Sequence[str]) -> str:
    listed = ", ".join(quoted(column, 30) for column in names[:_LISTED_COLUMNS])
    more = f" and {len(names) - _LISTED_COLUMNS} more" if len(names) > _LISTED_COLUMNS else ""
    return (listed or "none") + more
