"""A tar.gz as a virtual file: one gzip member per member of the tar, so that remembered sizes give its length.

The gzip members (RFC 1952 2.2) follow each other, each a tar header, the file and its padding; one more holds the
end of the tar. What compresses badly is *stored* (RFC 1951 3.2.4): its bytes, length and CRC are known from the tar's
layout alone. What is *deflated* must be compressed to be sent, but its size is remembered from the first time, so
the archive has a length, and a range compresses no more than the members it begins and ends in.

The same compressor must give the same bytes again, so each is fed even chunks, and its name and version are part of
the ETag. No name, no time: gzip headers are constant.
"""

import hashlib
import struct
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from retrieval.crc32 import combined
from retrieval.tarplan import TarPlan
from retrieval.virtual import FileRange, Segment, joined

STORED = 0
"""Remembered instead of a size: the member is stored, not deflated."""

_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_TRAILER = struct.Struct("<2I")
_BLOCK = struct.Struct("<B2H")
_BLOCK_BYTES = 0xFFFF
_SMALLEST = len(_HEADER) + 2 + _TRAILER.size
_CHUNK_BYTES = 1 << 20
_WORTHWHILE = 32


class Compressor(Protocol):
    """What makes raw deflate (RFC 1951), such as ``zlib.compressobj(1, zlib.DEFLATED, -15)``."""

    def compress(self, data: bytes, /) -> bytes:
        """Take some bytes and return what is ready."""

    def flush(self) -> bytes:
        """Return the rest, with the last block's mark."""


@dataclass(frozen=True, slots=True)
class Deflated:
    """`length` bytes from `offset` on of gzip member `index`: compressing `GzipPlan.unpacked(index)` gives them."""

    index: int
    offset: int
    length: int


class Differs(Exception):
    """Gzip member `index` came out with another size than was remembered: nothing more of it may be sent."""

    def __init__(self, index: int, size: int, remembered: int) -> None:
        super().__init__(f"gzip member {index} has {size} bytes or more, {remembered} were remembered")
        self.index = index


class GzipPlan:
    """The layout of one tar.gz; gzip member i holds member i of the tar, whose end is in one more.

    `sizes` are the bytes of each gzip member as `packed_size` gave them, STORED where it is stored; `compressor`
    names what deflates them, with version and level. Raises ValueError for another number of sizes than the tar
    has members, and for one that no gzip member has.
    """

    def __init__(self, tar: TarPlan, sizes: Iterable[int], *, compressor: str) -> None:
        self.tar = tar
        self._compressor = compressor
        self._sizes = array("Q", _checked(sizes))
        if len(self._sizes) != len(tar):
            raise ValueError(f"{len(self._sizes)} sizes for a tar of {len(tar)} members")
        self._starts = array("Q", [0])
        for index, size in enumerate([*self._sizes, STORED]):
            low, high = self._unpacked_span(index)
            self._starts.append(self._starts[-1] + (size or stored_size(high - low)))
        self.length: int = self._starts[-1]
        """Bytes of the whole archive: its Content-Length."""

    def __len__(self) -> int:
        """Return the number of members, tail included."""
        return len(self._sizes)

    @cached_property
    def etag(self) -> str:
        """Strong entity tag, quoted; another for any other tar, size, way of storing or compressor."""
        told = (self.tar.etag, self._compressor, *map(str, self._sizes))
        return f'"{hashlib.sha256(" ".join(told).encode()).hexdigest()[:40]}"'

    def segments(self, start: int = 0, stop: int | None = None) -> Iterator[Segment | Deflated]:
        """Return the bytes from `start` up to `stop` (None: the end), lazily, as a tar's plus what is deflated.

        Raises ValueError, at once, unless ``0 <= start <= stop <= length``. No segment is empty.
        """
        stop = self.length if stop is None else stop
        if not 0 <= start <= stop <= self.length:
            raise ValueError(f"bytes {start} to {stop} are not inside an archive of {self.length} bytes")
        return joined(self._pieces(start, stop))

    def unpacked(self, index: int) -> Iterator[Segment]:
        """Return what gzip member `index` holds: header, file and padding of a member of the tar."""
        return self.tar.segments(*self._unpacked_span(index))

    def deflate(self, part: Deflated, unpacked: Iterable[bytes], compressor: Compressor) -> Iterator[bytes]:
        """Return the bytes of the part, compressing all that comes before it; `unpacked`: the member's bytes.

        Raises Differs, before the last bytes of the member are out, when it has not the remembered size.
        """
        size = self._sizes[part.index]
        begin = at = 0
        end = part.offset + part.length
        waiting = b""
        for piece in gzip_member(unpacked, compressor):
            begin, at = at, at + len(piece)
            if at > size:
                raise Differs(part.index, at, size)
            if waiting:
                yield waiting
            waiting = piece[max(part.offset - begin, 0) : max(end - begin, 0)]
            if end <= at < size:
                break
        if end == size != at:
            raise Differs(part.index, at, size)
        if waiting:
            yield waiting

    def member_span(self, index: int) -> tuple[int, int]:
        """Return where gzip member `index` begins and ends."""
        if not 0 <= index < len(self):
            raise IndexError(f"member {index} of an archive of {len(self)}")
        return self._starts[index], self._starts[index + 1]

    def members_within(self, start: int, stop: int) -> range:
        """Return the indices of the members whose gzip members lie wholly in the bytes `start` to `stop`."""
        first = bisect_left(self._starts, start)
        beyond = min(bisect_right(self._starts, stop) - 1, len(self))
        return range(first, max(first, beyond))

    def _unpacked_span(self, index: int) -> tuple[int, int]:
        if index == len(self):
            return self._unpacked_span(index - 1)[1] if index else 0, self.tar.length
        start, stop = self.tar.member_span(index)
        return start, stop - stop % -512

    def _pieces(self, start: int, stop: int) -> Iterator[Segment | Deflated]:
        for index in range(bisect_right(self._starts, start) - 1, len(self) + 1):
            begin = self._starts[index]
            low, high = max(start - begin, 0), min(stop, self._starts[index + 1]) - begin
            if high <= 0:
                return
            if index < len(self) and self._sizes[index]:
                yield Deflated(index, low, high - low)
            else:
                yield from _between(self._stored(index, low, high), low, high)

    def _stored(self, index: int, start: int, stop: int) -> Iterator[tuple[int, Segment]]:
        """Return pieces of a stored gzip member, each with its place, that cover the bytes `start` to `stop`."""
        low, high = self._unpacked_span(index)
        if start < len(_HEADER):
            yield 0, _HEADER
        step = _BLOCK.size + _BLOCK_BYTES
        first = max(start - len(_HEADER), 0) // step
        at = len(_HEADER) + first * step
        for begin in range(low + first * _BLOCK_BYTES, high, _BLOCK_BYTES):
            if at >= stop:
                return
            size = min(_BLOCK_BYTES, high - begin)
            yield at, _BLOCK.pack(begin + size == high, size, size ^ _BLOCK_BYTES)
            at += _BLOCK.size
            for piece in self.tar.segments(begin, begin + size):
                yield at, piece
                at += _length(piece)
        if at < stop:
            yield at, _TRAILER.pack(self._crc32(index), (high - low) & 0xFFFFFFFF)

    def _crc32(self, index: int) -> int:
        low, high = self._unpacked_span(index)
        if index == len(self):
            return zlib.crc32(bytes(high - low))
        _, size, crc32 = self.tar.member(index)
        end = self.tar.member_span(index)[1]
        header = b"".join(piece for piece in self.tar.segments(low, end - size) if isinstance(piece, bytes))
        return zlib.crc32(bytes(high - end), combined(zlib.crc32(header), crc32, size))


