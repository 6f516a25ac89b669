"""What goes wrong with a file on its way, one `Case` each, and what a download script must make of it.

All cases of `CASES` disturb each other so little that one run of a script meets them all. The rules that they
follow are those of `retrieval/scripts/entry.py`.
"""

import gzip
import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from retrieval.scripts.entry import Entry
from tests.hostile_server import DOWNLOAD, LAST_MODIFIED, TOLD, HostileServer, Reply, Served, error, redirect
from tests.script_runs import placed

TRIES = 5
"""Attempts that a script makes for a file unless told otherwise."""

ONCE = (1, 1)
ALWAYS = (TRIES, TRIES)
SIZE = 60_000
HONEST = Reply()
JSON_ERROR = b'{"error": {"code": "internal", "message": "The archive is closed."}}\n'
OLD = '"the older one"'


def noise(name: str, size: int = SIZE) -> bytes:
    """Bytes that no other file has, the same in every run."""
    return random.Random(name).randbytes(size)


@dataclass(frozen=True, slots=True)
class Case:
    """One file, how it is served, what the plan knows of it, and what must become of it.

    `told_size` None is an unknown size and -1 the true one; `asked` are the fewest and the most GETs of the first
    run; `resumed` says that a range of the true rest had to be enough. `url` is another address than the server's,
    `found` what lies at the file's place before the first run. `mended` is the outcome once the server is honest;
    `says` what the reason contains; `elsewhere` that the bytes come from another server;
    `pause` the least seconds between the first two requests.
    """

    name: str
    replies: tuple[Reply, ...] = ()
    then: Reply = HONEST
    file: str = "data.fits"
    data: bytes | None = None
    told_size: int | None = -1
    told_sha256: bool = True
    protected: bool = False
    needs_token: bool = False
    url: str = ""
    found: bytes | None = None
    outcome: str = "delivered"
    says: str = ""
    asked: tuple[int, int] = ONCE
    resumed: bool = False
    mended: str = "delivered"
    elsewhere: bool = False
    pause: float = 0

    @property
    def slug(self) -> str:
        """The observation that the file belongs to."""
        return self.name.replace(" ", "_").replace(",", "")

    @property
    def uri(self) -> str:
        """The file's URI."""
        return f"mast:TEST/product/{self.slug}/{self.file}"

    @property
    def path(self) -> str:
        """Where the file lands."""
        return f"TEST/{self.slug}/{self.file}"

    @property
    def bytes(self) -> bytes:
        """The true file."""
        return noise(self.name) if self.data is None else self.data

    @property
    def address(self) -> str:
        """The file's own address, without the server."""
        return f"{DOWNLOAD}?uri={quote(self.uri, safe='')}"

    def entry(self, server: HostileServer) -> Entry:
        """The line of the plan."""
        size = len(self.bytes) if self.told_size == -1 else self.told_size
        sha256 = hashlib.sha256(self.bytes).hexdigest() if self.told_sha256 else ""
        access = "EXCLUSIVE_ACCESS" if self.protected else "PUBLIC"
        places = server.places | {"itself": self.address}
        url = placed(self.url, places) if self.url else server.url + self.address
        return Entry(url, self.uri, self.path, size, sha256, self.protected, None, access)

    def served(self) -> Served:
        """How the server answers for it; ``{itself}`` in a redirect is the file's address."""
        replies = tuple(_addressed(reply, self.address) for reply in self.replies)
        return Served(self.bytes, replies, _addressed(self.then, self.address), self.needs_token or self.protected)


def _addressed(reply: Reply, address: str) -> Reply:
    headers = tuple((name, placed(value, {"itself": address})) for name, value in reply.headers)
    return replace(reply, headers=headers)


def serve(server: HostileServer, cases: Sequence[Case], other: HostileServer | None = None) -> list[Entry]:
    """Put the cases on the server, their files also on the other one, and return the plan."""
    for one in cases:
        server.files[one.uri] = one.served()
        if other:
            other.files[one.uri] = Served(one.bytes)
    return [one.entry(server) for one in cases]


def mend(server: HostileServer, cases: Sequence[Case]) -> None:
    """From now on the server is honest."""
    for one in cases:
        server.files[one.uri] = Served(one.bytes, needs_token=one.needs_token or one.protected)


