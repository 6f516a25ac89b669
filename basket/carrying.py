"""Which item carries a file: each file of a basket is carried, and so shown and counted, by exactly one.

A row of an item that it does not carry is excluded: another item carries the file, or the reader took it out of
the basket. The ids of a ledger say which of the two.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import Max
from pyroaring import BitMap64

from basket.cube import Opened, unpack_counts, unpack_ids
from basket.ledger import AT_ONCE, Ledger, carried_and_chosen, opened, with_ids
from basket.manifests import manifests_for, rows_of
from basket.models import BasketItem, ProductManifest
from portal.models import Observation


@dataclass(frozen=True, slots=True)
class Part:
    """Files that one observation carried, those of them that were selected, and its position in the basket."""

    observation: int
    position: int
    product_ids: BitMap64
    selected_ids: BitMap64


def parts_of(ledger: Ledger, items: Sequence[BasketItem]) -> list[Part]:
    """What the items (`with_ids`) carry."""
    return [
        Part(item.observation_id, item.position, carried, chosen)
        for item, carried, chosen in carried_and_chosen(ledger.cube, items)
    ]


def present_items(ledger: Ledger, observations: Iterable[int]) -> dict[int, BasketItem]:
    """The items of these observations, as far as there are any, with their manifests."""
    items = with_ids(ledger.items().filter(observation__in=list(observations)))
    return {item.observation_id: item for item in items}


def carry(ledger: Ledger, manifests: Sequence[ProductManifest]) -> None:
    """New items at the end of the basket, for observations that are not in it. Each carries what no other does."""
    items = _new_items(ledger, manifests, range(_next_position(ledger), _next_position(ledger) + len(manifests)))
    shared: list[tuple[BasketItem, BitMap64]] = []
    for item in items:
        ids = unpack_ids(item.manifest.product_ids)
        elsewhere = ids & ledger.ids
        ledger.ids |= ids
        if elsewhere:
            shared.append((item, elsewhere))
        else:
            ledger.record(item, unpack_counts(item.manifest.facet_counts))
    for start in range(0, len(shared), AT_ONCE):
        chunk = shared[start : start + AT_ONCE]
        rows = rows_of([item.manifest_id for item, _ in chunk])
        for item, elsewhere in chunk:
            carried = ~rows[item.manifest_id].places(elsewhere)
            ledger.close(item, Opened(rows[item.manifest_id], carried, np.zeros_like(carried)))


def take_back(ledger: Ledger, items: Iterable[BasketItem]) -> None:
    """Let items (`with_ids`) carry again, unselected, what they list and no item carries."""
    for item in items:
        nowhere = unpack_ids(item.manifest.product_ids) - ledger.ids
        if nowhere:
            ledger.ids |= nowhere
            [(_, one)] = opened(ledger.cube, [item])
            come = one.rows.places(nowhere)
            one.enter(come, np.zeros_like(come))
            ledger.close(item, one)


def put_back(ledger: Ledger, parts: Iterable[Part]) -> None:
    """Put files back where they were, selected as they were. What is in the basket already stays as it is, and
    what its observation no longer lists is gone."""
    ordered = sorted(parts, key=lambda part: part.position)
    for start in range(0, len(ordered), AT_ONCE):
        chunk = ordered[start : start + AT_ONCE]
        for part, item, one in _places(ledger, chunk):
            back = (part.product_ids & unpack_ids(item.manifest.product_ids)) - ledger.ids
            ledger.ids |= back
            one.enter(one.rows.places(back), one.rows.places(part.selected_ids))
            ledger.close(item, one)
        ledger.flush()


def inherit(ledger: Ledger, freed: BitMap64, chosen: BitMap64) -> None:
    """Files that nobody carries any more go to the first item in basket order that lists them, selected if they
    are among the chosen; the rest leaves the basket."""
    left = freed.copy()
    ledger.flush()
    heirs = with_ids(ledger.items().filter(excluded__isnull=False)) if left else ()
    for item in heirs:
        if not left:
            break
        take = unpack_ids(item.manifest.product_ids) & left
        if take:
            [(_, one)] = opened(ledger.cube, [item])
            one.enter(one.rows.places(take), one.rows.places(chosen))
            ledger.close(item, one)
            left -= take
    ledger.ids -= left


def _places(ledger: Ledger, parts: Sequence[Part]) -> Iterator[tuple[Part, BasketItem, Opened]]:
    """The item of each part, opened; a new one that carries nothing where there is none."""
    manifests = manifests_for(part.observation for part in parts)
    present = present_items(ledger, manifests)
    absent = [part for part in parts if part.observation in manifests and part.observation not in present]
    positions = _free_positions(ledger, absent)
    made = _new_items(ledger, [manifests[part.observation] for part in absent], positions)
    new = {item.observation_id: item for item in made}
    rows = rows_of([item.manifest_id for item in made])
    stored = opened(ledger.cube, [present[part.observation] for part in parts if part.observation in present])
    for part in parts:
        if part.observation in new:
            item = new[part.observation]
            none = np.zeros(len(rows[item.manifest_id].product), np.bool_)
            yield part, item, Opened(rows[item.manifest_id], none, none.copy())
        elif part.observation in present:
            yield part, *next(stored)


def _new_items(ledger: Ledger, manifests: Sequence[ProductManifest], positions: Iterable[int]) -> list[BasketItem]:
    observations = [manifest.observation_id for manifest in manifests]
    missions = dict(Observation.objects.filter(pk__in=observations).values_list("pk", "obs_collection"))
    return [
        BasketItem(
            basket=ledger.basket,
            observation_id=manifest.observation_id,
            manifest=manifest,
            position=position,
            mission=ledger.mission(missions[manifest.observation_id]),
            facet_counts=b"",
        )
        for manifest, position in zip(manifests, positions, strict=True)
    ]


def _next_position(ledger: Ledger) -> int:
    highest: int | None = ledger.items().aggregate(highest=Max("position"))["highest"]
    return 0 if highest is None else highest + 1


def _free_positions(ledger: Ledger, parts: Sequence[Part]) -> Iterator[int]:
    """The old position of each part, or one at the end where another item has it now."""
    taken = set(ledger.items().values_list("position", flat=True))
    end = max([_next_position(ledger), *(part.position + 1 for part in parts)])
    for part in parts:
        if part.position in taken:
            yield end
            end += 1
        else:
            taken.add(part.position)
            yield part.position
