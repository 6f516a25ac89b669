"""Items down to their rows: which files they carry, and which of those are selected. No database, no Django.

Thousands of items are opened, changed and counted together: an array operation on all their rows costs hardly more
than one on the rows of a single item.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

from basket.cube import FACET_COUNT, SIGNATURES, Blob, Bools, Counts, Ints, Places, array_of, ids_of

UNKNOWN_SIZE: Final = -1


@dataclass(frozen=True)
class Rows:
    """The packed products of manifests, one manifest's after the other's: one row per distinct file of each.

    A row's number in its manifest is its bit everywhere else. Columns are unpacked when they are asked for.
    """

    blobs: Sequence[Blob]

    WIDTH = 22

    @classmethod
    def pack(cls, product: Ints, signature: Ints, exposure: Ints, size: Ints) -> bytes:
        """The columns of one manifest as its blob; UNKNOWN_SIZE where the archive does not tell."""
        if len(signature) and signature.max() >= SIGNATURES:
            raise OverflowError(f"No more than {SIGNATURES} combinations of facet values have a number.")
        columns = ((product, "<i8"), (signature, "<u2"), (exposure, "<u4"), (size, "<i8"))
        return b"".join(column.astype(kind).tobytes() for column, kind in columns)

    def __len__(self) -> int:
        return int(self.length.sum())

    @cached_property
    def length(self) -> Ints:
        """How many rows each manifest has."""
        return np.array([len(blob) // self.WIDTH for blob in self.blobs], np.int64)

    @cached_property
    def start(self) -> Ints:
        """The number of each manifest's first row."""
        return np.cumsum(self.length) - self.length

    @cached_property
    def place(self) -> Places:
        """By row, whose it is."""
        return np.repeat(np.arange(len(self.blobs)), self.length)

    @cached_property
    def product(self) -> Ints:
        """Keys of the products."""
        return self._column("<i8", 0, 8)

    @cached_property
    def signature(self) -> NDArray[np.uint16]:
        """Facet signatures."""
        return self._column("<u2", 8, 10)

    @cached_property
    def exposure(self) -> NDArray[np.uint32]:
        """Places among the exposures of the manifest; 0 is the observation itself."""
        return self._column("<u4", 10, 14)

    @cached_property
    def size(self) -> Ints:
        """Bytes; UNKNOWN_SIZE where the archive does not tell."""
        return self._column("<i8", 14, 22)

    def _column(self, kind: str, start: int, end: int) -> NDArray[Any]:
        """Columns lie one after the other in each blob; from and to are bytes per row."""
        length = zip(self.blobs, self.length.tolist(), strict=True)
        return np.frombuffer(b"".join([blob[start * rows : end * rows] for blob, rows in length]), kind)

    @property
    def nothing(self) -> Bools:
        """No row."""
        return np.zeros(len(self), np.bool_)

    def among(self, ids: BitMap64) -> Bools:
        """The rows whose product is one of these."""
        return _found(self.product, array_of(ids))

    def each_among(self, sets: Sequence[BitMap64]) -> Bools:
        """The rows whose product is in the set of their manifest."""
        arrays = [array_of(ids) for ids in sets]
        place = np.repeat(np.arange(len(arrays)), np.array([len(array) for array in arrays], np.intp))
        wanted = np.concatenate([np.zeros(0, np.int64), *arrays]) * len(sets) + place
        wanted.sort()
        return _found(self.product * len(sets) + self.place, wanted)

    def products(self, chosen: Bools) -> list[Ints]:
        """The products of the chosen rows in their order, manifest by manifest."""
        product = self.product[chosen]
        ends = np.cumsum(np.bincount(self.place[chosen], minlength=len(self.blobs))).tolist()
        return [product[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=False)]

    def ids(self, chosen: Bools) -> list[BitMap64]:
        """The same as sets."""
        return [ids_of(product) for product in self.products(chosen)]

    def any(self, chosen: Bools) -> Bools:
        """By manifest, whether one of its rows is chosen."""
        return np.bincount(self.place[chosen], minlength=len(self.blobs)) > 0

    def tally(self, among: Bools, selected: Bools) -> Counts:
        """Facet counts of some rows."""
        place, signature, size = self.place[among], self.signature[among], self.size[among]
        return tally(len(self.blobs), place, signature, size, selected[among])

    def pack_bits(self, chosen: Bools, wanted: Bools) -> list[bytes | None]:
        """One bit per row, most significant bit first, of each manifest that is wanted."""
        return pack_bits(self.length, chosen, wanted)

    def unpack_bits(self, blobs: Sequence[Blob | None]) -> Bools:
        """The rows that `pack_bits` packed; none of a manifest without bits."""
        if not any(blobs):
            return self.nothing
        stride = ((self.length + 7) // 8).tolist()
        whole = b"".join(bytes(size) if blob is None else blob for blob, size in zip(blobs, stride, strict=True))
        bits: Bools = np.unpackbits(np.frombuffer(whole, np.uint8))[_padded(self.length)].view(np.bool_)
        return bits


def tally(
    manifests: int, place: Places, signature: NDArray[np.uint16], size: Ints, selected: Bools | None = None
) -> Counts:
    """Facet counts of rows, whose they are being told by `place`. Sums are exact up to 2**53 bytes (9 PB)."""
    present = np.flatnonzero(np.bincount(signature))
    code = np.zeros(SIGNATURES, np.intp)
    code[present] = np.arange(len(present))
    cell = place * len(present) + code[signature]
    known = np.maximum(size, 0)
    files = np.bincount(cell, minlength=manifests * len(present))
    filled = np.flatnonzero(files)
    places, column = np.divmod(filled, max(len(present), 1))
    records = np.zeros(len(filled), FACET_COUNT)
    records["signature"] = present[column]
    records["files"] = files[filled]
    records["bytes"] = np.bincount(cell, known, len(files))[filled]
    if selected is not None:
        records["selected_files"] = np.bincount(cell, selected, len(files))[filled]
        records["selected_bytes"] = np.bincount(cell, known * selected, len(files))[filled]
    return Counts(records, places)


def pack_bits(length: Ints, chosen: Bools, wanted: Bools) -> list[bytes | None]:
    """One bit per row, most significant bit first, of each manifest that is wanted and has so many rows."""
    ends = np.cumsum((length + 7) // 8).tolist()
    padded = np.zeros(ends[-1] * 8 if ends else 0, np.bool_)
    padded[_padded(length)] = chosen
    whole = np.packbits(padded).tobytes()
    spans = zip([0, *ends[:-1]], ends, wanted.tolist(), strict=False)
    return [whole[start:end] if want else None for start, end, want in spans]


def _padded(length: Ints) -> Ints:
    """Where each row lies when every manifest begins a byte of its own."""
    stride = (length + 7) // 8 * 8
    shift = np.cumsum(stride) - stride - (np.cumsum(length) - length)
    return np.repeat(shift, length) + np.arange(int(length.sum()))


@dataclass(slots=True)
class Opened:
    """Items with their rows: which files they carry, and which of those are selected."""

    rows: Rows
    carried: Bools
    selected: Bools

    @classmethod
    def unpack(
        cls, rows: Rows, counts: Counts, excluded: Sequence[Blob | None], selected: Sequence[Blob | None]
    ) -> Self:
        """From the items' blobs; `counts` have to be settled, because bits count only where they say some."""
        carried = ~rows.unpack_bits(excluded)
        every = counts.records["selected_files"] == counts.records["files"]
        chosen = counts.spread(every, len(rows.blobs))(rows.place, rows.signature)
        some = counts.partial
        if some.any():
            mixed = counts.spread(some, len(rows.blobs))(rows.place, rows.signature)
            chosen |= mixed & rows.unpack_bits(selected)
        return cls(rows, carried, chosen & carried)

    def counts(self) -> Counts:
        """The facet counts of what is carried."""
        return self.rows.tally(self.carried, self.selected)

    def leave(self, gone: Bools) -> None:
        """Take rows out: no longer carried, no longer selected."""
        self.carried &= ~gone
        self.selected &= ~gone

    def enter(self, come: Bools, selected: Bools) -> None:
        """Take rows in, selected as told."""
        self.carried |= come
        self.selected = (self.selected & ~come) | (selected & come)


def _found(values: Ints, among: Ints) -> Bools:
    """The values that are in a sorted array."""
    if not len(among):
        return np.zeros(len(values), np.bool_)
    place = np.searchsorted(among, values)
    place[place == len(among)] = 0
    found: Bools = among[place] == values
    return found
