"""Matching the columns of a dump to ours: the mapping of the user first, then built-in names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.errors import ConfigurationError, SourceError, quoted
from pipeline.readers.schema import OPTIONAL_COLUMNS, REQUIRED_COLUMNS

HELPFULNESS = "helpfulness"
"""A single column for both helpfulness columns: ``3/4`` (SNAP) or ``[3, 4]``."""
MAPPABLE_COLUMNS = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS, HELPFULNESS)
MAPPING_FILE_BYTES = 64 * 1024

# Names are compared without case and punctuation. Sources: Reviews.csv of Kaggle; SNAP; the Amazon review data sets of
# 2014, 2018 and 2023 (reviewText, overall, …); the Amazon customer reviews TSV (star_rating, review_body, …); common
# exports. The first name that a dump has is used.
_BUILT_IN: dict[str, tuple[str, ...]] = {
    "text": ("text", "reviewtext", "reviewbody", "reviewcontent", "review", "body", "content", "comment", "comments"),
    "score": ("score", "reviewscore", "rating", "reviewrating", "overall", "starrating", "stars"),
    "id": ("id", "reviewid"),
    "product_id": ("productid", "asin", "parentasin", "itemid"),
    "user_id": ("userid", "reviewerid", "customerid"),
    "profile_name": ("profilename", "reviewername", "username"),
    "helpfulness_numerator": ("helpfulnessnumerator", "helpfulvotes", "helpfulvote"),
    "helpfulness_denominator": ("helpfulnessdenominator", "totalvotes"),
    "time": ("time", "unixreviewtime", "timestamp", "unixtime", "reviewdate"),
    "summary": ("summary", "reviewsummary", "reviewheadline", "headline", "reviewtitle", "title"),
    HELPFULNESS: ("helpfulness", "helpful"),
    "split": ("split",),
}

_LISTED_COLUMNS = 25
_EXAMPLE = "Write one line per column, e.g. `text: Review`."
_HOW_TO_MAP = 'Map it with the parameter Column mapping (columns), ours first: {{"{ours}": "{theirs}"}}.'


def check_mapping(mapping: Mapping[str, str]) -> None:
    """Refuse an invalid mapping before any file is opened.

    Args:
        mapping: The column of the dump for each of our columns.

    Raises:
        ConfigurationError: A key is not one of our columns, or a value is empty or used twice.
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
            raise ConfigurationError(
                f"Column mapping (columns): {quoted(ours)} is mapped to an empty name; leave the entry out."
            )
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
        mapping: The column mapping of the user, which has priority over the built-in names.
        name: The name of the file, for messages.
        require: Whether the required and the mapped columns must exist.
        required: Columns that the dump must have; reviews that are only scored need no stars.

    Raises:
        SourceError: A required or mapped column is missing, or a name that is used occurs twice.
    """
    names = [column.strip() for column in found]
    positions: dict[str, int] = {}
    for ours, theirs in mapping.items():
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
        if ours in positions or (ours == HELPFULNESS and "helpfulness_numerator" in positions):
            continue
        position = _built_in(names, plain, known, name, set(positions.values()))
        if position is not None:
            positions[ours] = position
    missing = [ours for ours in required if ours not in positions]
    if missing and require:
        raise SourceError(_missing(missing, names, plain, name))
    return positions


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


def _missing(missing: Sequence[str], names: Sequence[str], plain: Sequence[str], name: str) -> str:
    sentences = []
    for ours in missing:
        known = _BUILT_IN[ours]
        scored = [
            (max(difflib.SequenceMatcher(None, column, candidate).ratio() for candidate in known), names[position])
            for position, column in enumerate(plain)
            if column
        ]
        ratio, closest = max(scored, key=lambda pair: pair[0], default=(0.0, ""))
        nearest = f" Closest is {quoted(closest, 40)}." if ratio >= 0.5 else ""  # noqa: PLR2004 - half the letters
        theirs = closest if nearest else "its name in the dump"
        sentences.append(f"No column for {ours!r}.{nearest} " + _HOW_TO_MAP.format(ours=ours, theirs=theirs))
    return (
        f"{quoted(name)}: {' '.join(sentences)} Columns found: {_listed(names)}. "
        "If these look like a review, the line with the column names is missing."
    )


def _listed(names: Sequence[str]) -> str:
    listed = ", ".join(quoted(column, 30) for column in names[:_LISTED_COLUMNS])
    more = f" and {len(names) - _LISTED_COLUMNS} more" if len(names) > _LISTED_COLUMNS else ""
    return (listed or "none") + more
