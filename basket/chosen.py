"""The selected files, for a download: in basket order, then in the order of each observation's list."""

from collections.abc import Iterator

from basket.cube import Ints
from basket.ledger import cube_of, items_of, opened, reading, settled
from basket.manifests import products
from basket.models import Basket
from portal.errors import Problem
from portal.models import Product

AT_ONCE = 5000


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
