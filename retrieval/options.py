"""The ways in which a selection can travel: which of them fit its size, which do not and why, which is best."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from basket.models import Basket
from portal.quantities import format_size
from retrieval.models import BUNDLES, Method
from retrieval.saving import Saving, saving

SIZES: Final = (25_000_000_000, 10_000_000_000, 4_000_000_000, 1_000_000_000)
"""Part sizes that are offered beside the largest; FAT32 holds files of 4 GB."""

NOTES: Final = {
    Method.ZIP: "every system opens it",
    Method.TAR: "for the command line",
}
ANY_SIZE: Final = "fetches file by file, of any size; stopped and run again, it goes on"


@dataclass(frozen=True, slots=True)
class Way:
    """One way: what is to be said of it, whether the selection fits into one stream, and whether it is chosen."""

    method: Method
    note: str
    fits: bool = True
    recommended: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """All ways. `parts`: how many parts a stream of the selection takes at least; `sizes` that a part may have."""

    ways: Sequence[Way]
    parts: int
    limit: int
    sizes: Sequence[int]

    @property
    def split_needed(self) -> bool:
        """Whether the selection is too large for one stream."""
        return self.parts > 1


def options(basket: Basket, size: int, limit: int) -> Options:
    """The ways for the selected files, of which `size` bytes can be delivered; a stream holds `limit` bytes."""
    parts = max(-(-size // limit), 1) if limit else 1
    notes = {**NOTES, Method.TAR_GZ: compressed(saving(basket).of(size))}
    ways = [
        Way(method, notes.get(method, ANY_SIZE), fits=parts == 1 or method not in BUNDLES) for method in Method
    ]
    best = next((way for way in ways if way.fits), ways[0])
    ways = [replace(way, recommended=way is best) for way in ways]
    return Options(ways, parts, limit, [one for one in SIZES if one < limit])


def compressed(found: Saving) -> str:
    """What compressing would save, and how well that is known."""
    if not found.size:
        return "for a slow line"
    how = "as measured" if found.measured else "estimated from the kinds of files"
    if found.percent < 5:
        return f"hardly smaller: {format_size(found.packed)} instead of {format_size(found.size)}, {how}"
    about = "" if found.measured else "about "
    return f"for a slow line: {about}{format_size(found.packed)} instead of {format_size(found.size)}, {how}"
