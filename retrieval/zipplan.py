"""A stored zip as a virtual file: its length, ETag and any byte range, computed before a byte of it is read.

Given (path, size, CRC-32) of every member, the bytes and the place of each header are known, so a range of the
archive is a list of constant bytes and ranges of members' files. Whoever sends it reads the files; none is opened
here.

Layout (PKWARE APPNOTE.TXT 6.3.10): method 0, no data descriptors, names in UTF-8 with bit 11 set, Unix mode 0644,
zip64 fields only where a size or an offset does not fit into 32 bits or the count into 16 (4.4.1.4, 4.5.3).
"""

import hashlib
import re
import struct
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_END = struct.Struct("<4s4H2IH")

_NO_COUNT = 0xFFFF
_NO_SIZE = 0xFFFFFFFF
_PLAIN, _ZIP64 = 20, 45
_MADE_BY_UNIX = 3 << 8 | _ZIP64
_UTF8 = 1 << 11
_REGULAR_FILE_0644 = 0o100644 << 16
_LARGEST = 1 << 62
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


class ZipPlan:
    """The layout of one archive. Members keep the order given; `tail` follows them, just before the directory.

    Raises ValueError for a path that is unsafe, given twice or over 65,535 bytes, for a size below 0 or a CRC-32
    that is not one, and for an `mtime` without time zone or outside 1980 to 2107.
    """

    def __init__(
        self, members: Iterable[Member], tail: Iterable[Inline] = (), *, mtime: datetime | None = None
    ) -> None:
        """Lay the archive out; `mtime` stands in every header, as UTC (None: 1980-01-01)."""
        self._date, self._time = _dos_date_and_time(mtime)
        self._names = bytearray()
        self._name_starts = array("Q", [0])
        self._sizes = array("Q")
        self._crcs = array("I")
        self._starts = array("Q")
        self._records = array("Q")
        self._end = self._directory_bytes = 0
        self._fill(members, tail)
        self._directory_start = self._end
        self.length: int = self._directory_start + self._directory_bytes + len(self._end_records)
        """Bytes of the whole archive: its Content-Length."""

    def __len__(self) -> int:
        """Return the number of members, tail included."""
        return len(self._sizes)

    @cached_property
    def etag(self) -> str:
        """Strong entity tag, quoted (RFC 9110 8.8.3); another for any other path, size, CRC-32, order or time."""
        digest = hashlib.sha256()
        for piece in self._directory_pieces(self._directory_start, self.length):
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
        return _joined(self._pieces(start, stop))

    def member_span(self, index: int) -> tuple[int, int]:
        """Return where the header of member `index` begins and where its data ends."""
        if not 0 <= index < len(self):
            raise IndexError(f"member {index} of an archive of {len(self)}")
        last = index + 1 == len(self)
        return self._starts[index], self._directory_start if last else self._starts[index + 1]

    def members_within(self, start: int, stop: int) -> range:
        """Return the indices of the members that lie wholly, header and data, in the bytes `start` to `stop`."""
        first = bisect_left(self._starts, start)
        beyond = len(self) if stop >= self._directory_start else bisect_right(self._starts, stop) - 1
        return range(first, max(first, beyond))

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
        if not 0 <= crc32 <= _NO_SIZE:
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
        self._records.append(self._directory_bytes)
        large, far = size >= _NO_SIZE, self._end >= _NO_SIZE
        self._directory_bytes += _CENTRAL.size + len(name) + 4 * (large or far) + 16 * large + 8 * far
        self._end += _LOCAL.size + len(name) + 20 * large + size

    def _holds(self, name: bytes) -> bool:
        return any(self._name(index) == name for index in range(len(self)))

    def _name(self, index: int) -> bytearray:
        return self._names[self._name_starts[index] : self._name_starts[index + 1]]

    def _pieces(self, start: int, stop: int) -> Iterator[Segment]:
        yield from self._member_pieces(start, min(stop, self._directory_start))
        yield from self._directory_pieces(max(start, self._directory_start), stop)

    def _member_pieces(self, start: int, stop: int) -> Iterator[Segment]:
        for index in range(max(bisect_right(self._starts, start) - 1, 0), len(self)):
            begin = self._starts[index]
            if begin >= stop:
                return
            header = self._local_header(index)
            data = begin + len(header)
            yield header if begin >= start and data <= stop else _clipped(header, begin, start, stop)
            low = max(start - data, 0)
            high = min(stop - data, self._sizes[index])
            if low < high:
                yield self._body(index, low, high)

    def _body(self, index: int, low: int, high: int) -> Segment:
        if index < self._files:
            return FileRange(index, low, high - low)
        return self._inline[index - self._files][low:high]

    def _directory_pieces(self, start: int, stop: int) -> Iterator[bytes]:
        base = self._directory_start
        first = max(bisect_right(self._records, start - base) - 1, 0)
        for index in range(first, len(self)):
            begin = base + self._records[index]
            if begin >= stop:
                return
            yield _clipped(self._central_header(index), begin, start, stop)
        yield _clipped(self._end_records, base + self._directory_bytes, start, stop)

    def _local_header(self, index: int) -> bytes:
        name, size = self._name(index), self._sizes[index]
        stored, extra = size, b""
        if size >= _NO_SIZE:
            stored, extra = _NO_SIZE, _zip64_extra(size, size)
        head = _LOCAL.pack(
            b"PK\3\4", self._version(index), _UTF8, 0, self._time, self._date,
            self._crcs[index], stored, stored, len(name), len(extra),
        )  # fmt: skip
        return head + name + extra

    def _central_header(self, index: int) -> bytes:
        name, size, start = self._name(index), self._sizes[index], self._starts[index]
        large = [size, size] if size >= _NO_SIZE else []
        far = [start] if start >= _NO_SIZE else []
        extra = _zip64_extra(*large, *far) if large or far else b""
        stored = min(size, _NO_SIZE)
        head = _CENTRAL.pack(
            b"PK\1\2", _MADE_BY_UNIX, self._version(index), _UTF8, 0, self._time, self._date,
            self._crcs[index], stored, stored, len(name), len(extra), 0, 0, 0, _REGULAR_FILE_0644,
            min(start, _NO_SIZE),
        )  # fmt: skip
        return head + name + extra

    def _version(self, index: int) -> int:
        return _ZIP64 if self._sizes[index] >= _NO_SIZE or self._starts[index] >= _NO_SIZE else _PLAIN

    @cached_property
    def _end_records(self) -> bytes:
        count, size, start = len(self), self._directory_bytes, self._directory_start
        end = _END.pack(
            b"PK\5\6", 0, 0, min(count, _NO_COUNT), min(count, _NO_COUNT),
            min(size, _NO_SIZE), min(start, _NO_SIZE), 0,
        )  # fmt: skip
        if count < _NO_COUNT and size < _NO_SIZE and start < _NO_SIZE:
            return end
        end64 = _END64.pack(b"PK\6\6", _END64.size - 12, _MADE_BY_UNIX, _ZIP64, 0, 0, count, count, size, start)
        return end64 + _LOCATOR.pack(b"PK\6\7", 0, start + size, 1) + end


