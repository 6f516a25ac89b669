"""What the filters and the action bar show: counts by facet value, and the numbers of the whole basket."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np

from basket import guards, signatures
from basket.cube import Cube, Ints
from basket.ledger import cube_of, reading
from basket.models import Basket
from basket.page import Filters
from basket.sieve import View
from portal import access

LABELS: Final = {
    "mrp": "Minimum Recommended Products",
    "category": "Product Category",
    "type": "Product Type",
    "ext": "Extension",
    "batch": "Batch Available",
    "group": "Group",
}
NONE: Final = "(none)"
SAID: Final = {"mrp": {"1": "Minimum Recommended Products"}, "batch": {"1": "Yes", "0": "No"}}


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a facet: `total` files of the basket have it, `shown` of those pass all filters."""

    value: str
    label: str
    shown: int
    total: int
    active: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """One filter with its values, by label, the blank one last."""

    name: str
    label: str
    values: list[Value]


@dataclass(frozen=True, slots=True)
class Amount:
    """So many files of so many bytes; a file of unknown size adds none."""

    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of a basket under filters, for a person at a moment. Files are distinct, sizes bytes.

    `rows` are the rows of the archive's product lists. `duplicates` are those of them that were culled because
    they repeat a file: rows less distinct files listed, whether the reader has taken a file out or not.
    `denied` are selected files that the person may not read now, `public_on` the first day on which that changes.
    """

    observations: int
    files: int
    rows: int
    duplicates: int
    bytes: int
    unknown_sizes: int
    displayed: Amount
    selected: Amount
    selected_displayed: Amount
    selected_unknown_sizes: int
    denied: Amount
    public_on: date | None
    version: int


def facets(basket: Basket, filters: Filters) -> list[Facet]:
    """Every facet with its values. A chosen value that the basket does not have is listed with nothing."""
    with reading(basket) as stored:
        return facets_of(View(stored, filters))


def facets_of(view: View) -> list[Facet]:
    """The same for a basket that is being read."""
    return [_facet(name, view) for name in LABELS]


def numbers(basket: Basket, filters: Filters, user: access.User, now: datetime) -> Numbers:
    """The numbers of the action bar."""
    with reading(basket) as stored:
        return numbers_of(View(stored, filters), user, now)


def numbers_of(view: View, user: access.User, now: datetime) -> Numbers:
    """The same for a basket that is being read."""
    basket, every, passing = view.basket, view.cube.sums(), view.total.sums()
    unknown = view.cube.sums(~view.table.sized)
    refused = guards.denied(basket, view.cube, user, now)
    return Numbers(
        observations=basket.observations,
        files=every["files"],
        rows=basket.rows,
        duplicates=basket.rows - every["files"] - basket.absent_files,
        bytes=every["bytes"],
        unknown_sizes=unknown["files"],
        displayed=Amount(passing["files"], passing["bytes"]),
        selected=Amount(every["selected_files"], every["selected_bytes"]),
        selected_displayed=Amount(passing["selected_files"], passing["selected_bytes"]),
        selected_unknown_sizes=unknown["selected_files"],
        denied=Amount(refused.files, refused.bytes),
        public_on=refused.public_on,
        version=basket.version,
    )


def total_files(basket: Basket) -> int:
    """How many files a basket holds, from what is already read of it."""
    return cube_of(basket).sums()["files"]


def _facet(name: str, view: View) -> Facet:
    facet = view.table.facets.get(name, signatures.Facet((), np.zeros(0, np.intp)))
    known = len(facet.codes)
    counts = [
        np.bincount(facet.codes, _by_signature(one, known), len(facet.values)).astype(np.int64)
        for one in (view.cube, view.total)
    ]
    chosen = view.filters.chosen(name)
    found = {
        value: _value(name, value, int(counts[1][place]), int(counts[0][place]), chosen)
        for place, value in enumerate(facet.values)
        if counts[0][place] or value in chosen
    }
    absent = [_value(name, value, 0, 0, chosen) for value in chosen if value not in found]
    values = sorted([*found.values(), *absent], key=lambda value: (not value.value, value.label, value.value))
    if name == "mrp":
        values = [value for value in values if value.value == "1"] or [_value(name, "1", 0, 0, chosen)]
    return Facet(name, LABELS[name], values)


def _by_signature(cube: Cube, known: int) -> Ints:
    files: Ints = cube.cells["files"].sum(axis=0)[:known]
    return np.pad(files, (0, known - len(files)))


def _value(name: str, value: str, shown: int, total: int, chosen: Sequence[str]) -> Value:
    label = SAID.get(name, {}).get(value, value or NONE)
    return Value(value, label, shown, total, value in chosen)
