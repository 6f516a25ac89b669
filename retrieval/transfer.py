"""One stream: pieces of about 1 MiB, read in threads, handed over in order, written down once a second.

Between two pieces no database connection and no thread is held; memory is one piece, whatever the bundle weighs.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import ParamSpec, TypeVar

from django.db import connections
from django.utils import timezone

from retrieval import accounting
from retrieval.accounting import Fault, Superseded
from retrieval.bundle import Bundle
from retrieval.fetching import Reader, Unfit, batches
from retrieval.models import Outcome
from retrieval.ranges import Span
from retrieval.rights import revoked
from retrieval.zipplan import FileRange, Segment

SECONDS_BETWEEN_ENTRIES = 1.0

LAST_LOOK_SECONDS = 0.05
"""A server takes pieces for a client that has just gone as readily as for one that listens, until it is told. So
the last piece, which would make the archive complete, waits this long for the news."""

P = ParamSpec("P")
T = TypeVar("T")


class Cut(Exception):
    """The stream cannot be finished. The server, told so, breaks the connection: the client must notice."""


class Refused(Exception):
    """The right to read the file of member `index` has ended."""

    def __init__(self, index: int, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.index = index
        self.fault = fault


class Ledger:
    """What one stream asks the database and tells it. Called in threads, one call at a time."""

    def __init__(self, retrieval_id: str, user_id: int | None, guarded: set[int], *, tracked: bool) -> None:
        """`guarded`: products that this person reads by a right that may end; `tracked`: whether to write down."""
        self._retrieval_id = retrieval_id
        self._user_id = user_id
        self._guarded = guarded
        self._tracked = tracked

    def is_guarded(self, product_id: int) -> bool:
        """Whether the product is to be asked about when its file begins."""
        return product_id in self._guarded

    def ask(self, bundle: Bundle, indices: Sequence[int]) -> None:
        """Raise Refused if the person may no longer read one of these members."""
        if not indices:
            return
        places = {bundle.product_ids[index]: index for index in indices}
        for product_id, verdict in revoked(self._user_id, list(places), timezone.now()).items():
            index = places[product_id]
            fault = Fault(bundle.positions[index], Outcome.DENIED, verdict.reason, verdict.public_on)
            raise Refused(index, fault)

    def enter(self, bundle: Bundle, sent: Span) -> None:
        """The bytes `sent` were handed over. Raises Superseded when they are of a bundle that is no more."""
        if self._tracked and sent[0] < sent[1]:
            accounting.record(self._retrieval_id, bundle, sent, timezone.now())

    def cut(self, bundle: Bundle, fault: Fault) -> None:
        """The stream ends because of this file."""
        if self._tracked:
            accounting.cut(self._retrieval_id, bundle.plan.etag, fault, timezone.now())

    def pause(self, bundle: Bundle, position: int, reason: str) -> None:
        """The stream ends because a store does not give this file at present."""
        if self._tracked:
            accounting.pause(self._retrieval_id, bundle.plan.etag, position, reason, timezone.now())

    def leave(self, bundle: Bundle) -> None:
        """The client went before the end."""
        if self._tracked:
            accounting.interrupted(self._retrieval_id, bundle.plan.etag, timezone.now())


class Transfer:
    """The bytes `span` of a bundle on their way to one client."""

    def __init__(self, bundle: Bundle, span: Span, ledger: Ledger) -> None:
        self._bundle = bundle
        self._start, self._stop = span
        self._ledger = ledger
        self._reader = Reader(bundle.sources, bundle.plan.segments(self._start, self._stop))
        self._handed = self._entered = self._start
        self._entry_due = time.monotonic() + SECONDS_BETWEEN_ENTRIES
        self._reading = -1

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes, in pieces. Whatever ends them, files are closed and what was handed over is written down.

        Raises Cut when a file is not what was promised, a right has ended, or the retrieval was cancelled.
        """
        try:
            for batch in batches(self._bundle.plan.segments(self._start, self._stop)):
                await self._reader.arrival(batch)
                piece = await aside(self._read, batch)
                if self._start < self._handed and self._handed + len(piece) == self._stop:
                    await asyncio.sleep(LAST_LOOK_SECONDS)
                yield piece
                self._handed += len(piece)
                if time.monotonic() >= self._entry_due:
                    await aside(self._enter)
                await asyncio.sleep(0)
        except (Unfit, Refused) as error:
            await asyncio.shield(aside(self._cut, error))
            raise Cut(str(error)) from error
        except Superseded as error:
            raise Cut("The retrieval was cancelled, or laid out anew.") from error
        finally:
            await asyncio.shield(aside(self._finish))

    def _read(self, batch: list[Segment]) -> bytes:
        begun = [part.index for part in batch if isinstance(part, FileRange) and part.index > self._reading]
        if begun:
            self._reading = begun[-1]
            guarded = [index for index in begun if self._ledger.is_guarded(self._bundle.product_ids[index])]
            self._ledger.ask(self._bundle, guarded)
        return self._reader.read(batch)

    def _enter(self) -> None:
        if self._reading >= 0:
            self._ledger.ask(self._bundle, [self._reading])
        handed = self._handed
        self._ledger.enter(self._bundle, (self._entered, handed))
        self._entered = handed
        self._entry_due = time.monotonic() + SECONDS_BETWEEN_ENTRIES

    def _cut(self, error: Unfit | Refused) -> None:
        self._enter_rest()
        position = self._bundle.positions[error.index]
        if isinstance(error, Refused):
            self._ledger.cut(self._bundle, error.fault)
        elif error.temporary:
            self._ledger.pause(self._bundle, position, error.reason)
        else:
            self._ledger.cut(self._bundle, Fault(position, Outcome.FAILED, error.reason))

    def _enter_rest(self) -> None:
        handed = self._handed
        with suppress(Superseded):
            self._ledger.enter(self._bundle, (self._entered, handed))
        self._entered = handed

    def _finish(self) -> None:
        self._reader.close()
        self._enter_rest()
        if self._handed < self._stop:
            self._ledger.leave(self._bundle)


async def aside(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call in a thread, which then gives its database connection back."""

    def call() -> T:
        try:
            return function(*arguments, **named)
        finally:
            connections.close_all()

    return await asyncio.to_thread(call)
