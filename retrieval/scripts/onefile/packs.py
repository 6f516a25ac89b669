"""Many small files in one answer: a tar whose members are named by their place in the request."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlencode

from retrieval.scripts.onefile.fetch import REPEATED, Stopped, Worker, retry_after
from retrieval.scripts.onefile.parts import Part
from retrieval.scripts.onefile.paths import Unsafe, place
from retrieval.scripts.onefile.plan import Entry
from retrieval.scripts.onefile.rights import Token
from retrieval.scripts.onefile.state import DELIVERED
from retrieval.scripts.onefile.wire import Again, Failed, TokenFor, origin_of, pieces

PACK_FILES = 1000
PACK_BYTES = 64 * 1024 * 1024
PACKED_BELOW = 4 * 1024 * 1024
_RECORD = 512


class NoPacks(Exception):
    """This server has no packs."""


class Packer:
    """One worker's way to bring many small files at once."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._url = worker.settings.header.pack

    def deliver(self, entries: Sequence[Entry]) -> None:
        """Bring these files: packed as far as that works, the others one by one."""
        left = list(entries)
        tries = 0
        while len(left) > 1 and self._worker.brake.packs and not self._worker.brake.stopped:
            before = len(left)
            try:
                left = self._once(left)
                break
            except _Cut as error:
                left = error.left
                tries = 0 if len(left) < before else tries + 1
                if not self._go_on(error, tries):
                    break
            except NoPacks:
                self._worker.brake.packs = False
        for entry in left:
            self._worker.deliver(entry)

    def _go_on(self, error: _Cut, tries: int) -> bool:
        try:
            self._worker.pause(error.cause, tries, origin_of(self._url))
        except (Failed, Stopped):
            return False
        return True

    def _once(self, entries: Sequence[Entry]) -> list[Entry]:
        """Ask for one pack. Returns the files that it does not have. Raises _Cut, NoPacks."""
        worker = self._worker
        origin = origin_of(self._url)
        token = worker.token if any(entry.protected for entry in entries) else TokenFor()
        body = urlencode([("uri", entry.uri) for entry in entries]).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/x-tar"}
        answer = None
        missing = dict(enumerate(entries))
        try:
            worker.brake.wait_for(origin)
            answer = worker.wire.ask("POST", self._url, {**headers, **token(origin)}, body)
            if answer.status == 200 and answer.headers.get_content_type() == "application/x-tar":
                self._unpack(answer, missing)
            worker.wire.finish(answer, origin)
            _check_answer(answer)
        except (Again, Stopped, OSError) as error:
            if answer is not None:
                worker.wire.abandon(answer, origin)
            raise _Cut(list(missing.values()), error) from error
        except Failed as error:
            raise NoPacks from error
        return list(missing.values())

    def _unpack(self, answer: http.client.HTTPResponse, missing: dict[int, Entry]) -> None:
        """Write what comes, and take it out of `missing` when it is right. Raises Again, Stopped, OSError."""
        source = _Exactly(pieces(answer))
        while True:
            name, size, kind = _member(source.read(_RECORD))
            if not name:
                return
            padding = -size % _RECORD
            entry = missing.get(int(name)) if kind in {b"0", b"\0"} and name.isdigit() else None
            if entry is None or size != entry.size:
                source.skip(size + padding)
                continue
            data = source.read(size)
            source.skip(padding)
            self._worker.brake.check()
            self._worker.state.arrived(size)
            if self._keep(entry, data):
                del missing[int(name)]

    def _keep(self, entry: Entry, data: bytes) -> bool:
        found = hashlib.sha256(data).hexdigest()
        if entry.sha256 not in {"", found}:
            return False
        worker = self._worker
        try:
            target = place(worker.settings.folder, entry.path)
        except Unsafe:
            return False
        part = Part(worker.settings.folder, entry.number)
        with open(part.path, "wb") as opened:
            opened.write(data)
        part.move_to(target)
        if not entry.sha256:
            worker.state.measured(entry.number, len(data), found)
        worker.tell(entry, DELIVERED, "")
        return True


def _check_answer(answer: http.client.HTTPResponse) -> None:
    """Raise Again or NoPacks; return for a pack, and where each file alone will say what is wrong."""
    if answer.status in REPEATED:
        raise Again(f"The server answered {answer.status}.", retry_after(answer), busy=answer.status in {429, 503})
    packed = answer.status == 200 and answer.headers.get_content_type() == "application/x-tar"
    if not packed and answer.status not in {401, 403}:
        raise NoPacks


class _Cut(Exception):
    """A pack that did not come to its end; `left` did not come right."""

    def __init__(self, left: list[Entry], cause: Exception) -> None:
        super().__init__(str(cause))
        self.left = left
        self.cause = cause if isinstance(cause, Again) else Again(str(cause))


class _Exactly:
    """Reads exact numbers of bytes from pieces of any size."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._held = bytearray()

    def read(self, count: int) -> bytes:
        """Raises Again where the bytes end too early."""
        while len(self._held) < count:
            piece = next(self._source, b"")
            if not piece:
                raise Again("The pack broke off.")
            self._held += piece
        found = bytes(self._held[:count])
        del self._held[:count]
        return found

    def skip(self, count: int) -> None:
        """Pass over bytes."""
        while count > 0:
            count -= len(self.read(min(count, 1 << 20)))


def _member(block: bytes) -> tuple[str, int, bytes]:
    """Name, size in bytes and type of a tar header (POSIX ustar); no name at the end. Raises Again."""
    if not block.strip(b"\0"):
        return "", 0, b""
    try:
        told = int(block[148:156].strip(b"\0 "), 8)
        size = int(block[124:136].strip(b"\0 ") or b"0", 8)
        name = block[:100].partition(b"\0")[0].decode("ascii")
    except ValueError as error:
        raise Again("The pack is damaged.") from error
    if told != sum(block) - sum(block[148:156]) + 8 * ord(" ") or not name:
        raise Again("The pack is damaged.")
    return name, size, block[156:157]


def packable(entry: Entry, pack: str) -> bool:
    """Whether the file may travel in a pack."""
    return entry.size is not None and entry.size <= PACKED_BELOW and origin_of(entry.url) == origin_of(pack)


def batches(entries: Iterable[Entry], pack: str, token: Token) -> Iterator[list[Entry]]:
    """Files that are fetched together, in the plan's order; without a token protected ones travel alone."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        if not pack or (entry.protected and not token.usable) or not packable(entry, pack):
            yield [entry]
            continue
        if len(batch) == PACK_FILES or size + (entry.size or 0) > PACK_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += entry.size or 0
    if batch:
        yield batch
