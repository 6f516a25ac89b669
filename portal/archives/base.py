"""What an archive is to Skybasket: rows as MAST gives them, and the place of the bytes. Knows no Django.

Adding an archive is one module with a class of this protocol and one line in portal.archives.ARCHIVES.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Protocol


class ArchiveError(Exception):
    """An archive could not answer. `permanent` says that trying again will not help."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.message = message
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Observation:
    """One row of MAST's observation table, in its column order (CAOM field documentation).

    Positions in deg (ICRS), times in MJD, exposure in s, wavelengths in nm, s_region in STC-S.
    """

    intentType: str = ""
    obs_collection: str = ""
    provenance_name: str = ""
    instrument_name: str = ""
    project: str = ""
    filters: str = ""
    wavelength_region: str = ""
    target_name: str = ""
    target_classification: str = ""
    obs_id: str = ""
    s_ra: float | None = None
    s_dec: float | None = None
    dataproduct_type: str = ""
    proposal_pi: str = ""
    calib_level: int | None = None
    t_min: float | None = None
    t_max: float | None = None
    t_exptime: float | None = None
    em_min: float | None = None
    em_max: float | None = None
    obs_title: str = ""
    t_obs_release: float | None = None
    proposal_id: str = ""
    proposal_type: str = ""
    sequence_number: int | None = None
    s_region: str = ""
    jpegURL: str = ""
    dataURL: str = ""
    dataRights: str = ""
    mtFlag: bool | None = None
    srcDen: float | None = None
    obsid: str = ""
    objID: str = ""


@dataclass(frozen=True, slots=True)
class Product:
    """One row of MAST's product table, its 20 columns in wire order. Size in bytes.

    The file is `dataURI`; the row says that observation `parent_obsid` lists it through owner `obsID`.
    """

    obsID: str = ""
    obs_collection: str = ""
    dataproduct_type: str = ""
    obs_id: str = ""
    description: str = ""
    type: str = ""
    dataURI: str = ""
    productType: str = ""
    productGroupDescription: str = ""
    productSubGroupDescription: str = ""
    productDocumentationURL: str = ""
    project: str = ""
    prvversion: str = ""
    proposal_id: str = ""
    productFilename: str = ""
    size: int | None = None
    parent_obsid: str = ""
    dataRights: str = ""
    calib_level: int | None = None
    filters: str = ""


OBSERVATION_COLUMNS = tuple(field.name for field in fields(Observation))
PRODUCT_COLUMNS = tuple(field.name for field in fields(Product))
MRP = "Minimum Recommended Products"


@dataclass(frozen=True, slots=True)
class Criteria:
    """A search. `ra`, `dec`, `radius` in deg select footprints that the cone touches; columns hold wanted values."""

    ra: float | None = None
    dec: float | None = None
    radius: float | None = None
    programs: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """Bytes as they were when last looked at. crc32 is None until they were measured.

    `path` is a path on a disk of ours, or the address in a remote store (portal.remote), which also gives an `etag`.
    """

    path: str
    size: int
    mtime_ns: int
    crc32: int | None
    sha256: str
    etag: str = ""


class Archive(Protocol):
    """What Skybasket asks of an archive. Every method may raise ArchiveError."""

    name: str
    label: str

    def observations(self, criteria: Criteria) -> Iterator[Observation]:
        """The observations that match, in the archive's order."""
        ...

    def products(self, obsids: Sequence[str]) -> Iterator[Product]:
        """The product rows of the observations, as the archive lists them: repeats included."""
        ...

    def locate(self, uris: Sequence[str]) -> dict[str, StoredBytes]:
        """Where the bytes of the files lie; a file without bytes is left out."""
        ...

    def address(self, uri: str) -> str | None:
        """The URL, percent-encoded, at which the archive's own servers give the bytes; None where ours do."""
        ...
