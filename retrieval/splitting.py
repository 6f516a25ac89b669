"""Dividing a selection that is too large for one bundle into parts: by observation, and one observation by files."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from basket.chosen import Chosen


class TooLarge(Exception):
    """One file alone is larger than a part may be: its key and size in bytes."""

    def __init__(self, product: int, size: int) -> None:
        super().__init__(f"file {product} holds {size} bytes")
        self.product = product
        self.size = size


def parts(selection: Sequence[Chosen], most: int) -> list[list[Chosen]]:
    """The selection in its order, in as many parts of at most `most` bytes as that takes.

    An observation is in one part, unless it is larger than a part may be: then its files begin a part of their own,
    and go on in the next ones. Raises TooLarge.
    """
    found: list[list[Chosen]] = [[]]
    room = most
    for one in selection:
        size = int(one.sizes.sum())
        for piece in [one] if size <= most else _pieces(one, most):
            size = int(piece.sizes.sum())
            if size > room and found[-1]:
                found.append([])
                room = most
            found[-1].append(piece)
            room -= size
    return found


def _pieces(one: Chosen, most: int) -> Iterator[Chosen]:
    """The files of one observation in pieces, each as large as it may be."""
    sums = np.cumsum(one.sizes)
    start, before = 0, 0
    while start < len(sums):
        stop = int(np.searchsorted(sums, before + most, side="right"))
        if stop == start:
            raise TooLarge(int(one.products[start]), int(one.sizes[start]))
        piece = slice(start, stop)
        yield replace(one, products=one.products[piece], sizes=one.sizes[piece])
        start, before = stop, int(sums[stop - 1])
