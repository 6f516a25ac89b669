"""Selecting files. Whatever is selected or deselected, only files that pass the filters change."""

from collections.abc import Sequence

import numpy as np
from pyroaring import BitMap64

from basket import items
from basket.items import Item, settled
from basket.ledger import Ledger, opened, writing
from basket.manifests import ids_of_manifests
from basket.models import Basket
from basket.nodes import Place, locate, unknown
from basket.page import Filters
from basket.sieve import Sieve


def select(basket: Basket, path: str, filters: Filters, value: bool) -> None:
    """Select (or, with value False, deselect) the files below a node that pass the filters.

    The whole basket or a mission is noted once, an observation is a change of counts; only for exposures, files
    and file names are items opened. Raises Problem (404) for a path that is not in the basket.
    """
    if basket.pk is None:
        if path:
            raise unknown(path)
        return
    with writing(basket) as ledger:
        place = locate(ledger.basket, path)
        sieve = Sieve(filters, ledger.cube)
        if sieve.q or place.exposure is not None:
            _select_rows(ledger, place, sieve, value=value)
        elif place.item is not None:
            counts = settled(ledger.cube, [place.item])
            ledger.record([place.item], counts.choose(sieve.mask[counts.records["signature"]], value=value))
        else:
            ledger.note(place.mission, sieve.mask, value=value)


def select_ids(ledger: Ledger, ids: BitMap64) -> None:
    """Select these files wherever the basket carries them."""
    every = items.read(ledger.items())
    listed = ids_of_manifests([item.manifest_id for item in every])
    touched = [item for item, listing in zip(every, listed, strict=True) if ids & listing]
    for some, one in opened(ledger.cube, touched):
        one.selected |= one.carried & one.rows.among(ids)
        ledger.close(some, one)


def _select_rows(ledger: Ledger, place: Place, sieve: Sieve, *, value: bool) -> None:
    for some, one in opened(ledger.cube, _in_scope(ledger, place, sieve)):
        rows = one.carried & sieve.rows([item.manifest_id for item in some], one.rows)
        if place.row is not None:
            rows &= np.arange(len(rows)) == place.row
        elif place.exposure is not None:
            rows &= one.rows.exposure == place.exposure
        one.selected = one.selected | rows if value else one.selected & ~rows
        ledger.close(some, one)


def _in_scope(ledger: Ledger, place: Place, sieve: Sieve) -> Sequence[Item]:
    """The items below a node in which anything passes."""
    if place.item is not None:
        return [place.item]
    every = items.read(ledger.items() if place.mission is None else ledger.items().filter(mission=place.mission))
    files = sieve.passing(every).sums(len(every))["files"]
    return [item for item, passing in zip(every, files.tolist(), strict=True) if passing]
