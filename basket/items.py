"""The items of a basket as the engine moves them: thousands at a time, in few statements, without model instances."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet

from basket.binary import Blobs, longs, rows, write
from basket.cube import Blob, Counts, Cube, Ints
from basket.models import BasketItem

One = TypeVar("One")
AT_ONCE: Final = 500
ROWS_AT_ONCE: Final = 250_000
COLUMNS: Final = (
    "pk", "observation_id", "manifest_id", "position", "mission", "applied_serial",
    "facet_counts", "excluded", "selected", "guarded_until",
)  # fmt: skip
INSERT: Final = """
    INSERT INTO basket_basketitem (basket_id, observation_id, manifest_id, position, mission, applied_serial,
        facet_counts, excluded, selected, guarded_until)
    SELECT %b, observation, manifest, position, mission, serial, counts, excluded, selected, nullif(until, 'NaN')
    FROM unnest(%b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[], %b::bytea[], %b::bytea[],
        %b::bytea[], %b::float8[])
        new (observation, manifest, position, mission, serial, counts, excluded, selected, until)"""
UPDATE: Final = """
    UPDATE basket_basketitem item SET manifest_id = new.manifest, applied_serial = new.serial,
        facet_counts = new.counts, excluded = new.excluded, selected = new.selected,
        guarded_until = nullif(new.until, 'NaN')
    FROM unnest(%b::bigint[], %b::bigint[], %b::bigint[], %b::bytea[], %b::bytea[], %b::bytea[], %b::float8[])
        new (id, manifest, serial, counts, excluded, selected, until)
    WHERE item.id = new.id"""


@dataclass(slots=True)
class Item:
    """A BasketItem's columns; no `pk` before it is stored."""

    pk: int | None
    observation_id: int
    manifest_id: int
    position: int
    mission: int
    applied_serial: int
    facet_counts: Blob
    excluded: Blob | None = None
    selected: Blob | None = None
    guarded_until: float | None = None


def read(among: QuerySet[BasketItem]) -> list[Item]:
    """The items of a query, in its order."""
    try:
        statement, parameters = among.values_list(*COLUMNS).query.sql_with_params()
    except EmptyResultSet:
        return []
    return [Item(*row) for row in rows(statement, parameters)]


def manifests_of(among: Sequence[Item]) -> Ints:
    """The manifest of each."""
    return longs(item.manifest_id for item in among)


def missions_of(among: Sequence[Item]) -> Ints:
    """The mission of each."""
    return longs(item.mission for item in among)


def serials_of(among: Sequence[Item]) -> Ints:
    """The last bulk selection that each has heard of."""
    return longs(item.applied_serial for item in among)


def heights_of(among: Sequence[Item]) -> list[int]:
    """About how many rows the manifest of each has, told without reading it."""
    counts = Counts.unpack([item.facet_counts for item in among])
    carried = np.bincount(counts.place, counts.records["files"], len(among)).astype(np.int64).tolist()
    return [8 * len(item.excluded) if item.excluded else files for item, files in zip(among, carried, strict=True)]


def settled(cube: Cube, among: Sequence[Item]) -> Counts:
    """The items' counts with every bulk selection applied."""
    counts = Counts.unpack([item.facet_counts for item in among])
    return cube.settle(counts, missions_of(among), serials_of(among))


def portions(
    among: Sequence[One], heights: Iterable[int], rows_at_once: int = ROWS_AT_ONCE
) -> Iterator[list[One]]:
    """Items, or what else has so many rows, in portions, so that memory stays bounded when they are opened."""
    portion: list[One] = []
    height = 0
    for one, more in zip(among, heights, strict=True):
        height += more
        if portion and (len(portion) == AT_ONCE or height > rows_at_once):
            yield portion
            portion, height = [], more
        portion.append(one)
    if portion:
        yield portion


def insert(basket: int, among: Sequence[Item]) -> None:
    """Store new items of a basket."""
    if among:
        observations, positions = (
            longs(item.observation_id for item in among),
            longs(item.position for item in among),
        )
        numbers = (observations, manifests_of(among), positions, missions_of(among), serials_of(among))
        write(INSERT, [basket, *numbers, *_contents(among)])


def update(among: Sequence[Item]) -> None:
    """Store what may have changed of items that are stored."""
    if among:
        keys = longs(item.pk or 0 for item in among)
        write(UPDATE, [keys, manifests_of(among), serials_of(among), *_contents(among)])


def _contents(among: Sequence[Item]) -> list[Any]:
    until = [np.nan if item.guarded_until is None else item.guarded_until for item in among]
    return [
        Blobs(item.facet_counts for item in among),
        Blobs(item.excluded for item in among),
        Blobs(item.selected for item in among),
        np.array(until, np.float64),
    ]
