"""Reading stored files for what a bundle must know of them: their checksums, and how small each can be packed."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import groupby, islice

from portal.archives.base import StoredBytes
from portal.archives.local import measure as read_whole
from portal.archives.local import measure_remote
from portal.remote.addresses import is_remote
from retrieval import compression
from retrieval.fetching import UNKNOWN, Reader, Sources, Unfit, unreadable
from retrieval.gzplan import packed_size
from retrieval.models import Outcome, PackedSize, RetrievalFile
from retrieval.packing import in_pieces
from retrieval.virtual import FileRange

READ_TOGETHER = 100
"""So many neighbours in stores are looked at together and read ahead."""

Advance = Callable[[int], None]


def each(
    files: Iterable[RetrievalFile], advance: Advance, *, together: bool, pack: bool
) -> Iterator[RetrievalFile]:
    """Measure one file after another, in memory; one that cannot be read fails, and only that one.

    `together`: neighbours in stores are read ahead. `pack`: also to how many bytes the content of each is deflated,
    unless that is remembered.
    """
    for file in _measured(files, advance, together=together):
        if pack and file.packed is None and file.outcome == Outcome.PENDING:
            _pack(file, advance)
        yield file


def _measured(files: Iterable[RetrievalFile], advance: Advance, *, together: bool) -> Iterator[RetrievalFile]:
    for far, some in groupby(files, key=lambda file: file.crc32 is None and is_remote(file.source)):
        while neighbours := list(islice(some, READ_TOGETHER if far and together else 1)):
            if len(neighbours) == 1:
                _measure(neighbours[0], advance)
                yield neighbours[0]
                continue
            with closing(measure_remote([file.source for file in neighbours], advance)) as measured:
                for file, found in zip(neighbours, measured, strict=True):
                    _note(file, found)
                    yield file


def _measure(file: RetrievalFile, advance: Advance) -> None:
    if file.crc32 is not None:
        return
    try:
        _note(file, read_whole(file.source, advance))
    except OSError as error:
        _note(file, error)


def _note(file: RetrievalFile, found: StoredBytes | OSError) -> None:
    if isinstance(found, OSError):
        file.outcome, file.reason = Outcome.FAILED, unreadable(found)
        return
    if found.size != file.size:
        file.outcome = Outcome.FAILED
        file.reason = f"This file has {found.size:,} bytes in the archive instead of {file.size:,}."
        return
    file.mtime_ns, file.etag = found.mtime_ns, found.etag
    file.crc32, file.sha256 = found.crc32, found.sha256


def _pack(file: RetrievalFile, advance: Advance) -> None:
    known = PackedSize.objects.filter(sha256=file.sha256, size=file.size or 0, compressor=compression.name())
    file.packed = known.values_list("packed", flat=True).first()
    if file.packed is not None:
        return
    try:
        file.packed = packed_size(_unpacked(file, advance), compression.new())
    except Unfit as error:
        file.outcome, file.reason = Outcome.FAILED, error.reason


def _unpacked(file: RetrievalFile, advance: Advance) -> Iterator[bytes]:
    """The file and the padding that follows it in a tar."""
    assert file.size is not None
    assert file.mtime_ns is not None
    sources = Sources()
    sources.add(file.source, file.size, file.mtime_ns, UNKNOWN if file.crc32 is None else file.crc32, file.etag)
    pieces = list(in_pieces(FileRange(0, 0, file.size)))
    reader = Reader(sources, pieces)
    try:
        for piece in pieces:
            yield reader.read([piece])
            advance(piece.length)
    finally:
        reader.close()
    yield bytes(-file.size % 512)