def cut(stop: int = SIZE // 2, *, reset: bool = False, **more: Any) -> Reply:
    """A body that ends too early."""
    return replace(Reply(stop=stop, ending="reset" if reset else "close"), **more)


UNTOLD: dict[str, Any] = {"told_size": None, "told_sha256": False}
UNSUMMED: dict[str, Any] = {"told_sha256": False}


def case(name: str, *replies: Reply, **more: Any) -> Case:
    """A case whose first answers are these."""
    return Case(name, replies, **more)


def _honest() -> Iterator[Case]:
    yield Case("an ordinary file")
    yield Case("an ordinary file of which nothing is known", **UNTOLD)
    yield Case("a large file", data=noise("large", 5_000_000))
    yield Case("a file without bytes", data=b"")
    yield Case("a file without bytes and of unknown size", data=b"", **UNTOLD)
    yield case("a chunked file", then=Reply(framing="chunked", piece=7_001))
    yield case("a chunked file of unknown size", then=Reply(framing="chunked", piece=7_001), **UNTOLD)
    yield case("a file without Content-Length", then=Reply(framing="close"), **UNSUMMED)
    yield case("an answer in HTTP 1.0", then=_http_10("an answer in HTTP 1.0"))
    yield case("a connection closed unannounced after the file", then=Reply(ending="close"))
    yield case("an interim answer first", then=Reply(before=b"HTTP/1.1 100 Continue\r\n\r\n"))
    yield Case("a file that lies there already", found=noise("a file that lies there already"), asked=(0, 0))
    yield Case("half a file that lies there already", found=noise("half a file that lies there already")[:999])
    yield Case("a name of 250 characters", file="n" * 245 + ".fits")
    yield case(
        "a name given by the server",
        then=Reply(headers=(("Content-Disposition", 'attachment; filename="../../evil.sh"'),)),
    )
    yield case("a drip", then=Reply(piece=1_000, pause=0.05))
    yield case("a gz file labelled as compressed", then=_labelled(), file="data.fits.gz", data=_zipped())
    yield Case("true JSON", file="x_asn.json", data=b'{"a": 1}', **UNTOLD)
    yield case("true JSON by type", then=Reply(type="application/json"), file="x_asn.json", data=b'{"a": 1}')
    yield case("a true page", then=Reply(type="text/html"), file="about.html", data=TOLD, **UNSUMMED)


def _http_10(name: str) -> Reply:
    head = b"HTTP/1.0 200 OK\r\nContent-Type: image/fits\r\n\r\n"
    return Reply(raw=head + noise(name), ending="close")


def _labelled() -> Reply:
    return Reply(type="application/gzip", headers=(("Content-Encoding", "gzip"),))


def _zipped() -> bytes:
    return gzip.compress(noise("zipped"), mtime=0)


def _broken_off() -> Iterator[Case]:
    twice: dict[str, Any] = {"asked": (2, 2)}
    resumed = twice | {"resumed": True}
    yield case("cut in the middle", cut(), **resumed)
    yield case("cut in the middle, no checksum", cut(), **resumed, **UNSUMMED)
    yield case("cut in the middle, nothing known", cut(), **resumed, **UNTOLD)
    yield case("cut three times", cut(9_000), cut(9_000), cut(9_000), asked=(4, 4), resumed=True)
    yield case("cut every time at once", then=cut(0), outcome="failed", asked=ALWAYS)
    yield case("reset in the middle", cut(reset=True), **twice)
    yield case("cut without Content-Length", cut(framing="close"), **twice)
    yield case("cut chunks", cut(framing="chunked", piece=10_000), **twice)
    yield case("cut chunks, nothing known", cut(framing="chunked", piece=10_000), **twice, **UNTOLD)
    yield case("closed before the answer", Reply(raw=b"", ending="close"), **twice)
    yield case("reset before the answer", Reply(raw=b"", ending="reset"), **twice)
    yield case("nonsense for an answer", Reply(raw=b"\0\xff\xfe nonsense\n\n\r\n\r\n", ending="close"), **twice)
    yield case("no answer", Reply(raw=b"", ending="stall"), **twice)
    yield case("stalled in the middle", cut(ending="stall"), **resumed)
    yield case("a range is ignored", cut(), then=Reply(ranges=False), asked=(2, 3))
    yield case("a range is ignored, nothing known", cut(), then=Reply(ranges=False), asked=(2, 3), **UNTOLD)
    moved = Reply(skew=100, lie=100)
    yield case("another range is sent, and told", cut(), moved, asked=(2, 4))
    yield case("another range is sent, and told, no checksum", cut(), moved, asked=(2, 4), **UNSUMMED)
    yield case("a range is right but told wrong", cut(), Reply(lie=100), asked=(2, 4), **UNSUMMED)
    yield case("another range is sent in silence", cut(), Reply(skew=100, promised=SIZE // 2 - 100), asked=(2, 4))
    yield case("all bytes and a promise of more", cut(SIZE, promised=SIZE + 100), asked=(1, 3))
    yield case(
        "all bytes and a promise of more, nothing known", cut(SIZE, promised=SIZE + 100), asked=(2, 3), **UNTOLD
    )


def _changed() -> Iterator[Case]:
    def was(stop: int = SIZE // 2, etag: str = OLD, **more: Any) -> Reply:
        return cut(stop, body=noise("the older one"), etag=etag, **more)

    careless = Reply(heeds_if_range=False)
    yield case("changed between attempts", was(), asked=(2, 3))
    yield case("changed between attempts, no checksum", was(), asked=(2, 3), **UNSUMMED)
    yield case("changed between attempts, nothing known", was(), asked=(2, 3), **UNTOLD)
    yield case("changed, but the range is sent all the same", was(), careless, asked=(2, 4))
    yield case(
        "changed, but the range is sent all the same, no checksum", was(), careless, asked=(2, 4), **UNSUMMED
    )
    weak = replace(careless, etag='W/"1"')
    yield case("a weak tag", cut(etag='W/"1"'), then=Reply(etag='W/"1"'), asked=(2, 3))
    yield case("a weak tag, no checksum", cut(etag='W/"1"'), then=Reply(etag='W/"1"'), asked=(2, 3), **UNSUMMED)
    yield case("changed under a weak tag", was(etag='W/"1"'), then=weak, asked=(2, 4))
    yield case("changed under a weak tag, no checksum", was(etag='W/"1"'), then=weak, asked=(2, 4), **UNSUMMED)
    yield case("changed without a tag, no checksum", was(etag=""), then=Reply(etag=""), asked=(2, 4), **UNSUMMED)
    dated = Reply(etag="", headers=(("Last-Modified", LAST_MODIFIED),))
    yield case(
        "a date for a tag", replace(dated, stop=9_000, ending="close"), then=dated, asked=(2, 3), **UNSUMMED
    )
    earlier = (("Last-Modified", "Tue, 31 Dec 2024 00:00:00 GMT"),)
    yield case(
        "changed by its date, no checksum", was(etag="", headers=earlier), then=dated, asked=(2, 4), **UNSUMMED
    )
    longer = cut(90_000, body=noise("longer", 99_000), etag="")
    yield case("shrunk below what is there", longer, then=Reply(etag=""), asked=(2, 4))
    yield case("shrunk below what is there, nothing known", longer, then=Reply(etag=""), asked=(2, 4), **UNTOLD)


def _refused() -> Iterator[Case]:
    for status in (404, 410, 400, 405, 451):
        yield case(f"status {status}", then=error(status), outcome="failed", says=str(status))
    for status in (403, 401):
        yield case(f"status {status}", then=error(status), outcome="denied", says=str(status))
    for status in (204, 304):
        yield case(f"status {status}", then=Reply(status, b""), outcome="failed", asked=(1, TRIES))
    for status in (408, 425, 429, 500, 502, 503, 504):
        yield case(f"status {status} twice", error(status), error(status), asked=(3, 3))
    yield case("status 500 for ever", then=error(500), outcome="failed", says="500", asked=ALWAYS)
    yield case("status 429 for ever", then=error(429), outcome="failed", says="429", asked=ALWAYS)
    yield case("status 503 with a time", error(503, Retry_After="1"), asked=(2, 2), pause=0.95)
    yield case("status 429 with a time", error(429, Retry_After="1"), asked=(2, 2), pause=0.95)
    yield case("status 429 with a date", error(429, Retry_After="{soon}"), asked=(2, 2), pause=0.95)
    yield case("status 429 with nonsense for a time", error(429, Retry_After="$(id)"), asked=(2, 2))
    yield case("status 429 with a date long ago", error(429, Retry_After=LAST_MODIFIED), asked=(2, 2))
    part = Reply(206, noise("part", 100), headers=(("Content-Range", f"bytes 5-104/{SIZE}"),))
    yield case("a part that nobody asked for", then=part, outcome="failed", asked=(1, TRIES), **UNSUMMED)
    yield case(
        "a part that nobody asked for, nothing known", then=part, outcome="failed", asked=(1, TRIES), **UNTOLD
    )


def _false() -> Iterator[Case]:
    page, padded = error(200), error(200, TOLD + b" " * (SIZE - len(TOLD)))
    disguised = error(200, media="application/octet-stream")
    failed: dict[str, Any] = {"outcome": "failed", "asked": (1, TRIES)}
    yield case("a page with 200", then=page, **failed)
    yield case("a page with 200 once", page, asked=(2, 2))
    yield case("a page with 200, no checksum", then=page, **failed, **UNSUMMED)
    yield case("a page with 200, nothing known", then=page, **failed, **UNTOLD)
    yield case("a page of the right size, no checksum", then=padded, **failed, **UNSUMMED)
    yield case("a page in disguise, nothing known", then=disguised, **failed, **UNTOLD)
    told = error(200, JSON_ERROR, "application/json")
    yield case("a JSON error with 200", then=told, **failed)
    yield case("a JSON error with 200, nothing known", then=told, **failed, **UNTOLD)
    yield case("no bytes with 200", then=Reply(body=b""), **failed)
    wrong = Reply(body=noise("wrong"))
    yield case(
        "the right size with wrong bytes", then=wrong, outcome="failed", says="(?i)sha-?256", asked=(2, TRIES)
    )
    yield case("the right size with wrong bytes once", wrong, asked=(2, 2))
    yield case("less than the plan says", told_size=SIZE + 1, told_sha256=False, mended="failed", **failed)
    yield case("more than the plan says", told_size=SIZE - 1, told_sha256=False, mended="failed", **failed)
    yield case("more than Content-Length says, once", Reply(promised=SIZE - 500, ending="close"), asked=(2, 3))
    yield case("compressed on the way", then=_compressed("compressed on the way"), **failed)
    yield case(
        "compressed on the way, nothing known",
        then=_compressed("compressed on the way, nothing known"),
        **failed,
        **UNTOLD,
    )


def _compressed(name: str) -> Reply:
    return replace(_labelled(), body=gzip.compress(noise(name)), type="image/fits")


def _sent_elsewhere() -> Iterator[Case]:
    back, away = redirect("{itself}"), redirect("{other}{itself}")
    failed: dict[str, Any] = {"outcome": "failed", "asked": (1, TRIES)}
    yield case("redirected on the same host", back, asked=(2, 2))
    for status in (301, 303, 307, 308):
        yield case(f"redirected with {status}", redirect("{itself}", status), asked=(2, 2))
    yield case("redirected five times", *[back] * 5, asked=(6, 6))
    yield case("redirected for ever", then=back, outcome="failed", asked=(6, 6 * TRIES))
    yield case("redirected to another host", then=away, elsewhere=True)
    yield case("redirected to another port", then=redirect("{neighbour}{itself}"), elsewhere=True)
    yield case("redirected to a local file", then=redirect("file:///etc/hostname"), **failed, **UNTOLD)
    yield case("redirected to FTP", then=redirect("ftp://127.0.0.1:9/x"), **failed, **UNTOLD)
    yield case("redirected to nowhere", then=error(302), **failed)
    yield case("nobody listens", url="{closed}/x", outcome="failed", mended="failed", asked=(0, 0))
    yield case("no such host", url="http://nowhere.invalid/x", outcome="failed", mended="failed", asked=(0, 0))


def _protected() -> Iterator[Case]:
    yield case("exclusive", protected=True)
    yield case("exclusive, cut in the middle", cut(), protected=True, asked=(2, 2), resumed=True)
    yield case("exclusive, with 500 first", error(500), protected=True, asked=(2, 2))
    yield case("exclusive, no right to it", then=error(403), protected=True, outcome="denied", says="403")
    yield case("exclusive, no right and 401", then=error(401), protected=True, outcome="denied", says="401")
    yield case("exclusive, on the same host", redirect("{itself}"), protected=True, asked=(2, 2))
    yield case("exclusive, sent to another host", then=redirect("{other}{itself}"), protected=True, elsewhere=True)
    there = redirect("{neighbour}{itself}")
    yield case("exclusive, sent to another port", then=there, protected=True, elsewhere=True)
    yield case(
        "exclusive, kept at another host", url="{other}{itself}", protected=True, asked=(0, 0), elsewhere=True
    )


CASES = (
    *_broken_off(),
    *_honest(),
    *_changed(),
    *_refused(),
    *_false(),
    *_sent_elsewhere(),
    *_protected(),
)
