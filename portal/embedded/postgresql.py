"""PostgreSQL for one home: made once, started, waited for.

Reached over 127.0.0.1 with a generated password (SCRAM-SHA-256): other users of the machine cannot enter. There is
no Unix socket, so the length of the home's path does not matter.
"""

import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT
from urllib.parse import quote

import psycopg

from portal.embedded.processes import (
    LOOPBACK,
    Account,
    Program,
    ServerProblem,
    arguments,
    birth,
    end_survivor,
    hand_over,
    run_as,
)

USER = "skybasket"
DATABASE = "skybasket"
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class PostgreSQL:
    """One cluster: `programs` holds postgres and initdb, `folder` will hold `data`; `options` are NAME=VALUE."""

    programs: Path
    folder: Path
    password: str
    log: Path
    account: Account | None = None
    options: Sequence[str] = ()

    def url(self, port: int, database: str = DATABASE) -> str:
        return f"postgresql://{USER}:{quote(self.password)}@{LOOPBACK}:{port}/{database}"

    @property
    def data(self) -> Path:
        return self.folder / "postgresql"

    def program(self, port: int) -> Program:
        """The server, not started yet. SIGINT is its fast stop: it does not wait for clients."""
        settings = [
            f"listen_addresses={LOOPBACK}",
            f"port={port}",
            "unix_socket_directories=",
            "password_encryption=scram-sha-256",
            "log_line_prefix=%m [%p] ",
            *self.options,
        ]
        return Program(
            name="PostgreSQL",
            command=[str(self.programs / "postgres"), "-D", str(self.data)]
            + [word for setting in settings for word in ("-c", setting)],
            log=self.log,
            account=self.account,
            stop_signal=SIGINT,
            death_signal=SIGINT,
            patience=60,  # it writes out its memory; killed, it would read its whole log at the next start
        )

    def create(self) -> None:
        """Make the cluster when there is none. It gets its name last: half a cluster is never taken for one."""
        if self.data.exists():
            return
        made = self.folder / "postgresql.new"
        password_file = self.folder / "password"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(mode=0o700)
        password_file.touch(mode=0o600)
        password_file.write_text(self.password, encoding="utf-8")
        hand_over(self.account, made, password_file)
        try:
            self._initdb(made, password_file)
        finally:
            password_file.unlink()
        made.rename(self.data)

    def _initdb(self, made: Path, password_file: Path) -> None:
        # Locale C: file names sort bytewise, in the tree as in the archive.
        choices = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
        initdb = run_as(
            self.account,
            [str(self.programs / "initdb"), "-D", str(made), "-U", USER, f"--pwfile={password_file}", *choices],
        )
        if initdb.returncode:
            message = initdb.stdout.decode(errors="replace").strip()
            raise ServerProblem(f"PostgreSQL cannot make its database in {made}:\n{message}")

    def clear_way(self) -> None:
        """Stop a server that was left behind here, and remove a pid file that now names a stranger.

        PostgreSQL refuses to start when the number in its pid file belongs to any process of its user. A file that
        names nobody stays: PostgreSQL finds in it whether backends of a killed server still live.
        """
        pid_file = self.data / "postmaster.pid"
        with suppress(OSError, ValueError, IndexError):
            pid = int(pid_file.read_text(encoding="utf-8").splitlines()[0])
            born = birth(pid)
            if born and str(self.data) in arguments(pid):
                end_survivor(pid, born)
            elif born:
                pid_file.unlink()

    def wait(self, program: Program, port: int) -> None:
        """Return once the server answers and our database is in it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._answers(port):
            if not program.running or time.monotonic() > deadline:
                program.stop()
                raise ServerProblem(f"PostgreSQL did not start. The end of {self.log}:\n{program.tail()}")
            time.sleep(0.02)

    def _answers(self, port: int) -> bool:
        try:
            with psycopg.connect(self.url(port, "postgres"), autocommit=True, connect_timeout=5) as connection:
                known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
                if known.fetchone() is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise ServerProblem(
                    f"The database in {self.data} does not take the password kept beside it. "
                    "The folder secrets/ of the home belongs to another database: bring the right one back."
                ) from error
            return False
        return True
