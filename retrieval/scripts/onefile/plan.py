"""The plan: which files, from where, to where. It stands at the end of the script, in comments that nobody runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

HEADER_MARK = b"#="
ENTRY_MARK = b"#:"
END_MARK = b"#."


class CannotStart(Exception):
    """Nothing was requested: wrong usage, or something is missing. The program ends with 2."""


class Entry(NamedTuple):
    """One file; `number` counts from 1, `size` in bytes, an empty `sha256` and `public_on` are not known."""

    number: int
    url: str
    uri: str
    path: str
    size: int | None
    sha256: str
    protected: bool
    public_on: str
    access: str


class Header(NamedTuple):
    """What holds for all files."""

    name: str
    origins: list[str]
    token_check: str
    token_page: str
    user: str
    files: int
    protected: int
    duplicates: int
    pack: str
    source: str


class Plan:
    """Reads the plan line by line, so that a million files need no memory."""

    def __init__(self, script: str) -> None:
        """Find the plan in the file `script`. Raises CannotStart where it is cut off."""
        self.script = script
        try:
            with open(script, "rb") as lines:
                self.header, self._start = _opened(lines)
                _check_end(lines, self.header.files)
        except OSError as error:
            raise CannotStart(f"This script cannot read itself: {error}") from error

    def entries(self) -> Iterator[Entry]:
        """Every file in the plan's order. Raises CannotStart at a line that is not as it was written."""
        number = 0
        with open(self.script, "rb") as lines:
            lines.seek(self._start)
            for line in lines:
                if line.startswith(ENTRY_MARK):
                    number += 1
                    yield _entry(number, line)
        if number != self.header.files:
            raise CannotStart(f"This script lists {number} of {self.header.files} files. Download it again.")


def _opened(lines: BinaryIO) -> tuple[Header, int]:
    for line in lines:
        if line.startswith(HEADER_MARK + b"{"):
            return Header(**_read(line[len(HEADER_MARK) :], dict)), lines.tell()
    raise CannotStart("This script is cut off: it lists no files. Download it again.")


def _check_end(lines: BinaryIO, files: int) -> None:
    size = lines.seek(0, os.SEEK_END)
    lines.seek(max(0, size - 100))
    last = lines.read().rstrip().rpartition(b"\n")[2]
    if last != END_MARK + str(files).encode():
        raise CannotStart("This script is cut off: the end of its list is not here. Download it again.")


def _entry(number: int, line: bytes) -> Entry:
    values = _read(line[len(ENTRY_MARK) :], list)
    if len(values) != len(Entry._fields) - 1:
        raise CannotStart(f"File {number} of this script was edited. Download the script again.")
    return Entry(number, *values)


def _read(text: bytes, kind: type) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise CannotStart("The list in this script was edited. Download the script again.") from error
    if not isinstance(value, kind):
        raise CannotStart("The list in this script was edited. Download the script again.")
    return value
