"""The arithmetic of a basket: counts per facet signature, selection as counts and bits. No database, no Django.

Every filter is a set of signatures, so what a click asks for are sums over a few hundred counts, however many
files there are. All blobs are little-endian and unpadded; sizes are bytes. The design and its measurements are
in docs/architecture.md, "The basket".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
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
UNKNOWN_SIZE: Final = -1
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
    return BitMap64(products.astype(np.uint64))


def array_of(ids: BitMap64) -> Ints:
    """The ids of a set, ascending."""
    return np.array(ids.to_array(), dtype=np.int64)


def pack_bits(rows: Bools) -> bytes:
    """One bit per manifest row, most significant bit first."""
    return np.packbits(rows).tobytes()


def unpack_bits(blob: Blob, length: int) -> Bools:
    """The rows that `pack_bits` packed."""
    return np.unpackbits(np.frombuffer(blob, np.uint8), count=length).astype(np.bool_)


@dataclass(frozen=True, slots=True)
class Rows:
    """The packed products of a manifest: one row per distinct file. Its number is its bit everywhere else."""

    product: Ints
    signature: NDArray[np.uint16]
    exposure: NDArray[np.uint32]
    size: Ints  # bytes; UNKNOWN_SIZE where the archive does not tell

    WIDTH = 22

    @classmethod
    def unpack(cls, blob: Blob) -> Self:
        """Column after column, out of the blob of a manifest."""
        n = len(blob) // cls.WIDTH
        return cls(
            np.frombuffer(blob, "<i8", n),
            np.frombuffer(blob, "<u2", n, 8 * n),
            np.frombuffer(blob, "<u4", n, 10 * n),
            np.frombuffer(blob, "<i8", n, 14 * n),
        )

    @classmethod
    def pack(cls, rows: Iterable[tuple[int, int, int, int | None]]) -> bytes:
        """(product id, signature, exposure, size or None) of each row as a blob. Raises OverflowError."""
        product, signature, exposure, size = tuple(zip(*rows, strict=True)) or ((), (), (), ())
        known = [UNKNOWN_SIZE if one is None else one for one in size]
        columns = ((product, "<i8"), (signature, "<u2"), (exposure, "<u4"), (known, "<i8"))
        return b"".join(np.array(column, kind).tobytes() for column, kind in columns)

    @property
    def bytes(self) -> Ints:
        """The sizes, with nothing for the unknown."""
        return np.maximum(self.size, 0)

    def places(self, ids: BitMap64) -> Bools:
        """The rows whose product is one of these."""
        if not ids:
            return np.zeros(len(self.product), np.bool_)
        return np.isin(self.product, array_of(ids))


def tally(rows: Rows, among: Bools, selected: Bools) -> Records:
    """Facet counts of some rows of a manifest. Sums are exact up to 2**53 bytes (9 PB)."""
    signature = rows.signature[among]
    size = rows.bytes[among]
    chosen = selected[among]
    files = np.bincount(signature)
    present = np.flatnonzero(files)
    counts = np.zeros(len(present), FACET_COUNT)
    counts["signature"] = present
    counts["files"] = files[present]
    counts["selected_files"] = np.bincount(signature, chosen, len(files))[present]
    counts["bytes"] = np.bincount(signature, size, len(files))[present]
    counts["selected_bytes"] = np.bincount(signature, size * chosen, len(files))[present]
    return counts


def unpack_counts(blob: Blob) -> Records:
    """The facet counts of an item or a manifest."""
    return np.frombuffer(blob, FACET_COUNT)


def choose(counts: Records, chosen: Bools, *, value: bool) -> Records:
    """The counts with some of them selected or deselected as a whole."""
    after = counts.copy()
    after["selected_files"][chosen] = counts["files"][chosen] if value else 0
    after["selected_bytes"][chosen] = counts["bytes"][chosen] if value else 0
    return after


def partial(counts: Records) -> Bools:
    """The counts of which some files are selected and some not: only for these do an item's bits speak."""
    selected = counts["selected_files"]
    return np.asarray((selected > 0) & (selected < counts["files"]))


@dataclass(slots=True)
class Opened:
    """An item down to its rows: which files it carries, and which of those are selected."""

    rows: Rows
    carried: Bools
    selected: Bools

    @classmethod
    def unpack(cls, rows: Rows, counts: Records, excluded: Blob | None, selected: Blob | None) -> Self:
        """From an item's blobs; `counts` have to be settled, because bits count only where they say some."""
        n = len(rows.product)
        carried = np.ones(n, np.bool_) if excluded is None else ~unpack_bits(excluded, n)
        whole = np.zeros(SIGNATURES, np.bool_)
        whole[counts["signature"]] = counts["selected_files"] == counts["files"]
        chosen = whole[rows.signature]
        some = partial(counts)
        if selected is not None and some.any():
            mixed = np.zeros_like(whole)
            mixed[counts["signature"][some]] = True
            chosen |= mixed[rows.signature] & unpack_bits(selected, n)
        return cls(rows, carried, chosen & carried)

    def counts(self) -> Records:
        """The facet counts of what is carried."""
        return tally(self.rows, self.carried, self.selected)

    def leave(self, gone: Bools) -> None:
        """Take rows out: no longer carried, no longer selected."""
        self.carried &= ~gone
        self.selected &= ~gone

    def enter(self, come: Bools, selected: Bools) -> None:
        """Take rows in, selected as told."""
        self.carried |= come
        self.selected = (self.selected & ~come) | (selected & come)


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

    def shift(self, mission: int, old: Records, new: Records) -> None:
        """Carry over a change of one item's settled counts."""
        for counts in (old, new):
            self.grow(mission + 1, int(counts["signature"].max(initial=0)) + 1)
        for name in AMOUNTS:
            self.cells[name][mission, old["signature"]] -= old[name].astype(np.int64)
            self.cells[name][mission, new["signature"]] += new[name].astype(np.int64)

    def note(self, mission: int | None, mask: Bools, serial: int, *, value: bool) -> None:
        """A bulk selection of a mission, or of all: noted here once, applied to an item when it is next read."""
        scope = np.zeros(self.cells.shape, np.bool_)
        scope[slice(None) if mission is None else mission] = fit(mask, self.cells.shape[1])
        self.cells["bulk_serial"][scope] = serial
        self.cells["bulk_selected"][scope] = value
        self.cells["selected_files"][scope] = self.cells["files"][scope] if value else 0
        self.cells["selected_bytes"][scope] = self.cells["bytes"][scope] if value else 0

    def settle(self, counts: Records, mission: Any, applied_serial: Any) -> Records:
        """An item's counts after the bulk selections it has not heard of.

        `mission` and `applied_serial` are the item's, or arrays with one per count for many items at once.
        """
        cell = self.cells[mission, counts["signature"]]
        newer = cell["bulk_serial"] > applied_serial
        settled = choose(counts, newer & cell["bulk_selected"], value=True)
        return choose(settled, newer & ~cell["bulk_selected"], value=False)

    def sums(self, mask: Bools | None = None) -> dict[str, int]:
        """files, selected_files, bytes, selected_bytes, of everything or of the signatures in the mask."""
        width = self.cells.shape[1]
        columns = slice(None) if mask is None else fit(mask, width)
        return {name: int(self.cells[name][:, columns].sum()) for name in AMOUNTS}


def fit(mask: Bools, width: int) -> Bools:
    """A mask over signatures for exactly so many of them; ones it does not know do not pass."""
    fitted = np.zeros(width, np.bool_)
    fitted[: len(mask)] = mask[:width]
    return fitted
