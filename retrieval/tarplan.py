"""A tar as a virtual file: its length, ETag and any byte range, computed before a byte of it is read.

Layout (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"): regular files of mode 0644 that
belong to user and group 0, each padded to blocks of 512 bytes; a pax extended header only before a member whose
path is not ASCII or does not fit into ustar's 155 + 100 bytes, or whose size is 8 GiB or more. Two blocks of zeros
end the archive. It is not padded to 10,240 bytes: only tape drives need whole records.

A tar holds no checksum of a file and no count of its members, and most readers take one that was cut between two
members for whole: what tells is the Content-Length, and the manifests as last members.
"""

import struct
import zlib
from collections.abc import Iterable
from datetime import datetime

from retrieval.virtual import Format, Inline, Member, Placed, VirtualArchive, in_utc

_BLOCK = struct.Struct("100s8s8s8s12s12s8sc100s6s2s32s32s8s8s155s12x")
_CHECKSUM_AT = slice(148, 156)
_END = bytes(2 * _BLOCK.size)

_NAME_BYTES, _PREFIX_BYTES = 100, 155
_OCTAL_LIMIT = 8**11
"""Eleven octal digits: sizes from 8 GiB on need a pax record, and no time is later than 2242."""


class TarFormat(Format):
    """The headers of a pax tar; `mtime` stands in every header, in whole seconds.

    Raises ValueError for an `mtime` without time zone or outside 1970 to 2242.
    """

    def __init__(self, mtime: datetime | None = None) -> None:
        self._mtime = _unix_time(mtime)

    def header_length(self, name: bytes, size: int) -> int:
        """Return the bytes of the header block, and of an extended header where one is needed."""
        records = _records(name, size)
        return _BLOCK.size + (_BLOCK.size + len(records) + self.padding(len(records)) if records else 0)

    def header(self, member: Placed) -> bytes:
        """Return the header block, after an extended header where one is needed."""
        number, name, size, _, _ = member
        prefix, short = _split(name) or (b"", b"PaxNames/%d" % number)
        block = self._block(short, 0 if size >= _OCTAL_LIMIT else size, b"0", prefix)
        records = _records(name, size)
        if not records:
            return block
        extended = self._block(b"PaxHeaders/%d" % number, len(records), b"x")
        return extended + records + bytes(self.padding(len(records))) + block

    def padding(self, size: int) -> int:
        """Return the zeros that fill the last block."""
        return -size % _BLOCK.size

    def entry_length(self, name: bytes, size: int, start: int) -> int:  # noqa: ARG002  # a tar has no directory
        """Return 0."""
        return 0

    def entry(self, member: Placed) -> bytes:  # noqa: ARG002  # a tar has no directory
        """Return nothing."""
        return b""

    def ending(self, members: int, directory_bytes: int, end: int) -> bytes:  # noqa: ARG002  # always the same
        """Return two blocks of zeros."""
        return _END

    def _block(self, name: bytes, size: int, kind: bytes, prefix: bytes = b"") -> bytes:
        block = bytearray(_BLOCK.pack(
            name, b"0000644", b"0000000", b"0000000", b"%011o" % size, b"%011o" % self._mtime, b" " * 8, kind, b"",
            b"ustar", b"00", b"", b"", b"0000000", b"0000000", prefix,
        ))  # fmt: skip
        # All is ASCII, so the sum is below 65,521, and the low half of Adler-32 is 1 more: ten times as fast as sum().
        block[_CHECKSUM_AT] = b"%06o\0 " % ((zlib.adler32(block) & 0xFFFF) - 1)
        return bytes(block)


class TarPlan(VirtualArchive):
    """The layout of one pax tar. Members keep the order given; `tail` follows them, just before the end.

    Raises ValueError for a path that is unsafe, given twice or over 65,535 bytes, for a size below 0 or a CRC-32
    that is not one, and for an `mtime` without time zone or outside 1970 to 2242.
    """

    def __init__(
        self, members: Iterable[Member], tail: Iterable[Inline] = (), *, mtime: datetime | None = None
    ) -> None:
        """Lay the archive out; `mtime` stands in every header, in whole seconds (None: 1980-01-01)."""
        super().__init__(TarFormat(mtime), members, tail)


def _unix_time(mtime: datetime | None) -> int:
    moment = in_utc(mtime)
    seconds = int(moment.timestamp() // 1)
    if not 0 <= seconds < _OCTAL_LIMIT:
        raise ValueError(f"mtime {moment} is outside 1970 to 2242, the years a tar can hold")
    return seconds


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Return ustar's prefix and name, or None for a path that only a pax record can hold."""
    if not name.isascii():
        return None
    if len(name) <= _NAME_BYTES:
        return b"", name
    cut = name.rfind(b"/", 0, _PREFIX_BYTES + 1)
    return (name[:cut], name[cut + 1 :]) if cut > 0 and len(name) - cut - 1 <= _NAME_BYTES else None


def _records(name: bytes, size: int) -> bytes:
    path = b"" if _split(name) else _record(b"path", name)
    return path + _record(b"size", b"%d" % size) if size >= _OCTAL_LIMIT else path


def _record(keyword: bytes, value: bytes) -> bytes:
    """Return ``length keyword=value``; the length counts its own digits."""
    rest = b" " + keyword + b"=" + value + b"\n"
    length = len(rest) + len(str(len(rest)))
    return b"%d%b" % (len(rest) + len(str(length)), rest)
