"""Requests to stores over connections that are kept open: redirects, and what every failure means."""

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from portal.remote.addresses import Target
from portal.remote.limits import Halt, Limits
from portal.remote.problems import StoreProblem, refused
from portal.remote.signing import signed
from portal.remote.stores import configured
from portal.remote.wire import Wire

PIECE_BYTES = 1 << 18
MOST_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})

HEADERS = {"Accept-Encoding": "identity", "User-Agent": "Skybasket"}
"""The bytes of a file are wanted as they are stored: a length or a range of a packed form says nothing of them."""


class Answer:
    """The answer to one request: 200 or 206. `label` names the store to people."""

    def __init__(self, label: str, response: http.client.HTTPResponse, wire: Wire) -> None:
        self.label = label
        self.status = response.status
        self._response = response
        self._wire = wire

    def header(self, name: str) -> str:
        """Its value; blank where there is none."""
        return self._response.getheader(name, "").strip()

    @property
    def told_its_end(self) -> bool:
        """Whether the body came in chunks: then its end, once reached, is the end that the store meant."""
        return bool(self._response.chunked)

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes, to its end, wherever that is. Raises StoreProblem, Halted."""
        self._wire.await_body()
        with _understood(self.label):
            while piece := self._response.read1(PIECE_BYTES):
                yield piece

    def end(self) -> bool:
        """Whether nothing follows what was read; the connection can then be used again."""
        with _understood(self.label):
            return not self._response.read(1)


class Open(NamedTuple):
    """A connection, and the answer that came over it last."""

    connection: http.client.HTTPConnection
    wire: Wire
    response: http.client.HTTPResponse

    @property
    def usable(self) -> bool:
        """Whether another request may be sent over it."""
        return self.response.isclosed() and not self.response.will_close and self.wire.is_quiet


class Line:
    """Asks stores, one request at a time, in one thread; keeps a connection to each open."""

    def __init__(self, limits: Limits, halt: Halt) -> None:
        self._limits = limits
        self._halt = halt
        self._open: dict[tuple[str, str, int], Open] = {}

    def ask(self, method: str, source: str, headers: Mapping[str, str]) -> Answer:
        """The answer, when it brings the file or tells of it. An answer that is not read to its end is dropped.

        Raises StoreProblem for all other answers and for none, Halted.
        """
        target = configured().target(source)
        for _ in range(MOST_REDIRECTS):
            with _understood(target.label):
                _, wire, response = self._sent(method, target, headers)
            if response.status not in REDIRECTS:
                break
            target = configured().redirected(target, response.getheader("Location", ""))
        if response.status in REDIRECTS:
            raise StoreProblem(f"The store {target.label} redirects in circles.")
        if response.status not in {200, 206}:
            raise refused(target.label, response.status, response.reason, response.getheader("Retry-After"))
        return Answer(target.label, response, wire)

    def close(self) -> None:
        """Close every connection."""
        for one in self._open.values():
            one.wire.hang_up()
        self._open.clear()

    def _sent(self, method: str, target: Target, headers: Mapping[str, str]) -> Open:
        """Over the connection of before, unless that is gone: a store may have closed it since, without a word."""
        place = (target.address.scheme, target.address.host, target.address.port)
        kept = self._open.pop(place, None)
        answered: Open | None = None
        if kept is not None:
            try:
                answered = _over(kept.connection, kept.wire, method, target, headers) if kept.usable else None
            except (OSError, http.client.HTTPException):
                self._halt.check()
            finally:
                if answered is None:
                    kept.wire.hang_up()
        self._open[place] = answered or self._over_a_new_one(method, target, headers)
        return self._open[place]

    def _over_a_new_one(self, method: str, target: Target, headers: Mapping[str, str]) -> Open:
        wire = Wire(target, self._limits.seconds, self._halt)
        connection = http.client.HTTPConnection(target.address.host, target.address.port)
        connection.sock = wire
        try:
            return _over(connection, wire, method, target, headers)
        except BaseException:
            wire.hang_up()
            raise


def _over(
    connection: http.client.HTTPConnection, wire: Wire, method: str, target: Target, headers: Mapping[str, str]
) -> Open:
    wire.await_head()
    connection.putrequest(method, target.address.path, skip_host=True, skip_accept_encoding=True)
    for name, value in _complete(method, target, headers).items():
        connection.putheader(name, value)
    connection.endheaders()
    return Open(connection, wire, connection.getresponse())


def _complete(method: str, target: Target, headers: Mapping[str, str]) -> dict[str, str]:
    every = HEADERS | dict(headers)
    if target.keys is None:
        return every | {"Host": target.address.authority}
    return signed(method, target.address, every, target.keys, datetime.now(UTC))


@contextmanager
def _understood(label: str) -> Iterator[None]:
    """Every failure of a connection as a StoreProblem."""
    try:
        yield
    except StoreProblem:
        raise
    except TimeoutError as error:
        raise StoreProblem(f"The store {label} stopped answering in time.", temporary=True) from error
    except ssl.SSLCertVerificationError as error:
        reason = f"The store {label} could not prove who it is: {error.verify_message}."
        raise StoreProblem(reason) from error
    except socket.gaierror as error:
        raise StoreProblem(f"The name of the store {label} is not known at present.", temporary=True) from error
    except ConnectionRefusedError as error:
        raise StoreProblem(f"The store {label} takes no connection at present.", temporary=True) from error
    except (OSError, http.client.HTTPException) as error:
        raise StoreProblem(f"The connection to the store {label} broke.", temporary=True) from error
