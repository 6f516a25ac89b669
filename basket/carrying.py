"""Which item carries a file: each file of a basket is carried, and so shown and counted, by exactly one.

A row of an item that it does not carry is excluded: another item carries the file, or the reader took it out of
the basket (it is absent). The sets of a ledger say which of the two.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np
from django.db.models import Max
from pyroaring import BitMap64

from basket import binary, items
from basket.cube import Counts, Cube, array_of, unpack_ids
from basket.items import Item, heights_of, portions, settled
from basket.ledger import Ledger, cube_of, items_of, opened
from basket.manifests import Manifest, ids_of_manifests, listing_any, manifests_for, rows_of
from basket.models import Basket
from basket.rows import Opened, Rows

FEW: Final = 500
MOST_LOOKED_UP: Final = 20_000


@dataclass(frozen=True, slots=True)
class Part:
    """Files that one observation carried, those of them that were selected, and its position in the basket."""

    observation: int
    position: int
    product_ids: BitMap64
    selected_ids: BitMap64


def carried_and_chosen(cube: Cube, among: Sequence[Item]) -> Iterator[tuple[Item, BitMap64, BitMap64]]:
    """Each item with the ids of the files that it carries, and of those of them that are selected.

    An item is opened only where whole counts do not tell.
    """
    for portion in portions(among, heights_of(among)):
        sums = settled(cube, portion).sums(len(portion))
        chosen, files = sums["selected_files"], sums["files"]
        everything = np.array([item.excluded is None for item in portion], np.bool_)
        whole = everything & ((chosen == 0) | (chosen == files))
        told: dict[int, tuple[BitMap64, BitMap64]] = {}
        for some, one in opened(cube, [item for item, plain in zip(portion, whole, strict=True) if not plain]):
            both = zip(one.rows.ids(one.carried), one.rows.ids(one.selected), strict=True)
            told |= {item.observation_id: pair for item, pair in zip(some, both, strict=True)}
        plain = [place for place in range(len(portion)) if whole[place]]
        listed = ids_of_manifests([portion[place].manifest_id for place in plain])
        for place, ids in zip(plain, listed, strict=True):
            told[portion[place].observation_id] = ids, ids.copy() if chosen[place] else BitMap64()
        for item in portion:
            yield item, *told[item.observation_id]


def parts_of(cube: Cube, among: Sequence[Item]) -> list[Part]:
    """What the items carry."""
    found = carried_and_chosen(cube, among)
    return [Part(item.observation_id, item.position, carried, chosen) for item, carried, chosen in found]


def carrier_of(basket: Basket, product: int) -> int | None:
    """The observation (by primary key) under which a basket holds a file."""
    among = items.read(items_of(basket).filter(observation__in=binary.each(listing_any([product]))))
    for item, carried, _ in carried_and_chosen(cube_of(basket), among):
        if product in carried:
            return item.observation_id
    return None


def present_items(ledger: Ledger, observations: Iterable[int]) -> dict[int, Item]:
    """The items of these observations, as far as there are any."""
    wanted = set(observations)
    among = ledger.items()
    if len(wanted) <= FEW:
        among = among.filter(observation__in=wanted)
    return {item.observation_id: item for item in items.read(among) if item.observation_id in wanted}


def carry(ledger: Ledger, manifests: Sequence[Manifest]) -> None:
    """New items at the end of the basket, for observations that are not in it. Each carries what no other does."""
    whole: list[tuple[Item, Manifest]] = []
    sharing: list[tuple[Item, Manifest, BitMap64]] = []
    for manifest, position in zip(manifests, count(_next_position(ledger)), strict=False):
        item = _new_item(ledger, manifest, position)
        ids = unpack_ids(manifest.product_ids)
        elsewhere = ids & ledger.ids
        ledger.shared |= elsewhere | (ids & ledger.absent)
        ledger.ids |= ids
        ledger.absent -= ids
        if elsewhere:
            sharing.append((item, manifest, elsewhere))
        else:
            whole.append((item, manifest))
    ledger.record([item for item, _ in whole], Counts.unpack([manifest.facet_counts for _, manifest in whole]))
    for some in portions(sharing, [manifest.files for _, manifest, _ in sharing]):
        rows = rows_of([manifest.pk for _, manifest, _ in some])
        carried = ~rows.each_among([elsewhere for _, _, elsewhere in some])
        ledger.close([item for item, _, _ in some], Opened(rows, carried, rows.nothing))


def take_back(ledger: Ledger, among: Sequence[Item]) -> None:
    """Let items carry again, unselected, what they list and no item carries."""
    nowhere: dict[int, BitMap64] = {}
    for item, ids in zip(among, ids_of_manifests([item.manifest_id for item in among]), strict=True):
        come = ids - ledger.ids
        if come:
            nowhere[item.observation_id] = come
            ledger.ids |= come
            ledger.absent -= come
    for some, one in opened(ledger.cube, [item for item in among if item.observation_id in nowhere]):
        one.enter(one.rows.each_among([nowhere[item.observation_id] for item in some]), one.rows.nothing)
        ledger.close(some, one)


def put_back(ledger: Ledger, parts: Iterable[Part]) -> None:
    """Put files back where they were, selected as they were. What is in the basket already stays as it is, and
    what its observation no longer lists is gone."""
    ordered = sorted(parts, key=lambda part: part.position)
    manifests = manifests_for(part.observation for part in ordered)
    ordered = [part for part in ordered if part.observation in manifests]
    present = present_items(ledger, manifests)
    new = _restored(ledger, [part for part in ordered if part.observation not in present], manifests)
    for some in portions(ordered, [manifests[part.observation].files for part in ordered]):
        among = [present.get(part.observation) or new[part.observation] for part in some]
        rows = rows_of([item.manifest_id for item in among])
        one = _opened_with_new(ledger, among, rows)
        listed = _listed(among, manifests)
        come = [_free(ledger, part.product_ids & ids) for part, ids in zip(some, listed, strict=True)]
        back = rows.each_among(come)
        as_one = all(part.selected_ids is part.product_ids for part in some)
        one.enter(back, back if as_one else rows.each_among([part.selected_ids for part in some]))
        ledger.close(among, one)
    for observation in new:
        ledger.absent |= unpack_ids(manifests[observation].product_ids) - ledger.ids


def inherit(ledger: Ledger, freed: BitMap64, chosen: BitMap64, unlisted: BitMap64) -> None:
    """Files that nobody carries any more go to the first item in basket order that lists them, selected if they
    are among the chosen; the rest leaves the basket. `unlisted` are those that some item does not list any more."""
    left, absent = freed.copy(), ledger.absent & unlisted
    heirs: dict[int, BitMap64] = {}
    among = _listing(ledger, (left | absent) & ledger.shared)
    for item, ids in zip(among, ids_of_manifests([item.manifest_id for item in among]), strict=True):
        take = ids & left
        absent -= ids
        if take:
            left -= take
            heirs[item.observation_id] = take
    for some, one in opened(ledger.cube, [item for item in among if item.observation_id in heirs]):
        come = one.rows.each_among([heirs[item.observation_id] for item in some])
        one.enter(come, one.rows.among(chosen))
        ledger.close(some, one)
    ledger.ids -= left
    ledger.absent -= absent
    ledger.shared -= left | absent


def _listing(ledger: Ledger, ids: BitMap64) -> list[Item]:
    """The items that list one of these files and do not carry it, and perhaps more."""
    if not ids or not ledger.basket.observations:
        return []
    among = ledger.items().filter(excluded__isnull=False)
    if ledger.basket.observations > FEW and len(ids) <= MOST_LOOKED_UP:
        among = among.filter(observation__in=binary.each(listing_any(array_of(ids))))
    return items.read(among)


def _listed(among: Sequence[Item], manifests: dict[int, Manifest]) -> list[BitMap64]:
    """The files that each item lists; most items have the manifest of today."""
    today = [manifests[item.observation_id] for item in among]
    if all(item.manifest_id == manifest.pk for item, manifest in zip(among, today, strict=True)):
        return [unpack_ids(manifest.product_ids) for manifest in today]
    return ids_of_manifests([item.manifest_id for item in among])


def _free(ledger: Ledger, ids: BitMap64) -> BitMap64:
    """Those of the files that nobody carries; from now on somebody does."""
    free = ids - ledger.ids
    ledger.ids |= free
    ledger.absent -= free
    return free


def _opened_with_new(ledger: Ledger, among: Sequence[Item], rows: Rows) -> Opened:
    """Items of which some are new and carry nothing."""
    excluded, selected = [item.excluded for item in among], [item.selected for item in among]
    one = Opened.unpack(rows, settled(ledger.cube, among), excluded, selected)
    one.leave(np.array([item.pk is None for item in among], np.bool_)[rows.place])
    return one


def _restored(ledger: Ledger, parts: Sequence[Part], manifests: dict[int, Manifest]) -> dict[int, Item]:
    """New items for observations that are not in the basket (any more)."""
    listed = ledger.ids | ledger.absent
    made: dict[int, Item] = {}
    for part, position in zip(parts, _free_positions(ledger, parts), strict=True):
        manifest = manifests[part.observation]
        made[part.observation] = _new_item(ledger, manifest, position)
        ids = unpack_ids(manifest.product_ids)
        ledger.shared |= ids & listed
        listed |= ids
    return made


def _new_item(ledger: Ledger, manifest: Manifest, position: int) -> Item:
    mission = ledger.mission(manifest.mission)
    item = Item(None, manifest.observation_id, manifest.pk, position, mission, ledger.basket.bulk_serial, b"")
    ledger.enlist(item, manifest)
    return item


def _next_position(ledger: Ledger) -> int:
    highest: int | None = ledger.items().aggregate(highest=Max("position"))["highest"]
    return 0 if highest is None else highest + 1


def _free_positions(ledger: Ledger, parts: Sequence[Part]) -> Iterator[int]:
    """The old position of each part, or one at the end where another item has it now."""
    if not parts:
        return
    taken = set(ledger.items().values_list("position", flat=True))
    end = max([_next_position(ledger), *(part.position + 1 for part in parts)])
    for part in parts:
        if part.position in taken:
            yield end
            end += 1
        else:
            taken.add(part.position)
            yield part.position
