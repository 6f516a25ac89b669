"""Runs download scripts as people do, in the shells and interpreters that are here, and reads what they leave.

A script is what an emitter of `retrieval.scripts` makes of a plan; nothing in it is changed for the test. What a run
says, leaves behind and shows of itself to other processes is kept in a `Done`.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from retrieval.scripts import EMITTERS
from retrieval.scripts.entry import Entry, Header
from tests.tools import files_below

NAME = "MAST_2026-11-25T120000Z"
CREATED = datetime(2026, 11, 25, 12, tzinfo=UTC)
MANIFESTS = {"MANIFEST.HTML", "MANIFEST.json", "SHA256SUMS"}
PATIENCE = 100
"""Seconds after which a run is taken to hang."""

_LAW = re.compile(
    r"(?m)^requested (\d+) = delivered (\d+) \+ denied (\d+) \+ failed (\d+) \+ skipped (\d+)(?: \+ pending (\d+))?\s*$"
)
_OUTCOMES = ("requested", "delivered", "denied", "failed", "skipped", "pending")


def oldest_python() -> str:
    """The oldest Python here that a script promises to run in."""
    kept = Path("~/.pyenv/versions").expanduser()
    for name in ("python3.9", "python3.10"):
        for program in (shutil.which(name), *map(str, kept.glob(f"*/bin/{name}"))):
            if program and not subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode:
                return program
    return sys.executable


@dataclass(frozen=True, slots=True)
class Language:
    """A way to run a script. `emitter` is the contract's name of the script, `command` what goes before its path."""

    name: str
    emitter: str
    command: tuple[str, ...]

    def __str__(self) -> str:
        return self.name

    def script(self, header: Header, entries: Sequence[Entry]) -> str:
        """The text of the script."""
        return "".join(EMITTERS[self.emitter].lines(header, entries))


POWERSHELL = Language("pwsh", "powershell", ("pwsh", "-NoProfile", "-File"))
LANGUAGES = (
    Language("bash", "bash", ("bash",)),
    Language("dash", "bash", ("dash",)),
    Language("python", "python", (oldest_python(),)),
    *([POWERSHELL] if shutil.which("pwsh") else []),
)
"""Debian has no PowerShell, so it is no failure that it is missing."""

QUICK = [one for one in LANGUAGES if one != POWERSHELL or "--campaign" in sys.argv]
"""PowerShell takes a second to begin: outside of a campaign it has to do with the tests that run a script few times."""

SPOKEN = [one for one in QUICK if one.name != "dash" or "--campaign" in sys.argv]
"""One for each script: what has nothing to do with the shell is tested in one shell, except on a campaign."""


def header(entries: Sequence[Entry], server: str, **changes: Any) -> Header:
    """What an honest emitter is told about these entries; `server` is the address that the token may go to."""
    protected = sum(entry.protected for entry in entries)
    told: dict[str, Any] = {
        "name": NAME,
        "created": CREATED,
        "origins": (server,),
        "token_check": f"{server}/whoami" if protected else None,
        "user": "alice",
        "files": len(entries),
        "bytes": sum(entry.size or 0 for entry in entries),
        "unknown_sizes": sum(entry.size is None for entry in entries),
        "protected": protected,
        "duplicates": 0,
        "token_page": f"{server}/token",
    }
    return Header(**told | changes)


@dataclass
class Place:
    """A folder in which scripts run: `work` is where they are started, `home` and `scratch` are HOME and TMPDIR."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in (self.work, self.home, self.scratch):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def scratch(self) -> Path:
        return self.root / "scratch"

    @property
    def folder(self) -> Path:
        """Where the delivery lands."""
        return self.work / NAME

    def variables(self) -> dict[str, str]:
        """A plain environment, without a token unless `environment` has one."""
        plain = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.scratch),
            "XDG_CACHE_HOME": str(self.root / "cache"),
            "LC_ALL": "C.UTF-8",
            "MAST_RETRY_DELAY": "0",
        }
        return plain | self.environment

    def save(self, text: str, name: str = "script") -> Path:
        """Write a script to disk, as a browser does."""
        path = self.root / name
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return path

    def left(self) -> list[str]:
        """Files that should not be there: in HOME, but for what PowerShell notes of itself, and in TMPDIR."""
        there = [*files_below(self.home), *files_below(self.scratch)]
        return [path for path in there if not path.startswith((".cache/powershell/", ".local/share/powershell/"))]

    def start(
        self, language: Language, script: Path | str, *options: str, **more: Any
    ) -> "subprocess.Popen[bytes]":
        """Start the script as the leader of a session of its own, without a terminal."""
        plain: dict[str, Any] = {
            "cwd": self.work,
            "env": self.variables(),
            "start_new_session": True,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }
        return subprocess.Popen([*language.command, str(script), *options], **plain | more)

    def run(self, language: Language, script: Path, *options: str, **more: Any) -> "Done":
        """Run the script to its end, which comes within `PATIENCE` seconds."""
        started = time.monotonic()
        process = self.start(language, script, *options, **more)
        return self.finish(process, started)

    def finish(self, process: "subprocess.Popen[bytes]", started: float = 0) -> "Done":
        """Wait for a started script and gather what it left."""
        try:
            said, warned = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            running = survivors(process.pid)
            kill(process)
            said, warned = process.communicate()
            raise AssertionError(f"hung with {running} after:\n{said.decode()}\n{warned.decode()}") from None
        files = files_below(self.folder)
        written = {name: files.pop(name).decode() for name in MANIFESTS if name in files}
        return Done(
            process.returncode,
            said.decode(errors="surrogateescape"),
            warned.decode(errors="surrogateescape"),
            time.monotonic() - started,
            files,
            written,
        )


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End a script and everything it started, without warning."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for number in survivors(process.pid):
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    process.wait()


def survivors(session: int) -> dict[int, str]:
    """The processes that run in the session of a script, with their command lines."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, number = stat.read_text().rpartition(")")[2].split()[:4]
            if int(number) == session and state != "Z":
                found[int(stat.parent.name)] = (stat.parent / "cmdline").read_text().replace("\0", " ")
    return found


