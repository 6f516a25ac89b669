"""What the filters let through: of the whole basket, of items, of a manifest's rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from basket import items, signatures
from basket.cube import SIGNATURES, Bools, Counts, Cube, Places, fit
from basket.items import Item, missions_of, settled
from basket.ledger import cube_of, items_of, opened
from basket.matching import Match, matches
from basket.models import Basket
from basket.page import Filters
from basket.rows import Rows


class Sieve:
    """Filters on a basket's counts: a mask over facet signatures and, where one is asked for, a file name."""

    def __init__(self, filters: Filters, cube: Cube) -> None:
        self.filters = filters
        self.q = filters.q.strip().lower()
        self.cube = cube
        present = np.flatnonzero(cube.cells["files"].any(axis=0)).astype(np.uint16)
        self.table = signatures.table(present)
        self.mask = fit(self.table.mask(filters), SIGNATURES)

    def rows(self, manifests: Sequence[int], rows: Rows) -> Bools:
        """The rows of these manifests that pass, carried or not."""
        passing: Bools = self.mask[rows.signature]
        if not self.q:
            return passing
        found = matches(self.q, manifests)
        return passing & rows.unpack_bits([found[pk].bits for pk in manifests])

    def passing(self, among: Sequence[Item]) -> Counts:
        """The settled counts of what passes in each item."""
        counts = self._matching(among) if self.q else settled(self.cube, among)
        return counts.only(self.mask[counts.records["signature"]])

    def _matching(self, among: Sequence[Item]) -> Counts:
        """The settled counts of the files whose names match."""
        counts = settled(self.cube, among)
        found = matches(self.q, [item.manifest_id for item in among])
        mixed = np.array([item.excluded is not None for item in among], np.bool_)
        mixed |= counts.any(counts.partial, len(among))
        told = Counts.unpack(
            [
                b"" if is_mixed else found[item.manifest_id].counts.tobytes()
                for item, is_mixed in zip(among, mixed.tolist(), strict=True)
            ]
        )
        chosen = counts.spread(counts.records["selected_files"] > 0, len(among))
        told = told.choose(chosen(told.place, told.records["signature"]), value=True)
        return _joined([told, *self._opened(among, np.flatnonzero(mixed), found)])

    def _opened(self, among: Sequence[Item], mixed: Places, found: Mapping[int, Match]) -> Iterator[Counts]:
        """The same of items that do not carry all their files, or have files of one signature selected and not."""
        start = 0
        for some, one in opened(self.cube, [among[place] for place in mixed]):
            matching = one.rows.unpack_bits([found[item.manifest_id].bits for item in some])
            counts = one.rows.tally(one.carried & matching, one.selected)
            yield Counts(counts.records, mixed[start : start + len(some)][counts.place])
            start += len(some)


def _joined(parts: Iterable[Counts]) -> Counts:
    every = list(parts)
    return Counts(
        np.concatenate([counts.records for counts in every]), np.concatenate([counts.place for counts in every])
    )


class View(Sieve):
    """A basket as its reader sees it under filters; what passes of the whole of it is found once."""

    def __init__(self, basket: Basket, filters: Filters) -> None:
        super().__init__(filters, cube_of(basket))
        self.basket = basket

    @cached_property
    def matching(self) -> tuple[dict[int, int], list[Item], Counts]:
        """Every item, its place by its observation, and the counts of what passes in each."""
        every = items.read(items_of(self.basket))
        return {item.observation_id: place for place, item in enumerate(every)}, every, super().passing(every)

    def passing(self, among: Sequence[Item]) -> Counts:
        """The settled counts of what passes in each item. Of names that were looked for in all, not once more."""
        if "matching" not in self.__dict__:
            return super().passing(among)
        places, every, counts = self.matching
        return counts.of([places[item.observation_id] for item in among], len(every))

    @cached_property
    def total(self) -> Cube:
        """The counts of what passes in the whole basket."""
        total = Cube(np.zeros_like(self.cube.cells))
        if self.q:
            _, every, counts = self.matching
            total.enter(missions_of(every), counts)
        else:
            mask = fit(self.mask, self.cube.cells.shape[1])
            total.cells[:, mask] = self.cube.cells[:, mask]
        return total
