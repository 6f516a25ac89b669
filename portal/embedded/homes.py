"""SKYBASKET_HOME: the folder that keeps the whole state of an embedded install.

log/        what each server wrote
ports/      where each server listened last
secrets/    generated passwords and the signing key, one file each, for the owner's eyes only
servers     the two servers' data: a folder, or a link to where they can reach it (see `places`)
lock        held by the process that runs the servers
run.json    what that process runs: its pid, its URL, the servers' addresses, its children
"""

import fcntl
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from portal.embedded.processes import ServerProblem, end_survivor
from portal.env import env


@dataclass
class Running:
    """What a process that holds the lock of a home tells the others.

    `environment` holds DATABASE_URL, REDIS_URL and SECRET_KEY once both servers answer; `children` holds
    [pid, birth] by name; `url` is set once the first page has answered.
    """

    command: str
    pid: int = field(default_factory=os.getpid)
    url: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    children: dict[str, list[int | str]] = field(default_factory=dict)


class Home:
    """One home. Only the holder of its lock starts servers in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    @classmethod
    def chosen(cls) -> "Home":
        """The one that SKYBASKET_HOME names, or ~/.skybasket."""
        return cls(Path(env("SKYBASKET_HOME", "~/.skybasket")).expanduser().resolve())

    def prepare(self) -> None:
        """Make the folder, closed to other users."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in ("log", "secrets", "ports", "static"):
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
            (self.path / "lock").touch(mode=0o600)
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            raise ServerProblem(
                f"SKYBASKET_HOME={self.path} cannot be used: {error.strerror} ({error.filename}). "
                "Run as its owner, or name another folder: SKYBASKET_HOME=~/skybasket-home"
            ) from error

    def log(self, name: str) -> Path:
        return self.path / "log" / f"{name}.log"

    def secret(self, name: str) -> str:
        """A random word that is made once and then kept."""
        path = self.path / "secrets" / name
        if not path.exists():
            made = path.with_name(f".{name}.{os.getpid()}")
            with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(36))
            made.replace(path)
        return path.read_text(encoding="utf-8").strip()

    def kept_port(self, name: str) -> int | None:
        """The port on which that server listened last."""
        try:
            return int((self.path / "ports" / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def keep_port(self, name: str, port: int) -> None:
        (self.path / "ports" / name).write_text(f"{port}\n", encoding="utf-8")

    def take_lock(self) -> bool:
        """Become the process that runs servers here; the kernel gives the lock back however this process ends."""
        if self._lock is None:
            file = (self.path / "lock").open("a", encoding="utf-8")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return False
            self._lock = file
        return True

    def give_lock_back(self) -> None:
        if self._lock is not None:
            (self.path / "run.json").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def write(self, running: Running) -> None:
        """Tell the other processes what runs here."""
        made = self.path / f".run.json.{os.getpid()}"
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(running), file, indent=1)
        made.replace(self.path / "run.json")

    def read(self) -> Running | None:
        """What was told last. It is true only while somebody holds the lock."""
        try:
            return Running(**json.loads((self.path / "run.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def end_survivors(self) -> list[str]:
        """Stop what a killed holder of the lock left behind; the names of what was still alive."""
        left = self.read()
        if left is None:
            return []
        # The newest first: the servers that the others need were started first.
        return [name for name, (pid, born) in reversed(left.children.items()) if end_survivor(int(pid), str(born))]
