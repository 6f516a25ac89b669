"""Reading and writing a basket: one snapshot for a reader, one locked row for a writer, and nothing in between.

A writer takes the basket's row first, always; whoever needs two takes them in the order of their keys. What is
read, changed and stored lies in one transaction, which raises the version by exactly one.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Final

import numpy as np
from django.db import connection, transaction
from django.db.models import QuerySet
from pyroaring import BitMap64

from basket.cube import (
    FACET_COUNT,
    MOST_MISSIONS,
    Cube,
    Opened,
    Records,
    ids_of,
    pack_bits,
    pack_ids,
    partial,
    unpack_counts,
    unpack_ids,
)
from basket.manifests import rows_of
from basket.models import Basket, BasketItem
from portal.errors import Problem

NO_COUNTS: Final = np.zeros(0, FACET_COUNT)
STORED: Final = ("version", "bulk_serial", "mission_counts", "product_ids", "missions")
ITEM_STORED: Final = ("manifest", "applied_serial", "facet_counts", "excluded", "selected")
AT_ONCE: Final = 200


@contextmanager
def snapshot() -> Iterator[None]:
    """All reads inside see the same moment (REPEATABLE READ). Inside another transaction: that one's rules."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


@contextmanager
def reading(basket: Basket) -> Iterator[Basket]:
    """The basket as it is stored now, without its set of ids, in a snapshot; an empty one where it is not stored
    (any more). A lazy basket is found first: finding it may write, and a writer must not start from a snapshot."""
    pk = basket.pk
    with snapshot():
        found = None if pk is None else Basket.objects.defer("product_ids").filter(pk=pk).first()
        yield found or Basket()


def cube_of(basket: Basket) -> Cube:
    """The counts of a basket."""
    return Cube.unpack(basket.mission_counts, len(basket.missions))


def items_of(basket: Basket) -> QuerySet[BasketItem]:
    """Its items in basket order."""
    return BasketItem.objects.filter(basket=basket.pk).order_by("position")


def settled(cube: Cube, item: BasketItem) -> Records:
    """An item's counts with every bulk selection applied."""
    return cube.settle(unpack_counts(item.facet_counts), item.mission, item.applied_serial)