def _dos_date_and_time(mtime: datetime | None) -> tuple[int, int]:
    moment = datetime(1980, 1, 1, tzinfo=UTC) if mtime is None else mtime
    if moment.tzinfo is None:
        raise ValueError(f"mtime {moment} has no time zone: give it in UTC")
    moment = moment.astimezone(UTC)
    if not 1980 <= moment.year <= 2107:
        raise ValueError(f"mtime {moment} is outside 1980 to 2107, the years a zip can hold")
    date = (moment.year - 1980) << 9 | moment.month << 5 | moment.day
    return date, moment.hour << 11 | moment.minute << 5 | moment.second // 2


def _checked_name(path: str) -> bytes:
    if _UNSAFE_PATH.search(path):
        raise ValueError(f"{path!r}: not a safe relative path for an archive")
    name = path.encode()
    if len(name) > 0xFFFF:
        raise ValueError(f"{path[:60]!r}…: {len(name)} bytes of name, a zip can hold 65,535")
    return name


def _zip64_extra(*numbers: int) -> bytes:
    return struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)


def _clipped(piece: bytes, begin: int, start: int, stop: int) -> bytes:
    return piece[max(start - begin, 0) : max(stop - begin, 0)]


def _joined(pieces: Iterator[Segment]) -> Iterator[Segment]:
    """Join neighbouring constant bytes up to 64 KiB, so that a directory is not sent record by record."""
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
        if isinstance(piece, FileRange):
            yield piece
    if size:
        yield b"".join(waiting)
