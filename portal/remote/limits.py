"""How long to wait, how often to try, how much to hold; and how to stop at once."""

import threading
from dataclasses import dataclass
from typing import Protocol

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Limits:
    """`seconds`: for a connection, for the head of an answer, and for each LEAST_BYTES of a body.

    `attempts` in vain, then it is given up; before each a pause that doubles from `pause` seconds. One reader has
    `requests` at once and holds `bytes` at most.
    """

    seconds: float
    attempts: int
    requests: int
    bytes: int
    pause: float = 0.5

    @classmethod
    def configured(cls) -> "Limits":
        """Those of the settings."""
        return cls(
            seconds=settings.REMOTE_TIMEOUT_SECONDS,
            attempts=settings.REMOTE_ATTEMPTS,
            requests=settings.REMOTE_READ_AHEAD,
            bytes=settings.REMOTE_READ_AHEAD_BYTES,
        )


class Halted(Exception):
    """Whoever wanted the bytes wants them no more."""


class Cuttable(Protocol):
    """A connection that another thread may end."""

    def cut(self) -> None:
        """Make a read that waits return at once."""


class Halt:
    """Ends the requests of one reader from another thread, those that wait included."""

    def __init__(self) -> None:
        self._set = threading.Event()
        self._lock = threading.Lock()
        self._open: set[Cuttable] = set()

    @property
    def is_set(self) -> bool:
        """Whether it is over."""
        return self._set.is_set()

    def set(self) -> None:
        """It is over, now."""
        self._set.set()
        with self._lock:
            for wire in self._open:
                wire.cut()

    def check(self) -> None:
        """Raise Halted when it is over."""
        if self._set.is_set():
            raise Halted

    def wait(self, seconds: float) -> None:
        """Sleep, unless it is over: then raise Halted."""
        if self._set.wait(seconds):
            raise Halted

    def watch(self, wire: Cuttable) -> None:
        """Cut this connection when it is over. Raises Halted when it is already."""
        with self._lock:
            self.check()
            self._open.add(wire)

    def forget(self, wire: Cuttable) -> None:
        """This connection is closed."""
        with self._lock:
            self._open.discard(wire)
