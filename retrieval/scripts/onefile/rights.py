"""The token for files with exclusive access: where it comes from, where it may go, and whether it still works."""

from __future__ import annotations

import getpass
import http.client
import json
import os
import stat
import threading
import time
from collections.abc import Sequence

from retrieval.scripts.onefile.plan import CannotStart
from retrieval.scripts.onefile.wire import Again, Failed, Origin, TokenFor, Wire, origin_of
from retrieval.scripts.onefile.words import visible

_SECONDS_BETWEEN_CHECKS = 10.0
_ASKED_AT_MOST = 3
_MOST_TOLD = 100_000
_LONGEST = 8_000


class Token(TokenFor):
    """A token, or none. It is sent only to the archive's own origins, and only for files that need it."""

    def __init__(self, value: str, origins: Sequence[str], check: str) -> None:
        """`origins` as ``scheme://host:port``; `check` answers 200 to a token that works, 401 to another."""
        self.value = value
        self.dead = False
        self._origins = {origin_of(origin) for origin in origins}
        self._check = check
        self._checked = float("-inf")
        self._lock = threading.Lock()

    def __call__(self, _origin: Origin) -> dict[str, str]:
        """The header for this origin; none for any other."""
        return {"Authorization": f"token {self.value}"} if self.usable and _origin in self._origins else {}

    @property
    def usable(self) -> bool:
        """Whether there is a token that the archive has not refused."""
        return bool(self.value) and not self.dead

    def works(self, wire: Wire) -> bool:
        """Ask the archive. True also where it cannot be asked: each file will then say so itself."""
        if not self.value or not self._check:
            return True
        try:
            answer, origin = wire.follow(self._check, {"Accept": "application/json"}, self)
            body = answer.read1(_MOST_TOLD)
        except (Again, Failed, http.client.HTTPException, OSError):
            return True
        wire.finish(answer, origin)
        return answer.status not in {401, 403} and not _is_anonymous(body)

    def refused(self, wire: Wire) -> bool:
        """After a 401: True if the token no longer works. Asks at most once in ten seconds."""
        with self._lock:
            if self.usable and time.monotonic() - self._checked > _SECONDS_BETWEEN_CHECKS:
                self.dead = not self.works(wire)
                self._checked = time.monotonic()
            return self.dead


def _is_anonymous(body: bytes) -> bool:
    try:
        told = json.loads(body)
    except ValueError:
        return False
    return isinstance(told, dict) and told.get("anon") is True


def obtained(token_file: str | None, page: str, ask: bool) -> str:
    """The token from the file, the environment or, if `ask`, the keyboard; empty if there is none.

    Raises CannotStart for a file that others can read and for a token that cannot be one.
    """
    name = token_file or ("" if os.environ.get("MAST_API_TOKEN") else os.environ.get("MAST_API_TOKEN_FILE", ""))
    if name:
        return _checked(_from_file(name), name)
    if os.environ.get("MAST_API_TOKEN"):
        return _checked(os.environ["MAST_API_TOKEN"].strip(), "MAST_API_TOKEN")
    return asked(page) if ask else ""


def asked(page: str) -> str:
    """Ask for it, without showing what is typed."""
    where = f" (from {visible(page)})" if page else ""
    prompt = f"Token for files with exclusive access{where}, or Enter for none: "
    return _checked(getpass.getpass(prompt).strip(), "What you typed")


def tested(token: Token, wire: Wire, page: str, ask: bool) -> None:
    """Test the token before the first byte. Raises CannotStart if the archive refuses it."""
    for _ in range(_ASKED_AT_MOST):
        if token.works(wire):
            return
        if not ask:
            break
        token.value = asked(page)
    where = f" Get a new one at {page}" if page else ""
    raise CannotStart(f"The archive refuses the token: it has expired, or is not one.{where}")


def _from_file(name: str) -> str:
    try:
        with open(name, encoding="utf-8", errors="replace") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            if os.name == "posix" and mode & 0o077:
                raise CannotStart(f"Others can read {name} (mode {mode:04o}). Protect it: chmod 600 {name}")
            if value := opened.readline(2 * _LONGEST).strip():
                return value
    except OSError as error:
        raise CannotStart(f"The token file {name} cannot be read: {error.strerror}") from error
    raise CannotStart(f"The token file {name} is empty.")


def _checked(value: str, where: str) -> str:
    if not (value.isascii() and value.isprintable() and len(value) <= _LONGEST):
        raise CannotStart(f"{where} is not a token: it has characters that no token has.")
    return value
