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
from collections.abc import Callable, Iterable, Iterator, Sequence
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


class Placed(NamedTuple):
    """A member in its place: number, path as UTF-8, size in bytes, CRC-32, where its header begins."""

    number: int
    name: bytes
    size: int
    crc32: int
    start: int


class Format(ABC):
    """How one archive format frames its members. It holds none of them, so any number can pass by."""

    @abstractmethod
    def header_length(self, name: bytes, size: int) -> int:
        """Return the bytes before the data of a member."""

    @abstractmethod
    def header(self, member: Placed) -> bytes:
        """Return the bytes before the data of a member."""

    @abstractmethod
    def padding(self, size: int) -> int:
        """Return how many zero bytes follow the data of a member of `size` bytes."""

    @abstractmethod
    def entry_length(self, name: bytes, size: int, start: int) -> int:
        """Return the bytes of a member's entry in the directory."""

    @abstractmethod
    def entry(self, member: Placed) -> bytes:
        """Return what the directory behind the last member says of one; nothing where the format has none."""

    @abstractmethod
    def ending(self, members: int, directory_bytes: int, end: int) -> bytes:
        """Return the last bytes of the archive; `end` is where the last member ends."""


class VirtualArchive:
    """The layout of one archive. Members keep the order given; `tail` follows them, just before the end.

    Raises ValueError for a path that is unsafe, given twice or over 65,535 bytes, for a size below 0 and for a
    CRC-32 that is not one.
    """

    def __init__(self, framing: Format, members: Iterable[Member], tail: Iterable[Inline]) -> None:
        self._format = framing
        self._names = bytearray()
        self._name_starts = array("Q", [0])
        self._sizes = array("Q")
        self._crcs = array("I")
        self._starts = array("Q")
        self._entries = array("Q", [0])
        self._end = 0
        self._fill(members, tail)

    def __len__(self) -> int:
        """Return the number of members, tail included."""
        return len(self._sizes)

    @cached_property
    def length(self) -> int:
        """Bytes of the whole archive: its Content-Length."""
        return self._end + self._entries[-1] + len(self._ending)

    @cached_property
    def etag(self) -> str:
        """Strong entity tag, quoted (RFC 9110 8.8.3); another for any other path, size, CRC-32, order or time."""
        essence = Essence()
        for index in range(len(self)):
            essence.add(self._format.header(self._placed(index)), self._crcs[index])
        return essence.etag(self._inline)

    def segments(self, start: int = 0, stop: int | None = None) -> Iterator[Segment]:
        """Return the bytes from `start` up to `stop` (None: the end) as constant bytes and file ranges, lazily.

        Raises ValueError, at once, unless ``0 <= start <= stop <= length``. No segment is empty.
        """
        return joined(self._pieces(*checked_range(start, stop, self.length)))

    def member(self, index: int) -> Member:
        """Return path, size and CRC-32 of a member. Raises IndexError when there is no such member."""
        self._check(index)
        return Member(self._name(index).decode(), self._sizes[index], self._crcs[index])

    def crc32(self, index: int) -> int:
        """Return the CRC-32 of a member's data."""
        self._check(index)
        return self._crcs[index]

    def data_start(self, index: int) -> int:
        """Return where the header of member `index` ends and its data begins."""
        self._check(index)
        return self._starts[index] + self._format.header_length(self._name(index), self._sizes[index])

    def member_span(self, index: int) -> tuple[int, int]:
        """Return where the header of member `index` begins and where its data ends; padding is no data."""
        self._check(index)
        last = index + 1 == len(self)
        end = self._end if last else self._starts[index + 1]
        return self._starts[index], end - self._format.padding(self._sizes[index])

    def members_within(self, start: int, stop: int) -> range:
        """Return the indices of the members that lie wholly, header and data, in the bytes `start` to `stop`."""
        return spans_within(self._starts, lambda index: self.member_span(index)[1], start, stop)

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
        name = checked(path, size, crc32, self._end)
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
        self._entries.append(self._entries[-1] + self._format.entry_length(name, size, self._end))
        self._end += self._format.header_length(name, size) + size + self._format.padding(size)

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise IndexError(f"member {index} of an archive of {len(self)}")

    def _holds(self, name: bytes) -> bool:
        return any(self._name(index) == name for index in range(len(self)))

    def _name(self, index: int) -> bytes:
        return bytes(self._names[self._name_starts[index] : self._name_starts[index + 1]])

    def _placed(self, index: int) -> Placed:
        return Placed(index, self._name(index), self._sizes[index], self._crcs[index], self._starts[index])

    @cached_property
    def _ending(self) -> bytes:
        return self._format.ending(len(self), self._entries[-1], self._end)

    def _pieces(self, start: int, stop: int) -> Iterator[Segment]:
        yield from self._member_pieces(start, min(stop, self._end))
        yield from self._directory_pieces(max(start, self._end), stop)
        yield clipped(self._ending, self._end + self._entries[-1], start, stop)

    def _member_pieces(self, start: int, stop: int) -> Iterator[Segment]:
        for index in range(max(bisect_right(self._starts, start) - 1, 0), len(self)):
            begin = self._starts[index]
            if begin >= stop:
                return
            header, size = self._format.header(self._placed(index)), self._sizes[index]
            data = begin + len(header)
            yield header if begin >= start and data <= stop else clipped(header, begin, start, stop)
            low = max(start - data, 0)
            high = min(stop - data, size)
            if low < high:
                yield self._body(index, low, high)
            yield clipped(bytes(self._format.padding(size)), data + size, start, stop)

    def _directory_pieces(self, start: int, stop: int) -> Iterator[bytes]:
        first = max(bisect_right(self._entries, start - self._end) - 1, 0)
        for index in range(first, len(self)):
            begin = self._end + self._entries[index]
            if begin >= stop:
                return
            yield clipped(self._format.entry(self._placed(index)), begin, start, stop)

    def _body(self, index: int, low: int, high: int) -> Segment:
        if index < self._files:
            return FileRange(index, low, high - low)
        return self._inline[index - self._files][low:high]


