"""What the filters let through: of the whole basket, of an item, of a manifest's rows."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from basket import signatures
from basket.cube import (
    AMOUNTS,
    SIGNATURES,
    Bools,
    Cube,
    Records,
    Rows,
    choose,
    fit,
    partial,
    tally,
    unpack_counts,
)
from basket.ledger import NO_COUNTS, chunks, items_of, opened, settled
from basket.matching import Match, matches
from basket.models import Basket, BasketItem
from basket.page import Filters


class Sieve:
    """Filters on a basket's counts: a mask over facet signatures and, where one is asked for, a file name."""

    def __init__(self, filters: Filters, cube: Cube) -> None:
        self.q = filters.q.strip().lower()
        self.cube = cube
        present = np.flatnonzero(cube.cells["files"].any(axis=0)).astype(np.uint16)
        self.table = signatures.table(present)
        self.mask = fit(self.table.mask(filters), SIGNATURES)

    def rows(self, manifest: int, rows: Rows) -> Bools:
        """The rows of a manifest that pass, carried or not."""
        passing = self.mask[rows.signature]
        return passing & matches(self.q, [manifest])[manifest].rows if self.q else passing

    def passing(self, items: Sequence[BasketItem]) -> tuple[Records, NDArray[np.intp]]:
        """The settled counts of what passes in each item, one after the other, and each one's item's place."""
        if self.q:
            counts = [one[self.mask[one["signature"]]] for one in self._matching(items)]
            return np.concatenate([NO_COUNTS, *counts]), _places(counts)
        blobs = [unpack_counts(item.facet_counts) for item in items]
        every, place = np.concatenate([NO_COUNTS, *blobs]), _places(blobs)
        missions = np.array([item.mission for item in items], np.intp)
        applied = np.array([item.applied_serial for item in items], np.int64)
        every = self.cube.settle(every, missions[place], applied[place])
        kept = self.mask[every["signature"]]
        return every[kept], place[kept]

    def sums(self, items: Sequence[BasketItem]) -> list[dict[str, int]]:
        """files, selected_files, bytes, selected_bytes of what passes in each item."""
        counts, place = self.passing(items)
        columns = {name: np.bincount(place, counts[name], len(items)) for name in AMOUNTS}
        return [{name: int(columns[name][number]) for name in AMOUNTS} for number in range(len(items))]

    def total(self, basket: Basket) -> Cube:
        """The counts of what passes in the whole basket."""
        cells = np.zeros_like(self.cube.cells)
        if self.q:
            items = list(items_of(basket))
            counts, place = self.passing(items)
            missions = np.array([item.mission for item in items], np.intp)
            for name in AMOUNTS:
                np.add.at(cells[name], (missions[place], counts["signature"]), counts[name].astype(np.int64))
        else:
            mask = fit(self.mask, cells.shape[1])
            cells[:, mask] = self.cube.cells[:, mask]
        return Cube(cells)

    def _matching(self, items: Sequence[BasketItem]) -> Iterator[Records]:
        """The settled counts of the files whose names match, item by item."""
        for chunk in chunks(items):
            found = matches(self.q, [item.manifest_id for item in chunk])
            counts = {item.observation_id: settled(self.cube, item) for item in chunk}
            mixed = opened(self.cube, [item for item in chunk if _is_mixed(item, counts[item.observation_id])])
            for item in chunk:
                match = found[item.manifest_id]
                if _is_mixed(item, counts[item.observation_id]):
                    _, one = next(mixed)
                    yield tally(one.rows, one.carried & match.rows, one.selected)
                else:
                    yield _as_selected(match, counts[item.observation_id])


def _is_mixed(item: BasketItem, counts: Records) -> bool:
    return item.excluded is not None or bool(partial(counts).any())


def _as_selected(match: Match, counts: Records) -> Records:
    """The counts of the matching files of an item that carries all its files, signature by signature selected
    as a whole or not at all."""
    chosen = np.zeros(SIGNATURES, np.bool_)
    chosen[counts["signature"]] = counts["selected_files"] > 0
    return choose(match.counts, chosen[match.counts["signature"]], value=True)


def _places(blobs: Sequence[Records]) -> NDArray[np.intp]:
    return np.repeat(np.arange(len(blobs)), [len(blob) for blob in blobs])
