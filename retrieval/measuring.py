"""Reading one stored file for what a bundle must know of it: its checksums, and how small it can be packed."""

from collections.abc import Callable, Iterator

from portal.archives.local import measure as read_whole
from retrieval import compression
from retrieval.fetching import UNKNOWN, Reader, Sources, Unfit, unreadable
from retrieval.gzplan import packed_size
from retrieval.models import Outcome, PackedSize, RetrievalFile
from retrieval.packing import in_pieces
from retrieval.virtual import FileRange


def read(file: RetrievalFile, advance: Callable[[int], None], *, pack: bool) -> None:
    """Measure one file, in memory; one that cannot be read fails, and only that one.

    With `pack`, also to how many bytes its content is deflated, unless that is remembered.
    """
    if file.crc32 is None:
        _measure(file, advance)
    if pack and file.packed is None and file.outcome == Outcome.PENDING:
        _pack(file, advance)


def _measure(file: RetrievalFile, advance: Callable[[int], None]) -> None:
    try:
        found = read_whole(file.source, advance)
    except OSError as error:
        file.outcome, file.reason = Outcome.FAILED, unreadable(error)
        return
    if found.size != file.size:
        file.outcome = Outcome.FAILED
        file.reason = f"This file has {found.size:,} bytes on disk instead of {file.size:,}."
        return
    file.mtime_ns, file.crc32, file.sha256 = found.mtime_ns, found.crc32, found.sha256


def _pack(file: RetrievalFile, advance: Callable[[int], None]) -> None:
    known = PackedSize.objects.filter(sha256=file.sha256, size=file.size or 0, compressor=compression.name())
    file.packed = known.values_list("packed", flat=True).first()
    if file.packed is not None:
        return
    try:
        file.packed = packed_size(_unpacked(file, advance), compression.new())
    except Unfit as error:
        file.outcome, file.reason = Outcome.FAILED, error.reason


def _unpacked(file: RetrievalFile, advance: Callable[[int], None]) -> Iterator[bytes]:
    """The file and the padding that follows it in a tar."""
    assert file.size is not None
    assert file.mtime_ns is not None
    sources = Sources()
    sources.add(file.source, file.size, file.mtime_ns, UNKNOWN if file.crc32 is None else file.crc32)
    reader = Reader(sources)
    try:
        for piece in in_pieces(FileRange(0, 0, file.size)):
            yield reader.read([piece])
            advance(piece.length)
    finally:
        reader.close()
    yield bytes(-file.size % 512)
