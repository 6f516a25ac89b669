"""A store on loopback that answers as badly as it is told, request by request, and remembers what it was asked.

A file has a list of `Reply`: the first GET of it gets the first one, the next the second, and every later one the
last. HEAD is answered honestly unless `heads` says otherwise.
"""

import hashlib
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Self

MODIFIED = 1_700_000_000
RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass(frozen=True)
class Reply:
    """How one request is answered; the defaults are an honest server's.

    `status` 0: whatever the request deserves. `headers` replace others, None takes one away. `body` instead of the
    file's; it ends after `stop` bytes, by closing or, with `reset`, by a reset; `piece` bytes go out every `pause`
    seconds. `delay` seconds pass before the head, `raw` goes out instead of all, `chunked` without a length. With
    `parts` off a Range is ignored, with `conditions` off a condition is; `closes` ends the connection afterwards,
    without a word before. `more` follows the body.
    """

    status: int = 0
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: bytes | None = None
    stop: int | None = None
    reset: bool = False
    piece: int = 1 << 16
    pause: float = 0.0
    delay: float = 0.0
    raw: bytes | None = None
    chunked: bool = False
    parts: bool = True
    conditions: bool = True
    closes: bool = False
    more: bytes = b""
    version: str = "HTTP/1.1"


@dataclass(frozen=True)
class Request:
    """What was asked, over which connection. Header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    connection: int

    @property
    def span(self) -> tuple[int, int] | None:
        """First and last byte that the Range names."""
        found = RANGE.fullmatch(self.headers.get("range", ""))
        return (int(found[1]), int(found[2])) if found else None


class HostileStore:
    """Files by path, how each is answered, and all that was asked."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.files: dict[str, bytes] = {}
        self.replies: dict[str, list[Reply]] = {}
        self.heads: dict[str, Reply] = {}
        self.asked: list[Request] = []
        self.sent = 0
        self.open = 0
        self.most_open = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._sockets: set[socket.socket] = set()
        self.port = int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """The prefix of all of its files."""
        return f"http://127.0.0.1:{self.port}/"

    def put(self, name: str, data: bytes, *replies: Reply) -> str:
        """Keep a file; its address."""
        self.files[f"/{name}"] = data
        self.replies[f"/{name}"] = list(replies) or [Reply()]
        return self.url + name

    def gets(self, name: str = "") -> list[Request]:
        """What was asked for by GET: of one file, or of all."""
        return [one for one in self.asked if one.method == "GET" and (not name or one.path == f"/{name}")]

    def start(self) -> Self:
        """Listen, in threads."""
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def stop(self) -> None:
        """Close every connection and listen no more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        number = 0
        while True:
            try:
                opened, _ = self._listener.accept()
            except OSError:
                return
            number += 1
            threading.Thread(target=self._serve, args=(opened, number), daemon=True).start()

    def _serve(self, opened: socket.socket, number: int) -> None:
        with self._lock:
            self._sockets.add(opened)
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened = self._tls.wrap_socket(opened, server_side=True) if self._tls else opened
            with opened.makefile("rb") as incoming:
                while (request := _read(incoming, number)) is not None:
                    if not self._answer(opened, request):
                        break
        except OSError:
            pass
        finally:
            with self._lock:
                self._sockets.discard(opened)
                self.open -= 1
            opened.close()

    def _reply(self, request: Request) -> Reply:
        with self._lock:
            self.asked.append(request)
            if request.method == "HEAD":
                return self.heads.get(request.path, Reply())
            replies = self.replies.get(request.path, [Reply()])
            return replies.pop(0) if len(replies) > 1 else replies[0]

    def _answer(self, opened: socket.socket, request: Request) -> bool:
        """Whether the connection goes on."""
        reply = self._reply(request)
        time.sleep(reply.delay)
        if reply.raw is not None:
            for piece in _pieces(reply.raw, reply):
                opened.sendall(piece)
            return False
        status, headers, body = self._deserved(request, reply)
        headers |= {name: value for name, value in reply.headers.items() if value is not None}
        told = "".join(f"{k}: {v}\r\n" for k, v in headers.items() if reply.headers.get(k, "") is not None)
        opened.sendall(f"{reply.version} {status} As told\r\n{told}\r\n".encode())
        if request.method == "HEAD":
            return not reply.closes
        for piece in _pieces(body[: reply.stop] + reply.more, reply):
            opened.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if reply.chunked else piece)
            with self._lock:
                self.sent += len(piece)
        if reply.stop is not None and reply.reset:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if reply.stop is not None:
            return False
        opened.sendall(b"0\r\n\r\n" if reply.chunked else b"")
        return not reply.closes and reply.version != "HTTP/1.0"

    def _deserved(self, request: Request, reply: Reply) -> tuple[int, dict[str, str | None], bytes]:
        data = self.files.get(request.path)
        if data is None:
            return 404, {"Content-Length": "0"}, b""
        etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
        status, body, span = 200, data, request.span
        headers: dict[str, str | None] = {
            "ETag": etag,
            "Last-Modified": formatdate(MODIFIED, usegmt=True),
            "Content-Type": "application/fits",
        }
        if reply.conditions and request.headers.get("if-match", etag) != etag:
            return 412, {"Content-Length": "0"}, b""
        if span is not None and reply.parts:
            if span[0] >= len(data):
                return 416, {"Content-Length": "0", "Content-Range": f"bytes */{len(data)}"}, b""
            status, body = 206, data[span[0] : span[1] + 1]
            headers["Content-Range"] = f"bytes {span[0]}-{span[0] + len(body) - 1}/{len(data)}"
        if reply.body is not None:
            body = reply.body
        headers["Transfer-Encoding" if reply.chunked else "Content-Length"] = (
            "chunked" if reply.chunked else str(len(body))
        )
        return reply.status or status, headers, body


def _read(incoming: Iterator[bytes], number: int) -> Request | None:
    first = next(incoming, b"").decode("latin-1").split()
    if len(first) != 3:
        return None
    headers = {}
    while line := next(incoming, b"").decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Request(first[0], first[1], headers, number)


def _pieces(data: bytes, reply: Reply) -> Iterator[bytes]:
    for begin in range(0, len(data), reply.piece):
        yield data[begin : begin + reply.piece]
        time.sleep(reply.pause)


@contextmanager
def hostile_store(tls: ssl.SSLContext | None = None) -> Iterator[HostileStore]:
    """A store that runs while it is used."""
    store = HostileStore(tls).start()
    try:
        yield store
    finally:
        store.stop()
