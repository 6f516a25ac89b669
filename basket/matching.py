"""The filter on file names. Names are outside the facet signatures, so this costs time for every file: they are
packed beside the manifests and searched as one long text, and what was found in an immutable manifest is remembered.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from basket import binary
from basket.cube import NO_COUNTS, Blob, Bools, Ints, Records
from basket.items import portions
from basket.memory import Memory
from basket.rows import pack_bits, tally

Bytes = NDArray[np.uint8]
ROWS_AT_ONCE: Final = 300_000
SAMPLE: Final = 1 << 16
LEVEL: Final = 1  # of zlib: names are much alike, and more effort gains little
REFUSING: Final = (b"-", b"!")
READ: Final = """
    SELECT m.id, m.files, n.names, substring(m.products FROM 8 * m.files + 1 FOR 2 * m.files),
        substring(m.products FROM 14 * m.files + 1)
    FROM basket_productmanifest m JOIN basket_manifestnames n ON n.manifest_id = m.id WHERE m.id = ANY(%b)"""


@dataclass(frozen=True, slots=True)
class Match:
    """The rows of a manifest whose names match, as bits (None: no row), and their facet counts."""

    bits: bytes | None
    counts: Records


@dataclass(frozen=True, slots=True)
class Named:
    """What of a manifest is searched and counted: packed names, and two columns of its rows."""

    files: int
    names: Blob
    signature: Blob
    size: Blob

    @property
    def weight(self) -> int:
        """Bytes in memory."""
        return len(self.names) + len(self.signature) + len(self.size) + 300


NAMES: Final[Memory[int, Named]] = Memory(64_000_000)
MATCHES: Final[Memory[tuple[int, str], Match]] = Memory(32_000_000)
NOTHING: Final = Match(None, NO_COUNTS.records)


def pack_names(names: Iterable[str]) -> bytes:
    """File names in lower case, one a line."""
    return zlib.compress("\n".join(name.replace("\n", " ") for name in names).lower().encode(), LEVEL)


def matches(q: str, manifests: Iterable[int]) -> dict[int, Match]:
    """What of each manifest (by primary key) has a name that `q` asks for (basket.page.Filters)."""
    found: dict[int, Match] = {}
    missing: list[int] = []
    for pk in dict.fromkeys(manifests):
        match = MATCHES.get((pk, q))
        if match is None:
            missing.append(pk)
        else:
            found[pk] = match
    named = list(_named(missing).items())
    for some in portions(named, [one.files for _, one in named], ROWS_AT_ONCE):
        for pk, match in _search(q, dict(some)):
            weight = 300 + len(match.bits or b"") + match.counts.nbytes
            MATCHES.put((pk, q), match, weight)
            found[pk] = match
    return found


def lines(q: str, text: bytes) -> Bools:
    """By line of a text in lower case, whether it is a file name that `q` asks for."""
    wanted = q.lower().encode(errors="surrogatepass")
    searched = _Text(text)
    if wanted.startswith(REFUSING) and len(wanted) > 1:
        return ~searched.matching(wanted[1:])
    return searched.matching(wanted)


class _Text:
    """Lines of bytes. Parts of UTF-8 match where the letters do."""

    def __init__(self, text: bytes) -> None:
        self.bytes: Bytes = np.frombuffer(text, np.uint8)
        ends = np.flatnonzero(self.bytes == ord("\n"))
        self.start = np.concatenate([[0], ends + 1])
        self.end = np.concatenate([ends, [len(text)]])
        self.often = np.bincount(self.bytes[:SAMPLE], minlength=256)

    def matching(self, wanted: bytes) -> Bools:
        """The lines with a part; with * in it, the whole lines, where * stands for anything."""
        first, *rest = wanted.split(b"*")
        if rest:
            return self._fitting(first, rest[:-1], rest[-1])
        found = np.zeros(len(self.start), np.bool_)
        found[np.searchsorted(self.start, self.places(first), side="right") - 1] = True
        return found if first else ~found

    def places(self, part: bytes) -> Ints:
        """Wherever a part begins, overlapping itself or not. Its rarest letter is looked for first."""
        letters = np.frombuffer(part, np.uint8)
        if not part or b"\n" in part:
            return np.zeros(0, np.int64)
        rarest = int(np.argmin(self.often[letters]))
        found = np.flatnonzero(self.bytes == letters[rarest]) - rarest
        found = found[(found >= 0) & (found <= len(self.bytes) - len(letters))]
        for place, letter in enumerate(letters):
            if place != rarest:
                found = found[self.bytes[found + place] == letter]
        return found

    def _fitting(self, first: bytes, middle: Sequence[bytes], last: bytes) -> Bools:
        """Taking each part where it first occurs decides in one pass, whatever the pattern."""
        line = np.flatnonzero(self.end - self.start >= len(first) + len(last))
        line = self._with(line, self.start[line], first)
        line = self._with(line, self.end[line] - len(last), last)
        place, end = self.start[line] + len(first), self.end[line] - len(last)
        for part in filter(None, middle):
            known = np.append(self.places(part), len(self.bytes) + 1)
            place = known[np.searchsorted(known, place)] + len(part)
            kept = place <= end
            line, place, end = line[kept], place[kept], end[kept]
        found = np.zeros(len(self.start), np.bool_)
        found[line] = True
        return found

    def _with(self, line: Ints, place: Ints, part: bytes) -> Ints:
        """The lines that have a part just there."""
        for offset, letter in enumerate(part):
            kept = self.bytes[place + offset] == letter
            line, place = line[kept], place[kept]
        return line


def _search(q: str, named: dict[int, Named]) -> Iterator[tuple[int, Match]]:
    """Manifests with the rows that match."""
    length = np.array([one.files for one in named.values()], np.int64)
    text = b"\n".join(zlib.decompress(one.names) for one in named.values() if one.files)
    found = lines(q, text) if length.any() else np.zeros(0, np.bool_)
    place = np.repeat(np.arange(len(length)), length)
    signature = np.frombuffer(b"".join(one.signature for one in named.values()), "<u2")
    size = np.frombuffer(b"".join(one.size for one in named.values()), "<i8")
    counts = tally(len(length), place[found], signature[found], size[found])
    blobs = counts.pack(len(length))
    any_found = np.bincount(place[found], minlength=len(length)) > 0
    for pk, bits, blob in zip(named, pack_bits(length, found, any_found), blobs, strict=True):
        yield pk, NOTHING if bits is None else Match(bits, np.frombuffer(blob, NO_COUNTS.records.dtype))


def _named(manifests: Sequence[int]) -> dict[int, Named]:
    """What is searched of each manifest, read where it is not remembered."""
    kept = {pk: NAMES.get(pk) for pk in manifests}
    missing = [pk for pk, named in kept.items() if named is None]
    if missing:
        for pk, *columns in binary.rows(READ, [binary.longs(missing)]):
            kept[pk] = named = Named(*columns)
            NAMES.put(pk, named, named.weight)
    return {pk: named for pk, named in kept.items() if named is not None}