def gzip_member(unpacked: Iterable[bytes], compressor: Compressor) -> Iterator[bytes]:
    """Return one gzip member of all the bytes; how they come in pieces makes no difference."""
    crc = size = 0
    yield _HEADER
    for chunk in _even(unpacked):
        crc = zlib.crc32(chunk, crc)
        size += len(chunk)
        if ready := compressor.compress(chunk):
            yield ready
    yield compressor.flush() + _TRAILER.pack(crc, size & 0xFFFFFFFF)


def packed_size(unpacked: Iterable[bytes], compressor: Compressor) -> int:
    """Return what is to be remembered of a gzip member: its bytes, or STORED where deflating saves under 1/32."""
    raw = 0

    def counted() -> Iterator[bytes]:
        nonlocal raw
        for piece in unpacked:
            raw += len(piece)
            yield piece

    packed = sum(map(len, gzip_member(counted(), compressor)))
    return packed if packed <= raw - raw // _WORTHWHILE else STORED


def stored_size(size: int) -> int:
    """Return the bytes of a stored gzip member of `size` bytes (at least one)."""
    return len(_HEADER) + size + _BLOCK.size * -(-size // _BLOCK_BYTES) + _TRAILER.size


def _checked(sizes: Iterable[int]) -> Iterator[int]:
    for index, size in enumerate(sizes):
        if size != STORED and size < _SMALLEST:
            raise ValueError(f"gzip member {index}: {size} bytes are fewer than any has")
        yield size


def _even(pieces: Iterable[bytes]) -> Iterator[bytes]:
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) >= _CHUNK_BYTES:
            yield bytes(waiting[:_CHUNK_BYTES])
            del waiting[:_CHUNK_BYTES]
    if waiting:
        yield bytes(waiting)


def _length(piece: Segment) -> int:
    return piece.length if isinstance(piece, FileRange) else len(piece)


def _between(pieces: Iterator[tuple[int, Segment]], start: int, stop: int) -> Iterator[Segment]:
    """Return what lies between `start` and `stop` of pieces that come with their places."""
    for at, piece in pieces:
        low, high = max(start - at, 0), min(stop - at, _length(piece))
        if low < high:
            yield piece[low:high] if isinstance(piece, bytes) else _part(piece, low, high)


def _part(piece: FileRange, low: int, high: int) -> FileRange:
    return FileRange(piece.index, piece.offset + low, high - low)
