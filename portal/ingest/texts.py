"""Delimited text, read record by record with the line on which each begins.

CSV (RFC 4180) and its relatives with tab, semicolon or bar; the Portal's exports, which have comment lines
above the header and sometimes a byte order mark; gzip, bzip2 and xz as astropy decompresses them.
"""

import csv
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import IO, TextIO

from astropy.utils.data import get_readable_fileobj

from portal.ingest.columns import Column
from portal.ingest.source import Chunk, Complaint, Unreadable

DELIMITERS = (",", "\t", ";", "|")
BROKEN = (csv.Error, OSError, EOFError, zlib.error)


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """The file as text. Bytes that are not UTF-8 come as lone surrogates: their cell can then be named."""
    with get_readable_fileobj(str(path), encoding="binary") as stream:
        yield io.TextIOWrapper(buffered(stream), encoding="utf-8-sig", errors="surrogateescape", newline="")


def buffered(stream: IO[bytes]) -> IO[bytes]:
    """A stream that is read in large blocks; some of astropy's give one system call per line."""
    return io.BufferedReader(stream, 1 << 18) if isinstance(stream, io.RawIOBase) else stream


class Records:
    """The records of a delimited text as (line, fields). The first is the header.

    Lines that begin with # are comments above the header only: below it they may be a row, and no row may vanish.
    """

    def __init__(self, stream: TextIO, delimiter: str) -> None:
        self.line = 0
        self._first = 0
        self._header_seen = False
        self._reader = csv.reader(self._lines(stream), delimiter=delimiter, strict=True, skipinitialspace=True)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        for fields in self._reader:
            self._header_seen = True
            yield self._first, fields
            self._first = 0

    def _lines(self, stream: TextIO) -> Iterator[str]:
        for line in stream:
            self.line += 1
            if not self._first:
                if not line.strip() or (not self._header_seen and line.lstrip('" ').startswith("#")):
                    continue
                self._first = self.line
            yield line


class DelimitedText:
    """A delimited text as a Source, read again from its start whenever its rows are asked for."""

    unit = "line"
    total = 0

    def __init__(self, path: Path, delimiter: str, doubt: str = "") -> None:
        self.path = path
        self.delimiter = delimiter
        self.doubt = doubt
        self.names = header(path, delimiter)

    def chunks(self, columns: Sequence[tuple[str, Column]], rows: int, complain: Complaint) -> Iterator[Chunk]:
        """The cells, as text. A row with more or fewer cells than the header has names is complained of."""
        places = [self.names.index(name) for name, _ in columns]
        with opened(self.path) as stream:
            records = Records(stream, self.delimiter)
            try:
                whole = self._whole(records, complain)
                while chunk := list(islice(whole, rows)):
                    lines, fields = zip(*chunk, strict=True)
                    yield Chunk(lines, [list(map(itemgetter(place), fields)) for place in places])
            except BROKEN as error:
                complain(records.line, f"the text cannot be read on from here: {error}. Write the table anew.")

    def _whole(self, records: Records, complain: Complaint) -> Iterator[tuple[int, list[str]]]:
        """The rows with as many cells as there are names; what a spreadsheet adds beyond them is blank."""
        width = len(self.names)
        body = iter(records)
        next(body, None)
        for line, fields in body:
            if not any(map(str.strip, fields)) or _is_comment(fields, width):
                continue
            if len(fields) < width or any(map(str.strip, fields[width:])):
                complain(line, f"the row has {len(fields)} cells, the header names {width} columns.")
                continue
            yield line, fields


def _is_comment(fields: list[str], width: int) -> bool:
    return len(fields) == 1 and width > 1 and fields[0].startswith("#")


def header(path: Path, delimiter: str) -> list[str]:
    """The names of the columns; none where there is no header. Raises Unreadable."""
    try:
        with opened(path) as stream:
            _, names = next(iter(Records(stream, delimiter)), (0, []))
    except BROKEN as error:
        raise Unreadable(f"it cannot be read: {error}.") from error
    return [name.strip() for name in names]


def delimiter_of(path: Path) -> str | None:
    """The delimiter that parts the header into most columns; None where it has a single one. Raises Unreadable."""
    columns, delimiter = max((len(header(path, each)), -place) for place, each in enumerate(DELIMITERS))
    return DELIMITERS[-delimiter] if columns > 1 else None


def lines_of_rows(path: Path, delimiter: str, rows: int) -> Sequence[int]:
    """The line of each row, for a text whose cells another reader has read; empty where it saw other rows."""
    try:
        with opened(path) as stream:
            lines = [line for line, _ in Records(stream, delimiter)][1:]
    except BROKEN:
        return []
    return lines if len(lines) == rows else []
