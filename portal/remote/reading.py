"""Bytes of a remote file, each answer checked against what was promised, taken up again where a connection broke.

A part is wanted of exactly the file that was measured: If-Match names it (RFC 9110 13.1.1), or If-Unmodified-Since,
and size, ETag and time of every answer are compared, for a store may know neither.
"""

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import NamedTuple

from portal.remote.asking import Answer, Line
from portal.remote.limits import Halt, Limits
from portal.remote.problems import CHANGED, StoreProblem
from portal.remote.wire import LEAST_BYTES

LONGEST_WAIT_SECONDS = 60.0
LONGEST_ETAG = 1024

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")


class Found(NamedTuple):
    """What a store tells of a file: size in bytes, ETag as it is sent (blank: none), time in ns (0: none)."""

    size: int
    etag: str
    mtime_ns: int


class Expected(NamedTuple):
    """A file as it was measured: where, its size in bytes, its ETag (blank: none) and time in ns (0: none)."""

    source: str
    size: int
    etag: str
    mtime_ns: int

    def difference(self, found: Found) -> str:
        """How what a store tells now differs; blank when it does not."""
        if found.size != self.size:
            return f"This file has {found.size:,} bytes in its store instead of {self.size:,}."
        if self.etag and found.etag:
            same = _opaque(self.etag) == _opaque(found.etag)
        else:
            same = not self.mtime_ns or not found.mtime_ns or self.mtime_ns == found.mtime_ns
        return "" if same else CHANGED


class NoParts(StoreProblem):
    """A store that answers a request for a part with the whole."""


class Tries:
    """Attempts at one file: pauses that double, and the end of patience."""

    def __init__(self, limits: Limits, halt: Halt) -> None:
        self._limits = limits
        self._halt = halt
        self._vain = 0
        self._best = 0

    def again(self, problem: StoreProblem, got: int = 0) -> None:
        """Wait before the next attempt; `got`: bytes so far. Raises the problem when another would not help."""
        if got >= self._best + LEAST_BYTES:
            self._vain, self._best = 0, got
        self._vain += 1
        pause = self._limits.pause * 2 ** (self._vain - 1) * random.uniform(0.5, 1)  # noqa: S311  # spreads requests
        pause = pause if problem.wait is None else max(pause, problem.wait)
        if not problem.temporary or self._vain >= self._limits.attempts or pause > LONGEST_WAIT_SECONDS:
            raise problem
        self._halt.wait(pause)


def look(line: Line, source: str, tries: Tries) -> Found:
    """What the store tells of a file now. Raises StoreProblem, Halted."""
    while True:
        try:
            answer = line.ask("HEAD", source, {})
            answer.end()
            return _found(answer, answer.header("Content-Length"))
        except StoreProblem as problem:
            tries.again(problem)


def read(line: Line, expected: Expected, offset: int, length: int, tries: Tries) -> memoryview:
    """`length` bytes from `offset` on. Raises StoreProblem, Halted; never are fewer returned."""
    data = memoryview(bytearray(length))
    got = 0
    while True:
        try:
            for piece in _asked(line, expected, offset + got, length - got):
                data[got : got + len(piece)] = piece
                got += len(piece)
        except NoParts:
            if not got or length != expected.size:
                raise
            got = 0  # the whole file can still be had, from its first byte again
        except StoreProblem as problem:
            tries.again(problem, got)
        else:
            return data.toreadonly()


def _asked(line: Line, expected: Expected, first: int, length: int) -> Iterator[bytes]:
    """Pieces of one answer, exactly `length` bytes in all. Raises StoreProblem."""
    headers = _same(expected)
    if (first, length) != (0, expected.size):
        headers["Range"] = f"bytes={first}-{first + length - 1}"
    answer = line.ask("GET", expected.source, headers)
    _check(answer, expected, first, length)
    left = length
    for piece in answer.pieces():
        if len(piece) > left:
            raise _too_long(answer.label)
        left -= len(piece)
        yield piece
        if not left:
            break
    if left and answer.status == 200 and answer.told_its_end:
        raise StoreProblem(expected.difference(Found(length - left, "", 0)))
    if left:
        raise StoreProblem(f"The store {answer.label} broke off in the middle of this file.", temporary=True)
    if not answer.end():
        raise _too_long(answer.label)


def _same(expected: Expected) -> dict[str, str]:
    """The condition that the file is still the one that was measured; a weak ETag cannot state it."""
    if expected.etag and not expected.etag.startswith("W/"):
        return {"If-Match": expected.etag}
    if expected.mtime_ns:
        when = datetime.fromtimestamp(expected.mtime_ns // 1_000_000_000, UTC)
        return {"If-Unmodified-Since": format_datetime(when, usegmt=True)}
    return {}


def _check(answer: Answer, expected: Expected, first: int, length: int) -> None:
    """Raise StoreProblem unless the body of the answer is what was asked for, as far as its head tells."""
    whole = answer.status == 200
    part = None if whole else _CONTENT_RANGE.fullmatch(answer.header("Content-Range"))
    total = answer.header("Content-Length") if whole else part[3].strip("*") if part else ""
    page = _web_page(answer)
    difference = expected.difference(_found(answer, total or str(expected.size)))
    if difference:
        raise StoreProblem(page or difference)
    if whole and (first, length) != (0, expected.size):
        reason = f"The store {answer.label} sends whole files only, and a part of this one was needed."
        raise StoreProblem(page) if page else NoParts(reason)
    if not whole and (part is None or (int(part[1]), int(part[2])) != (first, first + length - 1)):
        raise StoreProblem(f"The store {answer.label} sent another part of this file than was asked for.")
    if not whole and answer.header("Content-Length") not in {"", str(length)}:
        raise StoreProblem(f"The store {answer.label} contradicts itself about the length of a part.")


def _found(answer: Answer, size: str) -> Found:
    packed = answer.header("Content-Encoding").lower()
    if packed not in {"", "identity"}:
        raise StoreProblem(f"The store {answer.label} sends this file packed ({packed}), which was not asked for.")
    if not size.isdecimal():
        raise StoreProblem(f"The store {answer.label} does not tell how many bytes this file has.")
    etag = answer.header("ETag")
    return Found(
        int(size), etag if len(etag) <= LONGEST_ETAG else "", _nanoseconds(answer.header("Last-Modified"))
    )


def _nanoseconds(date: str) -> int:
    try:
        return max(int(parsedate_to_datetime(date).timestamp()), 0) * 1_000_000_000
    except (TypeError, ValueError, OverflowError):
        return 0


def _web_page(answer: Answer) -> str:
    """A page that tells of an error, sent as if it were the file."""
    kind = answer.header("Content-Type").partition(";")[0].strip().lower()
    if kind not in {"text/html", "application/xhtml+xml"}:
        return ""
    return f"The store {answer.label} answered with a web page instead of this file."


def _too_long(label: str) -> StoreProblem:
    return StoreProblem(f"This file has more bytes in the store {label} than when it was measured.")


def _opaque(etag: str) -> str:
    return etag.removeprefix("W/")
