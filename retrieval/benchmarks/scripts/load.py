"""What the scripts fetch: files whose bytes are made from their numbers, so that nobody has to keep them."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import urlsplit

from retrieval.scripts.entry import Entry, Header

NAME = "MAST_2026-11-25T120000Z"


@dataclass(frozen=True, slots=True)
class Load:
    """So many `files` of `size` bytes; `sample` of them are enough to time the reference once."""

    files: int
    size: int
    sample: int

    def __str__(self) -> str:
        size = f"{self.size // 1_000_000} MB" if self.size >= 1_000_000 else f"{self.size // 1000} kB"
        return f"{self.files:,} × {size}"

    def entries(self, files: int, address: Callable[[int, str], str]) -> list[Entry]:
        """The first so many of them; `address` is asked for each one's number and URI."""
        return [self._entry(number, address) for number in range(files)]

    def _entry(self, number: int, address: Callable[[int, str], str]) -> Entry:
        obs_id = f"jw01234{number:06d}"
        name = f"{obs_id}_02101_nrca1_cal.fits"
        uri, sha256 = f"mast:JWST/product/{name}", hashlib.sha256(content(number, self.size)).hexdigest()
        return Entry(address(number, uri), uri, f"JWST/{obs_id}/{name}", self.size, sha256)


@lru_cache(32)
def content(number: int, size: int) -> bytes:
    """So many bytes, which no other number has."""
    return (b"%015d\n" % number * (size // 16 + 1))[:size]


def header(entries: Sequence[Entry], pack: str | None = None) -> Header:
    """The header of a plan without exclusive files."""
    parts = urlsplit(entries[0].url)
    origin, size = f"{parts.scheme}://{parts.netloc}", sum(entry.size or 0 for entry in entries)
    return Header(NAME, datetime.now(UTC), (origin,), None, "anonymous", len(entries), size, 0, 0, 0, pack)
