"""Putting observations into a basket, each file counted once, and following the archive when its lists change."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import F, QuerySet
from pyroaring import BitMap64

from basket.carrying import carry, inherit, present_items, take_back
from basket.cube import Opened, ids_of, unpack_ids
from basket.ledger import Ledger, items_of, opened, with_ids, writing
from basket.manifests import manifests_for, rows_of
from basket.models import Basket, BasketItem, ProductManifest

AT_ONCE: Final = 500  # observations in one transaction


@dataclass(frozen=True, slots=True)
class Added:
    """What adding did: `files` came into the basket, `rows` listed them, `duplicates` of the rows were repeats."""

    added: int = 0
    already: int = 0
    files: int = 0
    rows: int = 0
    duplicates: int = 0

    def __add__(self, other: "Added") -> "Added":
        return Added(
            self.added + other.added,
            self.already + other.already,
            self.files + other.files,
            self.rows + other.rows,
            self.duplicates + other.duplicates,
        )


@dataclass(frozen=True, slots=True)
class Rebased:
    """How a basket followed the archive: observations whose list changed, files that came and that left."""

    observations: int = 0
    came: int = 0
    left: int = 0

    def __bool__(self) -> bool:
        return bool(self.observations)


def add_observations(basket: Basket, observation_pks: Iterable[int]) -> Added:
    """Add observations in this order. One that is in the basket already gets back those of its files that are in
    no item, because somebody took them out. One that does not exist is left out."""
    rebase(basket)
    manifests = list(manifests_for(observation_pks).values())
    done = Added()
    for start in range(0, len(manifests), AT_ONCE):
        with writing(basket) as ledger:
            done += _add(ledger, manifests[start : start + AT_ONCE])
    return done


def rebase(basket: Basket) -> Rebased:
    """Follow the archive where the list of an observation has changed since it was added.

    Files that stay keep their selection, new ones come in unselected, those no longer listed leave. What was taken
    out of the basket stays out.
    """
    changed = [] if basket.pk is None else list(_behind(basket).values_list("observation", flat=True))
    if not changed:
        return Rebased()
    manifests = manifests_for(changed)
    with writing(basket) as ledger:
        before = ledger.ids.copy()
        items = [item for item in with_ids(_behind(ledger.basket)) if item.observation_id in manifests]
        _follow(ledger, items, manifests)
        return Rebased(len(items), len(ledger.ids - before), len(before - ledger.ids))


def _add(ledger: Ledger, manifests: Sequence[ProductManifest]) -> Added:
    present = present_items(ledger, [manifest.observation_id for manifest in manifests])
    new = [manifest for manifest in manifests if manifest.observation_id not in present]
    before = len(ledger.ids)
    carry(ledger, new)
    came = len(ledger.ids) - before
    take_back(ledger, present.values())
    back = len(ledger.ids) - before - came
    rows = sum(manifest.rows for manifest in new)
    return Added(len(new), len(present), came + back, rows + back, rows - came)


def _behind(basket: Basket) -> QuerySet[BasketItem]:
    return items_of(basket).exclude(manifest__products_version=F("observation__products_version"))


def _follow(ledger: Ledger, items: Sequence[BasketItem], manifests: Mapping[int, ProductManifest]) -> None:
    freed, chosen = BitMap64(), BitMap64()
    for item, old in opened(ledger.cube, items):
        manifest = manifests[item.observation_id]
        ids, listed = unpack_ids(manifest.product_ids), unpack_ids(item.manifest.product_ids)
        carried, selected = ids_of(old.rows.product[old.carried]), ids_of(old.rows.product[old.selected])
        come = ids - listed - ledger.ids
        freed |= carried - ids
        chosen |= selected - ids
        ledger.ids |= come
        rows = rows_of([manifest.pk])[manifest.pk]
        item.manifest = manifest
        ledger.close(item, Opened(rows, rows.places(carried | come), rows.places(selected)))
    inherit(ledger, freed, chosen)
