"""`demo`: build the demo archive in the home and load it into the catalogue."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, OutputWrapper

from portal import ingest
from portal.demo import build, million
from portal.demo.million import SHAPES

SHARE = 5  # lines of progress where nobody watches a terminal


class Counter:
    """Progress of one stage after another: a line that counts on a terminal, a few lines elsewhere."""

    def __init__(self, out: OutputWrapper) -> None:
        self.out = out
        self.watched = out.isatty()
        self.told = ("", 0)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Tell that `done` of `total` are done; a total of 0 is not known."""
        if self.watched:
            end = "\n" if done == total else ""
            self.out.write(f"\r{stage}: {done:,} of {total:,}", ending=end)
            self.out.flush()
            return
        part = done * SHARE // total if total else 0
        if part and (stage, part) != self.told:
            self.told = (stage, part)
            self.out.write(f"{stage}: {done:,} of {total:,}")


class Command(BaseCommand):
    """Something to look at before there are data of one's own."""

    help = "Build the demo archive: synthetic observations of JWST, HST and TESS with all their files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How much of it."""
        parser.add_argument(
            "--scale",
            choices=("small", "seed", *SHAPES),
            default="small",
            help="small: about fifty observations with their bytes; "
            "seed: the catalogue rows of the 407-file basket as well; "
            "million: 100 observations that list 1,000,000 files, rows only; "
            "wide: 10,000 observations that list as many (default: %(default)s)",
        )

    def handle(self, *, scale: str, **_options: Any) -> None:
        """Build what is not there yet and load it; a second time changes nothing."""
        home = Path(settings.SKYBASKET_HOME)
        counter = Counter(self.stdout)
        if scale in SHAPES:
            self.load_rows(scale, counter)
            return
        small = build.small(home / "demo", lambda done, total: counter("Files of the demo archive", done, total))
        self.load(small, counter)
        if scale == "seed":
            self.load(build.rehearsal(home / "demo-seed"), counter)

    def load_rows(self, name: str, counter: Counter) -> None:
        """Put a catalogue without bytes beside whatever there is."""
        loaded = million.load(SHAPES[name], counter)
        state = "is there already" if loaded.reused else "was loaded"
        self.stdout.write(
            f"The catalogue “{name}” {state}: {len(loaded.observations):,} observations, {loaded.files:,} files in "
            f"{loaded.rows:,} rows, without bytes. Search for the collection JWST and the program "
            f"{SHAPES[name].program(0)}."
        )

    def load(self, built: build.Built, counter: Counter) -> None:
        """Put a built directory into the catalogue; files are looked for where it has any."""
        state = "is complete already" if built.reused else "was built"
        self.stdout.write(
            f"{built.directory} {state}: {built.observations:,} observations, {built.files:,} files in "
            f"{built.rows:,} rows, {built.size / 1e6:,.1f} MB."
        )
        files = built.directory / build.FILES
        report = ingest.load_tables(
            observations=built.directory / build.OBSERVATIONS,
            products=built.directory / build.PRODUCTS,
            files=files if files.is_dir() else None,
            checksums=files.is_dir(),
            progress=counter,
        )
        self.stdout.write(report.summary())
