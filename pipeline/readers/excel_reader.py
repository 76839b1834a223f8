"""Excel workbooks (.xlsx): the first sheet with the columns of reviews, row by row."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from openpyxl import load_workbook
from openpyxl.utils.escape import unescape

from pipeline.errors import SourceError, quoted
from pipeline.readers.columns import resolve_columns
from pipeline.readers.dialects import TITLE_LINES
from pipeline.readers.schema import RAW_CHARACTERS, REQUIRED_COLUMNS, TEXT_COLUMNS
from pipeline.readers.values import Chunk

CHUNK_ROWS = 4_096
MAX_ROWS = 1_048_576
"""Rows of an Excel sheet. A file that names a later row is not followed there."""
LISTED_SHEETS = 10
_SAVE_AS_CSV = "Open it in a spreadsheet program and save the sheet as CSV."


class ExcelReader:
    """The rows of a sheet, in chunks; a row's ``line`` is its number in the sheet, from 1.

    Attributes:
        sheet: The name of the sheet.
    """

    def __init__(
        self, path: Path, name: str, mapping: Mapping[str, str], *, required: Sequence[str] = REQUIRED_COLUMNS
    ) -> None:
        """Find the first sheet that has the required columns in one of its first rows.

        Raises:
            SourceError: The file is damaged, or no sheet has the columns.
        """
        self._name = name
        # Not the path: openpyxl refuses other endings.
        self._file = path.open("rb")
        try:
            sheets = list(load_workbook(self._file, read_only=True, data_only=True, keep_links=False).worksheets)
        except _DAMAGES as error:
            raise self._damaged(error) from None
        found: list[tuple[int, list[str]]] = []
        for sheet in sheets:
            self.sheet = str(sheet.title)
            self._rows = self._read(sheet)
            first: list[str] = []
            for number, row in self._rows:
                header = ["" if value is None else str(value) for value in row]
                positions = resolve_columns(header, mapping, name, require=False)
                if all(ours in positions for ours in required):
                    resolve_columns(header, mapping, name, required=required)
                    self._positions = positions
                    self.columns = {ours: header[position].strip() for ours, position in positions.items()}
                    return
                if any(header) and not first:
                    first = header
                if number >= TITLE_LINES:
                    break
            found.append((len(first), first))
        if not sheets or not any(width for width, _ in found):
            raise SourceError(f"{quoted(name)} is an Excel workbook without a row of column names. {_SAVE_AS_CSV}")
        # Names the missing columns and those of the widest sheet.
        resolve_columns(max(found)[1], mapping, name, required=required)

    def chunks(self) -> Iterator[Chunk]:
        """Yield every row that is not empty, in the order of the sheet.

        Raises:
            SourceError: The file is damaged; the message says after which row.
        """
        numbers: list[int] = []
        rows: list[Sequence[Any]] = []
        with self._file:
            for number, row in self._rows:
                if any(value is not None for value in row):
                    numbers.append(number)
                    rows.append(row)
                if len(rows) >= CHUNK_ROWS:
                    yield self._chunk(numbers, rows)
                    numbers, rows = [], []
            if rows:
                yield self._chunk(numbers, rows)

    def _chunk(self, numbers: list[int], rows: Sequence[Sequence[Any]]) -> Chunk:
        chunk = Chunk(lines=numbers)
        for ours, position in self._positions.items():
            chunk.values[ours] = [_plain(row[position], ours) if position < len(row) else None for row in rows]
        chunk.raws = [", ".join("" if value is None else str(value) for value in row)[:RAW_CHARACTERS] for row in rows]
        return chunk

    def _read(self, sheet: Any) -> Iterator[tuple[int, Sequence[Any]]]:  # noqa: ANN401 - openpyxl's reader is private
        number = 0
        try:
            # The size that a file states is often wrong; without it, openpyxl reads all rows.
            sheet.reset_dimensions()
            for number, row in enumerate(sheet.iter_rows(max_row=MAX_ROWS, values_only=True), start=1):
                yield number, row
        except _DAMAGES as error:
            raise self._damaged(error, f" after row {number:,} of sheet {quoted(sheet.title)}") from None

    def _damaged(self, error: Exception, where: str = "") -> SourceError:
        reason = quoted(error, 120) if str(error) else type(error).__name__
        return SourceError(
            f"{quoted(self._name)} is an Excel workbook that cannot be read{where} ({reason}): it is damaged, or "
            f"not written as Excel does. {_SAVE_AS_CSV}"
        )


# openpyxl lets the errors of its XML and zip readers, and those of missing parts, through.
_DAMAGES = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    SyntaxError,
    EOFError,
    NotImplementedError,
    zipfile.BadZipFile,
)


def _plain(value: Any, ours: str) -> str | int | float | date | None:  # noqa: ANN401 - a cell's value
    if value is None:
        return None
    if isinstance(value, str):
        # Excel writes some control characters as _x000D_.
        return str(unescape(value)) if "_x" in value else value
    if ours in TEXT_COLUMNS:
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if isinstance(value, bool):
        return str(value)
    return value if isinstance(value, int | float | date | datetime) else str(value)
