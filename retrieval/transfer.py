"""One stream: pieces of about 1 MiB, read in threads, handed over in order; what arrives is written down beside it.

Between two pieces no database connection and no thread is held; memory is one piece, whatever the bundle weighs.
What counts is what the client's machine has acknowledged (`portal.arrival`); where that is not known, what was
handed over.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any, ParamSpec, Protocol, TypeVar

from django.conf import settings
from django.db import connections

from portal import arrival
from portal.arrival import Connection
from retrieval.accounting import Fault, Superseded
from retrieval.body import Body
from retrieval.fetching import Unfit, batches
from retrieval.gzplan import Differs, Piece
from retrieval.packing import PieceReader
from retrieval.ranges import Span

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_ENTRIES = 5.0

MUCH_BYTES = 16 << 20
"""When so much has arrived it is written down at the next look."""

FIRST_SLEEP_SECONDS, LONGEST_SLEEP_SECONDS = 0.001, 0.25

P = ParamSpec("P")
T = TypeVar("T")


class Cut(Exception):
    """The stream cannot be finished. The server, told so, breaks the connection: the client must notice."""


class Idle(Exception):
    """Nothing has arrived for STREAM_IDLE_SECONDS."""


class Refused(Exception):
    """The right to read the file of member `index` has ended."""

    def __init__(self, index: int, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.index = index
        self.fault = fault


class Books(Protocol):
    """What a stream asks the database and tells it. Called in threads."""

    def is_guarded(self, index: int) -> bool:
        """Whether the right to read this member may end while it is sent."""

    def ask(self, indices: Sequence[int]) -> None:
        """Raise Refused if one of these members may no longer be read."""

    def enter(self, spans: Sequence[Span]) -> None:
        """These bytes have arrived; with none, the stream lives. Raises Superseded when it is to end."""

    def close(self, end: Exception | None, *, whole: bool) -> None:
        """The stream has ended, by this error where there was one; `whole`: everything has arrived."""


class Transfer:
    """The bytes of `body` on their way to one client: `segments` gives the pieces of a span of it, `reader` reads
    them."""

    def __init__(
        self, reader: PieceReader, segments: Callable[[int, int], Iterator[Piece]], body: Body, books: Books
    ) -> None:
        self._reader = reader
        self._segments = segments
        self._body = body
        self._books = books
        self._connection: Connection | None = None
        self._lock = Lock()
        self._offered = self._handed = self._entered = self._seen = 0
        self._entry_due = self._seen_at = time.monotonic()
        self._reading = -1
        self._end: Exception | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes, in pieces. Whatever ends them, files are closed and what has arrived is written down.

        Raises Cut when a file is not what was promised, a right has ended, or the retrieval was cancelled.
        """
        self._connection = arrival.current.get()
        books = asyncio.create_task(self._keep_books())
        try:
            for batch in batches(self._coming()):
                await self._reader.arrival(batch)
                piece = await aside(self._read, batch)
                if self._end is not None:
                    raise self._end
                if not self._is_alive():
                    return
                self._offered += len(piece)
                yield piece
                self._handed = self._offered
                await asyncio.sleep(0)
        except (Unfit, Differs, Refused, Superseded, Idle) as error:
            self._end = error
            raise Cut(str(error)) from error
        finally:
            await uninterrupted(self._wind_up(books))

    def _coming(self) -> Iterator[Piece]:
        for part in self._body.parts:
            if isinstance(part, bytes):
                yield part
            else:
                yield from self._segments(*part)

    def _read(self, batch: list[Piece]) -> bytes:
        for part in batch:
            if not isinstance(part, bytes) and part.index != self._reading:
                self._reading = part.index
                if self._books.is_guarded(part.index):
                    self._books.ask([part.index])
        return self._reader.read(batch)

    def _is_alive(self) -> bool:
        return self._end is None and (self._connection is None or self._connection.is_open())

    def _is_on_its_way(self) -> bool:
        return self._offered == self._body.length and self._arrived() < self._offered and self._is_alive()

    async def _wind_up(self, books: "asyncio.Task[None]") -> None:
        """The server lets go when it has written the last byte, which then is still on its way."""
        await aside(self._reader.close)
        sleep = FIRST_SLEEP_SECONDS
        while self._connection is not None and self._is_on_its_way():
            await asyncio.sleep(sleep)
            sleep = min(2 * sleep, LONGEST_SLEEP_SECONDS)
        books.cancel()
        await aside(self._finish)

    def _arrived(self) -> int:
        """What was offered may be at the other side before the server has said that it took it."""
        return self._handed if self._connection is None else self._connection.arrived(self._offered)

    async def _keep_books(self) -> None:
        """Once a second, also while the client takes nothing: it may have lost its right, or the retrieval ended."""
        try:
            while True:
                await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
                if self._is_due():
                    await aside(self._enter)
        except Exception as error:  # whatever it is: what cannot be written down is not sent
            self._end = error
            if self._connection is not None:
                self._connection.cut()

    def _is_due(self) -> bool:
        arrived, now = self._arrived(), time.monotonic()
        if arrived > self._seen:
            self._seen, self._seen_at = arrived, now
        elif settings.STREAM_IDLE_SECONDS and now - self._seen_at > settings.STREAM_IDLE_SECONDS:
            raise Idle(f"The client took nothing for {settings.STREAM_IDLE_SECONDS} s.")
        guarded = self._reading >= 0 and self._books.is_guarded(self._reading)
        return guarded or arrived - self._entered >= MUCH_BYTES or now >= self._entry_due

    def _enter(self) -> None:
        with self._lock:
            if self._reading >= 0 and self._books.is_guarded(self._reading):
                self._books.ask([self._reading])
            self._enter_arrived()

    def _enter_arrived(self) -> None:
        arrived = self._arrived()
        self._books.enter(list(self._body.spans(self._entered, arrived)))
        self._entered = arrived
        self._entry_due = time.monotonic() + SECONDS_BETWEEN_ENTRIES

    def _finish(self) -> None:
        with self._lock:
            with suppress(Superseded):
                self._enter_arrived()
            self._books.close(self._end, whole=self._entered == self._body.length)


async def uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """Wait for the end of it; a cancellation that comes meanwhile is passed on afterwards."""
    task, cancelled = asyncio.create_task(work), None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def aside(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call in a thread, which then gives its database connection back."""

    def call() -> T:
        try:
            return function(*arguments, **named)
        finally:
            connections.close_all()

    return await asyncio.to_thread(call)
