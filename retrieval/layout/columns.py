"""Columns of numbers and of names on disk that read like sequences in memory, a window at a time."""

from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import BinaryIO, overload

from retrieval.layout.blocks import BlockReader
from retrieval.layout.handle import Handle

WINDOW = 512
_WIDTH = 8
_WAITING = 8192


class ColumnWriter:
    """Takes numbers and keeps them in a temporary file of its own."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting = array("q")
        self.count = 0

    def append(self, value: int) -> None:
        """One more number of at most 63 bits."""
        self._waiting.append(value)
        self.count += 1
        if len(self._waiting) == _WAITING:
            self._flush()

    def pour(self, into: BinaryIO) -> None:
        """Copy all numbers to the end of another file."""
        self._flush()
        self._file.seek(0)
        while piece := self._file.read(1 << 20):
            into.write(piece)

    def _flush(self) -> None:
        self._file.write(self._waiting.tobytes())
        self._waiting = array("q")


class Column(Sequence[int]):
    """The numbers of a `ColumnWriter`; keeps the window that was read last. May be shared by threads."""

    def __init__(self, handle: Handle, offset: int, count: int) -> None:
        self._handle = handle
        self._offset = offset
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
        window, place = divmod(index, WINDOW)
        return self._window(window)[place]

    def __iter__(self) -> Iterator[int]:
        return self.since(0)

    def since(self, index: int) -> Iterator[int]:
        """The numbers from that one on."""
        first, place = divmod(index, WINDOW)
        for window in range(first, -(-self._count // WINDOW)):
            yield from self._window(window)[place:]
            place = 0

    def _window(self, number: int) -> Sequence[int]:
        known, values = self._last
        if known != number:
            begin = number * WINDOW
            if not 0 <= begin < self._count:
                raise IndexError(f"row {begin} of {self._count}")
            values = self._handle.numbers(self._offset + begin * _WIDTH, min(WINDOW, self._count - begin))
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
