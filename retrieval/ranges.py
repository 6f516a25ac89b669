"""Byte ranges: those a client asks for, and those of a bundle that have left. Pure; spans are [start, stop)."""

import re
from collections.abc import Iterable, Sequence

Span = tuple[int, int]

MOST_SPANS = 1000
"""More separate spans than this are no resumed download; the shortest are forgotten."""

MOST_RANGES = 100
"""A request for more ranges than this is answered with the whole (RFC 9110 14.2)."""

GAP = 128
"""Bytes between two ranges that cost less to send than the lines that announce a part of its own would."""

_UNIT = re.compile(r"\s*bytes\s*=(.*)", re.ASCII | re.IGNORECASE | re.DOTALL)
_RANGE = re.compile(r"\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII)


class Unsatisfiable(Exception):
    """No range begins before the end: 416 (RFC 9110 15.5.17)."""


def requested(header: str, length: int) -> list[Span]:
    """The ranges of a Range header over `length` bytes, in the order of the request (RFC 9110 14.1.2, 14.2).

    Ranges that overlap or nearly touch are joined (15.3.7.2): however many are asked for, together they are never more
    than the whole and a few lines. An empty list where the whole is due: no header, another unit, a malformed range,
    too many of them. Raises Unsatisfiable.
    """
    found = _UNIT.fullmatch(header)
    items = [item for item in found[1].split(",") if item.strip()] if found else []
    if not items or len(items) > MOST_RANGES:
        return []
    spans = [_span(item, length) for item in items]
    if None in spans:
        return []
    satisfiable = [span for span in spans if span is not None and span[0] < span[1]]
    if not satisfiable:
        raise Unsatisfiable
    return _joined(satisfiable)


def _span(item: str, length: int) -> Span | None:
    """One range, empty when it begins behind the end; None when it is malformed."""
    found = _RANGE.fullmatch(item)
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        return max(length - int(last), 0), length
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, length) if last else length


def _joined(spans: list[Span]) -> list[Span]:
    """Disjoint spans that hold all of these, in the order in which the first of each was asked for."""
    together: list[tuple[int, int, int]] = []
    for start, stop, place in sorted((*span, place) for place, span in enumerate(spans)):
        if together and start <= together[-1][1] + GAP:
            before = together[-1]
            together[-1] = before[0], max(before[1], stop), min(before[2], place)
        else:
            together.append((start, stop, place))
    return [(start, stop) for start, stop, _ in sorted(together, key=lambda span: span[2])]


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
