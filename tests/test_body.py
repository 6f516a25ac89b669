"""The body of an answer: which bytes of it are which of the thing handed out."""

from email.message import Message
from email.parser import BytesParser

from hypothesis import given
from hypothesis import strategies as st

from retrieval.body import Body, multipart
from retrieval.ranges import Span

WHOLE = bytes(range(256)) * 20
SPANS = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(1, 60)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    min_size=1,
    max_size=8,
)


def sent(body: Body) -> bytes:
    return b"".join(part if isinstance(part, bytes) else WHOLE[slice(*part)] for part in body.parts)


def origins(body: Body) -> list[int | None]:
    """Of each byte of the body, which of the whole it is."""
    found: list[int | None] = []
    for part in body.parts:
        found += [None] * len(part) if isinstance(part, bytes) else list(range(*part))
    return found


@given(SPANS)
def test_a_mail_program_reads_every_part(spans: list[Span]) -> None:
    body = multipart(spans, len(WHOLE), "application/zip", "frontier")
    data = sent(body)
    assert len(data) == body.length
    head = b"Content-Type: multipart/byteranges; boundary=frontier\r\n\r\n"
    parts = BytesParser().parsebytes(
        head + data.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
    )
    payload = parts.get_payload()
    assert isinstance(payload, list)
    ranges = [part["Content-Range"] for part in payload if isinstance(part, Message)]
    assert ranges == [f"bytes {start}-{stop - 1}/{len(WHOLE)}" for start, stop in spans]
    assert data.count(b"Content-Type: application/zip\r\n") == len(spans)


@given(SPANS, st.integers(0, 3000), st.integers(0, 3000))
def test_what_arrived_is_told_as_spans_of_the_whole(spans: list[Span], one: int, other: int) -> None:
    body = multipart(spans, len(WHOLE), "application/x-tar", "frontier")
    low, high = min(one, other, body.length), min(max(one, other), body.length)
    told = [byte for span in body.spans(low, high) for byte in range(*span)]
    assert told == [byte for byte in origins(body)[low:high] if byte is not None]


def test_a_body_of_one_span_is_that_span() -> None:
    assert list(Body([(100, 200)]).spans(0, 100)) == [(100, 200)]
    assert list(Body([(100, 200)]).spans(10, 30)) == [(110, 130)]
    assert list(Body([(100, 200)]).spans(50, 50)) == []
    assert Body([]).length == 0
