"""A file server that costs next to nothing: what is measured is the script and the line, not an archive.

``GET /<number>/<size>`` is answered with that many bytes, which only this number has. Ranges, ETag, kept connections.
"""

import asyncio
import re
import sys

from retrieval.benchmarks.scripts.load import content

_REQUEST = re.compile(rb"(GET|HEAD) /([0-9]+)/([0-9]+)[ ?]")
_RANGE = re.compile(rb"(?i)\r\nrange: *bytes=([0-9]+)-")


class Archive(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer each request whose head is complete."""
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            self._answer(head + b"\r\n")

    def _answer(self, head: bytes) -> None:
        asked = _REQUEST.match(head)
        if asked is None:
            self.transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        body = content(int(asked[2]), int(asked[3]))
        part = _RANGE.search(head)
        start = int(part[1]) if part else 0
        status = b"206 Partial Content\r\nContent-Range: bytes %d-%d/%d" % (start, len(body) - 1, len(body))
        length = b"Accept-Ranges: bytes\r\nContent-Length: %d" % (len(body) - start)
        told = b'Content-Type: image/fits\r\nETag: "%b"\r\n%b\r\n\r\n' % (asked[2], length)
        self.transport.write(b"HTTP/1.1 %b\r\n%b" % (status if part else b"200 OK", told))
        if asked[1] == b"GET":
            self.transport.write(memoryview(body)[start:])


async def serve() -> None:
    """Say on which port, and serve until killed."""
    server = await asyncio.get_running_loop().create_server(Archive, "127.0.0.1", 0, backlog=256)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
