"""A tar.gz as a virtual file: one gzip member per member of the tar, so that remembered sizes give its length.

The gzip members (RFC 1952 2.2) follow each other, each a tar header, the file and its padding; one more holds the
end of the tar. What compresses badly is *stored* (RFC 1951 3.2.4): its bytes, length and CRC are known from the tar's
layout alone. Of what is *deflated* the tar header is stored too, in blocks of its own before the compressed ones, so
the compressed bytes depend on the file alone, not on its name or the day: their number is remembered from the first
time, for every later archive that holds the file. A range compresses no more than the members it begins and ends in.

The same compressor must give the same bytes again, so each is fed even chunks, and its name and version are part of
the ETag. No name, no time: gzip headers are constant.
"""

import hashlib
import struct
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from retrieval.crc32 import combined
from retrieval.virtual import FileRange, Segment, checked_range, joined, spans_within

STORED = 0
"""Remembered instead of a size: the member is stored, not deflated."""

_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_TRAILER = struct.Struct("<2I")
_BLOCK = struct.Struct("<B2H")
_BLOCK_BYTES = 0xFFFF
_SMALLEST = 2
_CHUNK_BYTES = 1 << 20
_WORTHWHILE = 32


class Compressor(Protocol):
    """What makes raw deflate (RFC 1951), such as ``zlib.compressobj(1, zlib.DEFLATED, -15)``."""

    def compress(self, data: bytes, /) -> bytes:
        """Take some bytes and return what is ready."""

    def flush(self) -> bytes:
        """Return the rest, with the last block's mark."""


