"""An archive in the making: files with a recipe for their bytes, and the observations that list them."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from portal.archives.base import MRP, Observation, Product

# What a recipe makes: an astropy HDUList, from which previews are drawn, or bytes
Content = Any


def identifier(obs_id: str) -> str:
    """A nine-digit observation identifier that depends on the name alone and begins with 9."""
    return str(900_000_000 + zlib.crc32(obs_id.encode()) % 100_000_000)


@dataclass(frozen=True, slots=True)
class File:
    """A file of the archive. `group` is the product sub-group, `previews` the endings drawn from it."""

    name: str
    description: str
    category: str
    group: str
    make: Callable[[], Content]
    previews: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return self.name.rsplit(".", 1)[0]

    def preview_names(self) -> list[str]:
        """The names of its previews: `.jpg`, `.png` and `_thumb.jpg` after the stem."""
        return [self.stem + ending for ending in self.previews]


@dataclass(frozen=True, slots=True)
class Owner:
    """What MAST files products under: an exposure, or the observation itself."""

    obs_id: str
    kind: str
    filters: str

    @property
    def obsid(self) -> str:
        """Its identifier in the obsID column."""
        return identifier(self.obs_id)


@dataclass(frozen=True, slots=True)
class Listed:
    """A file in an observation's list: at a calibration level, as simple, derived or composite (S, D, C)."""

    owner: Owner
    file: File
    level: int
    code: str
    recommended: bool = False


@dataclass(slots=True)
class Entry:
    """An observation and everything it lists, in MAST's order. `version` is that of the calibration software."""

    observation: Observation
    listed: list[Listed] = field(default_factory=list)
    version: str = ""
    project: str = ""

    def rows(self, sizes: dict[str, int]) -> Iterator[Product]:
        """The product rows: every file followed by its previews. `sizes` gives bytes by file name."""
        for item in self.listed:
            row = self.row(item, sizes)
            yield row
            for name in item.file.preview_names():
                thumb = name.endswith("_thumb.jpg")
                yield replace(
                    row,
                    description="Preview-Thumb" if thumb else "Preview-Full",
                    productType="PREVIEW",
                    productGroupDescription="",
                    productSubGroupDescription="",
                    dataURI=row.dataURI.replace(item.file.name, name),
                    productFilename=name,
                    size=sizes[name],
                )

    def row(self, item: Listed, sizes: dict[str, int]) -> Product:
        """The product row of one file."""
        seen = self.observation
        return Product(
            obsID=item.owner.obsid,
            obs_collection=seen.obs_collection,
            dataproduct_type=item.owner.kind,
            obs_id=item.owner.obs_id,
            description=item.file.description,
            type=item.code,
            dataURI=f"mast:{seen.obs_collection}/product/{item.file.name}",
            productType=item.file.category,
            productGroupDescription=MRP if item.recommended else "",
            productSubGroupDescription=item.file.group,
            project=self.project,
            prvversion=self.version if item.level > 1 else "",
            proposal_id=seen.proposal_id,
            productFilename=item.file.name,
            size=sizes[item.file.name],
            parent_obsid=seen.obsid,
            dataRights=seen.dataRights,
            calib_level=item.level,
            filters=item.owner.filters,
        )
