"""What became of each file: one byte per file, and words only for what is missing."""

from __future__ import annotations

import threading
from array import array

NOT_ASKED, PENDING, TO_CHECK, HERE, DELIVERED, DENIED, FAILED, SKIPPED = range(8)
OUTCOMES = {HERE: "delivered", DELIVERED: "delivered", DENIED: "denied", FAILED: "failed", SKIPPED: "skipped"}


class State:
    """Outcomes by the number of the file, from 1; every file that was asked for has exactly one at the end."""

    def __init__(self, files: int) -> None:
        self.codes = bytearray(files + 1)
        self.counts = [0] * 8
        self.bytes = 0
        self._reasons: dict[int, str] = {}
        self._known: dict[str, str] = {}
        self._sizes: array[int] | None = None
        self._digests: bytearray | None = None
        self._lock = threading.Lock()

    def record(self, number: int, code: int, reason: str = "") -> None:
        """Give a file its outcome; the last one counts."""
        with self._lock:
            self.counts[self.codes[number]] -= 1
            self.counts[code] += 1
            self.codes[number] = code
            if reason:
                self._reasons[number] = self._known.setdefault(reason, reason)
            elif self._reasons:
                self._reasons.pop(number, None)

    def arrived(self, count: int) -> None:
        """Count bytes that came over the line."""
        with self._lock:
            self.bytes += count

    def measured(self, number: int, size: int, sha256: str) -> None:
        """Note what was read of a file of which the plan does not know everything."""
        with self._lock:
            if self._sizes is None or self._digests is None:
                self._sizes = array("q", bytes(8 * len(self.codes)))
                self._digests = bytearray(32 * len(self.codes))
            self._sizes[number] = size + 1
            self._digests[32 * number : 32 * number + 32] = bytes.fromhex(sha256)

    def reason(self, number: int) -> str:
        """Why the file is missing."""
        return self._reasons.get(number, "")

    def measure(self, number: int) -> tuple[int | None, str]:
        """Size in bytes and SHA-256 as they were read; None and empty where they were not."""
        if self._sizes is None or self._digests is None or not self._sizes[number]:
            return None, ""
        return self._sizes[number] - 1, self._digests[32 * number : 32 * number + 32].hex()

    @property
    def requested(self) -> int:
        """How many files were asked for."""
        return sum(self.counts[PENDING:])

    def total(self, outcome: str) -> int:
        """How many files have this outcome."""
        return sum(self.counts[code] for code, name in OUTCOMES.items() if name == outcome)

    @property
    def complete(self) -> bool:
        """True if every file that was asked for is in the folder."""
        return self.requested == self.total("delivered")
