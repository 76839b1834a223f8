"""The stage ``ingest``: raw files of any format become typed rows in ``reviews.parquet``."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from pipeline.config import DataConfig
from pipeline.errors import SourceError, quoted
from pipeline.readers.columns import HELPFULNESS, ChosenColumns, check_mapping, choose_columns
from pipeline.readers.containers import Member, members
from pipeline.readers.csv_reader import CsvReader
from pipeline.readers.dialects import SNIFFED_CHARACTERS, Dialect, check_delimiter, sniff_dialect
from pipeline.readers.encodings import Text, check_encoding, open_text
from pipeline.readers.json_reader import JsonLinesReader, JsonReader, json_kind
from pipeline.readers.parquet_reader import ParquetReader
from pipeline.readers.ratings import (
    ENOUGH_RATINGS,
    STARS,
    Ambiguity,
    RatingScale,
    Sentiment,
    find_scale,
    label_scale,
    listed_ratings,
    named_scale,
)
from pipeline.readers.records import IngestedFile, IngestSummary, RatingScaleRecord
from pipeline.readers.samples import sample_csv, sample_json_lines, sample_parquet
from pipeline.readers.scalars import Scalar
from pipeline.readers.schema import OFFICIAL_SPLIT, OPTIONAL_COLUMNS, REQUIRED_COLUMNS, REVIEW_SCHEMA, TEXT_ONLY
from pipeline.readers.snap_reader import FIRST_KEY, SnapReader
from pipeline.readers.values import Converter, ValueRules
from pipeline.sources.records import FetchedFile, FetchSummary
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, RowAccount, Stage, Workspace

if TYPE_CHECKING:
    from pipeline.readers.excel_reader import ExcelReader

log = logging.getLogger(__name__)

INGEST = Stage("ingest", version=2)
REVIEWS = "reviews.parquet"
ROW_GROUP_BYTES = 32 * 1024 * 1024
"""Size of a row group in memory; it also bounds the memory of later readers."""
LOGGED_ROWS = 100_000
LISTED_FILES = 5
FOREIGN_SHARE = 0.01
"""Share of lines in an unknown encoding above which a file is refused."""

_DEGRADED = {
    "id": "No id column: rows are identified by their position in the dump only.",
    "product_id": "No product_id column: the split cannot keep the reviews of one product together, and there are no "
    "results by product.",
    "user_id": "No user_id column: duplicates are recognized by the other columns only, and the split cannot keep the "
    "reviews of one user together.",
    "profile_name": "No profile_name column: it cannot distinguish duplicates from reviews of two users.",
    "helpfulness_numerator": "No helpfulness columns: there are no results by helpfulness, and its plausibility is not "
    "checked.",
    "time": "No time column: a split by time is not possible, and there are no results by year.",
    "summary": "No summary column: the models read the text only.",
}
_REPEATED_VALUES = [
    "file",
    "product_id",
    "helpfulness_numerator",
    "helpfulness_denominator",
    "score",
    "split",
    "problem",
]
_NO_DENOMINATOR = "No helpfulness_denominator column: shares of helpful votes cannot be computed."
_NO_REVIEWS = "there are only column names and no reviews"
_NO_REVIEWS_ADVICE = "Check that the export finished, or give another dump."


class _IngestParameters(BaseModel):
    """The configuration fields that the stage reads."""

    model_config = ConfigDict(frozen=True)

    columns: dict[str, str]
    delimiter: str | None
    encoding: str | None
    rating_scale: str
    negative_up_to: float | None
    positive_from: float | None
    rating_labels: dict[str, Sentiment]
    date_order: Literal["auto", "day_first", "month_first"]


class _TextOnly(_IngestParameters):
    """Gives reviews that are only scored another key than reviews with required stars."""

    required: tuple[str, ...] = TEXT_ONLY


def ingest(
    fetched: ArtifactReference, config: DataConfig, store: ArtifactStore, *, stars: bool = True
) -> ArtifactReference:
    """Read raw files into ``reviews.parquet``: one row per record, with the name of its problem if it has one.

    Args:
        fetched: The artifact of ``fetch``.
        config: Column mapping, delimiter and encoding.
        store: The store of both artifacts.
        stars: Whether a file without a score column is refused; reviews that are only scored need none.

    Returns:
        The artifact: ``reviews.parquet`` of ``REVIEW_SCHEMA`` and an ``IngestSummary``.

    Raises:
        ConfigurationError: The mapping, delimiter or encoding is invalid.
        SourceError: A file is damaged, is not a dump or lacks a required column, or there is no review at all.
    """
    check_mapping(config.columns)
    check_delimiter(config.delimiter)
    check_encoding(config.encoding)
    parameters = _parameters(config, stars=stars)
    return store.produce(
        INGEST,
        inputs={"fetched": fetched},
        params=parameters,
        build=lambda work: _build(work, store.folder(fetched), store.summary(fetched, FetchSummary), parameters),
    )


def check_dump(path: Path, name: str, config: DataConfig, *, read_rows: bool = False, stars: bool = True) -> None:
    """Refuse a file that is not a dump of reviews.

    Args:
        path: The file.
        name: Its name in messages.
        config: Column mapping, delimiter and encoding.
        read_rows: Whether its columns and first rows are read, too.
        stars: Whether it must have a score column; only checked if rows are read.

    Raises:
        SourceError: It is damaged or not a dump. If rows are read: it lacks a required column, or holds no review.
    """
    inside = members(path, name, encoding_known=config.encoding is not None)
    if not read_rows:
        return
    parameters = _parameters(config, stars=stars)
    for member in inside:
        with _opened(member, parameters) as opened:
            if any(True for _ in opened.reader.chunks()):
                return
    raise SourceError(f"{quoted(name)}: {_NO_REVIEWS}. {_NO_REVIEWS_ADVICE}")


def _parameters(config: DataConfig, *, stars: bool) -> _IngestParameters:
    kind = _IngestParameters if stars else _TextOnly
    return kind(**{name: getattr(config, name) for name in _IngestParameters.model_fields})


def _build(work: Workspace, raw: Path, fetched: FetchSummary, parameters: _IngestParameters) -> Outcome:
    target = work.folder / REVIEWS
    stated = _stated_rules(parameters)
    rules = ValueRules(stated.scale or STARS, stated.day_first)
    read = _write(target, raw, fetched, parameters, rules)
    decided = _decided_rules(stated, read, parameters)
    if decided != rules:
        # Only all values show how they are meant. Most dumps have stars from 1 to 5 and are read once.
        log.info("The ratings or dates of the dump are not the usual ones: it is read again")
        rules = decided
        read = _write(target, raw, fetched, parameters, rules)
    files, rows = read.files, read.converter.next_row
    expected = [name for name in OPTIONAL_COLUMNS if name != OFFICIAL_SPLIT]
    missing = tuple(name for name in expected if not any(_has(file, name) for file in files))
    scale = None if isinstance(parameters, _TextOnly) else _scale_record(rules.scale, stated, read)
    summary = IngestSummary(
        files=tuple(files),
        rows=rows,
        problem_rows=sum(file.problem_rows for file in files),
        missing_columns=missing,
        notes=(
            *_missing_notes(missing, files),
            *_same_bytes(fetched.files),
            *read.notes,
            *_unknown_notes(read.converter, rules),
        ),
        unknown_values=read.converter.unknown,
        rating_scale=scale,
        demo=fetched.demo,
    )
    return Outcome(summary, rows=RowAccount(rows_in=rows, kept=rows))


@dataclass(frozen=True)
class _StatedRules:
    """What the parameters say about values; ``None``: to be recognized."""

    scale: RatingScale | None
    day_first: bool | None


@dataclass
class _Read:
    """What one reading of all files found."""

    converter: Converter
    files: list[IngestedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ratings(self) -> Counter[Scalar]:
        """How often each rating occurs in all files."""
        return sum(self.converter.ratings.values(), Counter[Scalar]())


def _write(target: Path, raw: Path, fetched: FetchSummary, parameters: _IngestParameters, rules: ValueRules) -> _Read:
    """Read all files by the rules into ``target``."""
    read = _Read(Converter(rules))

    def read_all() -> Iterator[pa.RecordBatch]:
        for file in fetched.files:
            for member in members(raw / file.path, file.name, encoding_known=parameters.encoding is not None):
                yield from _read(member, parameters, read.converter, read.files, read.notes)

    writer = pq.ParquetWriter(target, REVIEW_SCHEMA, compression="zstd", use_dictionary=_REPEATED_VALUES)
    # A row group is compressed while the next one is read.
    with writer, ThreadPoolExecutor(1) as compressing:
        written: Future[None] | None = None
        for table in _row_groups(read_all()):
            if written is not None:
                written.result()
            written = compressing.submit(writer.write_table, table, row_group_size=table.num_rows)
        if written is not None:
            written.result()
    if read.converter.next_row == 0:
        names = ", ".join(quoted(file.name) for file in read.files)
        raise SourceError(
            f"{names}: {_NO_REVIEWS} ({', '.join(read.files[0].column_mapping.values())}). {_NO_REVIEWS_ADVICE}"
        )
    return read


def _stated_rules(parameters: _IngestParameters) -> _StatedRules:
    scale = named_scale(parameters.rating_scale)
    if parameters.rating_labels:
        scale = label_scale(parameters.rating_labels)
    elif parameters.negative_up_to is not None:
        scale = replace(
            scale or RatingScale(), negative_up_to=parameters.negative_up_to, positive_from=parameters.positive_from
        )
    order = parameters.date_order
    return _StatedRules(scale, None if order == "auto" else order == "day_first")


def _decided_rules(stated: _StatedRules, read: _Read, parameters: _IngestParameters) -> ValueRules:
    """Return the rules that the parameters state or else all values together show.

    Raises:
        SourceError: The ratings fit no scale or several, or the files have different ones.
    """
    converter = read.converter
    day_first = converter.date_order.day_first if stated.day_first is None else stated.day_first
    scale = stated.scale
    if scale is None:
        # Reviews that are only scored need no stars.
        scale = STARS if isinstance(parameters, _TextOnly) else _recognized_scale(read)
    return ValueRules(scale, day_first)


def _recognized_scale(read: _Read) -> RatingScale:
    scale = find_scale(read.ratings)
    where = ", ".join(quoted(file.name, 40) for file in read.files[:LISTED_FILES])
    column = quoted(read.files[0].column_mapping.get("score", "score"), 40)
    if isinstance(scale, Ambiguity):
        raise SourceError(
            f"{where}: the ratings in {column} {scale.reason}: {listed_ratings(read.ratings)}. "
            + _advice_on_scales(scale.candidates, read.ratings)
        )
    for name, ratings in read.converter.ratings.items():
        own = find_scale(ratings) if ratings.total() >= ENOUGH_RATINGS else scale
        if isinstance(own, RatingScale) and own.name != scale.name:
            raise SourceError(
                f"{quoted(name)} has ratings of the scale {own.name}, but all files together have {scale.name}: "
                f"{listed_ratings(ratings)}. Read files with different scales in separate runs, or state the one "
                f"scale of all with Rating scale (rating_scale), e.g. `{scale.name}`."
            )
    return scale


def _advice_on_scales(candidates: tuple[RatingScale, ...], ratings: Mapping[Scalar, int]) -> str:
    if not candidates:
        return (
            "State the meaning of each value with the parameter Rating labels (rating_labels), e.g. `--rating-labels "
            "VALUE=negative OTHER=positive`, or map another column to score with columns."
        )
    meanings = "".join(f"On the scale {scale.name}, {scale.describe(ratings)}. " for scale in candidates)
    return (
        f"{meanings}State the scale with the parameter Rating scale (rating_scale), e.g. `{candidates[0].name}`, name "
        "the limits with negative_up_to and positive_from, or the meaning of each value with rating_labels. If these "
        "are no ratings, map another column to score with columns."
    )


def _scale_record(scale: RatingScale, stated: _StatedRules, read: _Read) -> RatingScaleRecord:
    record = RatingScaleRecord(
        name=scale.name, automatic=stated.scale is None, sentiments=scale.describe(read.ratings) or "no valid rating"
    )
    source = "recognized from all values" if record.automatic else "stated by the parameters"
    log.info("Rating scale %s, %s: %s", record.name, source, record.sentiments)
    return record


def _unknown_notes(converter: Converter, rules: ValueRules) -> Iterator[str]:
    """Yield how many values of optional columns could not be read, and how to read them."""
    for name, unknown in converter.unknown.items():
        advice = f" A column that means something else can be switched off: map {name} to an empty name in columns."
        if name == "time" and rules.day_first is None and converter.date_order.undecided:
            advice = " The order of day and month does not show from the dates: state it with date_order."
        yield f"{name}: {unknown.rows:,} values cannot be read and are unknown, first {unknown.first}.{advice}"


def _read(
    member: Member,
    parameters: _IngestParameters,
    converter: Converter,
    files: list[IngestedFile],
    notes: list[str],
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one file, then add how it was read to ``files`` and ``notes``."""
    first_row, problem_rows = converter.next_row, 0
    with _opened(member, parameters) as opened:
        for chunk in opened.reader.chunks():
            before = converter.next_row
            batch = converter.batch(member.name, chunk)
            problem_rows += batch.num_rows - batch.column("problem").null_count
            yield batch
            if converter.next_row // LOGGED_ROWS > before // LOGGED_ROWS:
                log.info("%s: %d rows so far", quoted(member.name), converter.next_row)
    rows = converter.next_row - first_row
    if rows == 0:
        notes.append(f"{member.name}: {_NO_REVIEWS}.")
    text, dialect = opened.text, opened.dialect
    if text and text.foreign_lines > FOREIGN_SHARE * sum(text.lines.values()):
        raise SourceError(
            f"{quoted(member.name)}: {text.foreign_lines:,} of {sum(text.lines.values()):,} lines are neither UTF-8 "
            "nor windows-1252: most of their letters are outside ASCII. Name the encoding of the file with the "
            "parameter Text encoding (encoding), e.g. cp1251, gb18030, shift_jis or cp1256."
        )
    file = IngestedFile(
        name=member.name,
        format=opened.kind,
        compression=member.compression,
        encoding=text.encoding if text else None,
        delimiter=dialect.delimiter if dialect else None,
        quotes=dialect.quotes if dialect else None,
        sheet=opened.sheet,
        lines_by_encoding=text.lines if text else {},
        unreadable_characters=text.unreadable if text else 0,
        rows=rows,
        problem_rows=problem_rows,
        column_mapping=opened.reader.columns,
        passed_over=opened.passed_over,
    )
    log.info("%s: %d rows read as %s; %s", quoted(member.name), rows, opened.kind, _mapping_text(opened.reader.columns))
    for passed_over in opened.passed_over:
        log.info("%s: not read: %s", quoted(member.name), passed_over)
    for note in _reading_notes(file, dialect):
        log.warning("%s", note)
        notes.append(note)
    files.append(file)


