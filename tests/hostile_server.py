"""A file server on loopback that behaves as badly as it is told, request by request, and remembers everything.

Each file has a list of `Reply`: the first request for it gets the first one, the next the second, and every later
request gets `then`, which is honest unless said otherwise. Files are asked for as at MAST, by
``GET /api/v0.1/Download/file?uri=<percent-encoded URI>``; ``GET /whoami`` says whose token came with the request;
``POST /pack`` with ``uri`` repeated answers with a tar of those files.
"""

import io
import json
import re
import select
import socket
import socketserver
import struct
import tarfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Literal
from urllib.parse import parse_qs, quote, urlsplit

DOWNLOAD = "/api/v0.1/Download/file"
TOLD = b"<!DOCTYPE html>\n<html><head><title>Error</title></head><body>Something went wrong.</body></html>\n"
"""The body of every error that has no other: what ends up in a file when nobody looks at the status."""

LAST_MODIFIED = "Wed, 01 Jan 2025 00:00:00 GMT"
_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]*)")
_REASONS = {200: "OK", 206: "Partial Content", 302: "Found", 401: "Unauthorized", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class Reply:
    """How one request is answered. The defaults are those of an honest server.

    `status` 0 stands for 200, 206, 412 or 416, whichever the request deserves; `body` None for the bytes of the
    file; `promised` for another Content-Length than the true one. The body stops after `stop` bytes and what
    follows is `ending`. `skew` starts a 206 so many bytes too late without saying so, `lie` lets Content-Range
    tell a start so many bytes off; `piece` bytes go out every `pause` seconds; `before` goes out ahead of the
    head, and `raw` instead of head and body.
    """

    status: int = 0
    body: bytes | None = None
    type: str = "application/octet-stream"
    etag: str = '"1"'
    headers: tuple[tuple[str, str], ...] = ()
    ranges: bool = True
    heeds_if_range: bool = True
    skew: int = 0
    lie: int = 0
    framing: Literal["length", "chunked", "close"] = "length"
    promised: int | None = None
    stop: int | None = None
    ending: Literal["keep", "close", "reset", "stall"] = "keep"
    piece: int = 1 << 20
    pause: float = 0
    delay: float = 0
    before: bytes = b""
    raw: bytes | None = None


def error(status: int, body: bytes = TOLD, media: str = "text/html", **headers: str) -> Reply:
    """An answer that is no file. Header names with _ for -."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(status, body, media, etag="", headers=named)


def redirect(location: str, status: int = 302) -> Reply:
    """To another address; ``{other}`` in it stands for that entry of `HostileServer.places`.

    So it does in every header, and ``{soon}`` for the date two seconds from now.
    """
    return error(status, Location=location)


def pack(members: Mapping[str, bytes]) -> Reply:
    """A tar of these members."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return Reply(body=written.getvalue(), type="application/x-tar", etag="", ranges=False)


@dataclass(slots=True)
class Served:
    """A file of the archive, and how the requests for it are answered one after another."""

    data: bytes
    replies: tuple[Reply, ...] = ()
    then: Reply = Reply()
    needs_token: bool = False


@dataclass(slots=True)
class Request:
    """One line of the access log. `start` is the first byte sent, `sent` how many of the body went out.

    `packed` are the URIs of a pack.
    """

    at: float
    connection: int
    method: str
    target: str
    headers: dict[str, str]
    uri: str = ""
    attempt: int = 0
    status: int = 0
    start: int = 0
    sent: int = 0
    size: int = 0
    ended: float = 0
    packed: tuple[str, ...] = ()
    left: bool = False

    @property
    def whole(self) -> bool:
        """True if all bytes of the file went out in this one answer."""
        return self.status == 200 and self.sent == self.size > 0

    @property
    def token(self) -> str:
        """What the Authorization header carries."""
        return self.headers.get("authorization", "").removeprefix("token ")

    @property
    def line(self) -> str:
        """What a web server writes down: no body, no Authorization."""
        told = {name: value for name, value in self.headers.items() if name != "authorization"}
        return f"{self.method} {self.target} {self.status} {told}"


class Vanished(Exception):
    """The client has gone, or the connection is to end here."""


@dataclass
class HostileServer:
    """The server: a context manager, each connection a thread. `log` is the access log, `tokens` those it knows.

    A token is dead once it has been seen in `lifetime` requests (None: it never expires). ``/whoami`` answers a
    request without a living one with 401, or, if `polite`, as MAST does with 200 and ``"anon": true``. The next pack
    is answered with what the first of `packs` makes of its members, if there is one.
    """

    files: dict[str, Served] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    lifetime: int | None = None
    polite: bool = False
    whoami: list[Reply] = field(default_factory=list)
    packs: list[Callable[[dict[str, bytes]], Reply]] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    log: list[Request] = field(default_factory=list)
    connections: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._busy = 0
        self._attempts: dict[str, int] = {}
        self._listener = _Listener(("127.0.0.1", 0), _Connection)
        self._listener.owner = self

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self._listener.server_address[1]}"

    def url_of(self, uri: str) -> str:
        """Where a file is asked for."""
        return f"{self.url}{DOWNLOAD}?uri={quote(uri, safe='')}"

    def __enter__(self) -> "HostileServer":
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stopping.set()
        self._listener.shutdown()
        self._listener.server_close()

    def requests(self, uri: str) -> list[Request]:
        """The GETs for one file, in the order in which they came."""
        return [one for one in self.log if one.uri == uri and one.method == "GET"]

    def forget(self) -> None:
        """Empty the log; every file starts with its first reply again."""
        with self._lock:
            self.log.clear()
            self._attempts.clear()
            self.connections = self.most_at_once = 0

    def place(self, name: str) -> str:
        """What a name in braces stands for in a header."""
        return formatdate(time.time() + 2, usegmt=True) if name == "soon" else self.places[name]

    def connected(self) -> int:
        """Count a new connection and return its number."""
        with self._lock:
            self.connections += 1
            return self.connections

    def entered(self, request: Request) -> Reply:
        """Write the request down and return what it is answered with."""
        with self._lock:
            self.log.append(request)
            self._busy += 1
            self.most_at_once = max(self.most_at_once, self._busy)
            if request.method == "GET":
                self._attempts[request.uri] = self._attempts.get(request.uri, 0) + 1
                request.attempt = self._attempts[request.uri]
        return self._reply(request)

    def leaving(self, request: Request) -> None:
        """The last bytes are about to go out: from now on the client may ask for something else."""
        with self._lock:
            self._busy -= not request.left
            request.left = True

    def knows(self, request: Request) -> bool:
        """Whether the request carries a token that is valid now."""
        if self.lifetime is not None and sum(one.token == request.token for one in self.log) > self.lifetime:
            return False
        return request.token in self.tokens

    def _reply(self, request: Request) -> Reply:
        if request.target.startswith("/whoami"):
            return self.whoami.pop(0) if self.whoami else self._identity(request)
        if request.target.startswith("/pack"):
            return self.packs.pop(0)(self._members(request)) if self.packs else pack(self._members(request))
        served = self.files.get(request.uri)
        if served is None:
            return error(404)
        if served.needs_token and not self.knows(request):
            return error(401)
        if request.method == "GET" and request.attempt <= len(served.replies):
            return served.replies[request.attempt - 1]
        return served.then

    def _members(self, request: Request) -> dict[str, bytes]:
        known = self.knows(request)
        found = {str(number): self.files.get(uri) for number, uri in enumerate(request.packed)}
        return {name: file.data for name, file in found.items() if file and (known or not file.needs_token)}

    def _identity(self, request: Request) -> Reply:
        known = self.knows(request)
        told: dict[str, object] = {
            "anon": not known,
            "ezid": "alice" if known else "anonymous",
            "attrib": {},
            "scopes": [],
        }
        status = 200 if known or self.polite else 401
        return error(status, json.dumps(told | {"token": None}).encode(), "application/json")


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    owner: HostileServer