class Tar(Protocol):
    """What is asked of the tar inside: laid out in memory (`TarPlan`) or on disk."""

    @property
    def length(self) -> int: ...

    @property
    def etag(self) -> str: ...

    def __len__(self) -> int: ...

    def segments(self, start: int, stop: int) -> Iterator[Segment]: ...

    def member_span(self, index: int) -> tuple[int, int]: ...

    def data_start(self, index: int) -> int: ...

    def crc32(self, index: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Deflated:
    """`length` bytes from `offset` on of the compressed file of member `index`: a `DeflateStream` reads them."""

    index: int
    offset: int
    length: int


Piece = Segment | Deflated


class Differs(Exception):
    """Member `index` was compressed to another size than was remembered: nothing more of it may be sent."""

    def __init__(self, index: int, size: int, remembered: int) -> None:
        super().__init__(f"gzip member {index} has {size} bytes or more, {remembered} were remembered")
        self.index = index


class GzipPlan:
    """The layout of one tar.gz; gzip member i holds member i of the tar, whose end is in one more.

    `sizes` are the bytes of each deflated file as `packed_size` gave them, STORED where it is stored; `compressor`
    names what deflates them, with version and level. Raises ValueError for another number of sizes than the tar
    has members, and for one that nothing deflated has.
    """

    def __init__(self, tar: Tar, sizes: Iterable[int], *, compressor: str) -> None:
        counted = array("Q", _checked(sizes))
        if len(counted) != len(tar):
            raise ValueError(f"{len(counted)} sizes for a tar of {len(tar)} members")
        starts, essence = array("Q", [0]), GzipEssence(compressor)
        for index, size in enumerate(counted):
            start, stop = _unpacked_span(tar, index)
            data = tar.data_start(index)
            starts.append(starts[-1] + packed_length(data - start, stop - data, size))
            essence.add(size)
        starts.append(starts[-1] + stored_size(tar.length - _end_of_members(tar)))
        self._lay_out(tar, counted, starts, essence.etag(tar.etag))

    def _lay_out(self, tar: Tar, sizes: Sequence[int], starts: Sequence[int], etag: str) -> None:
        """`starts` of all gzip members, of the one with the tar's end, and the length."""
        self.tar = tar
        self._sizes = sizes
        self._starts = starts
        self.etag: str = etag
        """Strong entity tag, quoted; another for any other tar, size, way of storing or compressor."""
        self.length: int = starts[len(sizes) + 1]
        """Bytes of the whole archive: its Content-Length."""

    def __len__(self) -> int:
        """Return the number of members, tail included."""
        return len(self._sizes)

    def segments(self, start: int = 0, stop: int | None = None) -> Iterator[Piece]:
        """Return the bytes from `start` up to `stop` (None: the end), lazily, as a tar's plus what is deflated.

        Raises ValueError, at once, unless ``0 <= start <= stop <= length``. No segment is empty.
        """
        return joined(self._pieces(*checked_range(start, stop, self.length)))

    def unpacked(self, index: int) -> Iterator[Segment]:
        """Return what is deflated of member `index`: the file and its padding."""
        return self.tar.segments(self.tar.data_start(index), _unpacked_span(self.tar, index)[1])

    def packed_bytes(self, index: int) -> int:
        """Return how many bytes the file of member `index` is deflated to, STORED where it is stored."""
        return self._sizes[index]

    def member_span(self, index: int) -> tuple[int, int]:
        """Return where gzip member `index` begins and ends."""
        if not 0 <= index < len(self):
            raise IndexError(f"member {index} of an archive of {len(self)}")
        return self._starts[index], self._starts[index + 1]

    def members_within(self, start: int, stop: int) -> range:
        """Return the indices of the members whose gzip members lie wholly in the bytes `start` to `stop`."""
        found = spans_within(self._starts, lambda index: self._starts[min(index, len(self)) + 1], start, stop)
        return range(found.start, max(found.start, min(found.stop, len(self))))

    def _pieces(self, start: int, stop: int) -> Iterator[Piece]:
        for index in range(bisect_right(self._starts, start) - 1, len(self) + 1):
            begin = self._starts[index]
            low, high = max(start - begin, 0), min(stop, self._starts[index + 1]) - begin
            if high <= 0:
                return
            if index < len(self) and self._sizes[index]:
                yield from _between(self._deflated(index), low, high)
            else:
                yield from _between(self._stored(index, low, high), low, high)

    def _deflated(self, index: int) -> Iterator[tuple[int, Piece]]:
        """Return the pieces of a deflated gzip member, each with its place."""
        size = self._sizes[index]
        start, stop = _unpacked_span(self.tar, index)
        data = self.tar.data_start(index)
        header = b"".join(piece for piece in self.tar.segments(start, data) if isinstance(piece, bytes))
        head = _HEADER + b"".join(_stored_blocks(header))
        yield 0, head
        yield len(head), Deflated(index, 0, size)
        yield len(head) + size, _TRAILER.pack(self._crc32(index, header), (stop - start) & 0xFFFFFFFF)

    def _stored(self, index: int, start: int, stop: int) -> Iterator[tuple[int, Piece]]:
        """Return pieces of a stored gzip member, each with its place, that cover the bytes `start` to `stop`."""
        low, high = _unpacked_span(self.tar, index)
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
            yield at, _TRAILER.pack(self._stored_crc32(index), (high - low) & 0xFFFFFFFF)

    def _stored_crc32(self, index: int) -> int:
        low, high = _unpacked_span(self.tar, index)
        if index == len(self):
            return zlib.crc32(bytes(high - low))
        data = self.tar.data_start(index)
        header = b"".join(piece for piece in self.tar.segments(low, data) if isinstance(piece, bytes))
        return self._crc32(index, header)

    def _crc32(self, index: int, header: bytes) -> int:
        """Return the CRC-32 of a whole member of the tar, of which no byte is read but the header's."""
        end = self.tar.member_span(index)[1]
        crc32 = combined(zlib.crc32(header), self.tar.crc32(index), end - self.tar.data_start(index))
        return zlib.crc32(bytes(-end % 512), crc32)


class GzipEssence:
    """What tells a tar.gz from any other, gathered member by member."""

    def __init__(self, compressor: str) -> None:
        self._digest = hashlib.sha256(compressor.encode())

    def add(self, size: int) -> None:
        """One more member, deflated to so many bytes or STORED."""
        self._digest.update(b" %d" % size)

    def etag(self, tar: str) -> str:
        """Return the entity tag; `tar` is that of the tar inside."""
        self._digest.update(tar.encode())
        return f'"{self._digest.hexdigest()[:40]}"'


class DeflateStream:
    """The deflated file of one member, compressed as it is read from its beginning on."""

    def __init__(self, index: int, size: int, unpacked: Iterable[bytes], compressor: Compressor) -> None:
        """`size` is what was remembered of member `index`; `unpacked` what `GzipPlan.unpacked` says, read."""
        self._index = index
        self._size = size
        self._pieces = deflated(unpacked, compressor)
        self._ready = bytearray()
        self.at = 0
        """Where the next byte that can be read lies."""

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly these bytes; `offset` is not before `at`, and what lies between is compressed and dropped.

        Raises Differs, before the last bytes of the member are out, when it has not the remembered size.
        """
        self._skip(offset)
        self._gather(length)
        if offset + length == self._size and any(self._pieces):
            raise Differs(self._index, self._size + 1, self._size)
        data = bytes(self._ready[:length])
        del self._ready[:length]
        self.at += length
        return data

    def _skip(self, offset: int) -> None:
        while self.at < offset:
            self._gather(1)
            dropped = min(len(self._ready), offset - self.at)
            del self._ready[:dropped]
            self.at += dropped

    def _gather(self, length: int) -> None:
        while len(self._ready) < length:
            piece = next(self._pieces, None)
            if piece is None:
                raise Differs(self._index, self.at + len(self._ready), self._size)
            self._ready += piece
        if self.at + len(self._ready) > self._size:
            raise Differs(self._index, self.at + len(self._ready), self._size)


def deflated(unpacked: Iterable[bytes], compressor: Compressor) -> Iterator[bytes]:
    """Return all the bytes deflated; how they come in pieces makes no difference."""
    for chunk in _even(unpacked):
        if ready := compressor.compress(chunk):
            yield ready
    yield compressor.flush()


def packed_size(unpacked: Iterable[bytes], compressor: Compressor) -> int:
    """Return what is to be remembered of a file: its bytes deflated, or STORED where that saves under 1/32."""
    raw = 0

    def counted() -> Iterator[bytes]:
        nonlocal raw
        for piece in unpacked:
            raw += len(piece)
            yield piece

    packed = sum(map(len, deflated(counted(), compressor)))
    return packed if packed <= raw - raw // _WORTHWHILE else STORED


def packed_length(header: int, rest: int, size: int) -> int:
    """Return the bytes of a gzip member: a tar header of `header` bytes, then `rest` bytes deflated to `size`."""
    if size == STORED:
        return stored_size(header + rest)
    return stored_size(header) + size


def stored_size(size: int) -> int:
    """Return the bytes of a stored gzip member of `size` bytes (at least one)."""
    return len(_HEADER) + size + _BLOCK.size * -(-size // _BLOCK_BYTES) + _TRAILER.size


def _unpacked_span(tar: Tar, index: int) -> tuple[int, int]:
    """Return where a member of the tar begins and where its padding ends; after the last one comes the end."""
    if index == len(tar):
        return _end_of_members(tar), tar.length
    start, stop = tar.member_span(index)
    return start, stop - stop % -512


def _end_of_members(tar: Tar) -> int:
    return _unpacked_span(tar, len(tar) - 1)[1] if len(tar) else 0


def _checked(sizes: Iterable[int]) -> Iterator[int]:
    for index, size in enumerate(sizes):
        if size != STORED and size < _SMALLEST:
            raise ValueError(f"gzip member {index}: {size} bytes are fewer than anything deflated has")
        yield size


def _stored_blocks(data: bytes) -> Iterator[bytes]:
    """Return the data in stored blocks, none of them marked as the last."""
    for begin in range(0, len(data), _BLOCK_BYTES):
        piece = data[begin : begin + _BLOCK_BYTES]
        yield _BLOCK.pack(0, len(piece), len(piece) ^ _BLOCK_BYTES)
        yield piece


def _even(pieces: Iterable[bytes]) -> Iterator[bytes]:
    waiting = bytearray()
    for piece in pieces:
        if not waiting and len(piece) == _CHUNK_BYTES:
            yield piece
            continue
        waiting += piece
        while len(waiting) >= _CHUNK_BYTES:
            yield bytes(waiting[:_CHUNK_BYTES])
            del waiting[:_CHUNK_BYTES]
    if waiting:
        yield bytes(waiting)


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece.length


def _between(pieces: Iterator[tuple[int, Piece]], start: int, stop: int) -> Iterator[Piece]:
    """Return what lies between `start` and `stop` of pieces that come with their places."""
    for at, piece in pieces:
        low, high = max(start - at, 0), min(stop - at, _length(piece))
        if low < high:
            yield piece[low:high] if isinstance(piece, bytes) else _part(piece, low, high)
        if at + _length(piece) >= stop:
            return


def _part(piece: FileRange | Deflated, low: int, high: int) -> FileRange | Deflated:
    return type(piece)(piece.index, piece.offset + low, high - low)