def chunks(items: Sequence[BasketItem], size: int = AT_ONCE) -> Iterator[Sequence[BasketItem]]:
    """The items in portions, so that memory stays bounded."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def opened(cube: Cube, items: Sequence[BasketItem]) -> Iterator[tuple[BasketItem, Opened]]:
    """Each item with its rows, in the same order."""
    for chunk in chunks(items):
        rows = rows_of([item.manifest_id for item in chunk])
        for item in chunk:
            counts = settled(cube, item)
            yield item, Opened.unpack(rows[item.manifest_id], counts, item.excluded, item.selected)


def with_ids(items: QuerySet[BasketItem]) -> QuerySet[BasketItem]:
    """Items with their manifests, of which only the small columns are read."""
    heavy = ("manifest__products", "manifest__facet_counts", "manifest__guarded_ids", "manifest__exposures")
    return items.select_related("manifest").defer(*heavy)


def carried_and_chosen(cube: Cube, items: Sequence[BasketItem]) -> Iterator[tuple[BasketItem, BitMap64, BitMap64]]:
    """Each item (`with_ids`) with the ids of the files that it carries, and of those of them that are selected.

    An item is opened only where whole counts do not tell.
    """
    for chunk in chunks(items):
        mixed = opened(cube, [item for item in chunk if not _whole(cube, item)])
        for item in chunk:
            if _whole(cube, item):
                ids = unpack_ids(item.manifest.product_ids)
                yield item, ids, ids.copy() if settled(cube, item)["selected_files"].any() else BitMap64()
            else:
                _, one = next(mixed)
                yield item, ids_of(one.rows.product[one.carried]), ids_of(one.rows.product[one.selected])


def _whole(cube: Cube, item: BasketItem) -> bool:
    """Whether an item carries all its files, and all or none of them are selected."""
    counts = settled(cube, item)
    return item.excluded is None and counts["selected_files"].sum() in {0, counts["files"].sum()}


class Ledger:
    """A basket while it is written. Items may be opened, changed and closed; `save` stores what changed."""

    def __init__(self, basket: Basket) -> None:
        self.basket = basket
        self.cube = cube_of(basket)
        self.wrote = False
        self._changed: dict[int, BasketItem] = {}  # by observation

    @cached_property
    def ids(self) -> BitMap64:
        """The ids of all files in the basket; change it in place."""
        return unpack_ids(self.basket.product_ids)

    def items(self) -> QuerySet[BasketItem]:
        """The stored items in basket order, without what only opening needs."""
        return items_of(self.basket)

    def mission(self, name: str) -> int:
        """The number of a mission, given to it when it first comes."""
        missions = self.basket.missions
        if name not in missions:
            if len(missions) == MOST_MISSIONS:
                raise Problem(
                    f"A basket holds observations of at most {MOST_MISSIONS} missions; {name} is one more."
                )
            missions.append(name)
        return int(missions.index(name))

    def bulk(self) -> int:
        """The number of a new bulk selection."""
        self.wrote = True
        self.basket.bulk_serial += 1
        return self.basket.bulk_serial

    def record(self, item: BasketItem, counts: Records) -> None:
        """New settled counts of an item, which may be new itself; its bits stay as they are."""
        self.wrote = True
        self.cube.shift(item.mission, settled(self.cube, item) if item.facet_counts else NO_COUNTS, counts)
        item.facet_counts = counts.tobytes()
        item.applied_serial = self.basket.bulk_serial
        self._changed[item.observation_id] = item

    def close(self, item: BasketItem, one: Opened) -> None:
        """New rows of an item: its counts again, its bits where counts do not tell all."""
        counts = one.counts()
        item.excluded = None if one.carried.all() else pack_bits(~one.carried)
        item.selected = pack_bits(one.selected) if partial(counts).any() else None
        self.record(item, counts)

    def drop(self, items: Sequence[BasketItem]) -> None:
        """Take items out as a whole. The ids of their files are the caller's to keep or to discard."""
        for item in items:
            self.cube.shift(item.mission, settled(self.cube, item), NO_COUNTS)
            self._changed.pop(item.observation_id, None)
        self.wrote |= bool(items)
        BasketItem.objects.filter(pk__in=[item.pk for item in items]).delete()

    def flush(self) -> None:
        """Store the items that changed so far, for whoever reads items in the same transaction."""
        new = [item for item in self._changed.values() if item.pk is None]
        old = [item for item in self._changed.values() if item.pk is not None]
        BasketItem.objects.bulk_create(new, batch_size=AT_ONCE)
        BasketItem.objects.bulk_create(
            old, batch_size=AT_ONCE, update_conflicts=True, unique_fields=["id"], update_fields=ITEM_STORED
        )
        self._changed = {}

    def save(self) -> None:
        """Store everything, once; the version grows only when something was written."""
        if not self.wrote:
            return
        self.flush()
        self.basket.version += 1
        self.basket.mission_counts = self.cube.pack()
        if "ids" in self.__dict__:
            self.basket.product_ids = pack_ids(self.ids)
        self.basket.save(update_fields=_loaded(self.basket))


@contextmanager
def writing(basket: Basket) -> Iterator[Ledger]:
    """Lock the basket, which is stored first if it was not, and save it at the end.

    `basket` shows the new state afterwards. Raises Problem (409) when it no longer exists.
    """
    with transaction.atomic():
        ledger = Ledger(locked(basket))
        yield ledger
        ledger.save()
    show(basket, ledger.basket)


def locked(basket: Basket) -> Basket:
    """The stored row of a basket, locked until the transaction ends."""
    if basket.pk is None:
        key = basket.key or secrets.token_urlsafe(32)
        basket, _ = Basket.objects.get_or_create(key=key, defaults={"owner_id": basket.owner_id})
    live = Basket.objects.filter(removed=None, frozen=False)
    row = live.select_for_update().defer("product_ids").filter(pk=basket.pk).first()
    if row is None:
        raise Problem(
            "This basket is gone: it was removed, or became part of your own when you signed in. Nothing was "
            "changed; load the page again.",
            code="basket_gone",
            status=409,
        )
    return row


def show(basket: Basket, stored: Basket) -> None:
    """Let an object that others hold show what was stored."""
    for name in ("id", "key", "owner_id", "created", *_loaded(stored)):
        setattr(basket, name, getattr(stored, name))
    basket._state.adding = False
    basket._state.db = stored._state.db


def _loaded(basket: Basket) -> list[str]:
    return [name for name in STORED if name not in basket.get_deferred_fields()]
