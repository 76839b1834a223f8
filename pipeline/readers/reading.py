"""The stage ``ingest``: raw files of any format become typed rows in ``reviews.parquet``."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from pipeline.config import DataConfig
from pipeline.errors import SourceError, quoted
from pipeline.readers.columns import HELPFULNESS, check_mapping
from pipeline.readers.containers import Member, members
from pipeline.readers.csv_reader import CsvReader
from pipeline.readers.dialects import SNIFFED_CHARACTERS, Dialect, check_delimiter, sniff_dialect
from pipeline.readers.encodings import Text, check_encoding, open_text
from pipeline.readers.json_reader import JsonLinesReader, JsonReader, json_kind
from pipeline.readers.parquet_reader import ParquetReader
from pipeline.readers.records import IngestedFile, IngestSummary
from pipeline.readers.schema import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, REVIEW_SCHEMA, TEXT_ONLY
from pipeline.readers.snap_reader import FIRST_KEY, SnapReader
from pipeline.readers.values import Converter
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
_REPEATED_VALUES = ["file", "product_id", "helpfulness_numerator", "helpfulness_denominator", "score", "problem"]
_NO_DENOMINATOR = "No helpfulness_denominator column: shares of helpful votes cannot be computed."
_NO_REVIEWS = "there are only column names and no reviews"
_NO_REVIEWS_ADVICE = "Check that the export finished, or give another dump."


class _IngestParameters(BaseModel):
    """The configuration fields that the stage reads."""

    model_config = ConfigDict(frozen=True)

    columns: dict[str, str]
    delimiter: str | None
    encoding: str | None


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
    return kind(columns=config.columns, delimiter=config.delimiter, encoding=config.encoding)


def _build(work: Workspace, raw: Path, fetched: FetchSummary, parameters: _IngestParameters) -> Outcome:
    files: list[IngestedFile] = []
    notes: list[str] = []
    converter = Converter()

    def read_all() -> Iterator[pa.RecordBatch]:
        for file in fetched.files:
            for member in members(raw / file.path, file.name, encoding_known=parameters.encoding is not None):
                yield from _read(member, parameters, converter, files, notes)

    writer = pq.ParquetWriter(work.folder / REVIEWS, REVIEW_SCHEMA, compression="zstd", use_dictionary=_REPEATED_VALUES)
    with writer:
        for table in _row_groups(read_all()):
            writer.write_table(table, row_group_size=table.num_rows)
    rows = converter.next_row
    if rows == 0:
        names = ", ".join(quoted(file.name) for file in files)
        raise SourceError(
            f"{names}: {_NO_REVIEWS} ({', '.join(files[0].column_mapping.values())}). {_NO_REVIEWS_ADVICE}"
        )
    missing = tuple(name for name in OPTIONAL_COLUMNS if not any(_has(file, name) for file in files))
    summary = IngestSummary(
        files=tuple(files),
        rows=rows,
        problem_rows=sum(file.problem_rows for file in files),
        missing_columns=missing,
        notes=(*_missing_notes(missing, files), *_same_bytes(fetched.files), *notes),
        demo=fetched.demo,
    )
    return Outcome(summary, rows=RowAccount(rows_in=rows, kept=rows))


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
    )
    log.info("%s: %d rows read as %s", quoted(member.name), rows, opened.kind)
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


@contextmanager
def _opened(member: Member, parameters: _IngestParameters) -> Iterator[_Opened]:
    """Open a file with the reader of its format."""
    required = TEXT_ONLY if isinstance(parameters, _TextOnly) else REQUIRED_COLUMNS
    name, columns = member.name, parameters.columns
    if member.kind == "parquet":
        yield _Opened(ParquetReader(member.path, name, columns, required=required), "parquet")
        return
    if member.kind == "excel":
        # Imported here: few dumps are workbooks, and openpyxl takes long to load.
        from pipeline.readers.excel_reader import ExcelReader

        workbook = ExcelReader(member.path, name, columns, required=required)
        yield _Opened(workbook, "excel", sheet=workbook.sheet)
        return
    with closing(open_text(member.open, name, parameters.encoding)) as text:
        lines = list(_first_lines(text))
    with closing(open_text(member.open, name, parameters.encoding)) as text:
        if "".join(lines).lstrip().startswith(FIRST_KEY + ":"):
            yield _Opened(SnapReader(text, name, columns), "snap", text)
        elif (kind := json_kind(lines, name)) is not None:
            read_json = JsonLinesReader if kind == "json_lines" else JsonReader
            yield _Opened(read_json(text, name, columns, required=required), kind, text)
        else:
            dialect = sniff_dialect(lines, columns, parameters.delimiter, required)
            yield _Opened(CsvReader(text, name, dialect, columns, required=required), "csv", text, dialect)


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
        if without and name not in missing:
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
