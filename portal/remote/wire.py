"""One connection to a store: to an address that is allowed, with a limit on every wait, and cut from another thread.

The name is resolved once and the address that was judged is the one connected to, so no second answer of a name
server leads elsewhere.
"""

import io
import ipaddress
import select
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from time import monotonic

from portal.remote.addresses import Target
from portal.remote.limits import Halt
from portal.remote.problems import StoreProblem

LEAST_BYTES = 1 << 16
"""So much of a body has to come in each span of `seconds`, or the store counts as stalled."""


@cache
def trust() -> ssl.SSLContext:
    """The system's certificates, or those that SSL_CERT_FILE names."""
    return ssl.create_default_context()


class Wire:
    """A connected socket, in the shape that http.client wants of one."""

    def __init__(self, target: Target, seconds: float, halt: Halt) -> None:
        """Connect. Raises StoreProblem when the address is not allowed, OSError, Halted."""
        self._seconds = seconds
        self._halt = halt
        self._in_body = False
        self._brought = 0
        self.await_head()
        self._socket = _connected(target, self._left)
        try:
            halt.watch(self)
            if target.address.scheme == "https":
                self._socket.settimeout(self._left())
                self._socket = trust().wrap_socket(self._socket, server_hostname=target.address.host)
        except BaseException:
            self.hang_up()
            raise

    def await_head(self) -> None:
        """From now on the whole head of an answer has to come in time, however slowly it drips."""
        self._deadline = monotonic() + self._seconds
        self._in_body = False

    def await_body(self) -> None:
        """From now on each LEAST_BYTES have to come in time."""
        self._deadline = monotonic() + self._seconds
        self._in_body, self._brought = True, 0

    def sendall(self, data: bytes) -> None:
        """Send a request."""
        self._socket.settimeout(self._left())
        self._socket.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """What an answer is read from."""
        del mode
        return io.BufferedReader(_Incoming(self))

    @property
    def is_quiet(self) -> bool:
        """Whether nothing waits to be read: neither the end of the connection nor what nobody asked for."""
        return not select.select([self._socket], [], [], 0)[0]

    def receive(self, buffer: memoryview) -> int:
        """Take what has come, at least a byte; 0 at the end. Raises TimeoutError, OSError, Halted."""
        self._halt.check()
        self._socket.settimeout(self._left())
        try:
            count = self._socket.recv_into(buffer)
        finally:
            self._halt.check()
        if self._in_body:
            self._brought += count
            if self._brought >= LEAST_BYTES:
                self.await_body()
        return count

    def cut(self) -> None:
        """End it from another thread: a read that waits returns."""
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # not SSLSocket's, which takes away its TLS

    def close(self) -> None:
        """http.client has nothing more to send; the answer may still be on its way, so nothing is closed."""

    def hang_up(self) -> None:
        """Close it; may be called again."""
        self._halt.forget(self)
        self._socket.close()

    def _left(self) -> float:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Incoming(io.RawIOBase):
    """The bytes of one answer. Closing it leaves the connection open for the next."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # BufferedReader passes no other
        return self._wire.receive(buffer)


def _connected(target: Target, left: Callable[[], float]) -> socket.socket:
    failure: OSError | None = None
    for family, where in _addresses(target):
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.settimeout(left())
            opened.connect(where)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            opened.close()
            failure = error
        else:
            return opened
    raise failure or OSError("the name has no address")


def _addresses(target: Target) -> Iterator[tuple[int, tuple[str, int] | tuple[str, int, int, int]]]:
    """Where the store's host may be reached. Raises StoreProblem when none of its addresses is allowed."""
    address = target.address
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    allowed = [(family, where) for family, _, _, _, where in found if target.private or is_public(str(where[0]))]
    if found and not allowed:
        raise StoreProblem(
            f"The store {target.label} has a private address. The archive's operators can allow it with "
            "REMOTE_PRIVATE_HOSTS."
        )
    yield from allowed  # type: ignore[misc]  # addresses of families without a tuple are none of TCP's


def is_public(text: str) -> bool:
    """Whether an IP address is one of the public internet."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_global and not address.is_multicast
