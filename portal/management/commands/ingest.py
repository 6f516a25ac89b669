"""Load MAST-shaped tables into the local archive, and link the bytes of their files."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from time import monotonic
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError

from portal.ingest import TableRefused, load_tables
from portal.remote.addresses import is_remote
from portal.remote.problems import StoreProblem

WIDTH = 24
BAR_SECONDS, LINE_SECONDS = 0.1, 15.0


class Command(BaseCommand):
    """`ingest --observations TABLE --products TABLE --files DIR --checksums`, each of them optional."""

    help = "Load MAST-shaped tables (CSV, ECSV, VOTable, FITS) into the local archive and find their files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--observations", type=Path, metavar="TABLE", help="table of observations")
        parser.add_argument("--products", type=Path, metavar="TABLE", help="table of products: the files")
        parser.add_argument(
            "--files",
            type=lambda text: text if is_remote(text) else Path(text),
            metavar="DIR",
            help="folder, or https:// or s3:// prefix, with <obs_collection>/<obs_id>/<productFilename>",
        )
        parser.add_argument(
            "--checksums",
            action="store_true",
            help="read the files: size, CRC-32 and SHA-256",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Load, and tell what was done. A refused table is an error with every bad row."""
        del args
        chosen = {name: options[name] for name in ("observations", "products", "files", "checksums")}
        if not any(chosen.values()):
            raise CommandError("Nothing to do: give --observations, --products, --files or --checksums.")
        bar = Bar(sys.stderr)
        try:
            report = load_tables(**chosen, progress=bar)
        except TableRefused as error:
            raise CommandError(f"Nothing was loaded. Correct this and run the command again:\n{error}") from error
        except (NotADirectoryError, StoreProblem) as error:
            raise CommandError(str(error)) from error
        finally:
            bar.close()
        self.stdout.write(report.summary())


class Bar:
    """Progress on a terminal as a bar that is drawn over itself, elsewhere as a line now and then."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.live = stream.isatty()
        self.stage = ""
        self.last = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show how much of a stage is done; `total` is 0 where it is not known."""
        now = monotonic()
        if (
            stage == self.stage
            and done != total
            and now - self.last < (BAR_SECONDS if self.live else LINE_SECONDS)
        ):
            return
        if stage != self.stage:
            self.close()
        self.stage, self.last = stage, now
        if self.live:
            self.stream.write(f"\r\x1b[K{_drawn(stage, done, total)}")
        else:
            self.stream.write(f"{stage}{_amount(done, total)}\n")
        self.stream.flush()

    def close(self) -> None:
        """End the line of a bar."""
        if self.live and self.stage:
            self.stream.write("\n")
        self.stage = ""


def _drawn(stage: str, done: int, total: int) -> str:
    if not total:
        return f"{stage}{_amount(done, total)}"
    full = round(WIDTH * done / total)
    return f"{stage} [{'#' * full}{'.' * (WIDTH - full)}] {100 * done // total}%{_amount(done, total)}"


def _amount(done: int, total: int) -> str:
    if not total:
        return f" {done:,}" if done else ""
    return f" {done:,} of {total:,}"
