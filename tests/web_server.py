"""The web server that `run` starts, on the test database, for what only a real server shows: bytes, cuts, memory."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from portal.embedded.processes import free_port
from portal.supervisor import web_options
from tests.conftest import CHECKOUT


def environment() -> dict[str, str]:
    """The environment of a program that is to work on the test database."""
    server = os.environ["DATABASE_URL"].rpartition("/")[0]
    url = f"{server}/{connection.settings_dict['NAME']}"
    return os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "portal.settings"}


@dataclass
class WebServer:
    """A running server. `folder` holds what it said."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, path: str, cookie: str = "", *, method: str = "GET", **headers: str
    ) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
        """The answer, its body unread, and the connection to close. Header names with _ for -."""
        return self._ask(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=60), path, cookie, method, headers
        )

    def ask_narrowly(self, path: str, cookie: str) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
        """The same by a client whose machine takes little more than a megabyte that is not read."""
        opened = http.client.HTTPConnection("127.0.0.1", self.port)
        opened.sock = socket.socket()
        opened.sock.settimeout(60)
        opened.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        opened.sock.connect(("127.0.0.1", self.port))
        return self._ask(opened, path, cookie, "GET", {})

    @staticmethod
    def _ask(
        opened: http.client.HTTPConnection, path: str, cookie: str, method: str, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        opened.request(method, path, headers=sent | ({"Cookie": cookie} if cookie else {}))
        return opened.getresponse(), opened

    def processes(self) -> list[int]:
        """Its processes, the parent first."""
        found = [self.process.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        return found

    def peak_memory(self) -> int:
        """Bytes: the sum of the largest resident sizes of its processes so far."""
        lines = [
            line
            for pid in self.processes()
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if line.startswith("VmHWM")
        ]
        return sum(int(line.split()[1]) * 1024 for line in lines)

    def open_files(self) -> set[str]:
        """Paths of all files that its processes have open."""
        found = set()
        for pid in self.processes():
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(FileNotFoundError):
                    found.add(str(link.readlink()))
        return found


@contextmanager
def serving(folder: Path, **extra: str) -> Iterator[WebServer]:
    """Start it and wait until it answers; stop it at the end."""
    port, log = free_port(), folder / "web.log"
    command = [sys.executable, "-m", "granian", *web_options("127.0.0.1", port), "portal.asgi:application"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=environment() | extra,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    server = WebServer(port, process, log)
    try:
        until(lambda: _answers(server), "the web server answers")
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _answers(server: WebServer) -> bool:
    assert server.process.poll() is None, server.log.read_text()
    try:
        answer, opened = server.ask("/livez")
    except OSError:
        return False
    opened.close()
    return answer.status == 200


def until(happened: Callable[[], bool], what: str) -> None:
    """Wait for it; after a minute it is taken never to happen."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


def signed_in(user: User) -> str:
    """The cookie of a browser in which this person is signed in."""
    client = Client()
    client.force_login(user)
    return f"sessionid={client.cookies['sessionid'].value}"
