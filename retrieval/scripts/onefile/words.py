"""What the program says: only printable characters reach the terminal, whatever the names contain."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterable
from typing import TextIO

_UNITS = ("kB", "MB", "GB", "TB", "PB")


def visible(text: str) -> str:
    r"""Show characters that hide, break or reorder text as escapes such as ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escape(one) for one in text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def shown_size(size: int) -> str:
    """Bytes in decimal units: 53.6 MB."""
    if size < 1000:
        return f"{size} B"
    value = float(size)
    for unit in _UNITS:
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value:.1f} {_UNITS[-1]}"


def shown_files(count: int) -> str:
    """1 file, 12 files."""
    return "1 file" if count == 1 else f"{count} files"


class Console:
    """Lines for the person. Results go to standard output, everything else to standard error."""

    def __init__(self, quiet: bool) -> None:
        """`quiet`: only results and errors."""
        self.quiet = quiet
        self.live = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._lock = threading.Lock()
        self._drawn = 0
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")

    def result(self, *lines: str) -> None:
        """Say it on standard output."""
        self._write(sys.stdout, lines)

    def note(self, *lines: str) -> None:
        """Say it on standard error, unless quiet."""
        if not self.quiet:
            self._write(sys.stderr, lines)

    def error(self, *lines: str) -> None:
        """Say it on standard error."""
        self._write(sys.stderr, lines)

    def progress(self, line: str) -> None:
        """Draw a line that the next one overwrites; only on a terminal."""
        if not self.live:
            return
        with self._lock:
            line = line[:100]
            sys.stderr.write("\r" + line.ljust(self._drawn))
            sys.stderr.flush()
            self._drawn = len(line)

    def _write(self, stream: TextIO | None, lines: Iterable[str]) -> None:
        if stream is None:
            return
        with self._lock:
            if self._drawn:
                sys.stderr.write("\r" + " " * self._drawn + "\r")
                self._drawn = 0
            try:
                stream.write("".join(visible(line) + "\n" for line in lines))
                stream.flush()
            except BrokenPipeError:
                # Whoever read the output has gone; the files still matter.
                return
