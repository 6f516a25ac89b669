"""A stored zip as a virtual file: its length, ETag and any byte range, computed before a byte of it is read.

Given (path, size, CRC-32) of every member, the bytes and the place of each header are known, so a range of the
archive is a list of constant bytes and ranges of members' files. Whoever sends it reads the files; none is opened
here.

Layout (PKWARE APPNOTE.TXT 6.3.10): method 0, no data descriptors, names in UTF-8 with bit 11 set, Unix mode 0644,
zip64 fields only where a size or an offset does not fit into 32 bits or the count into 16 (4.4.1.4, 4.5.3).
"""

import struct
from collections.abc import Iterable
from datetime import datetime

from retrieval.virtual import FileRange, Format, Inline, Member, Placed, Segment, VirtualArchive, in_utc

__all__ = ["FileRange", "Inline", "Member", "Segment", "ZipFormat", "ZipPlan"]

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


class ZipFormat(Format):
    """The headers, directory and end records of a stored zip; `mtime` stands in every header, as UTC.

    Raises ValueError for an `mtime` without time zone or outside 1980 to 2107.
    """

    def __init__(self, mtime: datetime | None = None) -> None:
        self._date, self._time = _dos_date_and_time(mtime)

    def header_length(self, name: bytes, size: int) -> int:
        """Return the bytes of a local file header."""
        return _LOCAL.size + len(name) + 20 * (size >= _NO_SIZE)

    def header(self, member: Placed) -> bytes:
        """Return a local file header (4.3.7)."""
        _, name, size, crc32, _ = member
        stored, extra = size, b""
        if size >= _NO_SIZE:
            stored, extra = _NO_SIZE, _zip64_extra(size, size)
        head = _LOCAL.pack(
            b"PK\3\4", _version(member), _UTF8, 0, self._time, self._date, crc32, stored, stored, len(name), len(extra),
        )  # fmt: skip
        return head + name + extra

    def padding(self, size: int) -> int:  # noqa: ARG002  # a zip has none
        """Return 0."""
        return 0

    def entry_length(self, name: bytes, size: int, start: int) -> int:
        """Return the bytes of a central directory header."""
        large, far = size >= _NO_SIZE, start >= _NO_SIZE
        return _CENTRAL.size + len(name) + 4 * (large or far) + 16 * large + 8 * far

    def entry(self, member: Placed) -> bytes:
        """Return a central directory header (4.3.12)."""
        _, name, size, crc32, start = member
        large = [size, size] if size >= _NO_SIZE else []
        far = [start] if start >= _NO_SIZE else []
        extra = _zip64_extra(*large, *far) if large or far else b""
        stored = min(size, _NO_SIZE)
        head = _CENTRAL.pack(
            b"PK\1\2", _MADE_BY_UNIX, _version(member), _UTF8, 0, self._time, self._date,
            crc32, stored, stored, len(name), len(extra), 0, 0, 0, _REGULAR_FILE_0644, min(start, _NO_SIZE),
        )  # fmt: skip
        return head + name + extra

    def ending(self, members: int, directory_bytes: int, end: int) -> bytes:
        """Return the end of central directory record, after zip64's where it is needed (4.3.14 to 4.3.16)."""
        last = _END.pack(
            b"PK\5\6", 0, 0, min(members, _NO_COUNT), min(members, _NO_COUNT),
            min(directory_bytes, _NO_SIZE), min(end, _NO_SIZE), 0,
        )  # fmt: skip
        if members < _NO_COUNT and directory_bytes < _NO_SIZE and end < _NO_SIZE:
            return last
        end64 = _END64.pack(
            b"PK\6\6", _END64.size - 12, _MADE_BY_UNIX, _ZIP64, 0, 0, members, members, directory_bytes, end
        )
        return end64 + _LOCATOR.pack(b"PK\6\7", 0, end + directory_bytes, 1) + last


class ZipPlan(VirtualArchive):
    """The layout of one archive. Members keep the order given; `tail` follows them, just before the directory.

    Raises ValueError for a path that is unsafe, given twice or over 65,535 bytes, for a size below 0 or a CRC-32
    that is not one, and for an `mtime` without time zone or outside 1980 to 2107.
    """

    def __init__(
        self, members: Iterable[Member], tail: Iterable[Inline] = (), *, mtime: datetime | None = None
    ) -> None:
        """Lay the archive out; `mtime` stands in every header, as UTC (None: 1980-01-01)."""
        super().__init__(ZipFormat(mtime), members, tail)


def _version(member: Placed) -> int:
    return _ZIP64 if member.size >= _NO_SIZE or member.start >= _NO_SIZE else _PLAIN


def _dos_date_and_time(mtime: datetime | None) -> tuple[int, int]:
    moment = in_utc(mtime)
    if not 1980 <= moment.year <= 2107:
        raise ValueError(f"mtime {moment} is outside 1980 to 2107, the years a zip can hold")
    date = (moment.year - 1980) << 9 | moment.month << 5 | moment.day
    return date, moment.hour << 11 | moment.minute << 5 | moment.second // 2


def _zip64_extra(*numbers: int) -> bytes:
    return struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)
