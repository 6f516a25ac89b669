"""The application for ASGI servers, with Django's handling of long answers put right.

- Pieces go out as large as they come; Django's 64 KiB pieces cost a third of the throughput.
- A long answer holds no database connection while it runs. Django gives it back when the answer ends, so a
  classroom of slow downloads would take the whole pool.
- A synchronous iterator, such as a static file, is read piece by piece; Django reads it whole into memory.
- An iterator whose client has gone is closed at once. Django cancels its own task, which mostly waits in `send`: the
  iterator then stays as it is until Python collects the traceback that holds it, minutes later.
- Whoever sends a long answer can ask how much of it has arrived (`portal.arrival`).
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

from portal import arrival

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

ends: ContextVar[tuple[Any, Any]] = ContextVar("ends", default=(None, None))
"""The client's and the server's address of the request that this task answers, each (host, port) or None."""

STATUS_LINE = b"HTTP/1.1 200 \r\n"


class StreamingHandler(ASGIHandler):
    """Django's handler; only its way with streaming answers differs."""

    chunk_size = 8 * 2**20

    async def handle(self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Answer a request."""
        ends.set((scope.get("client"), scope.get("server")))
        await super().handle(scope, receive, send)

    async def send_response(self, response: HttpResponseBase, send: Callable[..., Any]) -> None:
        """Send the answer; a streaming one without a database connection of its request's thread."""
        if not isinstance(response, StreamingHttpResponse):
            await super().send_response(response, send)
            return
        await sync_to_async(connections.close_all)()
        connection = None
        if response.is_async:
            connection = arrival.connection(*ends.get(), head_length(response))
            arrival.current.set(connection)
        else:
            response.streaming_content = read_in_threads(iter(response.streaming_content))  # type: ignore[arg-type]  # not async
        try:
            async with aclosing(response._iterator):  # type: ignore[attr-defined]  # closing a wrapper of it would not do
                await super().send_response(response, send)
        finally:
            if connection is not None:
                connection.close()


def head_length(response: HttpResponseBase) -> int:
    """Bytes of status line and headers, at least: servers add a reason, a date and their name."""
    lines = [f"{name}: {value}\r\n".encode("latin-1", "replace") for name, value in response.items()]
    lines += [f"set-cookie: {cookie.OutputString()}\r\n".encode() for cookie in response.cookies.values()]
    return len(STATUS_LINE) + sum(map(len, lines)) + len(b"\r\n")


async def read_in_threads(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces of a synchronous iterator, one at a time, without holding up the event loop."""
    following = sync_to_async(lambda: next(pieces, None), thread_sensitive=False)
    while (piece := await following()) is not None:
        yield piece


django.setup(set_prefix=False)
application = StreamingHandler()
