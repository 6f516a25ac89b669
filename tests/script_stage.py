"""A script on stage: a plan of a few cases, the servers that it speaks of, and a place to run it in."""

import fcntl
import os
import re
import select
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.scripts.entry import Entry, Header
from tests.hostile_server import HostileServer, Reply
from tests.script_runs import Done, Language, Place, header
from tests.script_scenarios import Case, serve

TOKEN = "0123456789abcdef0123456789abcdef-the-token"
FILES = [Case(f"file {number}") for number in range(6)]
SLOWLY = Reply(piece=2_000, pause=0.03)
"""Takes a second for an ordinary case."""


def slow(count: int) -> list[Case]:
    """Files that take their time."""
    return [Case(f"slow {number}", then=SLOWLY) for number in range(count)]


def exclusive(count: int) -> list[Case]:
    """Files that need a token."""
    return [Case(f"exclusive {number}", protected=True) for number in range(count)]


@dataclass
class Stage:
    """What `staged` sets up. `server` knows the token `TOKEN`; `other` has the same files and knows no token."""

    language: Language
    place: Place
    server: HostileServer
    other: HostileServer
    cases: Sequence[Case]
    entries: list[Entry]
    header: Header
    script: Path

    def run(self, *options: str, **more: Any) -> Done:
        """Run the script once more."""
        return self.place.run(self.language, self.script, *options, **more)

    @property
    def files(self) -> dict[str, bytes]:
        """The whole delivery."""
        return {case.path: case.bytes for case in self.cases}

    def asked(self) -> dict[str, int]:
        """How many GETs came for each case, by its name, since the last look."""
        counts = {case.name: len(self.server.requests(case.uri)) for case in self.cases}
        self.server.forget()
        self.other.forget()
        return counts


@contextmanager
def staged(language: Language, root: Path, cases: Sequence[Case], **changes: Any) -> Iterator[Stage]:
    """Serve the cases and write the script; `changes` are fields of its header."""
    with HostileServer(tokens={TOKEN}) as server, HostileServer() as other:
        server.places = {"other": other.url.replace("127.0.0.1", "localhost"), "neighbour": other.url}
        entries = serve(server, cases, other)
        told = header(entries, server.url, **changes)
        place = Place(root)
        script = place.save(language.script(told, entries))
        yield Stage(language, place, server, other, cases, entries, told, script)


def on_terminal(stage: Stage, *options: str, answers: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """Run the script on a terminal of its own; `answers` are typed in turn when what is before them is found.

    Returns the exit code and all that the terminal showed.
    """
    ours, theirs = os.openpty()
    process = stage.place.start(
        stage.language,
        stage.script,
        *options,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    shown, waiting, deadline = "", list(answers), time.monotonic() + 60
    while True:
        assert time.monotonic() < deadline, f"still waiting after: {shown}"
        if waiting and re.search(waiting[0][0], shown.rpartition("\0")[2]):
            os.write(ours, waiting.pop(0)[1].encode())
            shown += "\0"
        readable, _, _ = select.select([ours], [], [], 0.05)
        try:
            received = os.read(ours, 1 << 16) if readable else b""
        except OSError:
            break
        shown += received.decode(errors="replace")
    os.close(ours)
    assert waiting == [], f"never asked for {waiting[0][0]!r}: {shown}"
    return process.wait(10), shown.replace("\0", "").replace("\r\n", "\n")
