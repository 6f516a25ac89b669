"""The two servers of a home together: borrowed from a `run` that is up, or started and stopped for one command.

Where DATABASE_URL and REDIS_URL are set nothing is started at all.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from portal.embedded.homes import Home, Running
from portal.embedded.places import data_folder, left_by_earlier, postgresql_programs, valkey_program
from portal.embedded.postgresql import PostgreSQL
from portal.embedded.processes import Program, ServerProblem, free_port, is_free, server_account
from portal.embedded.valkey import Valkey
from portal.env import EnvironmentProblem, env

# What stands in the environment of a command that reads the settings and needs no server.
PLACEHOLDERS = {
    "DATABASE_URL": "postgresql://skybasket@127.0.0.1:1/skybasket",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "SECRET_KEY": "a-placeholder-no-page-is-served-with-it",
}
Say = Callable[[str], None]


def given(name: str) -> bool:
    """Whether the operator has set this variable, or NAME_FILE."""
    return bool(os.environ.get(f"{name}_FILE")) or os.environ.get(name, PLACEHOLDERS[name]) != PLACEHOLDERS[name]


class Servers:
    """PostgreSQL and Valkey of the home whose lock this process holds, unless the operator named others."""

    def __init__(self, home: Home, command: str) -> None:
        self.home = home
        self.running = Running(command)
        self.programs: dict[str, Program] = {}
        self.postgresql: PostgreSQL | None = None

    def start(self, say: Say) -> dict[str, str]:
        """Start what is missing; DATABASE_URL, REDIS_URL and SECRET_KEY for those who use it."""
        for name in self.home.end_survivors():
            say(f"Stopped {name}, which an earlier run had left behind.")
        self.home.write(self.running)
        environment = {
            "DATABASE_URL": env("DATABASE_URL") if given("DATABASE_URL") else self._start_postgresql(say),
            "REDIS_URL": env("REDIS_URL") if given("REDIS_URL") else self._start_valkey(say),
            "SECRET_KEY": self._secret_key(),
        }
        self.running.environment = environment
        self.home.write(self.running)
        return environment

    def _secret_key(self) -> str:
        if given("SECRET_KEY"):
            return env("SECRET_KEY")
        if not self.programs:
            raise EnvironmentProblem("SECRET_KEY is not set. For example: SECRET_KEY=$(openssl rand -base64 48)")
        return self.home.secret("key")

    def _start_postgresql(self, say: Say) -> str:
        account = server_account()
        server = PostgreSQL(
            programs=postgresql_programs(account),
            folder=data_folder(self.home.path, account),
            password=self.home.secret("database"),
            log=self.home.log("postgresql"),
            account=account,
        )
        if server.data.exists():
            say("Starting PostgreSQL…")
        else:
            for folder in left_by_earlier(self.home.path) if account else []:
                say(f"An earlier database of {self.home.path} lies in {folder}; remove it if nobody wants it.")
            say("Making the database, starting PostgreSQL…")
        server.create()
        server.clear_way()
        self.postgresql = server
        return server.url(self._listening("postgresql", server))

    def _start_valkey(self, say: Say) -> str:
        account = server_account()
        server = Valkey(
            program_path=valkey_program(account),
            folder=data_folder(self.home.path, account),
            password=self.home.secret("broker"),
            log=self.home.log("valkey"),
            account=account,
        )
        say("Starting Valkey…")
        return server.url(self._listening("valkey", server))

    def _listening(self, name: str, server: PostgreSQL | Valkey) -> int:
        """Start the server on the port that it had, or on another one when that is taken; the port."""
        for attempts_left in (2, 1, 0):
            kept = self.home.kept_port(name)
            port = kept if kept and is_free(kept) else free_port()
            program = server.program(port)
            self.programs[name] = program
            self.begin(name, program)
            try:
                server.wait(program, port)
                break
            except ServerProblem:
                if not attempts_left:
                    raise
                time.sleep(0.5)  # another process took the port, or a killed server's last backend is ending
        self.home.keep_port(name, port)
        return port

    def begin(self, name: str, program: Program) -> None:
        """Start a child and write down who it is: the next start finds it, should this process be killed."""
        program.start()
        self.running.children[name] = program.identity
        self.home.write(self.running)

    def stop(self) -> None:
        for program in reversed(self.programs.values()):
            program.stop()


@contextmanager
def servers_for(home: Home, command: str, say: Say) -> Iterator[Servers | None]:
    """Put the addresses of working servers into the environment; the Servers when this command started them."""
    if given("DATABASE_URL") and given("REDIS_URL"):
        yield None
        return
    home.prepare()
    borrowed = take_lock_or_borrow(home, say)
    if borrowed is not None:
        _adopt(borrowed.environment)
        yield None
        return
    servers = Servers(home, command)
    signal.signal(signal.SIGTERM, _leave)
    try:
        _adopt(servers.start(_quietly))
        yield servers
    finally:
        servers.stop()
        home.give_lock_back()


def take_lock_or_borrow(home: Home, say: Say) -> Running | None:
    """Wait until the lock of the home is ours (None), or until a `run` that holds it has servers to share."""
    told = False
    while not home.take_lock():
        other = home.read()
        if other and other.command == "run" and other.environment:
            return other
        if other and not told:
            say(f"Waiting for `{other.command}` (process {other.pid}) in {home.path} …")
            told = True
        time.sleep(0.1)
    return None


def _adopt(environment: dict[str, str]) -> None:
    os.environ.update({name: value for name, value in environment.items() if not given(name)})


def _quietly(_line: str) -> None:
    """A short command says nothing of the servers that it starts."""


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