def _reading_notes(file: IngestedFile, dialect: Dialect | None) -> Iterator[str]:
    """Yield what is unusual about how a file was read."""
    lines = file.lines_by_encoding
    total = sum(lines.values())
    if lines.get("windows-1252"):
        yield (
            f"{file.name}: {lines['windows-1252']:,} of {total:,} lines are not valid UTF-8 and are read as "
            "windows-1252, the others as UTF-8. If words look wrong, name the encoding of the file (encoding)."
        )
    if lines.get("mixed"):
        yield f"{file.name}: {lines['mixed']:,} of {total:,} lines are UTF-8 with some bytes read as windows-1252."
    if file.unreadable_characters:
        yield (
            f"{file.name}: {file.unreadable_characters:,} characters could not be read: they are U+FFFD or control "
            "characters, and damage the words around them."
        )
    if dialect and dialect.skipped_lines:
        yield f"{file.name}: the column names are on line {dialect.skipped_lines + 1}; the lines before are skipped."
    if dialect and (dialect.quote, dialect.escape) != (Dialect.quote, Dialect.escape):
        yield f"{file.name}: {dialect.quotes}."
    if file.sheet is not None:
        yield f"{file.name}: the sheet {quoted(file.sheet)} is read; other sheets are not."


@dataclass(frozen=True)
class _Opened:
    """A file that is ready to be read, and its detected properties."""

    reader: ParquetReader | ExcelReader | CsvReader | JsonLinesReader | JsonReader | SnapReader
    kind: Literal["csv", "json_lines", "json", "snap", "parquet", "excel"]
    text: Text | None = None
    dialect: Dialect | None = None
    sheet: str | None = None
    passed_over: tuple[str, ...] = ()


