"""The arithmetic of a basket: counts per facet signature, of one item or of thousands at once. No database, no Django.

Every filter is a set of signatures, so what a click asks for are sums over a few hundred counts, however many
files there are. All blobs are little-endian and unpadded; sizes are bytes. The design and its measurements are
in docs/architecture.md, "The basket".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Places = NDArray[np.intp]
Records = NDArray[np.void]
Blob = bytes | memoryview

FACET_COUNT: Final = np.dtype(
    [
        ("signature", "<u2"),
        ("files", "<u4"),
        ("selected_files", "<u4"),
        ("bytes", "<i8"),
        ("selected_bytes", "<i8"),
    ]
)
MISSION_COUNT: Final = np.dtype(
    [("mission", "u1"), *FACET_COUNT.descr, ("bulk_serial", "<u4"), ("bulk_selected", "u1")]
)
AMOUNTS: Final = ("files", "selected_files", "bytes", "selected_bytes")
CELL: Final = np.dtype([*((name, "<i8") for name in AMOUNTS), ("bulk_serial", "<i8"), ("bulk_selected", "?")])
SIGNATURES: Final = np.iinfo(np.uint16).max + 1
MOST_MISSIONS: Final = 255


def pack_ids(ids: BitMap64) -> bytes:
    """A set of product ids as a roaring bitmap; nothing for the empty set."""
    ids.run_optimize()
    return bytes(ids.serialize()) if ids else b""


def unpack_ids(blob: Blob) -> BitMap64:
    """The set of product ids that `pack_ids` packed."""
    return BitMap64.deserialize(bytes(blob)) if blob else BitMap64()


def ids_of(products: Ints) -> BitMap64:
    """The set of these product ids."""
    return BitMap64(np.ascontiguousarray(products, np.uint64).data)


def array_of(ids: BitMap64) -> Ints:
    """The ids of a set, ascending."""
    return np.frombuffer(ids.to_array(), np.int64)


@dataclass(frozen=True, slots=True)
class Counts:
    """Facet counts of items, one item's after the other's; `place` says whose each count is."""

    records: Records
    place: Places

    @classmethod
    def unpack(cls, blobs: Sequence[Blob]) -> Self:
        """From the blobs of the items, or of their manifests."""
        lengths = np.array([len(blob) // FACET_COUNT.itemsize for blob in blobs], np.intp)
        return cls(np.frombuffer(b"".join(blobs), FACET_COUNT), np.repeat(np.arange(len(blobs)), lengths))

    def pack(self, items: int) -> list[bytes]:
        """A blob for each item."""
        ends = np.cumsum(np.bincount(self.place, minlength=items)) * FACET_COUNT.itemsize
        whole = self.records.tobytes()
        return [whole[start:end] for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=False)]

    def only(self, chosen: Bools) -> Self:
        """Some of the counts."""
        return type(self)(self.records[chosen], self.place[chosen])

    def of(self, places: Sequence[int], items: int) -> Self:
        """The counts of some of so many items, which get new places in this order."""
        ends = np.cumsum(np.bincount(self.place, minlength=items))
        spans = [np.arange(ends[place - 1] if place else 0, ends[place]) for place in places]
        lengths = np.array([len(span) for span in spans], np.intp)
        rows = np.concatenate([np.zeros(0, np.intp), *spans])
        return type(self)(self.records[rows], np.repeat(np.arange(len(spans)), lengths))

    def choose(self, chosen: Bools, *, value: bool) -> Self:
        """The counts with some of them selected or deselected as a whole."""
        after = self.records.copy()
        after["selected_files"][chosen] = self.records["files"][chosen] if value else 0
        after["selected_bytes"][chosen] = self.records["bytes"][chosen] if value else 0
        return type(self)(after, self.place)

    def sums(self, items: int) -> dict[str, Ints]:
        """files, selected_files, bytes, selected_bytes of each item."""
        return {
            name: np.bincount(self.place, self.records[name], minlength=items).astype(np.int64) for name in AMOUNTS
        }

    @property
    def partial(self) -> Bools:
        """The counts of which some files are selected and some not: only for these do an item's bits speak."""
        selected = self.records["selected_files"]
        return np.asarray((selected > 0) & (selected < self.records["files"]))

    def any(self, chosen: Bools, items: int) -> Bools:
        """By item, whether one of its counts is chosen."""
        return np.bincount(self.place[chosen], minlength=items) > 0

    def spread(self, chosen: Bools, items: int) -> "Spread":
        """Which (item, signature) is chosen, for a look-up by many rows."""
        return Spread.of(self.place[chosen], self.records["signature"][chosen], items)


NO_COUNTS: Final = Counts(np.zeros(0, FACET_COUNT), np.zeros(0, np.intp))