class _Connection(socketserver.BaseRequestHandler):
    """One connection: requests are read and answered until one side has had enough."""

    request: socket.socket
    server: _Listener

    def handle(self) -> None:
        self.owner = self.server.owner
        self.number = self.owner.connected()
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        try:
            while self._answer_one():
                pass
        except (Vanished, OSError):
            pass

    def _answer_one(self) -> bool:
        request = self._read()
        if request is None:
            return False
        reply = self.owner.entered(request)
        try:
            if reply.delay:
                self.owner.stopping.wait(reply.delay)
            self._send(request, reply)
            return self._end(request, reply)
        finally:
            self.owner.leaving(request)
            request.ended = time.monotonic()

    def _read(self) -> Request | None:
        while b"\r\n\r\n" not in self.buffer:
            received = self.request.recv(1 << 16)
            if not received:
                return None
            self.buffer += received
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        query = parse_qs(urlsplit(target).query, errors="surrogateescape")
        uri = query.get("uri", [""])[0]
        packed = parse_qs(self._read_body(headers), errors="surrogateescape").get("uri", [])
        return Request(time.monotonic(), self.number, method, target, headers, uri, packed=tuple(packed))

    def _read_body(self, headers: Mapping[str, str]) -> str:
        length = int(headers.get("content-length", 0))
        if headers.get("expect"):
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(self.buffer) < length:
            received = self.request.recv(1 << 16)
            if not received:
                raise Vanished
            self.buffer += received
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return body.decode()

    def _send(self, request: Request, reply: Reply) -> None:
        if reply.raw is not None:
            self.owner.leaving(request)
            self.request.sendall(reply.raw)
            return
        served = self.owner.files.get(request.uri)
        whole = served.data if reply.body is None and served else reply.body or b""
        status, start, stop = _judged(request, reply, len(whole))
        body = TOLD if status in {412, 416} else whole[start + reply.skew : stop + reply.skew]
        request.status, request.start, request.size = status, start, len(whole)
        headers = _head(reply, body, status)
        if status in {206, 416}:
            asked = f"{start + reply.lie}-{stop + reply.lie - 1}" if status == 206 else "*"
            headers["Content-Range"] = f"bytes {asked}/{len(whole)}"
        for name, value in reply.headers:
            headers[name] = re.sub(r"\{(\w+)\}", lambda found: self.owner.place(found[1]), value)
        if not body:
            self.owner.leaving(request)
        self.request.sendall(reply.before + _written(status, headers))
        if request.method != "HEAD" and status not in {204, 304}:
            self._send_body(request, reply, body)

    def _send_body(self, request: Request, reply: Reply, body: bytes) -> None:
        end = len(body) if reply.stop is None else min(reply.stop, len(body))
        for place in range(0, end, reply.piece):
            piece = body[place : min(place + reply.piece, end)]
            framed = b"%x\r\n%b\r\n" % (len(piece), piece) if reply.framing == "chunked" else piece
            if place + reply.piece >= end:
                self.owner.leaving(request)
            self.request.sendall(framed)
            request.sent += len(piece)
            if reply.pause and self.owner.stopping.wait(reply.pause):
                raise Vanished
        if reply.framing == "chunked" and reply.stop is None:
            self.request.sendall(b"0\r\n\r\n")

    def _end(self, request: Request, reply: Reply) -> bool:
        """Whether the connection stays open for another request."""
        match reply.ending:
            case "reset":
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.request.close()
                return False
            case "stall":
                self._wait_for_the_end()
                return False
            case "keep":
                return reply.framing != "close" and request.headers.get("connection", "").lower() != "close"
        return False

    def _wait_for_the_end(self) -> None:
        while not self.owner.stopping.is_set():
            readable, _, _ = select.select([self.request], [], [], 0.05)
            if readable and not self.request.recv(1 << 16):
                return


