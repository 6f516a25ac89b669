"""Download scripts against one of MAST's documented shape, on a line of 150 ms and 20 MB/s for each connection."""

import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean

from portal.benchmark import Figure, at_least
from retrieval.benchmarks.scripts import reference
from retrieval.benchmarks.scripts.content import content
from retrieval.scripts import EMITTERS
from retrieval.scripts.entry import Entry, Header

ROUND_TRIP = 0.150
RATE = 20e6
NAME = "MAST_2026-11-25T120000Z"
LANGUAGES = {"bash": ("bash",), "python": (sys.executable,)}


@dataclass(frozen=True, slots=True)
class Load:
    """What is fetched: `files` of `size` bytes. `sample` of them are enough to time the reference once."""

    files: int
    size: int
    sample: int

    def __str__(self) -> str:
        size = f"{self.size // 1_000_000} MB" if self.size >= 1_000_000 else f"{self.size // 1000} kB"
        return f"{self.files:,} × {size}"


SMALL = Load(10_000, 50_000, 30)
LARGE = Load(200, 5_000_000, 15)


def figures(*, quick: bool) -> Iterator[Figure]:
    """Yield how many times faster the scripts are than the reference, for small files and for large ones."""
    with Track.laid() as track:
        for load, jobs, goal in (
            (SMALL, 4, 7),
            (SMALL, 16, 25),
            (LARGE, 1, 0),
            (LARGE, 4, 5),
            (LARGE, 8, 0),
            (LARGE, 16, 0),
        ):
            for language in LANGUAGES:
                yield track.race(language, load, jobs, goal, quick=quick)


@dataclass
class Track:
    """An archive at the end of a long line; `url` is the near end. `laps` are the reference's seconds per file."""

    url: str
    folder: Path
    laps: dict[Load, list[float]] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def laid(cls) -> Iterator["Track"]:
        """Start the archive and the line."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="skybasket-scripts-")))
            archive = stack.enter_context(started("archive"))
            line = stack.enter_context(started("line", str(archive), str(ROUND_TRIP), str(RATE)))
            yield cls(f"http://127.0.0.1:{line}", folder)

    def race(self, language: str, load: Load, jobs: int, goal: float, *, quick: bool) -> Figure:
        """Time the script between two samples of the reference, which is carried on to the whole number of files."""
        files = min(load.files, load.sample * 4 * jobs if quick else load.files)
        self.refer(load)
        seconds = self.run(language, load, files, jobs)
        self.refer(load)
        slow = mean(self.laps[load])
        counted = f"{files:,} files in {seconds:.1f} s; the reference {slow:.3f} s a file"
        note = f"{counted}, from {len(self.laps[load]) * load.sample:,} files"
        what = f"{language} -j {jobs}, {load}"
        value = slow * files / seconds
        return at_least(what, value, goal, note) if goal else Figure(what, value, note=note)

    def refer(self, load: Load) -> None:
        """Time a sample of files with a script of MAST's shape."""
        entries = plan(self.url, load, load.sample)
        seconds = self.timed(("bash",), "".join(reference.lines(NAME, entries)), load.sample)
        self.laps.setdefault(load, []).append(seconds / load.sample)

    def run(self, language: str, load: Load, files: int, jobs: int) -> float:
        """Seconds that the script takes for so many files."""
        entries = plan(self.url, load, files)
        text = "".join(EMITTERS[language].lines(header(self.url, entries), entries))
        return self.timed(LANGUAGES[language], text, files, "-j", str(jobs))

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
                f"{arrived} of {files} files arrived: {done.stderr.decode(errors='replace')[-1000:]}"
            )
        return seconds


@contextmanager
def started(module: str, *arguments: str) -> Iterator[int]:
    """Run a module of this package for a while; it says its port first."""
    command = [sys.executable, "-m", f"{__name__}.{module}", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own words
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def plan(url: str, load: Load, files: int) -> list[Entry]:
    """The first so many files of a load."""
    return [_entry(url, number, load.size) for number in range(files)]


def _entry(url: str, number: int, size: int) -> Entry:
    name = f"jw01234{number:06d}_02101_nrca1_cal"
    uri, path = f"mast:JWST/product/{name}.fits", f"JWST/{name[:13]}/{name}.fits"
    return Entry(
        f"{url}/{number}/{size}?uri={uri}", uri, path, size, hashlib.sha256(content(number, size)).hexdigest()
    )


def header(url: str, entries: Sequence[Entry]) -> Header:
    """The header of a plan without exclusive files."""
    size = sum(entry.size or 0 for entry in entries)
    return Header(NAME, datetime.now(UTC), (url,), None, "anonymous", len(entries), size, 0, 0, 0)
