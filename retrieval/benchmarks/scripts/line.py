"""A long line, simulated: a TCP relay behind which a server on this machine is far away.

Each byte arrives half a round trip after it was sent, and each connection carries so many bytes a second each way. The
first byte of a new connection leaves one round trip later, as the handshake (which the kernel does at once on loopback)
would have it. So a request on a new connection costs two round trips until its answer begins and one on an old
connection costs one. TLS, slow start and losses are left out: each of them costs a new connection more than an old one,
so that whoever keeps connections open is not flattered.
"""

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass

CHUNK = 1 << 16
AHEAD = 0.02
"""Seconds by which reading may run ahead of the line, so that the clock's grain takes nothing from its rate."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of `round_trip` seconds and `rate` bytes a second and connection, to the port of a server here."""

    port: int
    round_trip: float
    rate: float

    async def serve(self) -> None:
        """Say on which port the line begins, and relay until killed."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=4 * CHUNK, backlog=256)
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        established = asyncio.get_running_loop().time() + self.round_trip
        there, back = await asyncio.open_connection("127.0.0.1", self.port, limit=4 * CHUNK)
        ways = (self._carry(reader, back, established), self._carry(there, writer, established))
        try:
            await asyncio.gather(*ways)
        finally:
            back.close()
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, free: float) -> None:
        """One direction; `free` is the moment from which the line is."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(256)
        arriving = asyncio.create_task(_deliver(under_way, writer))
        clock = asyncio.get_running_loop().time
        with suppress(ConnectionError):
            while chunk := await reader.read(CHUNK):
                free = max(free, clock()) + len(chunk) / self.rate
                await under_way.put((free + self.round_trip / 2, chunk))
                if free > clock() + AHEAD:
                    await asyncio.sleep(free - clock() - AHEAD / 2)
        await under_way.put((max(free, clock()) + self.round_trip / 2, b""))
        await arriving


async def _deliver(under_way: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
    """Hand over what has arrived; an empty chunk is the end."""
    clock = asyncio.get_running_loop().time
    gone = False
    while True:
        at, chunk = await under_way.get()
        if at > clock():
            await asyncio.sleep(at - clock())
        if not chunk:
            break
        with suppress(ConnectionError):
            if not gone:
                writer.write(chunk)
                await writer.drain()
                continue
        gone = True
    with suppress(OSError):
        writer.write_eof()


if __name__ == "__main__":
    asyncio.run(Line(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])).serve())
