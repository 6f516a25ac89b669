"""An open file that any thread may read from any place, closed with the last of whoever needs it."""

import os
import weakref
from array import array
from pathlib import Path


class Handle:
    """A file that is open for reading. Raises OSError when it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._number)
        self.size = os.fstat(self._number).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly these bytes. Raises ValueError where the file has fewer."""
        data = os.pread(self._number, length, offset) if length else b""
        while len(data) < length:
            more = os.pread(self._number, length - len(data), offset + len(data))
            if not more:
                raise ValueError("damaged: it ends too early")
            data += more
        return data

    def numbers(self, offset: int, count: int) -> "array[int]":
        """Return so many numbers of 8 bytes, in this machine's order."""
        values = array("q")
        values.frombytes(self.read(offset, count * values.itemsize))
        return values
