"""Selecting files. Whatever is selected or deselected, only files that pass the filters change."""

from collections.abc import Sequence

import numpy as np
from pyroaring import BitMap64

from basket.cube import choose, unpack_ids
from basket.ledger import Ledger, opened, settled, with_ids, writing
from basket.models import Basket, BasketItem
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
            counts = settled(ledger.cube, place.item)
            ledger.record(place.item, choose(counts, sieve.mask[counts["signature"]], value=value))
        else:
            ledger.cube.note(place.mission, sieve.mask, ledger.bulk(), value=value)


def select_ids(ledger: Ledger, ids: BitMap64) -> None:
    """Select these files wherever the basket carries them."""
    items = [item for item in with_ids(ledger.items()) if ids & unpack_ids(item.manifest.product_ids)]
    for item, one in opened(ledger.cube, items):
        one.selected |= one.carried & one.rows.places(ids)
        ledger.close(item, one)


def _select_rows(ledger: Ledger, place: Place, sieve: Sieve, *, value: bool) -> None:
    for item, one in opened(ledger.cube, _in_scope(ledger, place, sieve)):
        rows = one.carried & sieve.rows(item.manifest_id, one.rows)
        if place.row is not None:
            rows &= np.arange(len(rows)) == place.row
        elif place.exposure is not None:
            rows &= one.rows.exposure == place.exposure
        one.selected = one.selected | rows if value else one.selected & ~rows
        ledger.close(item, one)


def _in_scope(ledger: Ledger, place: Place, sieve: Sieve) -> Sequence[BasketItem]:
    """The items below a node in which anything passes."""
    if place.item is not None:
        return [place.item]
    items = ledger.items() if place.mission is None else ledger.items().filter(mission=place.mission)
    every = list(items)
    return [item for item, amounts in zip(every, sieve.sums(every), strict=True) if amounts["files"]]
