"""Long bytes in compressed blocks, so that a few of them can be read from anywhere."""

from array import array
from typing import BinaryIO

from retrieval.compression import expanded, squeezed
from retrieval.layout.handle import Handle

BLOCK_BYTES = 1 << 17


class BlockWriter:
    """Writes blocks to a file, one after another, wherever the file is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting = bytearray()
        self.start = file.tell()
        self.length = 0
        """Bytes taken so far."""
        self.ends = array("q")
        """Where each block ends, counted from the first one's beginning."""

    def write(self, data: bytes) -> None:
        """Take some more bytes."""
        self._waiting += data
        self.length += len(data)
        while len(self._waiting) >= BLOCK_BYTES:
            self._flush()

    def finish(self) -> None:
        """Write the last block, which may be short."""
        if self._waiting:
            self._flush()

    def _flush(self) -> None:
        block = squeezed(bytes(self._waiting[:BLOCK_BYTES]))
        del self._waiting[:BLOCK_BYTES]
        self._file.write(block)
        self.ends.append((self.ends[-1] if self.ends else 0) + len(block))


class BlockReader:
    """Reads what a `BlockWriter` wrote; keeps the block that was read last. May be shared by threads."""

    def __init__(self, handle: Handle, start: int, ends: "array[int]") -> None:
        self._handle = handle
        self._start = start
        self._ends = ends
        self._last = (-1, b"")

    def read(self, offset: int, length: int) -> bytes:
        """Return these bytes. Raises ValueError when the file is damaged."""
        number, place = divmod(offset, BLOCK_BYTES)
        data = self._block(number)[place : place + length]
        if len(data) == length:
            return data
        parts = [data]
        missing = length - len(data)
        while missing:
            number += 1
            parts.append(self._block(number)[:missing])
            missing -= len(parts[-1])
        return b"".join(parts)

    def _block(self, number: int) -> bytes:
        known, data = self._last
        if known != number:
            if number >= len(self._ends):
                raise ValueError("damaged: it ends too early")
            begin = self._ends[number - 1] if number else 0
            data = expanded(self._handle.read(self._start + begin, self._ends[number] - begin))
            self._last = (number, data)
        return data