@contextmanager
def _opened(member: Member, parameters: _IngestParameters) -> Iterator[_Opened]:
    """Open a file with the reader of its format."""
    required = TEXT_ONLY if isinstance(parameters, _TextOnly) else REQUIRED_COLUMNS
    name = member.name

    def chosen(values: Mapping[str, Sequence[Scalar]], *, complete: bool) -> ChosenColumns:
        return choose_columns(values, parameters.columns, name, required, complete=complete)

    if member.kind == "parquet":
        values = sample_parquet(member.path)
        columns = chosen(values, complete=bool(values))
        parquet = ParquetReader(member.path, name, columns.mapping, required=required)
        yield _Opened(parquet, "parquet", passed_over=columns.passed_over)
        return
    if member.kind == "excel":
        # Imported here: few dumps are workbooks, and openpyxl takes long to load.
        from pipeline.readers.excel_reader import ExcelReader

        workbook = ExcelReader(member.path, name, parameters.columns, required=required)
        yield _Opened(workbook, "excel", sheet=workbook.sheet)
        return
    with closing(open_text(member.open, name, parameters.encoding)) as text:
        lines = list(_first_lines(text))
    with closing(open_text(member.open, name, parameters.encoding)) as text:
        if "".join(lines).lstrip().startswith(FIRST_KEY + ":"):
            yield _Opened(SnapReader(text, name, parameters.columns), "snap", text)
        elif (kind := json_kind(lines, name)) == "json_lines":
            # A key may first occur after the sample.
            columns = chosen(sample_json_lines(lines), complete=False)
            objects = JsonLinesReader(text, name, columns.mapping, required=required)
            yield _Opened(objects, kind, text, passed_over=columns.passed_over)
        elif kind == "json":
            yield _Opened(JsonReader(text, name, parameters.columns, required=required), kind, text)
        else:
            dialect = sniff_dialect(lines, parameters.columns, parameters.delimiter, required)
            values = sample_csv(lines, dialect)
            try:
                columns = chosen(values, complete=bool(values))
            except SourceError as error:
                raise SourceError(f"{error} It was read with {dialect.title}.") from None
            table = CsvReader(text, name, dialect, columns.mapping, required=required)
            yield _Opened(table, "csv", text, dialect, passed_over=columns.passed_over)


