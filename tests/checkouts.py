"""Copies of the sources, started as a new user would start them, and what they leave running."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from portal.embedded.homes import Running
from portal.embedded.processes import Account, birth, hand_over, server_account
from tests.conftest import not_found

CHECKOUT = Path(__file__).resolve().parent.parent
NOT_SOURCES = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", "build", "dist")
# How this machine reaches its package index; nothing else of our environment is a newcomer's.
NETWORK = ("PIP_", "UV_", "SSL_CERT", "REQUESTS_CA", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
PATIENCE = 120.0
CLOSED = 0o700


@dataclass
class Site:
    """A checkout in a directory that only its owner may enter, with a home beside it."""

    folder: Path
    python: str
    account: Account | None = None
    extra: dict[str, str] = field(default_factory=dict)
    script: tuple[str, ...] = ()

    @property
    def checkout(self) -> Path:
        return self.folder / "skybasket"

    @property
    def home(self) -> Path:
        return self.folder / ".skybasket"

    @property
    def environment(self) -> dict[str, str]:
        """A bare login's; the home is where it is by default."""
        network = {name: text for name, text in os.environ.items() if name.upper().startswith(NETWORK)}
        return network | {"HOME": str(self.folder), "PATH": os.defpath, "LANG": "C.UTF-8"} | self.extra

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start manage.py; its two outputs together."""
        return subprocess.Popen(
            [self.python, *self.script, *words],
            cwd=self.checkout,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            user=self.account.uid if self.account else None,
            group=self.account.gid if self.account else None,
            extra_groups=[] if self.account else None,
        )

    def do(self, *words: str) -> tuple[int, str]:
        """Run manage.py to its end: its exit status, and what it said."""
        process = self.start(*words)
        said, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, said

    def running(self) -> Running:
        """What a `run` in the home tells of itself."""
        return Running(**json.loads((self.home / "run.json").read_text(encoding="utf-8")))


@contextmanager
def closed_folder(python: str, account: Account | None = None, script: tuple[str, ...] = ()) -> Iterator[Site]:
    """An empty place that only its owner may enter, removed at the end with all that was kept for it elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="skybasket-newcomer-")).resolve()
    site = Site(folder, python, account, script=script)
    site.checkout.mkdir()
    folder.chmod(CLOSED)
    hand_over(account, folder, site.checkout)
    try:
        yield site
    finally:
        if (site.home / "servers").is_symlink():
            shutil.rmtree((site.home / "servers").resolve())
        shutil.rmtree(folder)


@contextmanager
def new_site(python: str = sys.executable, account: Account | None = None) -> Iterator[Site]:
    """A copy of the sources as they are now."""
    with closed_folder(python, account, script=("manage.py",)) as site:
        shutil.copytree(CHECKOUT, site.checkout, ignore=NOT_SOURCES, dirs_exist_ok=True)
        hand_over(account, *site.checkout.rglob("*"))
        yield site


@contextmanager
def running(site: Site, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """A `run` for the time of a test; the test reads from it and stops it, and nothing of it stays."""
    process = site.start("run", *words)
    family: dict[int, str] = {}
    try:
        yield process
        family = descendants(process.pid)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
        if process.stdout:
            process.stdout.close()
    assert_gone(family)


def read_until(process: "subprocess.Popen[str]", words: str) -> list[str]:
    """The lines that it says up to the first with these words in it; its address is the end of the last one."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if words in line:
            return lines
    raise AssertionError(f"it never said {words!r}, but:\n" + "\n".join(lines))


def until_ready(process: "subprocess.Popen[str]") -> tuple[list[str], str]:
    """What it says on the way, and the address at which it then is."""
    lines = read_until(process, "Skybasket is ready: ")
    return lines, lines[-1].rpartition(" ")[2]


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return bytes(answer.read())


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Ask until it is true; fail with the words when it never is."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)


def answers(url: str) -> bool:
    with suppress(OSError):
        return bool(get(url))
    return False


def descendants(pid: int) -> dict[int, str]:
    """All processes below this one, and itself: when each was born, by its number."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {number: born for number in found if (born := birth(number))}


def assert_gone(family: dict[int, str]) -> None:
    """None of these processes lives on."""
    wait_for(
        lambda: not {pid for pid, born in family.items() if birth(pid) == born}, "that every process has ended"
    )


def newcomer() -> tuple[str, Account | None]:
    """A Python, and who starts it: another, ordinary user where we are root, otherwise ourselves."""
    account = server_account()
    for python in python_candidates():
        if account is None or usable(python, account):
            return python, account
    return not_found("a Python 3.11 with ensurepip that an ordinary user may start")


def python_candidates() -> Sequence[str]:
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [str(base), *(f"/usr/bin/python3{minor}" for minor in ("", ".11", ".12", ".13"))]


def usable(python: str, account: Account) -> bool:
    """Whether that user can start it, and it can do what manage.py needs."""
    question = "import sys, ensurepip; sys.exit(sys.version_info < (3, 11))"
    with suppress(OSError):
        asked = subprocess.run(
            [python, "-c", question],
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            check=False,
        )
        return asked.returncode == 0
    return False