@dataclass
class Done:
    """A run that has ended: exit code, standard output and error, seconds, and what was in the folder then.

    `tree` is every file but the manifests by its path; `written` is the text of each manifest by its name.
    """

    code: int
    said: str
    warned: str
    seconds: float
    tree: dict[str, bytes]
    written: dict[str, str]

    @property
    def law(self) -> dict[str, int]:
        """The numbers of the conservation line, which is there once and adds up."""
        lines = _LAW.findall(self.said)
        assert len(lines) == 1, f"{len(lines)} conservation lines in:\n{self.said}\n{self.warned}"
        counts = {name: int(number or 0) for name, number in zip(_OUTCOMES, lines[0], strict=True)}
        assert counts["requested"] == sum(counts.values()) - counts["requested"], counts
        return counts

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """MANIFEST.json."""
        found: dict[str, Any] = json.loads(self.written["MANIFEST.json"])
        return found

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The files of MANIFEST.json by their paths."""
        rows = self.manifest["files"]
        found = {row["path"]: row for row in rows}
        assert len(found) == len(rows)
        return found

    @cached_property
    def table(self) -> list[list[str]]:
        """The rows of MANIFEST.HTML, the header first."""
        reader = _Table()
        reader.feed(self.written["MANIFEST.HTML"])
        return reader.rows

    @property
    def sums(self) -> dict[str, str]:
        """SHA256SUMS: path to checksum, for paths without line ends."""
        return {line[66:]: line[:64] for line in self.written["SHA256SUMS"].splitlines()}

    @property
    def everything(self) -> str:
        """All that it said and wrote beside the files, for whoever looks for what should not be there."""
        return "\n".join([self.said, self.warned, *self.written.values()])


class _Table(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "img", "a", "iframe", "link", "object"}, tag
        assert not any(name.startswith("on") for name, _ in attrs), attrs
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in {"td", "th"}

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data


@dataclass
class Watched:
    """What was seen on command lines while a script ran: the processes, and those that showed the secret."""

    seen: set[str] = field(default_factory=set)
    shown: set[str] = field(default_factory=set)


@contextmanager
def watching(secret: str) -> Iterator[Watched]:
    """Read the command line of every process again and again, as anybody on the machine can, for a secret."""
    watched, ended = Watched(), threading.Event()

    def look() -> None:
        while not ended.wait(0.002):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    words = path.read_bytes().decode(errors="replace").replace("\0", " ")
                    watched.seen.add(words)
                    if secret in words:
                        watched.shown.add(words)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield watched
    ended.set()
    thread.join()


def recording(folder: Path) -> dict[str, str]:
    """A PATH on which every program writes down the words that it is called with, into `calls`, before it runs.

    Unlike a look at /proc this misses no process, however short its life.
    """
    shims = folder / "shims"
    shims.mkdir()
    (folder / "calls").touch()
    recorder = folder / "recorder"
    # $0 is the shim's path, so that the real program is the one of that name on the usual path.
    recorder.write_text(
        f'#!/bin/dash\nprintf "%s\\n" "$0 $*" >> {folder}/calls\n'
        f'PATH={os.environ["PATH"]}\nexec "${{0##*/}}" "$@"\n',
        encoding="ascii",
    )
    recorder.chmod(0o755)
    for place in os.environ["PATH"].split(":"):
        with suppress(OSError):
            for program in Path(place).iterdir():
                with suppress(FileExistsError):
                    (shims / program.name).symlink_to(recorder)
    return {"PATH": str(shims)}


def placed(template: str, places: Mapping[str, str]) -> str:
    """Fill ``{name}`` with addresses."""
    return re.sub(r"\{(\w+)\}", lambda found: places.get(found[1], found[0]), template)
