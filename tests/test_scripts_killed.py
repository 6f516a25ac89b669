"""Download scripts that are killed at random moments and run again: the tree is whole, nothing verified travels twice.

With ``--campaign`` each is killed a hundred times, and what that cost is told.
"""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.hostile_server import HostileServer, Reply
from tests.script_runs import QUICK, Language, Place, header, kill
from tests.script_scenarios import UNSUMMED, UNTOLD, Case, noise, serve

SLOW = Reply(piece=4_000, pause=0.01)
CASES = [
    *(Case(f"slow {number}", then=SLOW, data=noise(f"{number}", 40_000 + number)) for number in range(5)),
    *(Case(f"slow {number}, no checksum", then=SLOW, **UNSUMMED) for number in range(3)),
    Case("slow, nothing known", then=SLOW, **UNTOLD),
    *(Case(f"quick {number}") for number in range(8)),
    *(Case(f"quick {number}, nothing known", **UNTOLD) for number in range(3)),
    Case("empty", data=b""),
]
FILES = {case.path: case.bytes for case in CASES}
BYTES = sum(map(len, FILES.values()))


class Killer:
    """Starts a script, kills it at a random moment, and looks at what it leaves, again and again."""

    def __init__(self, language: Language, root: Path, server: HostileServer, *, alone: bool) -> None:
        self.language, self.root, self.server, self.alone = language, root, server, alone
        self.chance = random.Random(f"{language} {alone}")
        entries = serve(server, CASES)
        self.text = language.script(header(entries, server.url), entries)
        self.kills = self.rounds = self.resumed = self.sent = 0

    def round(self, kills: int) -> None:
        """Kill it so many times in one folder, unless it has ended before, and then let it finish."""
        self.rounds += 1
        place = Place(self.root / f"{self.rounds}")
        script = place.save(self.text)
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started = []
        for _ in range(kills):
            there = self.verified(place)
            started.append(place.start(self.language, script, "-j", "4", **silent))
            time.sleep(self.chance.uniform(0.02, 0.9))
            self.kills += started[-1].poll() is None
            if self.alone:
                started[-1].kill()
                started[-1].wait()
            else:
                kill(started[-1])
            self.read_the_log(there)
        there = self.verified(place)
        done = place.run(self.language, script, "-j", "4")
        self.read_the_log(there)
        for process in started:
            kill(process)
        assert (done.code, done.tree) == (0, FILES), done.warned
        assert (done.manifest["complete"], done.law["delivered"]) == (True, len(CASES))

    def verified(self, place: Place) -> set[str]:
        """The URIs of the files that have their names: those bytes are right and must not travel again."""
        there = [case for case in CASES if (place.folder / case.path).exists()]
        for case in there:
            assert (place.folder / case.path).read_bytes() == case.bytes, case.name
        return {case.uri for case in there}

    def read_the_log(self, verified: set[str]) -> None:
        """Nothing that was verified before the run was asked for in it."""
        requests = list(self.server.log)
        self.server.forget()
        assert [one.uri for one in requests if one.uri in verified] == []
        self.resumed += sum(one.status == 206 for one in requests)
        self.sent += sum(one.sent for one in requests)


@pytest.mark.parametrize("alone", [False, True], ids=["with its children", "alone"])
@pytest.mark.parametrize("language", QUICK, ids=str)
def test_a_killed_script_finishes_when_it_is_run_again(
    language: Language,
    alone: bool,
    tmp_path: Path,
    campaign: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kills = 100 if campaign else 4
    with HostileServer() as server:
        killer = Killer(language, tmp_path, server, alone=alone)
        while killer.kills < kills:
            killer.round(killer.chance.randint(1, 3))
    if campaign:
        told = f"{killer.kills} kills in {killer.rounds} rounds, {killer.resumed} ranges"
        with capsys.disabled():
            sys.stdout.write(f"\n{language}: {told}, {killer.sent / BYTES / killer.rounds:.2f} times the bytes\n")
