"""The filter on file names. Names are outside the facet signatures, so this costs time for every file; what was
found in an immutable manifest is remembered."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final, Generic, TypeVar

import numpy as np
from django.db import connection

from basket.cube import Bools, Records, pack_bits, tally, unpack_bits
from basket.manifests import rows_of

Key = TypeVar("Key")
Kept = TypeVar("Kept")
AT_ONCE: Final = 50
JOINED_NAMES: Final = """
    SELECT coalesce(string_agg(coalesce(translate(stored."productFilename", E'\\n', ' '), ''), E'\\n' ORDER BY row), '')
    FROM unnest(%s::bigint[]) WITH ORDINALITY AS listed (id, row) LEFT JOIN portal_product stored USING (id)"""
REFUSING: Final = ("-", "!")


class Memory(Generic[Key, Kept]):
    """The most recently used values, up to a total weight. Shared by threads."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: OrderedDict[Key, tuple[Kept, int]] = OrderedDict()
        self._weight = 0
        self._lock = Lock()

    def get(self, key: Key) -> Kept | None:
        """The value, which is now the most recently used."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: Key, value: Kept, weight: int) -> None:
        """Keep a value; the ones used longest ago give way."""
        with self._lock:
            self._weight += weight - self._kept.pop(key, (None, 0))[1]
            self._kept[key] = (value, weight)
            while self._weight > self.most:
                self._weight -= self._kept.popitem(last=False)[1][1]


@dataclass(frozen=True, slots=True)
class Match:
    """The rows of a manifest whose names match, as bits, and their facet counts."""

    bits: bytes
    length: int
    counts: Records

    @property
    def rows(self) -> Bools:
        """By row, whether its name matches."""
        return unpack_bits(self.bits, self.length)


NAMES: Final[Memory[int, str]] = Memory(64_000_000)
MATCHES: Final[Memory[tuple[int, str], Match]] = Memory(32_000_000)


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
    for start in range(0, len(missing), AT_ONCE):
        found |= _search(q, missing[start : start + AT_ONCE])
    return found


def asked(q: str) -> Callable[[str], bool]:
    """The question that `q` puts to a file name in lower case."""
    text = q.lower()
    if text.startswith(REFUSING) and len(text) > 1:
        return _not(asked_plainly(text[1:]))
    return asked_plainly(text)


def asked_plainly(text: str) -> Callable[[str], bool]:
    """Part of the name; with * in it, the whole name, where * stands for anything."""
    parts = text.split("*")
    if len(parts) == 1:
        return lambda name: text in name
    first, *middle, last = parts
    return lambda name: _fits(name, first, middle, last)


def _not(question: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda name: not question(name)


def _fits(name: str, first: str, middle: Sequence[str], last: str) -> bool:
    """Taking each part where it first occurs decides in one pass, whatever the pattern."""
    place, end = len(first), len(name) - len(last)
    if place > end or not name.startswith(first) or not name.endswith(last):
        return False
    for part in middle:
        found = name.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def _search(q: str, manifests: Sequence[int]) -> dict[int, Match]:
    question = asked(q)
    rows = rows_of(manifests)
    found: dict[int, Match] = {}
    for pk, names in _names(manifests).items():
        length = len(rows[pk].product)
        matching = np.fromiter(map(question, names.split("\n")[:length]), np.bool_, length)
        match = Match(pack_bits(matching), length, tally(rows[pk], matching, ~matching))
        MATCHES.put((pk, q), match, len(match.bits) + match.counts.nbytes + 200)
        found[pk] = match
    return found


def _names(manifests: Sequence[int]) -> dict[int, str]:
    """The file names of each manifest in the order of its rows, lower case, one a line."""
    kept = {pk: NAMES.get(pk) for pk in manifests}
    missing = [pk for pk, names in kept.items() if names is None]
    for pk, names in _read_names(missing).items():
        NAMES.put(pk, names, len(names) + 100)
        kept[pk] = names
    return {pk: names for pk, names in kept.items() if names is not None}


def _read_names(manifests: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    with connection.cursor() as cursor:
        for pk, rows in rows_of(manifests).items():
            cursor.execute(JOINED_NAMES, [rows.product.tolist()])
            found[pk] = (cursor.fetchone() or [""])[0].lower()
    return found
