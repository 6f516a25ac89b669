"""`skybasket run`: every part of Skybasket under one foreground process.

PostgreSQL, Valkey, Celery's worker and beat, and the web server are its children. It starts them in that order,
prints the address once the first page answers, starts again what dies, and stops everything in the opposite order.
A kill of this process takes the children with it (see `portal.embedded.processes`).
"""

import errno
import http.client
import os
import signal
import socket
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from django.conf import settings

from portal.embedded.homes import Home
from portal.embedded.processes import SOURCES, Program, ServerProblem, free_port, python, python_path
from portal.embedded.servers import Say, Servers, take_lock_or_borrow

LAST_PORT = 65535
READY_SECONDS = 120.0
FIRST_DELAY, LONGEST_DELAY, STEADY_SECONDS = 0.5, 10.0, 30.0
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  # names of the choice, nothing listens here


class Stopped(BaseException):
    """Ctrl-C, SIGTERM or a closed terminal: not an error, and not to be caught on the way."""


@dataclass
class Care:
    """How one child fares: when it started last, and when it is due to start again."""

    started: float = 0.0
    due: float | None = None
    delay: float = FIRST_DELAY


class Supervisor:
    """One run in one home."""

    def __init__(self, home: Home, say: Say, *, host: str, port: int, demo: bool) -> None:
        self.home = home
        self.say = say
        self.host = host
        self.wanted_port = port
        self.demo = demo
        self.servers = Servers(home, "run")
        self.care: dict[str, Care] = defaultdict(Care)
        self.stopping = False

    def run(self) -> None:
        """Until it is told to stop."""
        self.home.prepare()
        other = take_lock_or_borrow(self.home, self.say)
        if other is not None:
            where = other.url or "it is still starting"
            raise ServerProblem(f"Skybasket is already running in {self.home.path}: {where}")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            self._start()
            self._watch()
        except Stopped:
            pass
        finally:
            self._stop()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Begin to stop; a second signal while stopping means at once."""
        if not self.stopping:
            self.stopping = True
            raise Stopped
        for program in self.servers.programs.values():
            program.stop_signal = signal.SIGKILL
            if program.process is not None and program.running:
                program.process.kill()

    def _start(self) -> None:
        port = choose_port(self.host, self.wanted_port, self.say)
        environment = child_environment(self.host, port) | self.servers.start(self.say)
        self._prepare(environment)
        self.say("Starting the web server and the workers…")
        for name, program in pages_and_workers(self.home, self.host, port, environment).items():
            self.servers.programs[name] = program
            self._begin(name, program)
        self._wait_until_ready(port, environment["SITE_URL"])
        self.servers.running.url = environment["SITE_URL"] + "/"
        self.home.write(self.servers.running)
        self.say(f"Skybasket is ready: {self.servers.running.url}")

    def _prepare(self, environment: dict[str, str]) -> None:
        self.say("Bringing the database up to date…")
        demo = ["--demo"] if self.demo else []
        program = Program("prepare", python("portal.prepare", *demo), None, environment)
        self.servers.programs["prepare"] = program
        self._begin("prepare", program)
        assert program.process is not None
        if program.process.wait() != 0:
            raise ServerProblem("The database could not be made ready; the reason stands above.")
        del self.servers.programs["prepare"], self.servers.running.children["prepare"]

    def _begin(self, name: str, program: Program) -> None:
        self.servers.begin(name, program)
        self.care[name].started = time.monotonic()
        self.care[name].due = None

    def _wait_until_ready(self, port: int, site: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not answers(self.host, port, site):
            for program in self.servers.programs.values():
                if not program.running:
                    end = f"The end of {program.log}:\n{program.tail()}"
                    raise ServerProblem(f"{program.name} did not start. {end}")
            if time.monotonic() > deadline:
                log = self.home.log("web")
                raise ServerProblem(f"No page answered for {READY_SECONDS:.0f} s. The reason may be in {log}")
            time.sleep(0.05)

    def _watch(self) -> None:
        while True:
            for name, program in self.servers.programs.items():
                if not program.running:
                    self._revive(name, program)
            time.sleep(0.2)

    def _revive(self, name: str, program: Program) -> None:
        """Start a dead child again: soon the first time, later each time that it dies young."""
        care, now = self.care[name], time.monotonic()
        if care.due is None:
            care.delay = FIRST_DELAY if now - care.started > STEADY_SECONDS else care.delay
            care.due = now + care.delay
            self.say(f"{program.name} has stopped; starting it again in {care.delay:g} s. Its log: {program.log}")
            care.delay = min(2 * care.delay, LONGEST_DELAY)
            program.stop()  # what is left of its session
        elif now >= care.due:
            if name == "postgresql" and self.servers.postgresql is not None:
                self.servers.postgresql.clear_way()
            self._begin(name, program)

    def _stop(self) -> None:
        self.stopping = True
        if self.servers.programs:
            self.say("Stopping…")
        self.servers.stop()
        self.home.give_lock_back()


def choose_port(host: str, wanted: int, say: Say) -> int:
    """The wanted port, or the next free one where somebody listens there already; for 0 any free one."""
    if not 0 <= wanted <= LAST_PORT:
        raise ServerProblem(f"PORT={wanted} is not between 1 and {LAST_PORT}. For example: --port 8000")
    if wanted == 0:
        return free_port()
    for port in range(wanted, min(wanted + 100, LAST_PORT + 1)):
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            socket.create_server(address[:2], family=family).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            if error.errno == errno.EACCES:
                raise ServerProblem(f"Only root may open PORT={port}. Take one above 1023: --port 8000") from error
            raise ServerProblem(f"HOST={host} is not an address of this machine: {error.strerror}.") from error
        if port != wanted:
            say(f"Port {wanted} is taken; using {port}.")
        return port
    raise ServerProblem(f"Every port from {wanted} to {port} is taken. Name another: --port 8000")


def child_environment(host: str, port: int) -> dict[str, str]:
    """What the children find: the true port, the sources, and paths that hold in their working directory."""
    shown = WILDCARDS.get(host, f"[{host}]" if ":" in host else host)
    environment = {
        name: str(Path(value).absolute()) if name.endswith("_FILE") else value
        for name, value in os.environ.items()
    }
    environment |= {"HOST": host, "PORT": str(port), "PYTHONUNBUFFERED": "1"}
    environment.setdefault("SITE_URL", f"http://{shown}:{port}")
    return environment | python_path()


def pages_and_workers(home: Home, host: str, port: int, environment: dict[str, str]) -> dict[str, Program]:
    """The children that are Python, in the order of their start."""
    celery = ["-q", "-A", "portal.celery"]
    queues = {"celery"} | {str(route["queue"]) for route in settings.CELERY_TASK_ROUTES.values()}
    worker = ["-c", "2", "-Q", ",".join(sorted(queues)), "--without-mingle", "--without-gossip", "-l", "WARNING"]
    # An empty pid file: a stale one would block the next start.
    beat = ["-s", str(home.path / "beat"), "--pidfile=", "-l", "WARNING"]
    unpooled = environment | {"DATABASE_POOL": "0"}  # one task at a time needs no pool, and a fork shares none
    return {
        "worker": Program(
            name="The worker",
            command=python("celery", *celery, "worker", *worker),
            log=home.log("worker"),
            environment=unpooled,
            death_signal=signal.SIGQUIT,  # at once: its jobs go on from the database
            patience=5,
        ),
        "beat": Program(
            name="The clock",
            command=python("celery", *celery, "beat", *beat),
            log=home.log("beat"),
            environment=unpooled,
        ),
        "web": Program(
            name="The web server",
            command=python("granian", *web_options(host, port), "portal.asgi:application"),
            log=home.log("web"),
            environment=environment,
        ),
    }


def web_options(host: str, port: int) -> list[str]:
    """Two processes, so that one long search holds up no page; downloads wait on event loops, not in threads."""
    options = {
        "interface": "asginl",
        "host": socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0],
        "port": port,
        "workers": min(2, os.cpu_count() or 1),
        "http": 1,
        "backlog": 2048,
        "backpressure": 1024,
        "workers-kill-timeout": 3,
        "working-dir": SOURCES,
        "log-level": "warning",
    }
    return [f"--{name}={value}" for name, value in options.items()] + ["--no-ws", "--respawn-failed-workers"]


def answers(host: str, port: int, site: str) -> bool:
    """Whether the site says that it lives. Asked by its own name, so that ALLOWED_HOSTS lets the question in."""
    connection = http.client.HTTPConnection(WILDCARDS.get(host, host).strip("[]"), port, timeout=10)
    try:
        connection.request("GET", "/livez", headers={"Host": urlsplit(site).netloc})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
