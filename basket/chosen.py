"""The selected files, for a download: in basket order, then in the order of each observation's list."""

from collections.abc import Iterator

from basket import items
from basket.cube import Ints
from basket.items import settled
from basket.ledger import cube_of, items_of, opened, reading
from basket.manifests import products
from basket.models import Basket
from portal.errors import Problem
from portal.models import Product

AT_ONCE = 5000


def selected_ids(basket: Basket) -> Iterator[Ints]:
    """The ids of the selected products, arrays in basket order, all from one snapshot (8 bytes per file)."""
    with reading(basket) as stored:
        cube = cube_of(stored)
        every = items.read(items_of(stored))
        files = settled(cube, every).sums(len(every))["selected_files"]
        chosen = [item for item, selected in zip(every, files.tolist(), strict=True) if selected]
        found = [one.rows.product[one.selected] for _, one in opened(cube, chosen)]
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