class Essence:
    """What tells an archive from any other, gathered member by member."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, header: bytes, crc32: int) -> None:
        """One more member: its header holds path, size and time, and need not hold the CRC-32."""
        self._digest.update(header)
        self._digest.update(crc32.to_bytes(4, "big"))

    def etag(self, inline: Iterable[bytes]) -> str:
        """Return the entity tag; `inline` is the data of the tail, in pieces of any size."""
        for piece in inline:
            self._digest.update(piece)
        return f'"{self._digest.hexdigest()[:40]}"'


def checked_range(start: int, stop: int | None, length: int) -> tuple[int, int]:
    """Return the range with its end. Raises ValueError unless ``0 <= start <= stop <= length``."""
    stop = length if stop is None else stop
    if not 0 <= start <= stop <= length:
        raise ValueError(f"bytes {start} to {stop} are not inside an archive of {length} bytes")
    return start, stop


def spans_within(starts: Sequence[int], end: Callable[[int], int], start: int, stop: int) -> range:
    """Return the indices of the spans, in order of `starts`, that lie wholly in the bytes `start` to `stop`."""
    first = bisect_left(starts, start)
    beyond = bisect_right(starts, stop) - 1
    if beyond >= 0 and end(beyond) <= stop:
        beyond += 1
    return range(first, max(first, beyond))


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


def checked_name(path: str) -> bytes:
    """Return the path as UTF-8. Raises ValueError for one that is unsafe or over 65,535 bytes."""
    if _UNSAFE_PATH.search(path):
        raise ValueError(f"{path!r}: not a safe relative path for an archive")
    name = path.encode()
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"{path[:60]!r}…: {len(name)} bytes of name, an archive can hold 65,535")
    return name


def checked(path: str, size: int, crc32: int, end: int) -> bytes:
    """Return the path as UTF-8. Raises ValueError for a member that no archive of `end` bytes so far can take."""
    name = checked_name(path)
    if not 0 <= size <= _LARGEST - end:
        raise ValueError(f"{path}: size {size} is not a number of bytes")
    if not 0 <= crc32 <= _LARGEST_CRC32:
        raise ValueError(f"{path}: crc32 {crc32} is not a 32-bit number")
    return name
