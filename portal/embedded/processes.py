"""Child processes that cannot outlive their parent, and how to end those that did."""

import ctypes
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

# Loaded here and not in the child: after its change of user it may no longer read the Python under root's home.
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
PR_SET_PDEATHSIG = 1
LOOPBACK = "127.0.0.1"
SOURCES = Path(__file__).resolve().parent.parent.parent
KEPT_LOG_BYTES = 10_000_000


class ServerProblem(Exception):
    """A server cannot be started; the message says why and what to do."""


@dataclass(frozen=True)
class Account:
    """The user that a server runs as."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """`nobody` when root starts them, as PostgreSQL refuses to run as root; otherwise None, the same user."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        nobody = pwd.getpwnam("nobody")
        return Account(nobody.pw_uid, nobody.pw_gid)
    return Account(65534, 65534)


def birth(pid: int) -> str | None:
    """When the process started, in the system's own words; None when it is gone. With the pid an identity."""
    if sys.platform != "linux":
        return _ps(pid, "lstart") or None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # proc_pid_stat(5): the name may hold blanks, the state follows it
    return None if fields[0] in {"Z", "X"} else fields[19]


def arguments(pid: int) -> list[str]:
    """The words of that process's command line."""
    if sys.platform != "linux":
        return _ps(pid, "args").split()
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
    except OSError:
        return []


def _ps(pid: int, column: str) -> str:
    return run_as(None, ["/bin/ps", "-ww", "-o", f"{column}=", "-p", str(pid)]).stdout.decode().strip()


def run_as(account: Account | None, command: Sequence[str]) -> "subprocess.CompletedProcess[bytes]":
    """Run a program to its end as that user; its output and its errors together."""
    return subprocess.run(  # noqa: S603  # our own words, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        check=False,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def hand_over(account: Account | None, *paths: Path) -> None:
    """Give files to the user that a server runs as. Their folder stays root's: nobody can plant links there."""
    if account is not None:
        for path in paths:
            os.chown(path, account.uid, account.gid)


def bound_to_parent(parent: int, death_signal: int) -> Callable[[], None]:
    """What the child does before it becomes the program: ask the kernel for a signal when its parent dies.

    It runs after the change of user, because the kernel forgets the request at that change (prctl(2)).
    """

    def bind() -> None:
        if LIBC is not None:
            LIBC.prctl(PR_SET_PDEATHSIG, death_signal)
            if os.getppid() != parent:
                os._exit(1)

    return bind


@dataclass
class Program:
    """A child process: how it is started, how it is asked to stop, and where it writes."""

    name: str
    command: Sequence[str]
    log: Path | None
    environment: Mapping[str, str] | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGTERM
    patience: float = 12  # seconds to end after it was asked to
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def start(self) -> None:
        """Start it in a session of its own, so that Ctrl-C in the terminal reaches its parent alone."""
        output = rotated(self.log).open("ab") if self.log else None
        try:
            self.process = subprocess.Popen(  # noqa: S603  # our own words, no shell
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
                cwd="/",
                start_new_session=True,
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
                umask=0o077 if self.account else -1,
                preexec_fn=bound_to_parent(os.getpid(), self.death_signal),  # noqa: PLW1509  # no threads here
            )
        finally:
            if output:
                output.close()

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def identity(self) -> list[int | str]:
        """Process id and birth, as `end_survivor` takes them."""
        return [self.process.pid, birth(self.process.pid) or ""] if self.process else []

    def stop(self) -> None:
        """Ask, wait, insist; then clear what is left of its session."""
        if self.process is None:
            return
        if self.running:
            self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(self.patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def tail(self, lines: int = 12) -> str:
        """The last lines of its log, for a message."""
        if self.log is None or not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def python(module: str, *words: str) -> list[str]:
    """A module of this very Python; nothing in the working directory can stand in for it."""
    return [sys.executable, "-P", "-m", module, *words]


def python_path() -> dict[str, str]:
    """What a child's environment needs to import its parent's sources: nothing, in an installed wheel."""
    return {"PYTHONPATH": str(SOURCES)} if (SOURCES / "manage.py").is_file() else {}


def rotated(log: Path) -> Path:
    """The log itself; what was in it is kept beside it once it has grown past 10 MB."""
    if log.exists() and log.stat().st_size > KEPT_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    return log


def end_survivor(pid: int, born: str, patience: float = 10) -> bool:
    """Stop what a killed parent left behind; False when it is gone or its number is another process's now."""
    if birth(pid) != born:
        return False
    deadline = time.monotonic() + patience
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)
        while birth(pid) == born and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(pid, signal.SIGKILL)
    while birth(pid) == born:
        time.sleep(0.05)
    return True


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """True when a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
