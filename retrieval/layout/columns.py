"""Columns of numbers and of names on disk that read like sequences in memory, a window at a time."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO, overload

from retrieval.layout.blocks import BlockReader
from retrieval.layout.handle import Handle

WINDOW = 512
_WIDTH = 8


class TableWriter:
    """Takes rows of numbers of at most 63 bits; windows of rows are kept column by column."""

    def __init__(self, file: BinaryIO, columns: int) -> None:
        self._file = file
        self._columns = columns
        self._waiting = array("q")
        self._full = columns * WINDOW
        self.rows = 0

    def append(self, row: Iterable[int]) -> None:
        """One more row."""
        self._waiting.extend(row)
        self.rows += 1
        if len(self._waiting) == self._full:
            self._flush()

    def pour(self, into: BinaryIO) -> None:
        """Copy all rows to the end of another file."""
        self._flush()
        self._file.seek(0)
        while piece := self._file.read(1 << 20):
            into.write(piece)

    def _flush(self) -> None:
        for column in range(self._columns):
            self._file.write(self._waiting[column :: self._columns].tobytes())
        self._waiting = array("q")


@dataclass(frozen=True, slots=True)
class Table:
    """Where a table of a `TableWriter` stands in a file."""

    handle: Handle
    offset: int
    columns: int
    rows: int

    def window(self, number: int, column: int) -> "array[int]":
        """The numbers of a column in one window of rows. Raises IndexError beyond the last."""
        begin = number * WINDOW
        if not 0 <= begin < self.rows:
            raise IndexError(f"row {begin} of {self.rows}")
        height = min(WINDOW, self.rows - begin)
        return self.handle.numbers(self.offset + _WIDTH * (begin * self.columns + column * height), height)


class Column(Sequence[int]):
    """The first `count` numbers of a column; keeps the window that was read last. May be shared by threads."""

    def __init__(self, table: Table, column: int, count: int) -> None:
        self._table = table
        self._column = column
        self._count = count
        self._last: tuple[int, Sequence[int]] = (-1, ())

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> "list[int]": ...

    def __getitem__(self, index: int | slice) -> "int | list[int]":
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self._count))]
        if index < 0:
            index += self._count
        if not 0 <= index < self._count:
            raise IndexError(f"row {index} of {self._count}")
        window, place = divmod(index, WINDOW)
        return self._window(window)[place]

    def __iter__(self) -> Iterator[int]:
        return self.since(0)

    def since(self, index: int) -> Iterator[int]:
        """The numbers from that one on."""
        first, place = divmod(index, WINDOW)
        for window in range(first, -(-self._count // WINDOW)):
            yield from self._window(window)[place : self._count - window * WINDOW]
            place = 0

    def _window(self, number: int) -> Sequence[int]:
        known, values = self._last
        if known != number:
            values = self._table.window(number, self._column)
            self._last = (number, values)
        return values


class Names(Sequence[str]):
    """Names of any length, one after another in blocks; `ends` tells where each ends."""

    def __init__(self, blocks: BlockReader, ends: Column) -> None:
        self._blocks = blocks
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> "list[str]": ...

    def __getitem__(self, index: int | slice) -> "str | list[str]":
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        end = self._ends[index]
        begin = self._ends[index - 1] if index else 0
        return self._blocks.read(begin, end - begin).decode()

    def __iter__(self) -> Iterator[str]:
        for begin, end in pairwise(_from_zero(self._ends)):
            yield self._blocks.read(begin, end - begin).decode()


def _from_zero(ends: Column) -> Iterator[int]:
    yield 0
    yield from ends
