"""Laying a bundle out while its members pass by, in memory that does not grow with their number."""

import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

from retrieval.gzplan import Compressor, GzipEssence, packed_length, packed_size, stored_size
from retrieval.layout.blocks import BlockWriter
from retrieval.layout.columns import TableWriter
from retrieval.layout.reading import COLUMNS, MARK, Layout
from retrieval.layout.spool import Spool, Spools
from retrieval.virtual import Essence, Format, Placed, checked

_NO_FILE = (0,) * 6


class LaidFile(NamedTuple):
    """A file of the bundle: its path there, what was measured of it, where it lies, whose row it is.

    `size` in bytes, `mtime_ns` since 1970; `packed` is what `gzplan.packed_size` said, for a tar.gz; `etag` what its
    store said of a remote file (None: it is not remote).
    """

    path: str
    size: int
    crc32: int
    source: str
    mtime_ns: int
    position: int
    product_id: int
    packed: int = 0
    etag: str | None = None


class Packing(NamedTuple):
    """The compressor of a tar.gz: makers of it, and its name with version and level."""

    new: Any
    name: str

    def size(self, unpacked: Iterable[bytes]) -> int:
        """Return what is to be remembered of these bytes."""
        compressor: Compressor = self.new()
        return packed_size(unpacked, compressor)


class LayoutWriter:
    """Writes one layout. Files come in order, then the inline members, then `publish` gives it its name.

    Paths are taken to be different (retrieval.paths sees to it). Until then nothing is there, and what
    was begun is removed. Raises ValueError for a member that no archive can take.
    """

    def __init__(self, folder: Path, framing: Format, packing: Packing | None = None) -> None:
        self._format = framing
        self._packing = packing
        self._spools = Spools(folder)
        self._part = folder / f".part-{secrets.token_hex(8)}"
        self._file: BinaryIO = self._part.open("xb")
        self._skeleton = BlockWriter(self._file)
        self._directory = self._spools.spool()
        self._sources = self._spools.spool()
        self._table = TableWriter(self._spools.file(), len(COLUMNS))
        self._tail: list[Spool] = []
        self._essence = Essence()
        self._packed_essence = GzipEssence(packing.name if packing else "")
        self._members = self._end = self._packed_end = self._bytes = self._remote = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._spools.close()
        with suppress(FileNotFoundError):
            self._part.unlink()

    def spool(self) -> Spool:
        """An empty place for the bytes of an inline member."""
        return self._spools.spool()

    def add(self, file: LaidFile) -> None:
        """One more file."""
        self._sources.write(file.source.encode())
        if file.etag is not None:
            self._remote += 1
            self._sources.write(b"\0" + file.etag.encode())
        about = (self._bytes, file.size, file.mtime_ns, file.position, file.product_id, self._sources.size)
        self._bytes += file.size
        self._place(file.path, file.size, file.crc32, file.packed, about)
        self._skeleton.write(bytes(self._format.padding(file.size)))

    def add_inline(self, path: str, data: Spool) -> None:
        """One more member, whose bytes are given here; files come no more."""
        padding = bytes(self._format.padding(data.size))
        packed = self._packing.size(chain(data.pieces(), [padding])) if self._packing else 0
        self._place(path, data.size, data.crc32, packed, _NO_FILE)
        for piece in chain(data.pieces(), [padding]):
            self._skeleton.write(piece)
        self._tail.append(data)

    def publish(self, place: Callable[[str], Path]) -> Layout:
        """Write the rest, put the whole where `place` says for its ETag, and open it."""
        for piece in self._directory.pieces():
            self._skeleton.write(piece)
        ending = self._format.ending(self._members, self._directory.size, self._end)
        self._skeleton.write(ending)
        self._skeleton.finish()
        description = self._described(self._end + self._directory.size + len(ending))
        self._close_with(description)
        path = place(description.get("packed", description["archive"])["etag"])
        self._part.replace(path)
        return Layout(path)

    def _place(self, path: str, size: int, crc32: int, packed: int, about: tuple[int, ...]) -> None:
        name = checked(path, size, crc32, self._end)
        member = Placed(self._members, name, size, crc32, self._end)
        header = self._format.header(member)
        self._skeleton.write(header)
        self._directory.write(self._format.entry(member))
        self._essence.add(header, crc32)
        data = self._end + len(header)
        rest = size + self._format.padding(size)
        self._table.append((self._end, data, data + size, crc32, packed, self._packed_end, *about))
        if self._packing:
            self._packed_end += packed_length(len(header), rest, packed)
            self._packed_essence.add(packed)
        self._members += 1
        self._end = data + rest

    def _described(self, length: int) -> dict[str, Any]:
        etag = self._essence.etag(piece for data in self._tail for piece in data.pieces())
        described: dict[str, Any] = {
            "archive": {"length": length, "etag": etag},
            "members": self._members,
            "files": self._members - len(self._tail),
            "bytes": self._bytes,
            "remote": self._remote,
        }
        if self._packing:
            self._note_packed_end()
            self._packed_end += stored_size(length - self._end)
            self._note_packed_end()
            etag = self._packed_essence.etag(etag)
            described["packed"] = {"length": self._packed_end, "etag": etag, "compressor": self._packing.name}
        return described

    def _close_with(self, description: dict[str, Any]) -> None:
        sources = BlockWriter(self._file)
        for piece in self._sources.pieces():
            sources.write(piece)
        sources.finish()
        description["blocks"] = dict(self._blocks([("skeleton", self._skeleton), ("sources", sources)]))
        description["table"] = [self._file.tell(), self._table.rows]
        self._table.pour(self._file)
        words = json.dumps(description).encode()
        self._file.write(words + len(words).to_bytes(8, "big") + MARK)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _blocks(self, named: Iterable[tuple[str, BlockWriter]]) -> Iterator[tuple[str, list[int]]]:
        """Write where the blocks end; return where they start, where that stands, and how many there are."""
        for name, blocks in named:
            place = self._file.tell()
            self._file.write(blocks.ends.tobytes())
            yield name, [blocks.start, place, len(blocks.ends)]

    def _note_packed_end(self) -> None:
        self._table.append((0, 0, 0, 0, 0, self._packed_end, *_NO_FILE))
