"""Reading and writing a basket: one snapshot for a reader, one locked row for a writer, and nothing in between.

A writer takes the basket's row first, always; whoever needs two takes the one that gains first. What is
read, changed and stored lies in one transaction, which raises the version by exactly one.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Final

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from pyroaring import BitMap64

from basket import binary, guards, items
from basket.cube import MOST_MISSIONS, Bools, Counts, Cube, pack_ids, unpack_ids
from basket.items import Item, heights_of, missions_of, portions, settled
from basket.manifests import Manifest, rows_of
from basket.models import Basket, BasketItem, ProductManifest
from basket.rows import Opened
from portal.access import datetime_to_mjd
from portal.errors import Problem

SETS: Final = ("product_ids", "absent_ids", "shared_ids")
STORED: Final = (
    "version", "bulk_serial", "mission_counts", "missions", "observations", "rows", "per_mission", "absent_files",
    "guarded_counts", "guarded_as_of", "followed", *SETS,
)  # fmt: skip


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
    """The basket as it is stored now, without its sets of ids, in a snapshot; an empty one where it is not stored
    (any more). A lazy basket is found first: finding it may write, and a writer must not start from a snapshot."""
    pk = basket.pk
    with snapshot():
        found = None if pk is None else Basket.objects.defer(*SETS).filter(pk=pk).first()
        yield found or Basket()


def cube_of(basket: Basket) -> Cube:
    """The counts of a basket."""
    return Cube.unpack(basket.mission_counts, len(basket.missions))


def items_of(basket: Basket) -> QuerySet[BasketItem]:
    """Its items in basket order."""
    return BasketItem.objects.filter(basket=basket.pk).order_by("position")


def opened(cube: Cube, among: Sequence[Item]) -> Iterator[tuple[Sequence[Item], Opened]]:
    """The items with their rows, in portions, in the same order."""
    for portion in portions(among, heights_of(among)):
        rows = rows_of([item.manifest_id for item in portion])
        excluded, selected = [item.excluded for item in portion], [item.selected for item in portion]
        yield portion, Opened.unpack(rows, settled(cube, portion), excluded, selected)


class Ledger:
    """A basket while it is written. Items may be opened, changed and closed; `save` stores what changed."""

    def __init__(self, basket: Basket) -> None:
        self.basket = basket
        self.cube = cube_of(basket)
        self.guarded = Cube.unpack(basket.guarded_counts, len(basket.missions))
        self.wrote = False
        self._changed: dict[int, Item] = {}  # by observation
        self._time_passed = self._pass_time()

    @cached_property
    def ids(self) -> BitMap64:
        """The ids of all files in the basket; change it in place."""
        return unpack_ids(self.basket.product_ids)

    @cached_property
    def absent(self) -> BitMap64:
        """The ids of files that are listed and nobody carries; change it in place."""
        return unpack_ids(self.basket.absent_ids)

    @cached_property
    def shared(self) -> BitMap64:
        """At least the ids of files that more than one observation lists; change it in place."""
        return unpack_ids(self.basket.shared_ids)

    def items(self) -> QuerySet[BasketItem]:
        """The items in basket order; what changed so far is stored first."""
        self.flush()
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
            self.basket.per_mission.append([0, 0])
        return int(missions.index(name))

    def note(self, mission: int | None, mask: Bools, *, value: bool) -> None:
        """A bulk selection of the signatures in the mask, of a mission or of all."""
        self.wrote = True
        self.basket.bulk_serial += 1
        for cube in (self.cube, self.guarded):
            cube.note(mission, mask, self.basket.bulk_serial, value=value)

    def enlist(self, item: Item, manifest: Manifest) -> None:
        """A new item, or one that follows to this manifest: it carries nothing yet."""
        self.wrote = True
        self._count(item.mission, manifest.files, manifest.rows, 1)
        item.manifest_id, item.facet_counts = manifest.pk, b""
        item.guarded_until = guards.until(manifest.guards, self.basket.guarded_as_of)
        self._changed[item.observation_id] = item

    def record(self, among: Sequence[Item], counts: Counts) -> None:
        """New settled counts of items; their bits stay as they are."""
        self.wrote |= bool(among)
        self._take_off(among)
        mission = missions_of(among)
        self.cube.enter(mission, counts)
        self.guarded.enter(mission, self._guarded(among, counts))
        for item, blob in zip(among, counts.pack(len(among)), strict=True):
            item.facet_counts, item.applied_serial = blob, self.basket.bulk_serial
            self._changed[item.observation_id] = item

    def close(self, among: Sequence[Item], one: Opened) -> None:
        """New rows of items: their counts again, their bits where counts do not tell all."""
        counts = one.counts()
        excluded = one.rows.pack_bits(~one.carried, one.rows.any(~one.carried))
        selected = one.rows.pack_bits(one.selected, counts.any(counts.partial, len(among)))
        for item, hidden, chosen in zip(among, excluded, selected, strict=True):
            item.excluded, item.selected = hidden, chosen
        self.record(among, counts)

    def leave(self, among: Sequence[Item]) -> None:
        """Items whose manifest goes: what they carry is no longer counted, nor is what they list."""
        self.wrote |= bool(among)
        self._take_off(among)
        manifests = ProductManifest.objects.filter(pk__in=binary.each(item.manifest_id for item in among))
        listing = {pk: amounts for pk, *amounts in manifests.values_list("pk", "files", "rows")}
        for item in among:
            files, rows = listing[item.manifest_id]
            self._count(item.mission, files, rows, -1)
            self._changed.pop(item.observation_id, None)

    def drop(self, among: Sequence[Item]) -> None:
        """Take items out as a whole. The ids of their files are the caller's to keep or to discard."""
        self.leave(among)
        BasketItem.objects.filter(pk__in=binary.each(item.pk for item in among if item.pk)).delete()

    def flush(self) -> None:
        """Store the items that changed so far. A new one that was stored is read again to be changed again."""
        changed = list(self._changed.values())
        items.insert(self.basket.pk, [item for item in changed if item.pk is None])
        items.update([item for item in changed if item.pk is not None])
        self._changed = {}

    def save(self) -> None:
        """Store everything, once; the version grows only when something was written."""
        self.basket.guarded_counts = self.guarded.pack()
        if self.wrote:
            self.flush()
            self.basket.version += 1
            self.basket.mission_counts = self.cube.pack()
            self._pack_sets()
            self.basket.save(update_fields=_loaded(self.basket))
        elif self._time_passed:
            self.basket.save(update_fields=["guarded_counts", "guarded_as_of"])

    def _pack_sets(self) -> None:
        """Those that somebody asked for: only they can have changed."""
        if "ids" in self.__dict__:
            self.basket.product_ids = pack_ids(self.ids)
        if "absent" in self.__dict__:
            self.basket.absent_ids, self.basket.absent_files = pack_ids(self.absent), len(self.absent)
        if "shared" in self.__dict__:
            self.basket.shared_ids = pack_ids(self.shared)

    def _take_off(self, among: Sequence[Item]) -> None:
        counts, mission = settled(self.cube, among), missions_of(among)
        self.guarded.leave(mission, self._guarded(among, counts))
        self.cube.leave(mission, counts)

    def _guarded(self, among: Sequence[Item], counts: Counts) -> Counts:
        """Of these counts those of files that are not public yet."""
        return counts.only(guards.public_from(among, counts) > self.basket.guarded_as_of)

    def _count(self, mission: int, files: int, rows: int, sign: int) -> None:
        self.basket.observations += sign
        self.basket.rows += sign * rows
        self.basket.per_mission[mission][0] += sign
        self.basket.per_mission[mission][1] += sign * (not files)

    def _pass_time(self) -> bool:
        """What became public since the basket was last written is no longer counted as guarded; whether anything
        did."""
        before, now = self.basket.guarded_as_of, datetime_to_mjd(timezone.now())
        self.basket.guarded_as_of = max(before, now)
        if not self.guarded.cells["files"].any():
            return False
        opening = items.read(self.items().filter(guarded_until__lte=now))
        counts = settled(self.cube, opening)
        release = guards.public_from(opening, counts)
        self.guarded.leave(missions_of(opening), counts.only((release > before) & (release <= now)))
        for item, until in zip(opening, guards.next_after(opening, now), strict=True):
            item.guarded_until = until
        items.update(opening)
        return bool(opening)


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


def make(basket: Basket) -> None:
    """Store a basket that was not stored yet."""
    if basket.pk is None:
        key = basket.key or secrets.token_urlsafe(32)
        stored, _ = Basket.objects.get_or_create(key=key, defaults={"owner_id": basket.owner_id})
        show(basket, stored)


def locked(basket: Basket) -> Basket:
    """The stored row of a basket, locked until the transaction ends."""
    make(basket)
    live = Basket.objects.filter(removed=None, frozen=False)
    row = live.select_for_update().defer(*SETS).filter(pk=basket.pk).first()
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
