"""One file: asked for, resumed, repeated, verified, named. Error pages never keep their bytes."""

from __future__ import annotations

import email.utils
import errno
import http.client
import os
import re
import threading
import time
from typing import NamedTuple

from retrieval.scripts.onefile.options import Options
from retrieval.scripts.onefile.parts import Part, sha256_of
from retrieval.scripts.onefile.paths import Unsafe, place
from retrieval.scripts.onefile.plan import Entry, Header
from retrieval.scripts.onefile.rights import Token
from retrieval.scripts.onefile.state import DELIVERED, DENIED, FAILED, HERE, SKIPPED, State
from retrieval.scripts.onefile.wire import Again, Failed, Origin, TokenFor, Wire, origin_of, pieces
from retrieval.scripts.onefile.words import Console

REPEATED = frozenset({408, 425, 429, 500, 502, 503, 504})
FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
LONGEST_DELAY = 60.0
LONGEST_ASKED_DELAY = 300.0
PROGRESS = 1024 * 1024
_PAGE = re.compile(rb"(?i)\s*<(?:!doctype\s+html|html)\b")
_KINDS = {"text/html": (".html", ".htm", ".xhtml"), "application/json": (".json", ".geojson", ".ipynb")}
UNSIGNED = "Exclusive access, and there is no token"
EXPIRED = "Exclusive access, and the token no longer works"
NO_RIGHT = "You have no right to this file"


class Denied(Exception):
    """The archive does not give the file to this person."""


class Stopped(Exception):
    """The run ends before this file was done."""


class Settings(NamedTuple):
    """What all workers share and none changes."""

    header: Header
    options: Options
    folder: str
    delay: float


