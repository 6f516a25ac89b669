"""What compressing would save of a selection: as measured where every file is known, else an estimate by kind."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from basket.chosen import selected_ids
from basket.ledger import cube_of, reading
from basket.models import Basket, FacetSignature
from portal.models import StoredFile
from retrieval import compression
from retrieval.models import PackedSize

FEW: Final = 500
"""Of so many files it is worth asking whether each was measured."""

PACKED: Final = frozenset({"jpg", "jpeg", "png", "gif", "gz", "fits.gz", "fz", "zip", "pdf", "mp4", "bz2", "xz"})
TEXTS: Final = frozenset({"json", "csv", "ecsv", "txt", "xml", "html", "log", "asn", "trl", "md", "vot", "dat"})
IMAGES: Final = {
    **dict.fromkeys(("UNCAL", "RAW", "FFI", "TP"), 0.45),
    **dict.fromkeys(("CAL", "CALINTS", "CRF", "CRFINTS", "RATE", "RATEINTS"), 0.43),
    **dict.fromkeys(("LC", "DVT", "SLC", "LLC"), 0.74),
}
"""Compressed size of FITS files by group, as a share: measured on synthetic raw counts, calibrated exposures and
light curves of the archive's shapes with ISA-L at level 1."""

OTHERWISE: Final = 0.93


@dataclass(frozen=True, slots=True)
class Saving:
    """How many bytes a selection has, and about how many compressed; `measured` where that is known."""

    size: int
    packed: int
    measured: bool

    @property
    def percent(self) -> int:
        """How much less that is."""
        return round(100 * (1 - self.packed / self.size)) if self.size else 0

    def of(self, size: int) -> "Saving":
        """The saving of a part of them of `size` bytes, taken to be like the whole."""
        if size == self.size or not self.size:
            return self
        return Saving(size, self.packed * size // self.size, measured=False)


def saving(basket: Basket) -> Saving:
    """What compressing the selected files would save."""
    with reading(basket) as stored:
        cells = cube_of(stored).cells
        files = int(cells["selected_files"].sum())
        sizes = cells["selected_bytes"].sum(axis=0)
        few = 0 < files <= FEW and stored.observations <= FEW
        known = _measured(stored, files) if few and PackedSize.objects.exists() else None
    if known is not None:
        return known
    present = np.flatnonzero(sizes)
    kinds = FacetSignature.objects.in_bulk([int(number) for number in present])
    packed = sum(int(sizes[number] * share(kinds[int(number)])) for number in present)
    return Saving(int(sizes.sum()), packed, measured=False)


def share(kind: FacetSignature) -> float:
    """About what is left of a file of this kind when it is compressed."""
    if kind.extension in PACKED:
        return 1.0
    if kind.extension in TEXTS:
        return 0.25
    if kind.extension == "fits":
        return IMAGES.get(kind.productSubGroupDescription, OTHERWISE)
    return OTHERWISE


def _measured(basket: Basket, files: int) -> Saving | None:
    """The saving where the packed size of each of so many selected files is remembered."""
    keys = [int(key) for keys in selected_ids(basket) for key in keys]
    contents = list(StoredFile.objects.filter(product__in=keys).exclude(sha256="").values_list("sha256", "size"))
    if len(contents) < files:
        return None
    remembered = PackedSize.objects.filter(
        compressor=compression.name(), sha256__in=[sha256 for sha256, _ in contents]
    )
    packed = {(sha256, size): after for sha256, size, after in remembered.values_list("sha256", "size", "packed")}
    if not set(contents) <= packed.keys():
        return None
    return Saving(
        sum(size for _, size in contents),
        sum(packed[content] or content[1] for content in contents),
        measured=True,
    )
