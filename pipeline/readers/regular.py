"""Blocks of regular CSV, read by Arrow at once into columns.

A block is regular if every record in it is beyond doubt. All others are left to the careful reader
(:mod:`pipeline.readers.csv_reader`), which would read the same records from a regular block, one by one. The decision
is in docs/decisions/0016-regular-blocks.md.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from pipeline.readers.dialects import Dialect, Shape, swallows
from pipeline.readers.lines import LINE_CHARACTERS

Places = npt.NDArray[np.int64]
"""Positions of bytes in a block, or numbers of its lines from 0."""


@dataclass(frozen=True)
class RegularRecords:
    """Records of a regular block.

    Attributes:
        values: Text of each of our columns, string ``[records]``.
        raws: Each record as found, string ``[records]``; it shares the memory of the block.
        first_lines: int64 ``[records]``, the line of the block on which each record begins.
        size: Bytes of all records.
        lines: Lines of all records.
        characters: Characters of all records.
    """

    values: dict[str, pa.StringArray]
    raws: pa.StringArray
    first_lines: Places
    size: int
    lines: int
    characters: int


class RegularReader:
    """Reads the regular blocks of one file."""

    def __init__(self, dialect: Dialect, shape: Shape, positions: Mapping[str, int]) -> None:
        """Prepare for records of a shape.

        Args:
            dialect: How the records are written.
            shape: What a sound record looks like.
            positions: The position of each of our columns in a record.
        """
        self._dialect = dialect
        self._shape = shape
        self._names = {ours: str(position) for ours, position in positions.items()}
        self._columns = [str(position) for position in range(shape.width)]
        self._known_to_arrow = dialect.escape is None and f"{dialect.delimiter}{dialect.quote}".isascii()
        self._outside = f"{dialect.delimiter}{dialect.quote}\n"
        """What may stand before a quote that opens a field, and after one that closes it."""

    def read(self, block: bytes, *, most: int) -> RegularRecords | None:
        r"""Return the records of a block, or ``None`` if it is not regular.

        In a regular block, the text is UTF-8, every ``\r`` is part of a line end, no line is empty, every
        quote opens or closes a field or is doubled, all records have the right width and length, and none consists of
        records that quotes have joined.

        Args:
            block: Whole lines; the first begins a record.
            most: The most records to read. A record that does not end in the block is not read, either.
        """
        if not self._known_to_arrow or not _is_plain(block):
            return None
        found = np.frombuffer(block, np.uint8)
        newlines = np.flatnonzero(found == ord("\n"))
        quote = self._dialect.quote
        quotes = np.flatnonzero(found == ord(quote)) if quote else np.empty(0, np.int64)
        # A line end after an even number of quotes is outside of quotes, and ends a record.
        last_lines = np.flatnonzero(np.searchsorted(quotes, newlines) % 2 == 0)[:most]
        if not last_lines.size:
            return None
        limits = np.concatenate(([0], newlines[last_lines] + 1))
        size = int(limits[-1])
        raws = pa.StringArray.from_buffers(len(last_lines), pa.py_buffer(limits.astype(np.int32)), pa.py_buffer(block))
        if (
            np.diff(limits).max() >= LINE_CHARACTERS
            or not self._quotes_are_sound(found, quotes[quotes < size])
            or not _is_utf8(raws)
        ):
            return None
        first_lines = np.concatenate(([0], last_lines[:-1] + 1))
        joined = np.flatnonzero(last_lines > first_lines)
        if any(self._swallows(raws[index].as_py()) for index in joined.tolist()):
            return None
        values = self._values(pa.py_buffer(block).slice(0, size), multiline=bool(joined.size))
        # Arrow skips empty lines.
        if values is None or any(len(column) != len(raws) for column in values.values()):
            return None
        characters = size if block.isascii() else pc.sum(pc.utf8_length(raws)).as_py()
        return RegularRecords(values, raws, first_lines, size, int(last_lines[-1]) + 1, characters)

    def _quotes_are_sound(self, found: npt.NDArray[np.uint8], quotes: Places) -> bool:
        """Return whether quotes by turns begin and end a field; a doubled quote ends and begins one."""
        opening, closing = quotes[::2], quotes[1::2]
        # Before the first byte, a record begins. The last byte is a line end, so that a byte follows each quote.
        before, after = found[opening[opening > 0] - 1], found[closing + 1]
        return bool(_any_of(before, self._outside).all() and _any_of(after, self._outside + "\r").all())

    def _swallows(self, record: str) -> bool:
        return swallows(io.StringIO(record, newline="\n").readlines(), self._dialect, self._shape)

    def _values(self, records: pa.Buffer, *, multiline: bool) -> dict[str, pa.StringArray] | None:
        """Return the columns of records; ``None`` if a record has another width."""
        try:
            table = csv.read_csv(
                pa.BufferReader(records),
                # All at once and without threads.
                csv.ReadOptions(use_threads=False, block_size=records.size + 1, column_names=self._columns),
                csv.ParseOptions(
                    delimiter=self._dialect.delimiter,
                    quote_char=self._dialect.quote or False,
                    newlines_in_values=multiline,
                ),
                csv.ConvertOptions(
                    check_utf8=False,
                    column_types=dict.fromkeys(self._columns, pa.string()),
                    include_columns=list(dict.fromkeys(self._names.values())),
                ),
            )
        except pa.ArrowInvalid:
            return None
        return {ours: table.column(name).chunk(0) for ours, name in self._names.items()}


def _is_plain(block: bytes) -> bool:
    # Arrow removes a byte-order mark at the start, which in the middle of a file belongs to a value.
    return not block.startswith(codecs.BOM_UTF8) and block.count(b"\r") == block.count(b"\r\n")


def _is_utf8(column: pa.StringArray) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _any_of(found: npt.NDArray[np.uint8], characters: str) -> npt.NDArray[np.bool_]:
    wanted = np.zeros(256, np.bool_)
    wanted[list(characters.encode())] = True
    return wanted[found]
