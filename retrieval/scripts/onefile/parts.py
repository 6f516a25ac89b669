"""Bytes on their way: ``.parts/<number>.part``, what the server called them beside it, renamed when they are right."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import Any

from retrieval.scripts.onefile.paths import PARTS_FOLDER, long_path

_BLOCK = 1024 * 1024


class Part:
    """The unfinished bytes of one file."""

    def __init__(self, folder: str, number: int) -> None:
        base = long_path(os.path.join(folder, PARTS_FOLDER, str(number)))
        self.path = f"{base}.part"
        self._note = f"{base}.etag"

    def size(self) -> int:
        """Bytes that are here already."""
        try:
            return os.stat(self.path).st_size
        except OSError:
            return 0

    def validator(self) -> str:
        """What the server called this version of the file: a strong ETag or a date; empty if it called it nothing."""
        try:
            with open(self._note, encoding="latin-1") as note:
                return note.readline(1000).strip()
        except OSError:
            return ""

    def begin(self, validator: str) -> None:
        """Throw away what is here, and note what the bytes to come are called."""
        self.clear()
        if validator:
            with open(self._note, "w", encoding="latin-1") as note:
                note.write(validator + "\n")

    def clear(self) -> None:
        """Throw away what is here."""
        for path in (self.path, self._note):
            with suppress(FileNotFoundError):
                os.unlink(path)

    def digest(self) -> Any:
        """The SHA-256 of the bytes that are here, to be continued."""
        found = hashlib.sha256()
        if self.size():
            with open(self.path, "rb") as opened:
                while block := opened.read(_BLOCK):
                    found.update(block)
        return found

    def move_to(self, target: str) -> None:
        """Give the bytes their name, all at once."""
        try:
            os.replace(self.path, target)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(self.path, target)
        with suppress(FileNotFoundError):
            os.unlink(self._note)


def sha256_of(path: str) -> str:
    """The SHA-256 of a file, in lower-case hexadecimal digits."""
    found = hashlib.sha256()
    with open(path, "rb") as opened:
        while block := opened.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