def _judged(request: Request, reply: Reply, size: int) -> tuple[int, int, int]:
    """Status, first byte and end of what is sent."""
    if reply.status:
        return reply.status, 0, size
    wanted = request.headers.get("if-match")
    if wanted not in {None, "*", reply.etag}:
        return 412, 0, size
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if not asked or not reply.ranges or not _unchanged(request.headers, reply):
        return 200, 0, size
    start = int(asked[1])
    if start >= size:
        return 416, 0, 0
    return 206, start, min(int(asked[2]) + 1, size) if asked[2] else size


def _unchanged(headers: Mapping[str, str], reply: Reply) -> bool:
    """RFC 9110 13.1.5: only a strong validator that is still the same lets a range through."""
    known = headers.get("if-range")
    if known is None or not reply.heeds_if_range:
        return True
    dated = dict(reply.headers).get("Last-Modified")
    return known == dated or (known == reply.etag and not known.startswith("W/"))


def _head(reply: Reply, body: bytes, status: int) -> dict[str, str]:
    headers = {"Content-Type": "text/html" if status in {412, 416} else reply.type}
    if reply.etag:
        headers |= {"ETag": reply.etag}
    if reply.ranges and status in {200, 206}:
        headers["Accept-Ranges"] = "bytes"
    match reply.framing:
        case "chunked":
            headers["Transfer-Encoding"] = "chunked"
        case "close":
            headers["Connection"] = "close"
        case "length":
            headers["Content-Length"] = str(len(body) if reply.promised is None else reply.promised)
    return headers


def _written(status: int, headers: Mapping[str, str]) -> bytes:
    lines: Iterable[str] = (f"{name}: {value}" for name, value in headers.items())
    reason = _REASONS.get(status, "Whatever")
    return "\r\n".join([f"HTTP/1.1 {status} {reason}", *lines, "\r\n"]).encode("latin-1")
