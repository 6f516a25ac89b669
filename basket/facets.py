"""What the filters and the action bar show: counts by facet value, and the numbers of the whole basket."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np
from django.db.models import Count, Sum
from django.db.models.functions import Coalesce
from pyroaring import BitMap64

from basket import signatures
from basket.cube import UNKNOWN_SIZE, Cube, Ints, array_of, unpack_ids
from basket.ledger import carried_and_chosen, cube_of, items_of, opened, reading
from basket.manifests import products
from basket.models import Basket
from basket.page import Filters
from basket.sieve import Sieve
from portal import access
from portal.models import Product

LABELS: Final = {
    "mrp": "Minimum Recommended Products",
    "category": "Product Category",
    "type": "Product Type",
    "ext": "Extension",
    "batch": "Batch Available",
    "group": "Group",
}
NONE: Final = "(none)"
RIGHTS: Final = ("dataRights", "t_obs_release", "obs_collection", "proposal_id")  # what a verdict looks at
HEAVY: Final = ("manifest__products", "manifest__facet_counts", "manifest__exposures")
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


NOTHING: Final = Amount(0, 0)


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
    denied: Amount
    public_on: date | None
    version: int


def facets(basket: Basket, filters: Filters) -> list[Facet]:
    """Every facet with its values. A chosen value that the basket does not have is listed with nothing."""
    with reading(basket) as stored:
        cube = cube_of(stored)
        sieve = Sieve(filters, cube)
        passing = sieve.total(stored)
    return [_facet(name, sieve.table, cube, passing, filters) for name in LABELS]


def numbers(basket: Basket, filters: Filters, user: access.User, now: datetime) -> Numbers:
    """The numbers of the action bar."""
    with reading(basket) as stored:
        cube = cube_of(stored)
        every, passing = cube.sums(), Sieve(filters, cube).total(stored).sums()
        observations, listed, rows = _listed(stored)
        denied, public_on = _denied(stored, cube, user, now) if every["selected_files"] else (NOTHING, None)
        return Numbers(
            observations=observations,
            files=every["files"],
            rows=rows,
            duplicates=rows - _distinct(stored, every["files"], listed),
            bytes=every["bytes"],
            unknown_sizes=_unknown_sizes(stored, cube),
            displayed=Amount(passing["files"], passing["bytes"]),
            selected=Amount(every["selected_files"], every["selected_bytes"]),
            selected_displayed=Amount(passing["selected_files"], passing["selected_bytes"]),
            denied=denied,
            public_on=public_on,
            version=stored.version,
        )


def total_files(basket: Basket) -> int:
    """How many files a basket holds, from what is already read of it."""
    return cube_of(basket).sums()["files"]


def _facet(name: str, table: signatures.Table, cube: Cube, passing: Cube, filters: Filters) -> Facet:
    facet = table.facets.get(name, signatures.Facet((), np.zeros(0, np.intp)))
    known = len(facet.codes)
    counts = [
        np.bincount(facet.codes, _by_signature(one, known), len(facet.values)).astype(np.int64)
        for one in (cube, passing)
    ]
    chosen = filters.chosen(name)
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


def _listed(basket: Basket) -> tuple[int, int, int]:
    """How many observations there are, how many files and how many rows they list together."""
    items = items_of(basket).order_by()
    sums = items.aggregate(observations=Count("pk"), files=Sum("manifest__files"), rows=Sum("manifest__rows"))
    return sums["observations"] or 0, sums["files"] or 0, sums["rows"] or 0


def _distinct(basket: Basket, files: int, listed: int) -> int:
    """How many distinct files the observations list. More than the basket holds only if some were taken out."""
    if files == listed:
        return files
    manifests = items_of(basket).values_list("manifest__product_ids", flat=True)
    distinct = BitMap64()
    for ids in manifests:
        distinct |= unpack_ids(ids)
    return len(distinct)


def _unknown_sizes(basket: Basket, cube: Cube) -> int:
    """How many files of the basket have no size in the archive's list."""
    items = list(items_of(basket).filter(manifest__unknown_sizes__gt=0).select_related("manifest").defer(*HEAVY))
    whole = sum(item.manifest.unknown_sizes for item in items if item.excluded is None)
    others = opened(cube, [item for item in items if item.excluded is not None])
    return whole + sum(int((one.carried & (one.rows.size == UNKNOWN_SIZE)).sum()) for _, one in others)


def _denied(basket: Basket, cube: Cube, user: access.User, now: datetime) -> tuple[Amount, date | None]:
    """The selected files that this person may not read now. Only what was not public when listed is judged."""
    items = items_of(basket).exclude(manifest__guarded_ids=b"").select_related("manifest").defer(*HEAVY)
    selected = BitMap64()
    for item, _, chosen in carried_and_chosen(cube, list(items)):
        selected |= chosen & unpack_ids(item.manifest.guarded_ids)
    if not selected:
        return NOTHING, None
    granted = access.granted_programs(user, now)
    alike = products(array_of(selected)).order_by().values(*RIGHTS)
    denied = [
        (group, verdict)
        for group in alike.annotate(files=Count("pk"), bytes=Coalesce(Sum("size"), 0))
        if not (verdict := access.judge(Product(**{name: group[name] for name in RIGHTS}), granted, now)).ok
    ]
    amount = Amount(sum(group["files"] for group, _ in denied), sum(group["bytes"] for group, _ in denied))
    days = [verdict.public_on for _, verdict in denied if verdict.public_on]
    return amount, min(days, default=None)
