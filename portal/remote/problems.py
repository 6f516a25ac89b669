"""What can be wrong with a store, in words for the person who wants the file."""

from email.utils import parsedate_to_datetime
from time import time


class StoreProblem(OSError):
    """A store cannot give a file. `reason` is for the user; `temporary` says that trying again may help.

    An OSError, as the same trouble with a file on disk is one. `missing`: there is no such file. `wait`: seconds that
    the store asks to stay away for.
    """

    def __init__(
        self, reason: str, *, temporary: bool = False, missing: bool = False, wait: float | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.temporary = temporary
        self.missing = missing
        self.wait = wait


CHANGED = "This file was written again in its store since it was measured."

TEMPORARY = frozenset({408, 425, 429})
"""Beside all 5xx: statuses after which the same request may succeed (RFC 9110 15.5.9, RFC 8470, RFC 6585)."""


def refused(label: str, status: int, phrase: str, retry_after: str | None) -> StoreProblem:
    """What a status that brings no bytes means."""
    said = f"{status} {phrase}".strip()
    if status in TEMPORARY or status >= 500:
        reason = f"The store {label} cannot give this file at present: it answered {said}."
        return StoreProblem(reason, temporary=True, wait=waiting_time(retry_after))
    match status:
        case 404 | 410:
            return StoreProblem(f"The store {label} has no such file: it answered {said}.", missing=True)
        case 401 | 403:
            return StoreProblem(f"The store {label} does not give this file to the archive: it answered {said}.")
        case 412:
            return StoreProblem(CHANGED)
        case 416:
            return StoreProblem(f"This file is shorter in the store {label} than when it was measured.")
    return StoreProblem(f"The store {label} does not give this file: it answered {said}.")


def waiting_time(retry_after: str | None) -> float | None:
    """Seconds, from either form of Retry-After (RFC 9110 10.2.3); None when there is none or it says nothing."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        return max(parsedate_to_datetime(text).timestamp() - time(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None