class Brake:
    """Ends the run early, and slows it down when the server asks for it."""

    def __init__(self) -> None:
        self.why = ""
        self.packs = True
        self._end = threading.Event()
        self._until: dict[Origin, float] = {}

    def stop(self, why: str) -> None:
        """End the run; `why` is the reason of all files that are not done."""
        self.why = self.why or why
        self._end.set()

    @property
    def stopped(self) -> bool:
        """Whether the run is to end."""
        return self._end.is_set()

    def check(self) -> None:
        """Raise Stopped if the run is to end."""
        if self._end.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Wait, unless the run ends: then raise Stopped."""
        if self._end.wait(max(0.0, seconds)):
            raise Stopped

    def slow(self, origin: Origin, seconds: float) -> None:
        """Nobody asks this origin for anything for so long."""
        self._until[origin] = time.monotonic() + seconds

    def wait_for(self, origin: Origin) -> None:
        """Wait until the origin may be asked again."""
        while (left := self._until.get(origin, 0.0) - time.monotonic()) > 0:
            self.wait(left)


class Worker:
    """Fetches one file after the other over its own connections."""

    def __init__(self, settings: Settings, state: State, token: Token, brake: Brake, console: Console) -> None:
        self.settings = settings
        self.state = state
        self.token = token
        self.brake = brake
        self.console = console
        self.wire = Wire(settings.options.timeout)

    def deliver(self, entry: Entry) -> None:
        """Bring this file, and record what became of it. Raises nothing that belongs to one file."""
        code, reason = DELIVERED, ""
        try:
            self.brake.check()
            target = place(self.settings.folder, entry.path)
            if self.settings.options.verify and self._is_right(entry, target):
                code = HERE
            else:
                self._fetch(entry, target)
        except Stopped:
            code, reason = SKIPPED, self.brake.why
        except Denied as error:
            code, reason = DENIED, str(error)
        except (Failed, Unsafe) as error:
            code, reason = FAILED, str(error)
        except (OSError, ValueError) as error:
            code, reason = self._not_written(error)
        self.tell(entry, code, reason)

    def _not_written(self, error: Exception) -> tuple[int, str]:
        if isinstance(error, OSError) and error.errno in FULL:
            self.brake.stop("The disk is full.")
            return SKIPPED, "The disk is full."
        words = (error.strerror if isinstance(error, OSError) else "") or str(error)
        return FAILED, f"It could not be written: {words}."

    def tell(self, entry: Entry, code: int, reason: str) -> None:
        """Record what became of a file, and say it."""
        self.state.record(entry.number, code, reason)
        if code in {DENIED, FAILED}:
            self.console.note(f"{'denied' if code == DENIED else 'failed'}    {entry.path}: {reason}")
        elif code == DELIVERED and not self.console.live:
            self.console.note(f"delivered {entry.path}")

    def _is_right(self, entry: Entry, target: str) -> bool:
        try:
            size = os.stat(target).st_size
            if not os.path.isfile(target) or size != (size if entry.size is None else entry.size):
                return False
            found = sha256_of(target)
        except OSError:
            return False
        if not entry.sha256:
            self.state.measured(entry.number, size, found)
        return entry.sha256 in {"", found}

    def _fetch(self, entry: Entry, target: str) -> None:
        part = Part(self.settings.folder, entry.number)
        tries = 0
        while True:
            before = part.size()
            try:
                sha256 = self._attempt(entry, part)
                break
            except Again as error:
                tries = 0 if part.size() - before >= PROGRESS else tries + 1
                self.pause(error, tries, origin_of(entry.url))
        if not entry.sha256 or entry.size is None:
            self.state.measured(entry.number, part.size(), sha256)
        self.brake.check()
        part.move_to(target)

    def pause(self, error: Again, tries: int, origin: Origin) -> None:
        """Wait before the next attempt. Raises Failed after the last one."""
        if tries >= self.settings.options.tries:
            raise Failed(f"{error} ({tries} attempts)" if tries > 1 else str(error)) from error
        delay = min(self.settings.delay * 2 ** max(0, tries - 1), LONGEST_DELAY)
        if error.wait is not None:
            delay = min(error.wait, LONGEST_ASKED_DELAY)
            if error.busy:
                self.brake.slow(origin, delay)
        self.brake.wait(delay)

    def _attempt(self, entry: Entry, part: Part) -> str:
        """Get the bytes that are missing, and return the SHA-256 of all. Raises Again, Failed, Denied, Stopped."""
        have, headers = _resumption(entry, part)
        if not have or have != entry.size:
            if entry.protected and self.token.dead:
                raise Denied(f"{EXPIRED}.")
            self.brake.wait_for(origin_of(entry.url))
            token = self.token if entry.protected else TokenFor()
            answer, origin = self.wire.follow(entry.url, headers, token)
            if answer.status not in {200, 206}:
                self.wire.finish(answer, origin)
                self._refused(answer, entry, part, have)
            else:
                try:
                    return self._received(answer, entry, part, have)
                except BaseException:
                    self.wire.abandon(answer, origin)
                    raise
        return _verified(entry, part, part.digest().hexdigest())

    def _refused(self, answer: http.client.HTTPResponse, entry: Entry, part: Part, have: int) -> None:
        """Raise what an answer without the bytes means; return if they are all here already."""
        status = answer.status
        if status == 416 and have:
            if answer.headers.get("Content-Range", "").strip() == f"bytes */{have}" and entry.size in {None, have}:
                return
            part.clear()
            raise Again("The server has another length of this file.")
        self.check_rights(status, entry)
        words = f"The server answered {status} {answer.reason}".rstrip() + "."
        if status in REPEATED:
            raise Again(words, retry_after(answer), busy=status in {429, 503})
        raise Failed(words)

    def check_rights(self, status: int, entry: Entry) -> None:
        """Raise Denied if the answer says so."""
        if status not in {401, 403}:
            return
        if entry.protected and not self.token.value:
            raise Denied(f"{UNSIGNED} (the server answered {status}).")
        if status == 401 and entry.protected and self.token.refused(self.wire):
            raise Denied(f"{EXPIRED} (the server answered {status}).")
        raise Denied(f"{NO_RIGHT} (the server answered {status}).")

    def _received(self, answer: http.client.HTTPResponse, entry: Entry, part: Part, have: int) -> str:
        """Write the body behind what is here. Returns the SHA-256 of all."""
        if answer.status == 206:
            promised = _check_range(answer, part, have)
        else:
            have = 0
            promised = None if answer.chunked else answer.length
        _check_kind(answer, entry)
        if promised is not None and entry.size is not None and promised != entry.size:
            if have:
                part.clear()
            raise Again(f"The server has {promised} bytes of this file, the archive's list {entry.size}.")
        if not have:
            part.begin(_validator(answer))
        digest, expected = part.digest(), entry.size if entry.size is not None else promised
        got = have
        with open(part.path, "ab") as opened:
            for piece in pieces(answer):
                self.brake.check()
                if not got and not entry.sha256:
                    _check_body(entry, piece)
                opened.write(piece)
                digest.update(piece)
                got += len(piece)
                self.state.arrived(len(piece))
                if expected is not None and got > expected:
                    part.clear()
                    raise Again(f"The server sent more than the {expected} bytes of this file.")
        if expected is not None and got < expected:
            raise Again(f"The connection broke off after {got} of {expected} bytes.")
        answer.close()
        return _verified(entry, part, digest.hexdigest())


def _resumption(entry: Entry, part: Part) -> tuple[int, dict[str, str]]:
    """Bytes that are here and can be gone on with, and the headers that ask for the rest."""
    have = part.size()
    validator = part.validator() if have else ""
    usable = have and (validator or entry.sha256) and (entry.size is None or have <= entry.size)
    if not usable:
        return 0, {}
    headers = {"Range": f"bytes={have}-"}
    return have, headers | {"If-Range": validator} if validator else headers


def _validator(answer: http.client.HTTPResponse) -> str:
    """The strong ETag, else the date of the last change (RFC 9110 13.1.5)."""
    tag = answer.headers.get("ETag", "").strip()
    if len(tag) > 2 and tag.startswith('"') and tag.endswith('"'):
        return tag
    date = answer.headers.get("Last-Modified", "").strip()
    return date if date.isascii() and date.isprintable() else ""


def _check_range(answer: http.client.HTTPResponse, part: Part, have: int) -> int | None:
    """Return the length of the whole file. Raises Again when this is not the rest of what is here."""
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("Content-Range", "").strip())
    noted, told = part.validator(), _validator(answer)
    changed = bool(noted and told and noted[0] == told[0] == '"' and noted != told)
    if not have or not found or int(found[1]) != have or changed:
        part.clear()
        raise Again("The file changed on the server." if changed else "The server sent another part of the file.")
    return None if found[3] == "*" else int(found[3])


def _check_kind(answer: http.client.HTTPResponse, entry: Entry) -> None:
    """Refuse what cannot be the file before its first byte is kept."""
    kind = answer.headers.get_content_type()
    if not entry.sha256 and kind in _KINDS and not entry.path.lower().endswith(_KINDS[kind]):
        raise Again(f"The server sent a page ({kind}) instead of the file.")
    coded = answer.headers.get("Content-Encoding", "identity").strip().lower() not in {"identity", ""}
    if coded and not entry.sha256 and not entry.path.lower().endswith((".gz", ".z")):
        raise Again("The file was compressed on its way.")


def _check_body(entry: Entry, first: bytes) -> None:
    if _PAGE.match(first) and not entry.path.lower().endswith(_KINDS["text/html"]):
        raise Again("The server sent a page (HTML) instead of the file.")


def _verified(entry: Entry, part: Part, sha256: str) -> str:
    """Return the SHA-256. Raises Again, and throws the bytes away, if they are not those of the list."""
    size = part.size()
    if entry.size is not None and size != entry.size:
        part.clear()
        raise Again(f"The server sent {size} bytes of this file, the archive's list has {entry.size}.")
    if entry.sha256 and sha256 != entry.sha256:
        part.clear()
        raise Again("The bytes are not those of the archive's list (SHA-256).")
    return sha256


def retry_after(answer: http.client.HTTPResponse) -> float | None:
    """Seconds, from a number or a date (RFC 9110 10.2.3); None where the server says nothing."""
    told = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", told):
        return float(told)
    try:
        moment = email.utils.parsedate_to_datetime(told)
    except (TypeError, ValueError, IndexError):
        return None
    return max(0.0, moment.timestamp() - time.time())
