"""Long answers: they hold no database connection, and no synchronous one is read into memory."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path
from pytest_django import Settings

from portal.asgi import application

events: list[str] = []


def synchronous(request: HttpRequest) -> StreamingHttpResponse:
    def pieces() -> Iterator[bytes]:
        for number in range(3):
            events.append(f"read {number}")
            yield str(number).encode()

    return StreamingHttpResponse(pieces())


def database(request: HttpRequest) -> StreamingHttpResponse:
    User.objects.count()
    mine = connections["default"]
    assert mine.connection is not None

    async def pieces() -> AsyncIterator[bytes]:
        yield b"given back" if mine.connection is None else b"still held"

    return StreamingHttpResponse(pieces())


def large(request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[bytes]:
        yield bytes(2**20)

    return StreamingHttpResponse(pieces())


def endless(request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"more"
        finally:
            events.append("closed")

    return StreamingHttpResponse(pieces())


urlpatterns = [
    path("synchronous", synchronous),
    path("database", database),
    path("large", large),
    path("endless", endless),
]


@pytest.fixture(autouse=True)
def these_pages(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    events.clear()


def scope_of(page: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": page,
        "query_string": b"",
        "headers": [(b"host", b"testserver")],
    }


def bodies(page: str) -> list[bytes]:
    """The pieces that the application sends for a page, without the empty last one."""
    sent: list[Mapping[str, Any]] = []
    questions = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        return questions.pop() if questions else await asyncio.Future[dict[str, Any]]()

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)
        if message.get("body"):
            events.append(f"sent {message['body'][:1].decode()}")

    asyncio.run(application(scope_of(page), receive, send))
    assert sent[0]["status"] == 200
    return [message["body"] for message in sent[1:] if message.get("body")]


@pytest.mark.django_db(transaction=True)
def test_a_long_answer_has_given_its_database_connection_back() -> None:
    assert bodies("/database") == [b"given back"]


@pytest.mark.django_db(transaction=True)
def test_a_synchronous_answer_is_sent_as_it_is_read() -> None:
    assert bodies("/synchronous") == [b"0", b"1", b"2"]
    assert events == ["read 0", "sent 0", "read 1", "sent 1", "read 2", "sent 2"]


@pytest.mark.django_db(transaction=True)
def test_an_answer_whose_client_goes_while_it_takes_nothing_is_closed_at_once() -> None:
    taken, left = asyncio.Event(), False

    async def receive() -> dict[str, Any]:
        nonlocal left
        if not left:
            left = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await taken.wait()
        return {"type": "http.disconnect"}

    async def send(message: Mapping[str, Any]) -> None:
        if message.get("body"):
            taken.set()
            await asyncio.Future[None]()

    async def come_and_go() -> None:
        await application(scope_of("/endless"), receive, send)
        assert events == ["closed"]

    gc.disable()
    try:
        asyncio.run(come_and_go())
    finally:
        gc.enable()


@pytest.mark.django_db(transaction=True)
def test_a_piece_of_a_megabyte_goes_out_whole() -> None:
    assert [len(body) for body in bodies("/large")] == [2**20]
