"""A basket follows the archive: when the product list of one of its observations changes, the item gets a new manifest.

Each change of a list carries the number of its transaction (Observation.products_changed). A basket remembers the
oldest transaction that was still running when it last looked; changes from there on are all that can be news, and an
index finds them without asking the basket's observations one by one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import F, QuerySet
from pyroaring import BitMap64

from basket import binary, items
from basket.carrying import inherit
from basket.cube import unpack_ids
from basket.items import Item
from basket.ledger import Ledger, items_of, opened, writing
from basket.manifests import Manifest, ids_of_manifests, manifests_for, rows_of
from basket.models import Basket, BasketItem
from basket.rows import Opened

# What comes from before this server's first transaction, as after a restore, counts as not known
LOOK = """
    SELECT xmin, since, EXISTS (SELECT FROM portal_observation WHERE products_changed >= since)
    FROM (SELECT xmin, CASE WHEN known <= xmin THEN known ELSE 0 END AS since
          FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin, %b::bigint AS known) horizon
    ) looked"""


@dataclass(frozen=True, slots=True)
class Rebased:
    """How a basket followed the archive: observations whose list changed, files that came and that left."""

    observations: int = 0
    came: int = 0
    left: int = 0

    def __bool__(self) -> bool:
        return bool(self.observations)


def rebase(basket: Basket) -> Rebased:
    """Follow the archive where the list of an observation has changed since it was added.

    Files that stay keep their selection, new ones come in unselected, those no longer listed leave. What was taken
    out of the basket stays out.
    """
    if basket.pk is None:
        return Rebased()
    [(horizon, since, is_news)] = binary.rows(LOOK, [basket.followed])
    if not is_news:
        return Rebased()
    changed = list(_behind(basket, since).values_list("observation", flat=True))
    if not changed:
        Basket.objects.filter(pk=basket.pk, followed__lt=horizon).update(followed=horizon)
        return Rebased()
    manifests = manifests_for(changed)
    with writing(basket) as ledger:
        before = ledger.ids.copy()
        among = [item for item in items.read(_behind(ledger.basket, since)) if item.observation_id in manifests]
        _follow(ledger, among, manifests)
        ledger.basket.followed = horizon
        return Rebased(len(among), len(ledger.ids - before), len(before - ledger.ids))


def _behind(basket: Basket, since: int) -> QuerySet[BasketItem]:
    changed = items_of(basket).filter(observation__products_changed__gte=since)
    return changed.exclude(manifest__products_version=F("observation__products_version"))


def _follow(ledger: Ledger, among: Sequence[Item], manifests: Mapping[int, Manifest]) -> None:
    freed, chosen, unlisted = BitMap64(), BitMap64(), BitMap64()
    for some, old in opened(ledger.cube, among):
        before = ids_of_manifests([item.manifest_id for item in some])
        carried, selected = old.rows.ids(old.carried), old.rows.ids(old.selected)
        ledger.leave(some)
        kept: list[BitMap64] = []
        for place, item in enumerate(some):
            manifest = manifests[item.observation_id]
            ids = unpack_ids(manifest.product_ids)
            freed |= carried[place] - ids
            chosen |= selected[place] - ids
            unlisted |= before[place] - ids
            kept.append(carried[place] | _come(ledger, ids - before[place]))
            ledger.enlist(item, manifest)
        rows = rows_of([item.manifest_id for item in some])
        ledger.close(some, Opened(rows, rows.each_among(kept), rows.each_among(selected)))
    inherit(ledger, freed, chosen, unlisted)


def _come(ledger: Ledger, new: BitMap64) -> BitMap64:
    """Those of the files newly listed that nobody carries; from now on somebody does."""
    come = new - ledger.ids
    ledger.shared |= (new - come) | (come & ledger.absent)
    ledger.ids |= come
    ledger.absent -= come
    return come
