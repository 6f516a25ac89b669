"""Download scripts against one of MAST's documented shape, on a line of 150 ms and 20 MB/s for each connection."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from portal.benchmark import Figure, at_least
from retrieval.benchmarks.scripts import reference, site
from retrieval.benchmarks.scripts.load import NAME, Load, header
from retrieval.scripts import EMITTERS
from retrieval.scripts.entry import Entry

ROUND_TRIP = 0.150
"""Seconds."""

RATE = 20e6
"""Bytes a second."""

LANGUAGES = {"bash": ("bash",), "python": (sys.executable,)}
SMALL = Load(10_000, 50_000, 30)
LARGE = Load(200, 5_000_000, 15)
RACES = ((SMALL, 4, 7), (SMALL, 16, 25), (LARGE, 1, 0), (LARGE, 4, 5), (LARGE, 8, 0), (LARGE, 16, 0))
"""Load, files at the same time, and how many times faster than the reference that should be; 0: no goal."""

PACKED_GOAL = 60

LAUNCH = "import django, runpy, sys; django.setup(); runpy.run_module(sys.argv.pop(1), run_name='__main__')"
"""This package knows Django's models, so a module of it cannot be run before Django is set up."""


def figures(*, quick: bool) -> Iterator[Figure]:
    """Yield how many times faster the scripts are: small files, large ones, and small ones in packs of a Skybasket."""
    with tempfile.TemporaryDirectory(prefix="skybasket-scripts-") as folder:
        track = Track(Path(folder))
        with started("archive") as port, far_away(port) as track.url:
            for load, jobs, goal in RACES:
                files = min(load.files, load.sample * 4 * jobs if quick else load.files)
                for language in LANGUAGES:
                    yield track.race(language, load, jobs, files, goal)
            files = 2_000 if quick else SMALL.files
            with site.serving(Path(folder, "stock"), SMALL, files) as near, far_away(near) as url:
                entries = site.entries(SMALL, files, url)
                for language in LANGUAGES:
                    yield track.race(language, SMALL, 4, files, PACKED_GOAL, entries=entries, pack=url + site.PACK)


@dataclass
class Track:
    """Where the races are run: in `folder`, from the archive at `url`. `laps` are the reference's seconds per file."""

    folder: Path
    url: str = ""
    laps: dict[Load, list[float]] = field(default_factory=dict)

    def race(
        self,
        language: str,
        load: Load,
        jobs: int,
        files: int,
        goal: float,
        *,
        entries: list[Entry] | None = None,
        pack: str | None = None,
    ) -> Figure:
        """Time a script between two samples of the reference, which is carried on to the same number of files."""
        plan = entries or load.entries(files, self.address(load))
        self.refer(load)
        text = "".join(EMITTERS[language].lines(header(plan, pack), plan))
        seconds = self.timed(LANGUAGES[language], text, files, "-j", str(jobs))
        self.refer(load)
        slow = mean(self.laps[load])
        what = f"{language} -j {jobs}, {load}{', packed' if pack else ''}"
        note = (
            f"{files:,} files in {seconds:.1f} s; reference {slow:.3f} s a file, "
            f"measured on {len(self.laps[load]) * load.sample:,}"
        )
        value = slow * files / seconds
        return at_least(what, value, goal, note) if goal else Figure(what, value, note=note)

    def refer(self, load: Load) -> None:
        """Time a sample of files with a script of MAST's shape."""
        entries = load.entries(load.sample, self.address(load))
        seconds = self.timed(("bash",), "".join(reference.lines(NAME, entries)), load.sample)
        self.laps.setdefault(load, []).append(seconds / load.sample)

    def address(self, load: Load) -> "Address":
        """Where the archive of this track has the files of a load."""
        return Address(self.url, load.size)

    def timed(self, command: Sequence[str], text: str, files: int, *options: str) -> float:
        """Run a script in an empty folder, check that all files arrived, and return its seconds."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            script = Path(folder, "script")
            script.write_text(text, encoding="utf-8")
            start = time.perf_counter()
            done = subprocess.run(  # noqa: S603  # our own words, no shell
                [*command, str(script), *options],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
            seconds = time.perf_counter() - start
            arrived = sum(1 for _ in Path(folder, NAME).glob("JWST/*/*"))
        if done.returncode or arrived != files:
            raise RuntimeError(
                f"{arrived} of {files} files arrived: {done.stderr.decode(errors='replace')[-900:]}"
            )
        return seconds


@dataclass(frozen=True, slots=True)
class Address:
    """Gives each file's address in `archive`, in the form of MAST's."""

    url: str
    size: int

    def __call__(self, number: int, uri: str) -> str:
        """The address of that file."""
        return f"{self.url}/{number}/{self.size}?uri={uri}"


@contextmanager
def far_away(port: int) -> Iterator[str]:
    """The address at which a server of this machine is at the end of the line."""
    with started("line", str(port), str(ROUND_TRIP), str(RATE)) as near:
        yield f"http://127.0.0.1:{near}"


@contextmanager
def started(module: str, *arguments: str) -> Iterator[int]:
    """Run a module of this package for a while; it says its port first."""
    command = [sys.executable, "-c", LAUNCH, f"{__name__}.{module}", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own words
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()
