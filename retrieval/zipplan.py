"""A stored zip as a virtual file: its length, ETag and any byte range, computed before a byte of it is read.

Given (path, size, CRC-32) of every member, the bytes and the place of each header are known, so a range of the
archive is a list of constant bytes and ranges of members' files. Whoever sends it reads the files; none is opened
here.

Layout (PKWARE APPNOTE.TXT 6.3.10): method 0, no data descriptors, names in UTF-8 with bit 11 set, Unix mode 0644,
zip64 fields only where a size or an offset does not fit into 32 bits or the count into 16 (4.4.1.4, 4.5.3).
"""

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property

from retrieval.virtual import FileRange, Inline, Member, Segment, VirtualArchive, clipped, in_utc

__all__ = ["FileRange", "Inline", "Member", "Segment", "ZipPlan"]

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


class ZipPlan(VirtualArchive):
    """The layout of one archive. Members keep the order given; `tail` follows them, just before the directory.

    Raises ValueError for a path that is unsafe, given twice or over 65,535 bytes, for a size below 0 or a CRC-32
    that is not one, and for an `mtime` without time zone or outside 1980 to 2107.
    """

    def __init__(
        self, members: Iterable[Member], tail: Iterable[Inline] = (), *, mtime: datetime | None = None
    ) -> None:
        """Lay the archive out; `mtime` stands in every header, as UTC (None: 1980-01-01)."""
        self._date, self._time = _dos_date_and_time(mtime)
        self._records = array("Q")
        self._directory_bytes = 0
        super().__init__(members, tail)

    def _append(self, path: str, size: int, crc32: int, seen: set[int]) -> None:
        start = self._end
        super()._append(path, size, crc32, seen)
        self._records.append(self._directory_bytes)
        large, far = size >= _NO_SIZE, start >= _NO_SIZE
        name = self._name_starts[-1] - self._name_starts[-2]
        self._directory_bytes += _CENTRAL.size + name + 4 * (large or far) + 16 * large + 8 * far

    def _header_length(self, name: bytes, size: int) -> int:
        return _LOCAL.size + len(name) + 20 * (size >= _NO_SIZE)

    def _padding(self, size: int) -> int:  # noqa: ARG002  # a zip has none
        return 0

    def _closing_length(self) -> int:
        return self._directory_bytes + len(self._end_records)

    def _essence(self) -> Iterator[bytes]:
        return self._closing_pieces(self._end, self.length)

    def _closing_pieces(self, start: int, stop: int) -> Iterator[bytes]:
        base = self._end
        first = max(bisect_right(self._records, start - base) - 1, 0)
        for index in range(first, len(self)):
            begin = base + self._records[index]
            if begin >= stop:
                return
            yield clipped(self._central_header(index), begin, start, stop)
        yield clipped(self._end_records, base + self._directory_bytes, start, stop)

    def _header(self, index: int) -> bytes:
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
        count, size, start = len(self), self._directory_bytes, self._end
        end = _END.pack(
            b"PK\5\6", 0, 0, min(count, _NO_COUNT), min(count, _NO_COUNT),
            min(size, _NO_SIZE), min(start, _NO_SIZE), 0,
        )  # fmt: skip
        if count < _NO_COUNT and size < _NO_SIZE and start < _NO_SIZE:
            return end
        end64 = _END64.pack(b"PK\6\6", _END64.size - 12, _MADE_BY_UNIX, _ZIP64, 0, 0, count, count, size, start)
        return end64 + _LOCATOR.pack(b"PK\6\7", 0, start + size, 1) + end


def _dos_date_and_time(mtime: datetime | None) -> tuple[int, int]:
    moment = in_utc(mtime)
    if not 1980 <= moment.year <= 2107:
        raise ValueError(f"mtime {moment} is outside 1980 to 2107, the years a zip can hold")
    date = (moment.year - 1980) << 9 | moment.month << 5 | moment.day
    return date, moment.hour << 11 | moment.minute << 5 | moment.second // 2


def _zip64_extra(*numbers: int) -> bytes:
    return struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)
