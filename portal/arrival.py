"""What of an answer has arrived: the client's machine acknowledges bytes, and the kernel counts them (tcp(7)).

A server takes what it is given for a client that has gone as readily as for one that reads; only the connection
knows. Whatever server holds it, this process finds it among its descriptors by its two addresses. Where nothing is
counted (a socket file, another system than Linux) what was handed to the server is all that is known.
"""

import fcntl
import os
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

DESCRIPTORS = "/proc/self/fd"
BYTES_ACKED = struct.Struct("=120xQ")
"""tcpi_bytes_acked of Linux's struct tcp_info: since the connection began."""

CLOSED = 7
"""tcpi_state of a connection on which nothing can arrive any more (TCP_CLOSE)."""

SIOCOUTQ = 0x5411
"""ioctl: how many bytes wait to be sent or acknowledged (tcp(7))."""

SERVERS_OWN = 512
"""Bytes of headers that a server adds to ours, at most. While bytes are under way so many count as headers."""

RESET = struct.pack("ii", 1, 0)


class Connection:
    """The connection of one answer, from before its first byte.

    It has a descriptor of its own: its last count can be read after the server has closed it, and until `close` the
    other side does not see that the server has.
    """

    def __init__(self, held: socket.socket, head: int) -> None:
        """`head`: bytes of status line and headers, without those that the server adds."""
        self._socket = held
        self._body = self._acknowledged() + head

    def arrived(self, handed: int) -> int:
        """How many of the first `handed` bytes of the body have arrived, at least."""
        count = self._acknowledged() - self._body
        if count >= handed and self._is_empty():
            return handed
        return min(max(count - SERVERS_OWN, 0), handed)

    def is_open(self) -> bool:
        """Whether more can still arrive."""
        return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != CLOSED

    def cut(self) -> None:
        """End it now, whatever is under way; the other side notices."""
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the descriptor back; may be called again."""
        self._socket.close()

    def _acknowledged(self) -> int:
        info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, BYTES_ACKED.size)
        count: int = BYTES_ACKED.unpack(info)[0]
        return count

    def _is_empty(self) -> bool:
        return not any(fcntl.ioctl(self._socket.fileno(), SIOCOUTQ, bytes(4)))


current: ContextVar[Connection | None] = ContextVar("connection", default=None)
"""That of the answer which this task is sending, where it is known."""


def connection(client: Sequence[Any] | None, server: Sequence[Any] | None, head: int) -> Connection | None:
    """This process's connection between two addresses, each (host, port); `head` as in Connection."""
    if not client or not server or server[1] is None:
        return None
    ends = [(str(host), int(port)) for host, port in (client, server)]
    with suppress(OSError, struct.error):
        for name in os.listdir(DESCRIPTORS):  # noqa: PTH208  # names are all that is wanted of hundreds
            held = _duplicate(int(name))
            if held is None:
                continue
            if _ends(held) == ends:
                return Connection(held, head)
            held.close()
    return None


def _duplicate(descriptor: int) -> socket.socket | None:
    """It is looked at only when it is ours: a descriptor may be another connection's at the next moment."""
    with suppress(OSError):
        copy = os.dup(descriptor)
        try:
            return socket.socket(fileno=copy)
        except OSError:
            os.close(copy)
    return None


def _ends(held: socket.socket) -> list[tuple[str, int]]:
    with suppress(OSError):
        if held.type == socket.SOCK_STREAM and held.family in {socket.AF_INET, socket.AF_INET6}:
            return [held.getpeername()[:2], held.getsockname()[:2]]
    return []
