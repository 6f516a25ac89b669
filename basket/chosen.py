"""The selected files, for a download: in basket order, then in the order of each observation's list."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from basket import items
from basket.cube import Cube, Ints
from basket.items import Item, settled
from basket.ledger import cube_of, items_of, opened, reading
from basket.manifests import products
from basket.models import Basket
from basket.rows import Opened
from portal.errors import Problem
from portal.models import Product

AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Chosen:
    """The selected files that one observation carries: keys and sizes in bytes (0 where the archive tells none).
    `observation` is MISSION/obs_id."""

    observation: str
    products: Ints
    sizes: Ints


def chosen(basket: Basket) -> tuple[list[Chosen], Ints]:
    """What is selected at this moment, observation by observation, and the keys of all observations in the basket."""
    with reading(basket) as stored:
        cube = cube_of(stored)
        every = items.read(items_of(stored))
        names = dict(items_of(stored).order_by().values_list("observation", "observation__obs_id"))
        folders = {
            item.observation_id: f"{stored.missions[item.mission]}/{names[item.observation_id]}" for item in every
        }
        some = _with_selected(cube, every)
        found = [one for portion, rows in opened(cube, some) for one in _apart(portion, rows, folders)]
    return found, np.array([item.observation_id for item in every], np.int64)


def selected_ids(basket: Basket) -> Iterator[Ints]:
    """The ids of the selected products, arrays in basket order, all from one snapshot (8 bytes per file)."""
    with reading(basket) as stored:
        cube = cube_of(stored)
        some = _with_selected(cube, items.read(items_of(stored)))
        found = [one.rows.product[one.selected] for _, one in opened(cube, some)]
    yield from found


def _with_selected(cube: Cube, every: Sequence[Item]) -> list[Item]:
    files = settled(cube, every).sums(len(every))["selected_files"]
    return [item for item, selected in zip(every, files.tolist(), strict=True) if selected]


def _apart(portion: Sequence[Item], one: Opened, folders: Mapping[int, str]) -> Iterator[Chosen]:
    """What is selected in each of these items, whose rows follow each other."""
    ends = np.cumsum(one.rows.length).tolist()
    for item, start, end in zip(portion, [0, *ends], ends, strict=False):
        wanted = np.flatnonzero(one.selected[start:end]) + start
        yield Chosen(folders[item.observation_id], one.rows.product[wanted], np.maximum(one.rows.size[wanted], 0))


def selected_products(basket: Basket) -> Iterator[Product]:
    """The selected products themselves. Which ones they are is one snapshot; they are read in portions.

    Raises Problem (409) when one of them is no longer in the catalogue: nothing is left out silently.
    """
    for ids in selected_ids(basket):
        for start in range(0, len(ids), AT_ONCE):
            portion = ids[start : start + AT_ONCE]
            stored = products(portion).in_bulk()
            for pk in portion.tolist():
                if pk not in stored:
                    raise Problem(
                        "The archive's list of files changed while it was read. Open your basket again.",
                        code="changed",
                        status=409,
                    )
                yield stored[pk]
