"""Byte ranges: the one a client asks for, and those of a bundle that have left. Pure; spans are [start, stop)."""

import re
from collections.abc import Iterable, Sequence

Span = tuple[int, int]

MOST_SPANS = 1000
"""More separate spans than this are no resumed download; the shortest are forgotten."""

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


class Unsatisfiable(Exception):
    """A range that begins behind the end: 416 (RFC 9110 15.5.17)."""


def requested(header: str, length: int) -> Span | None:
    """The single range of a Range header over `length` bytes (RFC 9110 14.1.2).

    None where the whole is due: no header, another unit, a malformed range, or several ranges, which a server may
    ignore (14.2). Raises Unsatisfiable.
    """
    found = _RANGE.fullmatch(header)
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, stop = max(length - int(last), 0), length
    else:
        start, stop = int(first), min(int(last) + 1, length) if last else length
        if last and int(last) < start:
            return None
    if start >= length:
        raise Unsatisfiable
    return start, stop


def merged(spans: Iterable[Sequence[int]], new: Span) -> list[Span]:
    """The spans with a new one: sorted, none touching another, none empty."""
    together: list[Span] = []
    for start, stop in sorted([*((span[0], span[1]) for span in spans), new]):
        if start >= stop:
            continue
        if together and start <= together[-1][1]:
            together[-1] = together[-1][0], max(together[-1][1], stop)
        else:
            together.append((start, stop))
    if len(together) > MOST_SPANS:
        longest = sorted(together, key=lambda span: span[0] - span[1])[:MOST_SPANS]
        together = sorted(longest)
    return together


def covered(spans: Iterable[Span]) -> int:
    """How many bytes the spans hold together."""
    return sum(stop - start for start, stop in spans)


def around(spans: Iterable[Span], inner: Span) -> Span:
    """The span that holds `inner`; an empty one when none does."""
    start, stop = inner
    return next((span for span in spans if span[0] <= start and stop <= span[1]), (start, start))
