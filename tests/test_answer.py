"""The HTTP of handing out bytes, against a plain model, without a server."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from hypothesis import given
from hypothesis import strategies as st

from retrieval.answer import Conditions, Entity, answer
from retrieval.body import Body

WHOLE = bytes(range(251)) * 40
ENTITY = Entity('"tag"', len(WHOLE), "whole.zip", "application/zip")


async def pieces(body: Body) -> AsyncIterator[bytes]:
    for part in body.parts:
        yield part if isinstance(part, bytes) else WHOLE[slice(*part)]


def ask(
    header: str = "", *, if_range: str = "", if_none_match: str = "", head: bool = False, entity: Entity = ENTITY
) -> tuple[HttpResponseBase, bytes]:
    response = answer(entity, Conditions(header, if_range, if_none_match), pieces, head=head)

    async def read() -> bytes:
        assert isinstance(response, StreamingHttpResponse)
        return b"".join([part async for part in response])

    data = asyncio.run(read()) if response.streaming else b""
    if response.status_code in {200, 206} and not head:
        assert int(response.headers["Content-Length"]) == len(data)
    return response, data


def parts_of(response: HttpResponseBase, data: bytes) -> dict[tuple[int, int], bytes]:
    """The parts of a multipart/byteranges body, read by hand: (first, last) and the bytes."""
    boundary = response.headers["Content-Type"].removeprefix("multipart/byteranges; boundary=").encode()
    assert data.startswith(b"--" + boundary + b"\r\n")
    assert data.endswith(b"\r\n--" + boundary + b"--\r\n")
    found = {}
    for part in (b"\r\n" + data).split(b"\r\n--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        match = re.search(rb"Content-Range: bytes (\d+)-(\d+)/(\d+)", head)
        assert match is not None
        assert int(match[3]) == len(WHOLE)
        assert b"Content-Type: application/zip" in head
        found[int(match[1]), int(match[2])] = content
    return found


@given(st.lists(st.tuples(st.integers(0, 12_000), st.integers(0, 3000)), min_size=1, max_size=6))
def test_every_byte_that_was_asked_for_is_in_the_answer(ranges: list[tuple[int, int]]) -> None:
    header = "bytes=" + ",".join(f"{first}-{first + more}" for first, more in ranges)
    response, data = ask(header)
    wanted = [(first, min(first + more, len(WHOLE) - 1)) for first, more in ranges if first < len(WHOLE)]
    if not wanted:
        assert response.status_code == 416
        assert response.headers["Content-Range"] == f"bytes */{len(WHOLE)}"
        return
    assert response.status_code == 206
    if response.headers["Content-Type"].startswith("multipart"):
        found = parts_of(response, data)
        assert "Content-Range" not in response.headers
        assert len(found) > 1
    else:
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers["Content-Range"])
        assert match is not None
        found = {(int(match[1]), int(match[2])): data}
    assert all(content == WHOLE[first : last + 1] for (first, last), content in found.items())
    for first, last in wanted:
        assert any(start <= first and last <= stop for start, stop in found)
    assert len(data) < len(WHOLE) + 1000


def test_a_set_of_ranges_costs_no_more_than_the_whole() -> None:
    for header in ("bytes=" + "0-," * 99 + "0-", "bytes=" + ",".join(f"{n}-" for n in range(100))):
        response, data = ask(header)
        assert (response.status_code, len(data)) == (206, len(WHOLE))
        assert response.headers["Content-Type"] == "application/zip"
    response, data = ask("bytes=" + ",".join(f"{200 * n}-{200 * n}" for n in range(101)))
    assert (response.status_code, data) == (200, WHOLE)


@pytest.mark.parametrize("header", ["bytes=0-9", "bytes=0-9,1000-1009"])
def test_ranges_are_of_what_the_client_has_or_not_at_all(header: str) -> None:
    assert ask(header, if_range='"tag"')[0].status_code == 206
    for stale in ('"other"', 'W/"tag"', "Wed, 25 Nov 2026 12:00:00 GMT"):
        response, data = ask(header, if_range=stale)
        assert (response.status_code, data) == (200, WHOLE)
    relaid = Entity('"tag"', len(WHOLE), "whole.zip", "application/zip", resumable=False)
    assert ask(header, entity=relaid)[0].status_code == 200
    assert ask(header, if_range='"tag"', entity=relaid)[0].status_code == 206


def test_head_tells_of_the_whole_and_calls_for_no_bytes() -> None:
    for header in ("", "bytes=0-9", "bytes=0-9,1000-1009", "bytes=99999-"):
        response, data = ask(header, head=True)
        assert (response.status_code, data) == (200, b"")
        assert response.headers["Content-Length"] == str(len(WHOLE))
        assert response.headers["Accept-Ranges"] == "bytes"
        assert "Content-Range" not in response.headers


def test_what_the_client_has_is_not_sent_again() -> None:
    for tags in ('"tag"', '"other", W/"tag"', "*"):
        response, data = ask("bytes=0-9", if_none_match=tags)
        assert (response.status_code, response.headers["ETag"], data) == (304, '"tag"', b"")
    assert ask(if_none_match='"other"')[0].status_code == 200
