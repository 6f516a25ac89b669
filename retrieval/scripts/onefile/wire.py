"""HTTP: one worker's kept-alive connections, proxies, redirects. Knows nothing of files."""

from __future__ import annotations

import base64
import functools
import http.client
import platform
import socket
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 5
CHUNK = 256 * 1024
AGENT = f"Skybasket-script/1 (Python {platform.python_version()})"


class Again(Exception):
    """It did not work, and may work another time; `wait` in seconds where the server said so."""

    def __init__(self, reason: str, wait: float | None = None, busy: bool = False) -> None:
        """`busy`: the server asks everybody to slow down."""
        super().__init__(reason)
        self.wait = wait
        self.busy = busy


class Failed(Exception):
    """It will not work."""


class Origin(NamedTuple):
    """Where requests go, and where a token may go."""

    scheme: str
    host: str
    port: int


@functools.lru_cache(maxsize=1)
def trusted() -> ssl.SSLContext:
    """The certificates that this machine trusts; reading them takes a moment, so only where there is https."""
    return ssl.create_default_context()


def origin_of(url: str) -> Origin:
    """The origin of an address. Raises Failed for one that is neither http nor https."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Failed(f"{url} is not an address: {error}") from error
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise Failed(f"{url} is neither http nor https.")
    return Origin(parts.scheme, parts.hostname.lower(), port or DEFAULT_PORTS[parts.scheme])


class Answer(http.client.HTTPResponse):
    """An answer behind any number of interim ones (RFC 9110 15.2), which the standard library does not expect."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # not in the library's stubs
            if not 102 <= status < 200:
                return version, status, reason
            http.client.parse_headers(self.fp)


class Wire:
    """The connections of one worker, kept alive from file to file."""

    def __init__(self, timeout: float) -> None:
        """`timeout`: seconds of silence after which a connection counts as broken."""
        self._timeout = timeout
        self._open: dict[Origin, http.client.HTTPConnection] = {}
        self._proxies = urllib.request.getproxies()

    def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> http.client.HTTPResponse:
        """Send one request and return the answer, its body unread. Raises Again, Failed."""
        origin = origin_of(url)
        kept = origin in self._open
        try:
            return self._exchange(origin, method, url, headers, body)
        except (http.client.RemoteDisconnected, ConnectionError) as error:
            self.drop(origin)
            if not kept:
                raise Again(_no_answer(error)) from error
        # A kept-alive connection may have been closed by the server meanwhile: that says nothing about this file.
        try:
            return self._exchange(origin, method, url, headers, body)
        except (http.client.HTTPException, OSError) as error:
            self.drop(origin)
            raise Again(_no_answer(error)) from error

    def _exchange(
        self, origin: Origin, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> http.client.HTTPResponse:
        proxy = self._proxy(origin)
        connection = self._open.get(origin)
        try:
            if connection is None:
                connection = self._open[origin] = self._connection(origin, proxy)
            sent = {"User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": "identity", **headers}
            if proxy and origin.scheme == "http":
                sent.update(_proxy_headers(proxy))
            connection.request(method, _target(url, bool(proxy) and origin.scheme == "http"), body, sent)
            return connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            raise
        except (http.client.InvalidURL, UnicodeError) as error:
            raise Failed(f"{url} is not an address: {error}") from error
        except ssl.SSLCertVerificationError as error:
            self.drop(origin)
            raise Failed(f"The certificate of {origin.host} is not trusted: {error.verify_message}") from error
        except (http.client.HTTPException, OSError) as error:
            self.drop(origin)
            raise Again(_no_answer(error)) from error

    def follow(
        self, url: str, headers: Mapping[str, str], token_for: TokenFor
    ) -> tuple[http.client.HTTPResponse, Origin]:
        """GET with redirects; the token goes along until the first redirect to elsewhere. Raises Again, Failed.

        Returns the answer, its body unread, and where it comes from.
        """
        may_send = True
        for _ in range(MOST_REDIRECTS + 1):
            origin = origin_of(url)
            token = token_for(origin) if may_send else {}
            may_send = may_send and bool(token)
            answer = self.ask("GET", url, {**headers, **token})
            if answer.status not in REDIRECTS:
                return answer, origin
            location = answer.headers.get("Location", "").strip()
            self.finish(answer, origin)
            if not location:
                raise Failed(f"The server answered {answer.status} without saying where the file is.")
            target = urljoin(url, location)
            if origin.scheme == "https" and origin_of(target).scheme != "https":
                raise Failed("The server redirects from https to http.")
            url = target
        raise Failed(f"The server redirects more than {MOST_REDIRECTS} times.")

    def finish(self, answer: http.client.HTTPResponse, origin: Origin) -> None:
        """Read what is left of a short body, so that the connection can be kept; else give the connection up."""
        try:
            for _ in range(4):
                if not answer.read1(CHUNK // 4):
                    answer.close()
                    return
        except (http.client.HTTPException, OSError, ValueError):
            pass
        self.abandon(answer, origin)

    def abandon(self, answer: http.client.HTTPResponse, origin: Origin) -> None:
        """Give up the connection of an answer that was not read to its end."""
        answer.close()
        self.drop(origin)

    def drop(self, origin: Origin) -> None:
        """Close the connection to one origin."""
        connection = self._open.pop(origin, None)
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Close all connections."""
        for origin in list(self._open):
            self.drop(origin)

    def break_off(self) -> None:
        """From another thread: wake whoever waits for bytes on these connections."""
        for connection in list(self._open.values()):
            with suppress(OSError, ValueError):
                if connection.sock is not None:
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def _connection(self, origin: Origin, proxy: str) -> http.client.HTTPConnection:
        host, port = origin.host, origin.port
        if proxy:
            parts = urlsplit(proxy)
            host, port = parts.hostname or "", parts.port or 3128
        if origin.scheme == "http":
            connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
        else:
            connection = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=trusted())
            if proxy:
                connection.set_tunnel(origin.host, origin.port, headers=_proxy_headers(proxy))
        connection.response_class = Answer
        return connection

    def _proxy(self, origin: Origin) -> str:
        """The proxy that this machine uses for the origin, as a URL, or nothing."""
        proxy = self._proxies.get(origin.scheme) or self._proxies.get("all") or ""
        if not proxy or urllib.request.proxy_bypass(f"{origin.host}:{origin.port}"):
            return ""
        return proxy if "://" in proxy else f"http://{proxy}"


class TokenFor:
    """Says which headers carry the token to an origin: none where it may not go."""

    def __call__(self, _origin: Origin) -> dict[str, str]:
        """Without a token."""
        return {}


def pieces(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body as it comes. Raises Again when the connection breaks or a chunk is cut off."""
    try:
        while piece := answer.read1(CHUNK):
            yield piece
    except http.client.IncompleteRead as error:
        if error.partial:
            yield error.partial
        raise Again("The connection broke off.") from error
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise Again(f"The connection broke off: {_words(error)}") from error


def _target(url: str, absolute: bool) -> str:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}" if absolute else path


def _proxy_headers(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(words.encode()).decode()}


def _no_answer(error: Exception) -> str:
    return f"No answer: {_words(error)}"


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
