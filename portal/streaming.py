"""Long answers in pieces. Each piece is made in a thread, which gives its database connection back: the event loop
is never held up, and memory is one piece however long the answer is."""

import asyncio
from collections.abc import AsyncIterator, Iterator

from django.db import connections

PIECE = 256 * 1024


async def in_threads(lines: Iterator[str]) -> AsyncIterator[bytes]:
    """The lines as UTF-8, joined to pieces of about PIECE bytes."""
    while piece := await asyncio.to_thread(_next_piece, lines):
        yield piece


def _next_piece(lines: Iterator[str]) -> bytes:
    """As many lines as fill a piece; nothing at the end."""
    piece = bytearray()
    try:
        for line in lines:
            piece += line.encode()
            if len(piece) >= PIECE:
                break
    finally:
        connections.close_all()
    return bytes(piece)
