"""The selected files, for a download: in basket order, then in the order of each observation's list."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from basket.cube import Ints
from basket.ledger import cube_of, items_of, opened, reading, settled
from basket.manifests import products
from basket.models import Basket
from portal.errors import Problem
from portal.models import Observation, Product

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
        items = list(items_of(stored))
        some = [item for item in items if settled(cube, item)["selected_files"].any()]
        found = [
            (item, one.rows.product[one.selected], one.rows.bytes[one.selected])
            for item, one in opened(cube, some)
        ]
        keys = [item.observation_id for item in items]
        names = dict(Observation.objects.filter(pk__in=keys).values_list("pk", "obs_id"))
    named = [
        Chosen(f"{stored.missions[item.mission]}/{names[item.observation_id]}", product, size)
        for item, product, size in found
    ]
    return named, np.array(keys, np.int64)


def selected_ids(basket: Basket) -> Iterator[Ints]:
    """The ids of the selected products, an array per observation, all from one snapshot (8 bytes per file)."""
    with reading(basket) as stored:
        cube = cube_of(stored)
        items = [item for item in items_of(stored) if settled(cube, item)["selected_files"].any()]
        found = [one.rows.product[one.selected] for _, one in opened(cube, items)]
    yield from found


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
