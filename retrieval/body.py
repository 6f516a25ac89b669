"""The body of an answer: spans of what is handed out, and what stands between them when there are several. Pure."""

from collections.abc import Iterator, Sequence
from itertools import accumulate

from retrieval.ranges import Span


class Body:
    """Constant bytes and spans, sent one after the other. `length` in bytes."""

    def __init__(self, parts: Sequence[bytes | Span]) -> None:
        self.parts = parts
        self._ends = list(accumulate(_size(part) for part in parts))
        self.length = self._ends[-1] if parts else 0

    def spans(self, low: int, high: int) -> Iterator[Span]:
        """What the bytes `low` to `high` of the body are of the thing handed out; constant bytes are nothing of it."""
        for part, end in zip(self.parts, self._ends, strict=True):
            begin = end - _size(part)
            first, last = max(low, begin), min(high, end)
            if isinstance(part, tuple) and first < last:
                yield part[0] + first - begin, part[0] + last - begin


def multipart(spans: Sequence[Span], length: int, content_type: str, boundary: str) -> Body:
    """Several spans of `length` bytes as multipart/byteranges (RFC 9110 14.6)."""
    parts: list[bytes | Span] = []
    between = ""
    for start, stop in spans:
        lines = f"{between}--{boundary}\r\nContent-Type: {content_type}\r\n"
        parts += [f"{lines}Content-Range: bytes {start}-{stop - 1}/{length}\r\n\r\n".encode(), (start, stop)]
        between = "\r\n"
    return Body([*parts, f"\r\n--{boundary}--\r\n".encode()])


def _size(part: bytes | Span) -> int:
    return len(part) if isinstance(part, bytes) else part[1] - part[0]
