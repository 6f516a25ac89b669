"""Looking at many remote files at once, and reading one whole to learn its checksums."""

import hashlib
import threading
import zlib
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from time import monotonic
from typing import NamedTuple

from portal.remote.ahead import BEAT_SECONDS, Ahead, Part
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
    sources: Sequence[str],
    *,
    seconds: float = float("inf"),
    limits: Limits | None = None,
    beat: Callable[[], None] | None = None,
) -> list[Found | StoreProblem | None]:
    """What the stores tell of each file now, LOOKS_AT_ONCE at a time; None where `seconds` were over before.

    StoreProblems are returned, not raised. `beat` is called about once a second.
    """
    if not sources:
        return []
    round_ = _Round(sources, seconds, limits or Limits.configured())
    try:
        for _ in range(round_.workers):
            threading.Thread(target=round_.work, daemon=True).start()
        while (left := round_.deadline - monotonic()) > 0 and not round_.ended.wait(min(left, BEAT_SECONDS)):
            if beat is not None:
                beat()
    finally:
        round_.halt.set()
    return list(round_.found)


class _Round:
    """One look at many files, shared by the threads that take part."""

    def __init__(self, sources: Sequence[str], seconds: float, limits: Limits) -> None:
        self.halt = Halt()
        self.deadline = monotonic() + seconds
        self.found: list[Found | StoreProblem | None] = [None] * len(sources)
        self.workers = min(LOOKS_AT_ONCE, len(sources))
        self.ended = threading.Event()
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
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self.workers -= 1
            if not self.workers:
                self.ended.set()

    def _todo(self) -> tuple[int, str] | None:
        with self._lock:
            return next(self._left, None) if monotonic() < self.deadline else None


def measure(source: str, advance: Callable[[int], None] | None = None, limits: Limits | None = None) -> Measured:
    """Read a remote file once, several parts at a time.

    `advance` is called with the bytes of each piece, and with 0 about once a second while none come. Raises
    StoreProblem when the file cannot be read or changes while it is read, and what `advance` raises.
    """
    with closing(measure_each([source], advance, limits)) as each:
        measured = next(each)
    if isinstance(measured, StoreProblem):
        raise measured
    return measured


def measure_each(
    sources: Sequence[str], advance: Callable[[int], None] | None = None, limits: Limits | None = None
) -> Generator[Measured | StoreProblem, None, None]:
    """The same of many files in turn, each read before it is asked for. StoreProblems are handed out, not raised."""
    tell = advance or _nobody
    looks = look_at_all(sources, limits=limits, beat=lambda: tell(0))
    found = {place: one for place, one in enumerate(looks) if isinstance(one, Found)}
    coming = (Part(place, 0, one.size) for place, one in found.items() if one.size)
    ahead = Ahead(lambda place: Expected(sources[place], *found[place]), coming, limits)
    try:
        for place, look in enumerate(looks):
            yield _read_whole(ahead, place, look, tell) if isinstance(look, Found) else look or _unanswered()
    finally:
        ahead.close()


def _read_whole(ahead: Ahead, place: int, found: Found, tell: Callable[[int], None]) -> Measured | StoreProblem:
    digest, crc32 = hashlib.sha256(), 0
    try:
        for piece in ahead.take(place, 0, found.size, lambda: tell(0)):
            digest.update(piece)
            crc32 = zlib.crc32(piece, crc32)
            tell(len(piece))
    except StoreProblem as problem:
        ahead.skip(place)
        return problem
    return Measured(found, crc32, digest.hexdigest())


def _unanswered() -> StoreProblem:
    return StoreProblem("The store of this file did not answer in time.", temporary=True)


def _nobody(count: int) -> None:
    """Nobody is told how many bytes were read."""
