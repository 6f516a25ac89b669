"""A bundle's bytes out of its layout on disk: any range of them, found in O(log n), read a few at a time."""

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from retrieval.fetching import Sources
from retrieval.gzplan import GzipPlan
from retrieval.layout.blocks import BlockReader
from retrieval.layout.columns import Column, Names, Table
from retrieval.layout.handle import Handle
from retrieval.virtual import FileRange, Segment, checked_range, joined, spans_within

COLUMNS = (
    "start", "data", "stop", "crc32", "deflated", "packed_start",
    "before", "size", "mtime_ns", "position", "product_id", "source_end",
)  # fmt: skip
"""Of each member where its header, its data begin and its data end, its CRC-32, and the same of a tar.gz; of each file
the bytes of all files before it, what was measured of it, whose row it is, and where the name of its source ends."""

MARK = b"skylaid\1"
"""Ends a finished layout; the last byte is the version of the file's format."""

PIECE_BYTES = 1 << 16


class StoredArchive:
    """A zip or a tar as it was laid out: the same answers as the plan in memory (retrieval.virtual) gives."""

    def __init__(self, described: dict[str, Any], columns: dict[str, Column], skeleton: BlockReader) -> None:
        self.length: int = described["archive"]["length"]
        self.etag: str = described["archive"]["etag"]
        self._members: int = described["members"]
        self._files: int = described["files"]
        self._bytes: int = described["bytes"]
        self._columns = columns
        self._skeleton = skeleton

    def __len__(self) -> int:
        """Return the number of members, tail included."""
        return self._members

    def segments(self, start: int = 0, stop: int | None = None) -> Iterator[Segment]:
        """Return the bytes from `start` up to `stop` (None: the end) as constant bytes and file ranges, lazily.

        Raises ValueError, at once, unless ``0 <= start <= stop <= length``. No segment is empty.
        """
        return joined(self._pieces(*checked_range(start, stop, self.length)))

    def member_span(self, index: int) -> tuple[int, int]:
        """Return where the header of member `index` begins and where its data ends; padding is no data."""
        return self._columns["start"][self._checked(index)], self._columns["stop"][index]

    def data_start(self, index: int) -> int:
        """Return where the header of member `index` ends and its data begins."""
        return self._columns["data"][self._checked(index)]

    def crc32(self, index: int) -> int:
        """Return the CRC-32 of a member's data."""
        return self._columns["crc32"][self._checked(index)]

    def members_within(self, start: int, stop: int) -> range:
        """Return the indices of the members that lie wholly, header and data, in the bytes `start` to `stop`."""
        return spans_within(self._columns["start"], self._columns["stop"].__getitem__, start, stop)

    def _checked(self, index: int) -> int:
        if not 0 <= index < self._members:
            raise IndexError(f"member {index} of an archive of {self._members}")
        return index

    def _pieces(self, start: int, stop: int) -> Iterator[Segment]:
        """Between the files lie constant bytes, of which the skeleton holds all, without the files' `before`."""
        ends = self._columns["stop"]
        first = bisect_right(ends, start, 0, self._files)
        at = start
        rows = zip(
            range(first, self._files),
            self._columns["data"].since(first),
            ends.since(first),
            self._columns["before"].since(first),
            strict=False,
        )
        for index, data, end, before in rows:
            if at < data:
                yield from self._constant(at - before, min(data, stop) - before)
                at = data
            if stop <= data:
                return
            if at < end:
                yield FileRange(index, at - data, min(end, stop) - at)
                at = end
            if stop <= end:
                return
        yield from self._constant(at - self._bytes, stop - self._bytes)

    def _constant(self, start: int, stop: int) -> Iterator[bytes]:
        for begin in range(start, stop, PIECE_BYTES):
            yield self._skeleton.read(begin, min(PIECE_BYTES, stop - begin))


class StoredGzip(GzipPlan):
    """A tar.gz as it was laid out, over the tar inside."""

    def __init__(self, tar: StoredArchive, described: dict[str, Any], columns: dict[str, Column]) -> None:
        self._lay_out(tar, columns["deflated"], columns["packed_start"], described["packed"]["etag"])


class Etags(Mapping[int, str]):
    """What their stores said of the remote ones among the members, by their numbers."""

    def __init__(self, names: Names, count: int) -> None:
        self._names = names
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __contains__(self, index: object) -> bool:
        return self._count > 0 and isinstance(index, int) and "\0" in self._names[index]

    def __getitem__(self, index: int) -> str:
        _, remote, etag = self._names[index].partition("\0")
        if not remote:
            raise KeyError(index)
        return etag

    def __iter__(self) -> Iterator[int]:
        if self._count:
            yield from (index for index, name in enumerate(self._names) if "\0" in name)


class Paths(Sequence[str]):
    """Where each member's bytes lie, without what is said of remote ones beside it."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> "list[str]": ...

    def __getitem__(self, index: int | slice) -> "str | list[str]":
        if isinstance(index, slice):
            return [_path(name) for name in self._names[index]]
        return _path(self._names[index])

    def __iter__(self) -> Iterator[str]:
        return map(_path, self._names)


def _path(name: str) -> str:
    return name.partition("\0")[0]


class StoredSources(Sources):
    """Where the members' bytes lie and what was measured of them, read from disk as it is asked for."""

    def __init__(self, names: Names, columns: dict[str, Column], remote: int) -> None:
        self.paths = Paths(names)  # type: ignore[assignment]  # read as a list is, never added to
        self.sizes = columns["size"]  # type: ignore[assignment]  # read as an array is, never added to
        self.mtimes = columns["mtime_ns"]  # type: ignore[assignment]  # the same
        self.crcs = columns["crc32"]  # type: ignore[assignment]  # the same
        self.etags = Etags(names, remote)  # type: ignore[assignment]  # read as a dict is, never added to


class Layout:
    """An open layout. Raises OSError when there is none at `path`, ValueError when it is damaged or of another kind."""

    def __init__(self, path: Path) -> None:
        handle = Handle(path)
        described = _described(handle)
        table = Table(handle, described["table"][0], len(COLUMNS), described["table"][1])
        columns = {name: Column(table, number, _height(name, described)) for number, name in enumerate(COLUMNS)}
        blocks = {
            name: BlockReader(handle, start, handle.numbers(place, count))
            for name, (start, place, count) in described["blocks"].items()
        }
        archive = StoredArchive(described, columns, blocks["skeleton"])
        self.plan = StoredGzip(archive, described, columns) if "packed" in described else archive
        self.compressor: str = described["packed"]["compressor"] if "packed" in described else ""
        self.positions = columns["position"]
        self.product_ids = columns["product_id"]
        self.bytes: int = described["bytes"]
        names = Names(blocks["sources"], columns["source_end"])
        self.sources = StoredSources(names, columns, described["remote"])


def _height(column: str, described: dict[str, Any]) -> int:
    members: int = described["members"]
    files: int = described["files"]
    if column == "packed_start":
        return members + 2  # where the member with the tar's end begins, and where that ends
    return members if COLUMNS.index(column) < COLUMNS.index("before") else files


def _described(handle: Handle) -> dict[str, Any]:
    tail = handle.read(max(handle.size - 16, 0), min(handle.size, 16))
    if len(tail) < 16 or tail[8:] != MARK:
        raise ValueError("not a finished layout of this version")
    length = int.from_bytes(tail[:8], "big")
    described: dict[str, Any] = json.loads(handle.read(handle.size - 16 - length, length))
    return described
