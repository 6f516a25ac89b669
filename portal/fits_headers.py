"""The headers of a FITS file's first units (FITS Standard 4.0, section 4), read by astropy in a process of its own.

A file is somebody else's data: a malformed or malicious one may take memory or time without end, or crash the
reader. So it is read elsewhere, with limits, and what that process says is all that comes back.
"""

import json
import subprocess
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Final

from portal.embedded.processes import python, python_path

MOST_BYTES: Final = 4_000_000
SECONDS: Final = 20.0
AT_ONCE: Final = BoundedSemaphore(2)
PATIENCE: Final = 5.0
ENDINGS: Final = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz")


class Unreadable(Exception):
    """The headers cannot be shown; the message says why."""


@dataclass(frozen=True, slots=True)
class Card:
    """One line of a header."""

    keyword: str
    value: str
    comment: str


@dataclass(frozen=True, slots=True)
class Unit:
    """One header unit; `more` cards beyond those listed."""

    number: int
    name: str
    kind: str
    cards: list[Card]
    more: int


def is_fits(name: str) -> bool:
    """Whether a file of this name is taken for FITS."""
    return name.lower().endswith(ENDINGS)


def read(path: str) -> list[Unit]:
    """The first two header units of a file. Raises Unreadable: not there, no FITS, damaged, or beyond the limits."""
    if not AT_ONCE.acquire(timeout=PATIENCE):
        raise Unreadable("Others are reading headers just now. Load the page again in a moment.")
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # the child gets the open file, never a name
            done = subprocess.run(  # noqa: S603  # our own words, no shell
                python("portal.fits_cards"),
                stdin=file,
                capture_output=True,
                timeout=SECONDS,
                env=python_path(),
                check=False,
            )
    except OSError as error:
        raise Unreadable(f"The file cannot be read: {error.strerror}.") from error
    except subprocess.TimeoutExpired:
        raise Unreadable(f"Reading its headers took longer than {SECONDS:.0f} seconds.") from None
    finally:
        AT_ONCE.release()
    if done.returncode or len(done.stdout) > MOST_BYTES:
        raise Unreadable("Its headers cannot be read: the file is damaged, or no FITS file.")
    return [Unit(**{**unit, "cards": [Card(*card) for card in unit["cards"]]}) for unit in json.loads(done.stdout)]
