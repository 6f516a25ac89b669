"""Looking at many remote files at once, and reading one whole to learn its checksums."""

import hashlib
import threading
import zlib
from collections.abc import Callable, Sequence
from time import monotonic
from typing import NamedTuple

from portal.remote.ahead import Ahead, Part
from portal.remote.asking import Line
from portal.remote.limits import Halt, Halted, Limits
from portal.remote.problems import StoreProblem
from portal.remote.reading import Expected, Found, Tries, look

LOOKS_AT_ONCE = 32


class Measured(NamedTuple):
    """A remote file that was read whole: what its store tells of it, and its CRC-32 and SHA-256."""

    found: Found
    crc32: int
    sha256: str


def look_at(source: str, limits: Limits | None = None) -> Found:
    """What its store tells of one file now. Raises StoreProblem."""
    found = look_at_all([source], limits=limits)[0]
    assert found is not None
    if isinstance(found, StoreProblem):
        raise found
    return found


def look_at_all(
    sources: Sequence[str], *, seconds: float = float("inf"), limits: Limits | None = None
) -> list[Found | StoreProblem | None]:
    """What the stores tell of each file now, LOOKS_AT_ONCE at a time; None where `seconds` were over before.

    StoreProblems are returned, not raised.
    """
    round_ = _Round(sources, seconds, limits or Limits.configured())
    workers = [threading.Thread(target=round_.work, daemon=True) for _ in range(min(LOOKS_AT_ONCE, len(sources)))]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(max(round_.deadline - monotonic(), 0) if seconds != float("inf") else None)
    finally:
        round_.halt.set()
    return list(round_.found)


class _Round:
    """One look at many files, shared by the threads that take part."""

    def __init__(self, sources: Sequence[str], seconds: float, limits: Limits) -> None:
        self.halt = Halt()
        self.deadline = monotonic() + seconds
        self.found: list[Found | StoreProblem | None] = [None] * len(sources)
        self._limits = limits
        self._left = iter(enumerate(sources))
        self._lock = threading.Lock()

    def work(self) -> None:
        """Look at one after another until none is left or the time is over."""
        line = Line(self._limits, self.halt)
        try:
            while (todo := self._todo()) is not None:
                place, source = todo
                try:
                    self.found[place] = look(line, source, Tries(self._limits, self.halt))
                except StoreProblem as problem:
                    self.found[place] = problem
        except Halted:
            return
        finally:
            line.close()

    def _todo(self) -> tuple[int, str] | None:
        with self._lock:
            return next(self._left, None) if monotonic() < self.deadline else None


def measure(source: str, advance: Callable[[int], None] | None = None, limits: Limits | None = None) -> Measured:
    """Read a remote file once, several parts at a time.

    `advance` is called with the bytes of each piece, and with 0 about once a second while none come. Raises
    StoreProblem when the file cannot be read or changes while it is read, and what `advance` raises.
    """
    beat = (lambda: advance(0)) if advance else None
    found = look_at(source, limits)
    ahead = Ahead(lambda _: Expected(source, *found), [Part(0, 0, found.size)] if found.size else [], limits)
    digest, crc32 = hashlib.sha256(), 0
    try:
        for piece in ahead.take(0, 0, found.size, beat):
            digest.update(piece)
            crc32 = zlib.crc32(piece, crc32)
            if advance:
                advance(len(piece))
    finally:
        ahead.close()
    return Measured(found, crc32, digest.hexdigest())
