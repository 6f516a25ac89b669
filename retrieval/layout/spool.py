"""Bytes that wait, in memory while they are few and in a nameless file when they are many."""

import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, cast

IN_MEMORY_BYTES = 1 << 18
_PIECE_BYTES = 1 << 18
_WAITING_BYTES = 1 << 16


class Spools(ExitStack):
    """Makes spools and gives back what they hold at the end."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def file(self) -> BinaryIO:
        """An empty temporary file."""
        made = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES, dir=str(self._folder))  # noqa: SIM115  # see below
        return cast("BinaryIO", self.enter_context(made))

    def spool(self) -> "Spool":
        """An empty spool."""
        return Spool(self.file())


class Spool:
    """Counts and sums what is written to it; it can be read again and again."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting = bytearray()
        self._crc32 = 0
        self.size = 0

    @property
    def crc32(self) -> int:
        """CRC-32 of all that was written."""
        self._flush()
        return self._crc32

    def write(self, data: bytes) -> None:
        """Take some more bytes."""
        self._waiting += data
        self.size += len(data)
        if len(self._waiting) >= _WAITING_BYTES:
            self._flush()

    def pieces(self) -> Iterator[bytes]:
        """All the bytes, in pieces."""
        self._flush()
        self._file.seek(0)
        while piece := self._file.read(_PIECE_BYTES):
            yield piece

    def _flush(self) -> None:
        self._file.write(self._waiting)
        self._crc32 = zlib.crc32(self._waiting, self._crc32)
        self._waiting = bytearray()
