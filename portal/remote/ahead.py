"""Reading before it is asked: several requests at once, in the order in which the bytes will be wanted.

A part is fetched whole into memory, so a slow client of ours holds no store's connection, and parts are begun only
while all of them together stay within the limit.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from portal.remote.asking import Line
from portal.remote.limits import Halt, Halted, Limits
from portal.remote.reading import Expected, Tries, read

SMALLEST_PART_BYTES = 1 << 20
BEAT_SECONDS = 1.0

MOST_PLANNED = 8
"""For each request at once: so many small parts are planned or held at most."""


@dataclass(frozen=True, slots=True)
class Part:
    """`length` bytes from `offset` on of file `index`."""

    index: int
    offset: int
    length: int


class _Planned:
    """A part that is being fetched, or will be next: `data` or `problem` when it is done."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.data: memoryview | None = None
        self.problem: Exception | None = None

    @property
    def done(self) -> bool:
        """Whether nothing more is awaited of it."""
        return self.data is not None or self.problem is not None

    def holds(self, index: int, offset: int) -> bool:
        """Whether the byte at `offset` of file `index` is in it."""
        return index == self.part.index and self.part.offset <= offset < self.part.offset + self.part.length


class Ahead:
    """Reads the parts of files that are `coming`; `expected` tells of a file by its index what it must be.

    One thread takes, and closes at the end; `stop` may be called from any.
    """

    def __init__(
        self, expected: Callable[[int], Expected], coming: Iterable[Part], limits: Limits | None = None
    ) -> None:
        self._limits = limits or Limits.configured()
        self._expected = expected
        self._coming = cut(coming, max(self._limits.bytes // self._limits.requests, SMALLEST_PART_BYTES))
        self._next: Part | None = None
        self._halt = Halt()
        self._line = Line(self._limits, self._halt)
        self._changed = threading.Condition()
        self._planned: deque[_Planned] = deque()
        self._waiting: deque[_Planned] = deque()
        self._held = 0
        self._threads = 0
        self._ended = False
        self._skipped = -1
        self._awaited_bytes: tuple[int, int, int, Future[None]] | None = None

    def take(
        self, index: int, offset: int, length: int, beat: Callable[[], None] | None = None
    ) -> Iterator[memoryview]:
        """The bytes, in pieces. What is not the next that is coming is asked for there and then.

        `beat` is called about once a second while they are waited for. Raises StoreProblem, Halted.
        """
        while length:
            piece = self._from_planned(index, offset, length, beat)
            if piece is None:
                tries = Tries(self._limits, self._halt)
                piece = read(self._line, self._expected(index), offset, length, tries)
            offset, length = offset + len(piece), length - len(piece)
            yield piece

    def arrival(self, index: int, offset: int, length: int) -> "Future[None]":
        """Done as soon as these bytes can be taken without waiting, or will not come. One at a time."""
        arrived: Future[None] = Future()
        with self._changed:
            self._plan()
            self._awaited_bytes = (index, offset, offset + length, arrived)
            self._tell_arrival()
        return arrived

    def _tell_arrival(self) -> None:
        if self._awaited_bytes is None:
            return
        index, start, stop, arrived = self._awaited_bytes
        missing = any(
            not one.done
            and one.part.index == index
            and one.part.offset < stop
            and start < one.part.offset + one.part.length
            for one in self._planned
        )
        if self._halt.is_set or not missing:
            self._awaited_bytes = None
            if arrived.set_running_or_notify_cancel():
                arrived.set_result(None)

    def skip(self, index: int) -> None:
        """No more of this file will be taken."""
        with self._changed:
            self._skipped = index
            while self._planned and self._planned[0].part.index == index:
                self._drop()

    def stop(self) -> None:
        """End everything that is under way, at once; may be called again."""
        self._halt.set()
        with self._changed:
            self._tell_arrival()
            self._changed.notify_all()

    def close(self) -> None:
        """Stop, and close what the taking thread has open."""
        self.stop()
        self._line.close()

    def _from_planned(
        self, index: int, offset: int, length: int, beat: Callable[[], None] | None
    ) -> memoryview | None:
        """As many of the bytes as the planned part holds; None when none of the planned ones begins so."""
        with self._changed:
            self._plan()
            if not any(one.holds(index, offset) for one in self._planned):
                return None
            while not (first := self._planned[0]).holds(index, offset):
                self._drop()
            while not first.done:
                self._changed.wait(BEAT_SECONDS)
                self._halt.check()
                if beat is not None:
                    beat()
            if first.problem is not None:
                raise first.problem
            assert first.data is not None
            begin = offset - first.part.offset
            piece = first.data[begin : begin + length]
            if begin + len(piece) == first.part.length:
                self._drop()
                self._plan()
            return piece

    def _drop(self) -> None:
        self._held -= self._planned.popleft().part.length

    def _plan(self) -> None:
        """Let the next parts be fetched, as many as may be held. The taking thread alone does it."""
        while not self._ended:
            self._next = self._next or next(self._coming, None)
            if self._next is None:
                self._ended = True
            elif self._next.index == self._skipped:
                self._next = None
            elif self._is_enough(self._next):
                break
            else:
                planned = _Planned(self._next)
                self._held += planned.part.length
                self._planned.append(planned)
                self._waiting.append(planned)
                self._next = None
                self._employ()
        self._changed.notify_all()

    def _is_enough(self, part: Part) -> bool:
        if not self._planned:
            return False
        many = len(self._planned) >= MOST_PLANNED * self._limits.requests
        return many or self._held + part.length > self._limits.bytes

    def _employ(self) -> None:
        if self._threads < self._limits.requests:
            self._threads += 1
            threading.Thread(target=self._work, name=f"remote-{self._threads}", daemon=True).start()

    def _work(self) -> None:
        line = Line(self._limits, self._halt)
        try:
            while (planned := self._awaited()) is not None:
                self._fetch(line, planned)
        except Halted:
            return
        finally:
            line.close()

    def _awaited(self) -> _Planned | None:
        """The next part to fetch; None when there will be no more."""
        with self._changed:
            while not self._waiting and not self._ended and not self._halt.is_set:
                self._changed.wait()
            self._halt.check()
            return self._waiting.popleft() if self._waiting else None

    def _fetch(self, line: Line, planned: _Planned) -> None:
        part = planned.part
        try:
            tries = Tries(self._limits, self._halt)
            planned.data = read(line, self._expected(part.index), part.offset, part.length, tries)
        except Exception as error:  # whatever it is, the taker must not wait for ever
            planned.problem = error
        with self._changed:
            self._tell_arrival()
            self._changed.notify_all()


def cut(coming: Iterable[Part], most: int) -> Iterator[Part]:
    """Parts of `most` bytes at most: small neighbours in a file are joined, large ones split evenly."""
    held: Part | None = None
    for part in coming:
        if held is not None and _follows(held, part) and held.length + part.length <= most:
            held = Part(held.index, held.offset, held.length + part.length)
            continue
        if held is not None:
            yield from _split(held, most)
        held = part
    if held is not None:
        yield from _split(held, most)


def _follows(before: Part, part: Part) -> bool:
    return before.index == part.index and before.offset + before.length == part.offset


def _split(part: Part, most: int) -> Iterator[Part]:
    step = -(-part.length // -(-part.length // most))
    for begin in range(0, part.length, step):
        yield Part(part.index, part.offset + begin, min(step, part.length - begin))