def _mapping_text(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{ours} from {quoted(theirs, 40)}" for ours, theirs in columns.items())


def _first_lines(text: Text) -> Iterator[str]:
    """Yield the lines from which format and dialect are detected."""
    characters = 0
    while characters < SNIFFED_CHARACTERS and (line := text.readline(SNIFFED_CHARACTERS)):
        yield line
        characters += len(line)


def _has(file: IngestedFile, ours: str) -> bool:
    mapped = file.column_mapping
    return ours in mapped or (ours.startswith("helpfulness_") and HELPFULNESS in mapped)


def _missing_notes(missing: tuple[str, ...], files: list[IngestedFile]) -> list[str]:
    notes = [_DEGRADED[name] for name in missing if name in _DEGRADED]
    if "helpfulness_denominator" in missing and "helpfulness_numerator" not in missing:
        notes.append(_NO_DENOMINATOR)
    for name in OPTIONAL_COLUMNS:
        without = [file.name for file in files if not _has(file, name)]
        if 0 < len(without) < len(files):
            others = len(without) - LISTED_FILES
            listed = ", ".join(without[:LISTED_FILES]) + (f" and {others} more" if others > 0 else "")
            notes.append(f"{name} is missing in {listed}, though other files have it.")
    return notes


def _same_bytes(files: tuple[FetchedFile, ...]) -> list[str]:
    first: dict[str, str] = {}
    notes = []
    for file in files:
        if file.sha256 in first:
            notes.append(f"{file.name} is identical to {first[file.sha256]}: its reviews are read twice.")
        first.setdefault(file.sha256, file.name)
    return notes


def _row_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield batches as tables of about ``ROW_GROUP_BYTES``."""
    pending: list[pa.RecordBatch] = []
    pending_bytes = 0
    for batch in batches:
        pending.append(batch)
        pending_bytes += batch.nbytes
        if pending_bytes >= ROW_GROUP_BYTES:
            yield pa.Table.from_batches(pending, REVIEW_SCHEMA)
            pending, pending_bytes = [], 0
    if pending:
        yield pa.Table.from_batches(pending, REVIEW_SCHEMA)