@dataclass(frozen=True, slots=True)
class Spread:
    """A set of (item, signature) as a table; signatures that occur in none of its pairs share one column."""

    table: Bools
    column: Places

    @classmethod
    def of(cls, place: Places, signature: NDArray[np.uint16], items: int) -> Self:
        """The set of these pairs."""
        column = np.zeros(SIGNATURES, np.intp)
        present = np.flatnonzero(np.bincount(signature))
        column[present] = np.arange(1, len(present) + 1)
        table = np.zeros((items, len(present) + 1), np.bool_)
        table[place, column[signature]] = True
        return cls(table, column)

    def __call__(self, place: Places, signature: NDArray[np.uint16]) -> Bools:
        """By pair, whether it is in the set."""
        found: Bools = self.table[place, self.column[signature]]
        return found


class Cube:
    """The counts of a whole basket by (mission, signature), with the bulk selections noted on them."""

    def __init__(self, cells: Records) -> None:
        self.cells = cells

    @classmethod
    def unpack(cls, blob: Blob, missions: int) -> Self:
        """From a basket's `mission_counts` and the number of its missions."""
        packed = np.frombuffer(blob, MISSION_COUNT)
        width = int(packed["signature"].max(initial=0)) + 1
        cells = np.zeros((max(missions, 1), width), CELL)
        for name in CELL.names or ():
            cells[name][packed["mission"], packed["signature"]] = packed[name]
        return cls(cells)

    def pack(self) -> bytes:
        """Only the entries with files: a note on nothing is no longer needed."""
        mission, signature = np.nonzero(self.cells["files"])
        packed = np.zeros(len(mission), MISSION_COUNT)
        packed["mission"], packed["signature"] = mission, signature
        for name in CELL.names or ():
            packed[name] = self.cells[name][mission, signature]
        return packed.tobytes()

    def grow(self, missions: int, signatures: int) -> None:
        """Make room for more of either."""
        lines, width = self.cells.shape
        if missions > lines or signatures > width:
            cells = np.zeros((max(missions, lines), max(signatures, width)), CELL)
            cells[:lines, :width] = self.cells
            self.cells = cells

    def enter(self, mission: Ints, counts: Counts) -> None:
        """Add settled counts of items of these missions."""
        self._shift(mission, counts, 1)

    def leave(self, mission: Ints, counts: Counts) -> None:
        """Take settled counts of items of these missions away."""
        self._shift(mission, counts, -1)

    def _shift(self, mission: Ints, counts: Counts, sign: int) -> None:
        if not len(counts.records):
            return
        lines, signature = mission[counts.place], counts.records["signature"].astype(np.intp)
        self.grow(int(lines.max()) + 1, int(signature.max()) + 1)
        cell = lines * self.cells.shape[1] + signature
        for name in AMOUNTS:
            sums = np.bincount(cell, counts.records[name], self.cells.size).astype(np.int64)
            self.cells[name] += sign * sums.reshape(self.cells.shape)

    def note(self, mission: int | None, mask: Bools, serial: int, *, value: bool) -> None:
        """A bulk selection of a mission, or of all: noted here once, applied to an item when it is next read."""
        scope = np.zeros(self.cells.shape, np.bool_)
        scope[slice(None) if mission is None else mission] = fit(mask, self.cells.shape[1])
        self.cells["bulk_serial"][scope] = serial
        self.cells["bulk_selected"][scope] = value
        self.cells["selected_files"][scope] = self.cells["files"][scope] if value else 0
        self.cells["selected_bytes"][scope] = self.cells["bytes"][scope] if value else 0

    def settle(self, counts: Counts, mission: Ints, applied_serial: Ints) -> Counts:
        """Counts of items of these missions after the bulk selections that they have not heard of."""
        if not len(counts.records):
            return counts
        cell = mission[counts.place], counts.records["signature"]
        newer = self.cells["bulk_serial"][cell] > applied_serial[counts.place]
        if not newer.any():
            return counts
        chosen, settled = self.cells["bulk_selected"][cell], counts.records.copy()
        for name in ("files", "bytes"):
            before, whole = counts.records[f"selected_{name}"], counts.records[name]
            settled[f"selected_{name}"] = np.where(newer, whole * chosen, before)
        return Counts(settled, counts.place)

    def sums(self, mask: Bools | None = None) -> dict[str, int]:
        """files, selected_files, bytes, selected_bytes, of everything or of the signatures in the mask."""
        columns = slice(None) if mask is None else fit(mask, self.cells.shape[1])
        return {name: int(self.cells[name][:, columns].sum()) for name in AMOUNTS}


def fit(mask: Bools, width: int) -> Bools:
    """A mask over signatures for exactly so many of them; ones it does not know do not pass."""
    fitted = np.zeros(width, np.bool_)
    fitted[: len(mask)] = mask[:width]
    return fitted
