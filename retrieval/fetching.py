"""Reading ranges of stored files, in order, each checked against what was measured of it. Knows no database.

Whoever streams calls `Reader.read` in a thread, one call at a time, and `close` at the end. A file lies on a disk of
ours or in a remote store (portal.remote); those are read ahead, in the order of the archive.
"""

import asyncio
import os
import stat
import zlib
from array import array
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from threading import Lock

from portal.remote.addresses import is_remote
from portal.remote.ahead import Ahead, Part
from portal.remote.limits import Halted, Limits
from portal.remote.measuring import look_at_all
from portal.remote.problems import StoreProblem
from portal.remote.reading import Expected
from retrieval.zipplan import FileRange, Segment

OPENING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
"""Never waits, not even for the other end of a pipe that took a file's place, and never follows a link that did:
the catalogue keeps resolved paths."""

PIECE_BYTES = 1 << 20
"""Headers and small files are packed into pieces of this size; large files are cut into them."""

UNKNOWN = -1

LOOKING_SECONDS = 20.0
"""So long the stores are asked about remote files before the first byte; what is left is compared when it is read."""


class Unfit(Exception):
    """The file of member `index` is not what was promised, or cannot be read; `reason` is for the user.

    `temporary`: nothing is known to be wrong with the file, but its store does not give it at present.
    """

    def __init__(self, index: int, reason: str, *, temporary: bool = False) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason
        self.temporary = temporary


