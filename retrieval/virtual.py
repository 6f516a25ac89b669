"""What the virtual archives share: members in order, and any range of bytes as constant bytes and ranges of files.

Given (path, size, CRC-32) of every member, the bytes and the place of each header are known before a byte of a file
is read. Whoever sends the archive reads the files; none is opened here. A format adds its headers and its end.
"""

import hashlib
import re
import zlib
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple, TypeVar

T = TypeVar("T")

_LARGEST = 1 << 62
_LONGEST_NAME = 0xFFFF
_LARGEST_CRC32 = 0xFFFFFFFF
_PIECE_BYTES = 1 << 16

_UNSAFE_PATH = re.compile(r"^/|^[A-Za-z]:|[\\\x00]|(?:^|/)\.{0,2}(?:/|\Z)")


class Member(NamedTuple):
    """A file of the archive: relative path with ``/``, size in bytes, CRC-32 of its bytes."""

    path: str
    size: int
    crc32: int


class Inline(NamedTuple):
    """A member whose bytes are given here, such as a manifest."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class FileRange:
    """`length` bytes from `offset` on of the file of member `index`."""

    index: int
    offset: int
    length: int


Segment = bytes | FileRange


class VirtualArchive(ABC):
    """The layout of one archive. Members keep the order given; `tail` follows them, just before the end.

    Raises ValueError for a path that is unsafe, given twice or over 65,535 bytes, for a size below 0 and for a
    CRC-32 that is not one.
    """

    def __init__(self, members: Iterable[Member], tail: Iterable[Inline]) -> None:
        self._names = bytearray()
        self._name_starts = array("Q", [0])
        self._sizes = array("Q")
        self._crcs = array("I")
        self._starts = array("Q")
        self._end = 0
        self._fill(members, tail)

    def __len__(self) -> int:
        """Return the number of members, tail included."""
        return len(self._sizes)

    @cached_property
    def length(self) -> int:
        """Bytes of the whole archive: its Content-Length."""
        return self._end + self._closing_length()

    @cached_property
    def etag(self) -> str:
        """Strong entity tag, quoted (RFC 9110 8.8.3); another for any other path, size, CRC-32, order or time."""
        digest = hashlib.sha256()
        for piece in self._essence():
            digest.update(piece)
        for data in self._inline:
            digest.update(data)
        return f'"{digest.hexdigest()[:40]}"'

    def segments(self, start: int = 0, stop: int | None = None) -> Iterator[Segment]:
        """Return the bytes from `start` up to `stop` (None: the end) as constant bytes and file ranges, lazily.

        Raises ValueError, at once, unless ``0 <= start <= stop <= length``. No segment is empty.
        """
        stop = self.length if stop is None else stop
        if not 0 <= start <= stop <= self.length:
            raise ValueError(f"bytes {start} to {stop} are not inside an archive of {self.length} bytes")
        return joined(self._pieces(start, stop))

    def member(self, index: int) -> Member:
        """Return path, size and CRC-32 of a member. Raises IndexError when there is no such member."""
        self._check(index)
        return Member(self._name(index).decode(), self._sizes[index], self._crcs[index])

    def member_span(self, index: int) -> tuple[int, int]:
        """Return where the header of member `index` begins and where its data ends; padding is no data."""
        self._check(index)
        last = index + 1 == len(self)
        end = self._end if last else self._starts[index + 1]
        return self._starts[index], end - self._padding(self._sizes[index])

    def members_within(self, start: int, stop: int) -> range:
        """Return the indices of the members that lie wholly, header and data, in the bytes `start` to `stop`."""
        first = bisect_left(self._starts, start)
        beyond = bisect_right(self._starts, stop) - 1
        if beyond >= 0 and self.member_span(beyond)[1] <= stop:
            beyond += 1
        return range(first, max(first, beyond))

    @abstractmethod
    def _header_length(self, name: bytes, size: int) -> int:
        """Return the bytes before the data of a member that begins at `_end`."""

    @abstractmethod
    def _header(self, index: int) -> bytes:
        """Return the bytes before the data of a member."""

    @abstractmethod
    def _padding(self, size: int) -> int:
        """Return how many zero bytes follow the data of a member of `size` bytes."""

    @abstractmethod
    def _closing_length(self) -> int:
        """Return the bytes after the last member."""

    @abstractmethod
    def _closing_pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """Return what the bytes `start` to `stop` of the archive hold of that which follows the last member."""

    @abstractmethod
    def _essence(self) -> Iterator[bytes]:
        """Return bytes that differ for any other path, size, CRC-32, order or time."""

    def _fill(self, members: Iterable[Member], tail: Iterable[Inline]) -> None:
        seen: set[int] = set()
        for path, size, crc32 in members:
            self._append(path, size, crc32, seen)
        self._files = len(self)
        self._inline: list[bytes] = []
        for path, data in tail:
            self._append(path, len(data), zlib.crc32(data), seen)
            self._inline.append(data)

    def _append(self, path: str, size: int, crc32: int, seen: set[int]) -> None:
        name = _checked_name(path)
        if not 0 <= size <= _LARGEST - self._end:
            raise ValueError(f"{path}: size {size} is not a number of bytes")
        if not 0 <= crc32 <= _LARGEST_CRC32:
            raise ValueError(f"{path}: crc32 {crc32} is not a 32-bit number")
        # Hashes take a third of the memory of the names; the names are asked only when two hashes agree.
        mark = hash(name)
        if mark in seen and self._holds(name):
            raise ValueError(f"{path}: this path is in the archive already")
        seen.add(mark)
        self._names += name
        self._name_starts.append(len(self._names))
        self._sizes.append(size)
        self._crcs.append(crc32)
        self._starts.append(self._end)
        self._end += self._header_length(name, size) + size + self._padding(size)

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise IndexError(f"member {index} of an archive of {len(self)}")

    def _holds(self, name: bytes) -> bool:
        return any(self._name(index) == name for index in range(len(self)))

    def _name(self, index: int) -> bytes:
        return bytes(self._names[self._name_starts[index] : self._name_starts[index + 1]])

    def _pieces(self, start: int, stop: int) -> Iterator[Segment]:
        yield from self._member_pieces(start, min(stop, self._end))
        yield from self._closing_pieces(max(start, self._end), stop)

    def _member_pieces(self, start: int, stop: int) -> Iterator[Segment]:
        for index in range(max(bisect_right(self._starts, start) - 1, 0), len(self)):
            begin = self._starts[index]
            if begin >= stop:
                return
            header, size = self._header(index), self._sizes[index]
            data = begin + len(header)
            yield header if begin >= start and data <= stop else clipped(header, begin, start, stop)
            low = max(start - data, 0)
            high = min(stop - data, size)
            if low < high:
                yield self._body(index, low, high)
            yield clipped(bytes(self._padding(size)), data + size, start, stop)

    def _body(self, index: int, low: int, high: int) -> Segment:
        if index < self._files:
            return FileRange(index, low, high - low)
        return self._inline[index - self._files][low:high]


def in_utc(mtime: datetime | None) -> datetime:
    """Return the moment in UTC (None: 1980-01-01). Raises ValueError without a time zone."""
    if mtime is None:
        return datetime(1980, 1, 1, tzinfo=UTC)
    if mtime.tzinfo is None:
        raise ValueError(f"mtime {mtime} has no time zone: give it in UTC")
    return mtime.astimezone(UTC)


def clipped(piece: bytes, begin: int, start: int, stop: int) -> bytes:
    """Return what the bytes `start` to `stop` of an archive hold of a piece that begins at `begin`."""
    return piece[max(start - begin, 0) : max(stop - begin, 0)]


def joined(pieces: Iterator[bytes | T]) -> Iterator[bytes | T]:
    """Join neighbouring constant bytes up to 64 KiB, so that headers are not sent one by one."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        if isinstance(piece, bytes):
            waiting.append(piece)
            size += len(piece)
            if size < _PIECE_BYTES:
                continue
        if size:
            yield b"".join(waiting)
            waiting, size = [], 0
        if not isinstance(piece, bytes):
            yield piece
    if size:
        yield b"".join(waiting)


def _checked_name(path: str) -> bytes:
    if _UNSAFE_PATH.search(path):
        raise ValueError(f"{path!r}: not a safe relative path for an archive")
    name = path.encode()
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"{path[:60]!r}…: {len(name)} bytes of name, an archive can hold 65,535")
    return name
