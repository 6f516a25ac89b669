"""What reading ahead brings: many files behind 150 ms and 20 MB/s a connection, read with 1 to 16 requests at once.

The store is a process on loopback that waits a round trip before each answer, another one for a new connection, and
sends each body at the pace of one connection. The reference asks for one file after another over one connection.
"""

import asyncio
import http.client
import multiprocessing
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from django.test.utils import override_settings

from portal.benchmark import Figure, at_least, at_most
from portal.remote.limits import Limits
from retrieval.fetching import UNKNOWN, Reader, Sources, batches
from retrieval.zipplan import FileRange

ROUND_TRIP_SECONDS = 0.150
BYTES_PER_SECOND = 20_000_000
BYTES_AHEAD = 64 << 20
PIECE = 1 << 16

GOALS = {1: 0.9, 4: 3.5, 8: 7.0, 16: 9.0}
"""Times as fast as one after another. BYTES_AHEAD are 13 files of 5 MB: 16 requests cannot bring 16 times as much."""


def figures(*, quick: bool) -> Iterator[Figure]:
    """Throughput for 1, 4, 8 and 16 requests at once, as ratios to one after another, and the memory they take."""
    files, size = (24, 1_000_000) if quick else (200, 5_000_000)
    with _far_store() as port, override_settings(REMOTE_STORES=[f"http://127.0.0.1:{port}/"]):
        alone = _one_after_another(port, files // 5, size)
        for requests, goal in GOALS.items():
            some = files if requests > 1 else files // 5
            rate, memory = _ahead(port, some, size, requests)
            note = f"{rate / 1e6:.0f} MB/s, one after another {alone / 1e6:.0f} MB/s"
            yield at_least(f"{some} files of {size:,} bytes, {requests} at once", rate / alone, goal, note)
        yield at_most(
            "memory for 16 at once, × what may be held", memory / BYTES_AHEAD, 1.5, f"{memory / 1e6:.0f} MB"
        )
        small = 40 if quick else 400
        alone, (rate, _) = _one_after_another(port, small // 10, 50_000), _ahead(port, small, 50_000, 8)
        yield at_least(
            f"{small} files of 50,000 bytes, 8 at once", rate / alone, 6.5, f"{rate / 50_000:.0f} files/s"
        )


def _one_after_another(port: int, files: int, size: int) -> float:
    """Bytes per second over one connection that is kept."""
    begin = time.perf_counter()
    opened = http.client.HTTPConnection("127.0.0.1", port)
    for number in range(files):
        opened.request("GET", f"/{size}/{number}")
        assert len(opened.getresponse().read()) == size
    opened.close()
    return files * size / (time.perf_counter() - begin)


def _ahead(port: int, files: int, size: int, requests: int) -> tuple[float, int]:
    """Bytes per second as a stream reads them, and bytes of memory at the most above before."""
    sources, coming = Sources(), [FileRange(number, 0, size) for number in range(files)]
    for number in range(files):
        sources.add(f"http://127.0.0.1:{port}/{size}/{number}", size, 0, UNKNOWN)
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): forget the peak so far
    before, begin = _memory("VmRSS"), time.perf_counter()
    reader = Reader(sources, coming, Limits(seconds=60, attempts=1, requests=requests, bytes=BYTES_AHEAD))
    try:
        read = sum(len(reader.read(batch)) for batch in batches(coming))
    finally:
        reader.close()
    assert read == files * size
    return read / (time.perf_counter() - begin), _memory("VmHWM") - before


def _memory(line: str) -> int:
    found = re.search(rf"{line}:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(found[1]) * 1024 if found else 0


@contextmanager
def _far_store() -> Iterator[int]:
    """Its port."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.kill()
        process.join()


def _serve(parent: Connection) -> None:
    asyncio.run(_listen(parent))


async def _listen(parent: Connection) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    parent.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """GET /<size>/<number> as often as it is asked, whole or a part."""
    await asyncio.sleep(ROUND_TRIP_SECONDS)
    while head := (await reader.read(1 << 16)).decode():
        size = int(head.split()[1].split("/")[1])
        part = re.search(r"(?i)range: bytes=(\d+)-(\d+)", head)
        first, last = (int(part[1]), int(part[2])) if part else (0, size - 1)
        await asyncio.sleep(ROUND_TRIP_SECONDS)
        status = f"206 Partial Content\r\nContent-Range: bytes {first}-{last}/{size}" if part else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {last - first + 1}\r\n\r\n".encode())
        begin, left = time.perf_counter(), last - first + 1
        while left:
            writer.write(bytes(min(PIECE, left)))
            left -= min(PIECE, left)
            due = begin + (last - first + 1 - left) / BYTES_PER_SECOND
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            await writer.drain()
    writer.close()
