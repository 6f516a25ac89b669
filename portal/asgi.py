"""The application for ASGI servers, with Django's handling of long answers put right.

- Pieces go out as large as they come; Django's 64 KiB pieces cost a third of the throughput.
- A long answer holds no database connection while it runs. Django gives it back when the answer ends, so a
  classroom of slow downloads would take the whole pool.
- A synchronous iterator, such as a static file, is read piece by piece; Django reads it whole into memory.
- An iterator whose client has gone is closed at once. Django cancels its own task, which mostly waits in `send`: the
  iterator then stays as it is until Python collects the traceback that holds it, minutes later.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")


class StreamingHandler(ASGIHandler):
    """Django's handler; only its way with streaming answers differs."""

    chunk_size = 8 * 2**20

    async def send_response(self, response: HttpResponseBase, send: Callable[..., Any]) -> None:
        """Send the answer; a streaming one without a database connection of its request's thread."""
        if isinstance(response, StreamingHttpResponse):
            if not response.is_async:
                response.streaming_content = read_in_threads(iter(response.streaming_content))  # type: ignore[arg-type]  # not async
            async with aclosing(response._iterator):  # type: ignore[attr-defined]  # closing a wrapper of it would not do
                await sync_to_async(connections.close_all)()
                await super().send_response(response, send)
        else:
            await super().send_response(response, send)


async def read_in_threads(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces of a synchronous iterator, one at a time, without holding up the event loop."""
    following = sync_to_async(lambda: next(pieces, None), thread_sensitive=False)
    while (piece := await following()) is not None:
        yield piece


django.setup(set_prefix=False)
application = StreamingHandler()
