"""Valkey for one home: started and waited for. Any Redis-compatible server program does.

Reached over 127.0.0.1 with a generated password. What it holds is a doorbell, not a record: it may be lost.
"""

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from portal.embedded.processes import LOOPBACK, Account, Program, ServerProblem, hand_over

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Valkey:
    """One server: `program_path` is its executable, `folder` will hold its data and its configuration."""

    program_path: Path
    folder: Path
    password: str
    log: Path
    account: Account | None = None
    keep: bool = True

    def url(self, port: int) -> str:
        return f"redis://:{quote(self.password)}@{LOOPBACK}:{port}/0"

    def program(self, port: int) -> Program:
        """The server, not started yet. The password is in a file: the process list is everybody's to read."""
        data = self.folder / "valkey"
        data.mkdir(mode=0o700, exist_ok=True)
        configuration = self.folder / "valkey.conf"
        lines = [
            f"bind {LOOPBACK}",
            f"port {port}",
            f'dir "{data}"',
            f"requirepass {self.password}",
            "loglevel warning",
            'save ""',
            f"appendonly {'yes' if self.keep else 'no'}",
            "appendfsync everysec",
        ]
        configuration.touch(mode=0o600)
        configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        hand_over(self.account, configuration, data)
        return Program(
            name="Valkey",
            command=[str(self.program_path), str(configuration)],
            log=self.log,
            environment={"PATH": os.defpath},
            account=self.account,
        )

    def wait(self, program: Program, port: int) -> None:
        """Return once the server answers with its data loaded."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._answers(port):
            if not program.running or time.monotonic() > deadline:
                program.stop()
                raise ServerProblem(f"Valkey did not start. The end of {self.log}:\n{program.tail()}")
            time.sleep(0.02)

    def _answers(self, port: int) -> bool:
        try:
            with socket.create_connection((LOOPBACK, port), timeout=2) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = connection.makefile("rb")
                return answer.readline() == b"+OK\r\n" and answer.readline() == b"+PONG\r\n"
        except OSError:
            return False