class Sources:
    """Where the members' bytes lie and what was measured of them, compactly: 100,000 members fit into a few MB."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.sizes = array("q")
        self.mtimes = array("q")
        self.crcs = array("q")
        self.etags: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def add(self, path: str, size: int, mtime_ns: int, crc32: int, etag: str = "") -> None:
        """One more member: size in bytes, mtime in ns since 1970, UNKNOWN where the CRC-32 was not measured.

        A remote file has its address as path, and the ETag that its store gave it.
        """
        if is_remote(path):
            self.etags[len(self.paths)] = etag
        self.paths.append(path)
        self.sizes.append(size)
        self.mtimes.append(mtime_ns)
        self.crcs.append(crc32)

    def unfit(self) -> Iterator[Unfit]:
        """Every member whose file is not, now, the readable file that was measured."""
        for index, path in enumerate(self.paths):
            reason = "" if index in self.etags else difference(path, self.sizes[index], self.mtimes[index])
            if reason:
                yield Unfit(index, reason)
        yield from self._unfit_in_stores()

    @property
    def are_remote(self) -> bool:
        """Whether some of them have to be asked for elsewhere."""
        return bool(self.etags)

    def expected(self, index: int) -> Expected:
        """What was measured of a remote member."""
        return Expected(self.paths[index], self.sizes[index], self.etags[index], self.mtimes[index])

    def _unfit_in_stores(self) -> Iterator[Unfit]:
        remote = list(self.etags)
        found = look_at_all([self.paths[index] for index in remote], seconds=LOOKING_SECONDS)
        if remote and not any(found):
            yield Unfit(remote[0], "The store of this file did not answer in time.", temporary=True)
        for index, now in zip(remote, found, strict=True):
            if isinstance(now, StoreProblem):
                yield Unfit(index, now.reason, temporary=now.temporary)
            elif now is not None and (reason := self.expected(index).difference(now)):
                yield Unfit(index, reason)


def difference(path: str, size: int, mtime_ns: int) -> str:
    """Why the file at `path` is not the readable one of this size and time; empty when it is."""
    try:
        found = os.lstat(path)  # half the time of Path(path).stat(), and there may be 500,000
    except OSError as error:
        return unreadable(error)
    if not stat.S_ISREG(found.st_mode) or not os.access(path, os.R_OK):
        return "This file cannot be read by the archive's server."
    return moved(found, size, mtime_ns)


def moved(found: os.stat_result, size: int, mtime_ns: int) -> str:
    """How a file on disk differs from what was measured of it; empty when it does not."""
    if found.st_size != size:
        return f"This file has {found.st_size:,} bytes in the archive instead of {size:,}."
    if found.st_mtime_ns != mtime_ns:
        when = datetime.fromtimestamp(found.st_mtime, UTC)
        return f"This file was written again in the archive at {when:%Y-%m-%d %H:%M:%S} UTC."
    return ""


def unreadable(error: OSError) -> str:
    """An operating system's or a store's refusal, as a reason that a user can read."""
    if isinstance(error, StoreProblem):
        return error.reason
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "The archive has no bytes for this file."
    return f"This file cannot be read by the archive's server: {error.strerror or error}."


def batches(segments: Iterable[Segment], size: int = PIECE_BYTES) -> Iterator[list[Segment]]:
    """Pack segments into lists of `size` bytes (the last, and those with long constant bytes, may differ)."""
    batch: list[Segment] = []
    room = size
    for segment in segments:
        left = segment
        while isinstance(left, FileRange) and left.length > room:
            batch.append(FileRange(left.index, left.offset, room))
            yield batch
            left = FileRange(left.index, left.offset + room, left.length - room)
            batch, room = [], size
        batch.append(left)
        room -= left.length if isinstance(left, FileRange) else len(left)
        if room <= 0:
            yield batch
            batch, room = [], size
    if batch:
        yield batch


class Reader:
    """Reads the pieces of one stream; at most one file is open, the one that is being read.

    `coming`: what will be read, so that remote files can be read ahead. A stream whose client goes away is closed
    while another thread may still be reading for it, hence the lock.
    """

    def __init__(self, sources: Sources, coming: Iterable[object] = (), limits: Limits | None = None) -> None:
        self._sources = sources
        self._ahead = Ahead(sources.expected, _remote(sources, coming), limits) if sources.are_remote else None
        self._lock = Lock()
        self._closed = False
        self._handle = -1
        self._index = -1
        self._crc: int | None = None
        self._next = 0

    async def arrival(self, batch: list[Segment]) -> None:
        """Return when `read` will not wait for a store: threads are few, and a slow store would keep one busy."""
        for part in batch if self._ahead is not None else ():
            if isinstance(part, FileRange) and part.index in self._sources.etags:
                assert self._ahead is not None
                await asyncio.wrap_future(self._ahead.arrival(part.index, part.offset, part.length))

    def read(self, batch: list[Segment]) -> bytes:
        """The bytes of one batch. Raises Unfit: nothing of the batch may then be sent; ValueError once closed."""
        with self._lock:
            if self._closed:
                raise ValueError("read from a closed reader")
            parts = [self._read(part) if isinstance(part, FileRange) else part for part in batch]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """End the reads ahead, wait for the read that is under way and close its file; may be called again."""
        if self._ahead is not None:
            self._ahead.stop()
        with self._lock:
            self._closed = True
            self._shut()
            if self._ahead is not None:
                self._ahead.close()

    def _shut(self) -> None:
        handle, self._handle, self._index = self._handle, -1, -1
        if handle >= 0:
            os.close(handle)

    def _read(self, part: FileRange) -> bytes:
        index, offset, length = part.index, part.offset, part.length
        if index in self._sources.etags:
            return self._read_remote(part)
        try:
            if index != self._index:
                self._open(index)
            data = self._bytes(offset, length)
            self._check(index)
        except OSError as error:
            raise Unfit(index, unreadable(error)) from error
        if len(data) != length:
            raise Unfit(index, f"This file ended after {offset + len(data):,} bytes while it was read.")
        self._sum(index, offset, data)
        return data

    def _read_remote(self, part: FileRange) -> bytes:
        assert self._ahead is not None
        if part.index != self._index:
            self._shut()
            self._index, self._crc, self._next = part.index, None, 0
        try:
            data = b"".join(self._ahead.take(part.index, part.offset, part.length))
        except StoreProblem as problem:
            raise Unfit(part.index, problem.reason, temporary=problem.temporary) from problem
        except Halted:
            raise ValueError("read from a closed reader") from None
        self._sum(part.index, part.offset, data)
        return data

    def _open(self, index: int) -> None:
        self._shut()
        self._handle = os.open(self._sources.paths[index], OPENING)
        self._index, self._crc, self._next = index, None, 0
        self._check(index)

    def _bytes(self, offset: int, length: int) -> bytes:
        data = os.pread(self._handle, length, offset)
        while data and len(data) < length:
            more = os.pread(self._handle, length - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    def _check(self, index: int) -> None:
        reason = moved(os.fstat(self._handle), self._sources.sizes[index], self._sources.mtimes[index])
        if reason:
            raise Unfit(index, reason)

    def _sum(self, index: int, offset: int, data: bytes) -> None:
        """Compare the CRC-32 of a file that is read from its first byte to its last."""
        if offset == 0:
            self._crc, self._next = 0, 0
        if self._crc is None or offset != self._next:
            self._crc = None
            return
        self._crc = zlib.crc32(data, self._crc)
        self._next += len(data)
        if self._next == self._sources.sizes[index]:
            if self._sources.crcs[index] not in {self._crc, UNKNOWN}:
                raise Unfit(index, "The bytes of this file are not those that were measured: its CRC-32 differs.")
            self._shut()


def _remote(sources: Sources, coming: Iterable[object]) -> Iterator[Part]:
    """The ranges of remote files among what is coming."""
    for part in coming:
        if isinstance(part, FileRange) and part.index in sources.etags:
            yield Part(part.index, part.offset, part.length)
