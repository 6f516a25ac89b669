"""The items of a basket as the engine moves them: thousands at a time, in few statements, without model instances."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from django.db import connection
from django.db.models import QuerySet
from psycopg import Cursor

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
    SELECT %b, new.* FROM unnest(%b::bigint[], %b::bigint[], %b::int[], %b::smallint[], %b::int[],
        %b::bytea[], %b::bytea[], %b::bytea[], %b::float8[]) new"""
UPDATE: Final = """
    UPDATE basket_basketitem item SET manifest_id = new.manifest, applied_serial = new.serial,
        facet_counts = new.counts, excluded = new.excluded, selected = new.selected, guarded_until = new.until
    FROM unnest(%b::bigint[], %b::bigint[], %b::int[], %b::bytea[], %b::bytea[], %b::bytea[], %b::float8[])
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


def read(items: QuerySet[BasketItem]) -> list[Item]:
    """The items of a query, in its order."""
    return [Item(*row) for row in items.values_list(*COLUMNS)]


def missions_of(items: Sequence[Item]) -> Ints:
    """The mission of each."""
    return np.fromiter((item.mission for item in items), np.int64, len(items))


def serials_of(items: Sequence[Item]) -> Ints:
    """The last bulk selection that each has heard of."""
    return np.fromiter((item.applied_serial for item in items), np.int64, len(items))


def settled(cube: Cube, among: Sequence[Item]) -> Counts:
    """The items' counts with every bulk selection applied."""
    counts = Counts.unpack([item.facet_counts for item in among])
    return cube.settle(counts, missions_of(among), serials_of(among))


def most_rows(item: Item) -> int:
    """About how many rows an item's manifest has, told without reading it."""
    if item.excluded:
        return 8 * len(item.excluded)
    return int(Counts.unpack([item.facet_counts]).records["files"].sum())


def portions(
    among: Sequence[One], height: Callable[[One], int], rows_at_once: int = ROWS_AT_ONCE
) -> Iterator[list[One]]:
    """Items, or what else has so many rows, in portions, so that memory stays bounded when they are opened."""
    portion: list[One] = []
    rows = 0
    for one in among:
        more = height(one)
        rows += more
        if portion and (len(portion) == AT_ONCE or rows > rows_at_once):
            yield portion
            portion, rows = [], more
        portion.append(one)
    if portion:
        yield portion


def insert(basket: int, items: Sequence[Item]) -> None:
    """Store new items of a basket."""
    if items:
        write(INSERT, [basket, *_columns(items, COLUMNS[1:])])


def update(items: Sequence[Item]) -> None:
    """Store what may have changed of items that are stored."""
    if items:
        names = ("pk", "manifest_id", "applied_serial", "facet_counts", "excluded", "selected", "guarded_until")
        write(UPDATE, _columns(items, names))


def write(statement: str, parameters: Sequence[Any]) -> None:
    """Run a statement. A parameter marked %b is sent in binary: Django would write each blob out as text."""
    connection.ensure_connection()
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        cursor.execute(statement, parameters)


def rows(statement: str, parameters: Sequence[Any]) -> list[Any]:
    """The rows of a query, sent in binary: blobs come as half the bytes."""
    connection.ensure_connection()
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        cursor.execute(statement, parameters, binary=True)
        return cursor.fetchall()


def _columns(items: Sequence[Item], names: Iterable[str]) -> list[list[Any]]:
    return [[getattr(item, name) for item in items] for name in names]
