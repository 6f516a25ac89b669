"""Facet signatures: each distinct combination of facet values has a number, every filter is a set of numbers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from basket.cube import Bools
from basket.models import FacetSignature
from basket.page import Filters

# The filters' names in queries, and MAST's columns
COLUMNS: Final = {
    "mrp": "mrp",
    "category": "productType",
    "type": "dataproduct_type",
    "ext": "extension",
    "batch": "batch",
    "group": "productSubGroupDescription",
}
MOST: Final = 5000
OTHER: Final = "OTHER"
DOUBLE_ENDINGS: Final = (".fits.gz",)


class Values(NamedTuple):
    """One combination of facet values, in the order of FacetSignature's columns."""

    mrp: bool
    productType: str
    dataproduct_type: str
    extension: str
    productSubGroupDescription: str
    batch: bool
    sized: bool = True
    guard: int = 0


def extension(name: str) -> str:
    """The ending of a file name without its dot, lower case; nothing where there is no dot."""
    name = name.lower()
    for ending in DOUBLE_ENDINGS:
        if name.endswith(ending):
            return ending[1:]
    return name.rpartition(".")[2][:32] if "." in name else ""


@dataclass(frozen=True, slots=True)
class Facet:
    """The distinct values of one facet, and by signature the place of its value among them."""

    values: tuple[str, ...]
    codes: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Table:
    """All signatures of the archive, by number. Small: a few hundred. `sized` are those of files whose size is
    known; `guard` is the place of the files' guard in their manifest, 0 for none."""

    known: Bools
    facets: dict[str, Facet]
    sized: Bools
    guard: NDArray[np.int64]

    @classmethod
    def read(cls) -> Self:
        """From the database."""
        columns = ("sized", "guard", "pk", *COLUMNS.values())
        rows = list(FacetSignature.objects.order_by("pk").values_list(*columns))
        numbers = np.array([row[2] for row in rows], np.intp)
        known, sized = (np.zeros(int(numbers.max(initial=-1)) + 1, np.bool_) for _ in range(2))
        guard = np.zeros(len(known), np.int64)
        known[numbers], sized[numbers], guard[numbers] = True, [row[0] for row in rows], [row[1] for row in rows]
        spelled = {name: [_spelled(row[place]) for row in rows] for place, name in enumerate(COLUMNS, start=3)}
        facets = {name: _coded(numbers, len(known), words) for name, words in spelled.items()}
        return cls(known, facets, sized, guard)

    def knows(self, numbers: NDArray[np.uint16]) -> bool:
        """Whether all of these were there when the table was read."""
        return not len(numbers) or (int(numbers.max()) < len(self.known) and bool(self.known[numbers].all()))

    def mask(self, filters: Filters) -> Bools:
        """By signature, whether the filters let it through. A value that no signature has lets nothing through."""
        passing = self.known.copy()
        for name, facet in self.facets.items():
            chosen = filters.chosen(name)
            if chosen:
                wanted = np.isin(facet.values, chosen) if facet.values else np.zeros(0, np.bool_)
                passing &= wanted[facet.codes] if len(wanted) else False
        return passing


class _Cache:
    """The table as this process last read it; replaced as a whole, so threads need no lock."""

    table = Table(np.zeros(0, np.bool_), {}, np.zeros(0, np.bool_), np.zeros(0, np.int64))


def table(numbers: NDArray[np.uint16]) -> Table:
    """A table that knows at least these signatures: read again when one appears that is not in it."""
    if not _Cache.table.knows(numbers):
        _Cache.table = Table.read()
    return _Cache.table


class Register:
    """Numbers for combinations of values, made as they appear. Not kept: a transaction may yet be undone."""

    def __init__(self) -> None:
        self._numbers: dict[Values, int] = {}

    def numbers(self, wanted: Iterable[Values]) -> dict[Values, int]:
        """The number of each. Above MOST, an unheard-of group or extension counts as OTHER."""
        distinct = set(wanted)
        if not distinct <= self._numbers.keys():
            self._read()
            full = len(self._numbers) >= MOST
            stored = {values: _capped(values) if full else values for values in distinct - self._numbers.keys()}
            self._make(set(stored.values()) - self._numbers.keys())
            self._numbers |= {values: self._numbers[other] for values, other in stored.items()}
        return {values: self._numbers[values] for values in distinct}

    def _read(self) -> None:
        rows = FacetSignature.objects.values_list(*Values._fields, "pk")
        self._numbers |= {Values(*row[:-1]): row[-1] for row in rows}

    def _make(self, missing: set[Values]) -> None:
        """Only what is missing is inserted: each refused row would cost a number all the same."""
        if missing:
            new = [FacetSignature(**values._asdict()) for values in sorted(missing)]
            FacetSignature.objects.bulk_create(new, ignore_conflicts=True)
            self._read()


def _capped(values: Values) -> Values:
    return values._replace(extension=OTHER, productSubGroupDescription=OTHER)


def _spelled(value: bool | str) -> str:
    return value if isinstance(value, str) else str(int(value))


def _coded(numbers: NDArray[np.intp], length: int, spelled: list[str]) -> Facet:
    values = sorted(set(spelled))
    places = {value: place for place, value in enumerate(values)}
    codes = np.zeros(length, np.intp)
    codes[numbers] = [places[value] for value in spelled]
    return Facet(tuple(values), codes)
