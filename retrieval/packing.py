"""Reading a tar.gz: what is deflated is read from its file and compressed while it leaves. Knows no database."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, cast

from retrieval.fetching import PIECE_BYTES, Reader, Sources
from retrieval.gzplan import Compressor, Deflated, DeflateStream, GzipPlan, Piece
from retrieval.virtual import FileRange, Segment


class PieceReader(Protocol):
    """Reads the pieces of one stream, in order, called in threads, one call at a time."""

    async def arrival(self, batch: Sequence[Piece], /) -> None:
        """Return when `read` will not wait for a store."""

    def read(self, batch: Sequence[Piece], /) -> bytes:
        """The bytes of one batch."""

    def close(self) -> None:
        """Wait for the read that is under way and close its file; may be called again."""


class PackingReader:
    """Reads the pieces of one stream of a tar.gz, as `Reader` does those of a zip.

    Pieces that follow each other in a file go on with the same compressor; one that begins further on has the file
    compressed from its beginning.
    """

    def __init__(self, plan: GzipPlan, reader: Reader, new: Callable[[], Compressor]) -> None:
        self._plan = plan
        self._reader = reader
        self._new = new
        self._stream: DeflateStream | None = None
        self._index = -1
        self._asked = 0

    async def arrival(self, batch: Sequence[Piece], /) -> None:
        """Return when what begins the batch has come from its store; of what is compressed more may be waited for."""
        await self._reader.arrival([self._next_of(part) for part in batch[:1]])

    def read(self, batch: Sequence[Piece], /) -> bytes:
        """The bytes of one batch. Raises Unfit and ValueError as `Reader.read` does, and Differs."""
        parts = [
            self._deflated(part) if isinstance(part, Deflated) else self._reader.read([part]) for part in batch
        ]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Wait for the read that is under way and close its file; may be called again."""
        self._reader.close()

    def _deflated(self, part: Deflated) -> bytes:
        stream = self._stream
        if stream is None or part.index != self._index or part.offset < stream.at:
            unpacked = self._unpacked(part.index)
            stream = DeflateStream(part.index, self._plan.packed_bytes(part.index), unpacked, self._new())
            self._stream, self._index, self._asked = stream, part.index, 0
        return stream.read(part.offset, part.length)

    def _unpacked(self, index: int) -> Iterator[bytes]:
        for segment in self._plan.unpacked(index):
            if isinstance(segment, bytes):
                yield segment
                continue
            for piece in in_pieces(segment):
                self._asked = piece.offset + piece.length
                yield self._reader.read([piece])

    def _next_of(self, part: Piece) -> Segment:
        """What of its file is read next for a piece."""
        if not isinstance(part, Deflated):
            return part
        return FileRange(part.index, self._asked if part.index == self._index else 0, 1)


def plain_reader(sources: Sources, coming: Iterable[Piece]) -> PieceReader:
    """The same for pieces of which none is deflated."""
    return cast("PieceReader", Reader(sources, coming))


def unpacked(plan: GzipPlan, coming: Iterable[Piece]) -> Iterator[Segment]:
    """What is read of the files for the pieces that are coming: whole files where they are compressed."""
    for piece in coming:
        if isinstance(piece, Deflated):
            yield from plan.unpacked(piece.index)
        else:
            yield piece


def in_pieces(whole: FileRange) -> Iterator[FileRange]:
    """A range of a file, a piece at a time."""
    stop = whole.offset + whole.length
    for offset in range(whole.offset, stop, PIECE_BYTES):
        yield FileRange(whole.index, offset, min(PIECE_BYTES, stop - offset))
