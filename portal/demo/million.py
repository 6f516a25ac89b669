"""A catalogue of a million files without a byte: what a large program's basket weighs, and what tests of speed load.

Names, groups and rights follow JWST's rules. A fifth of the files are guide-star files that two to four neighbouring
observations of a program list; every eighth program is exclusive. The same shape gives the same rows every time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from django.db import connection, transaction

from portal import models
from portal.archives.base import MRP, Observation
from portal.demo import tables
from portal.ingest import load_tables, sql
from portal.ingest.load import LOCK

OBSIDS: Final = 810_000_000
PER_PROGRAM: Final = 5
PER_EXPOSURE: Final = 12
DETECTORS: Final = ("nrca1", "nrca2", "nrca3", "nrca4", "nrcalong", "nrcb1", "nrcb2", "nrcb3", "nrcb4", "nrcblong")
TYPES: Final = ("image", "spectrum", "cube", "timeseries", "measurements")
RELEASE: Final = 61_465.0  # MJD: 2027-03-01, the first release of what is exclusive
BLOCK: Final = 2880  # every FITS file is a whole number of these
AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Kind:
    """Files that are alike: the end of their names, MAST's category and sub-group, the calibration level."""

    ending: str
    category: str
    group: str
    level: int


SCIENCE: Final = {
    "uncal": 1, "rate": 2, "rateints": 2, "cal": 2, "calints": 2, "crf": 2, "crfints": 2, "bsub": 2, "bsubints": 2,
    "i2d": 3, "s2d": 3, "s3d": 3, "x1d": 3, "x1dints": 3, "c1d": 3, "psfstack": 3, "psfalign": 3, "psfsub": 3,
    "ami-oi": 3, "aminorm-oi": 3, "amimulti-oi": 3, "amilg": 3, "whtlt": 3, "cat": 3, "segm": 3, "phot": 3,
}  # fmt: skip
AUXILIARY: Final = (
    "trapsfilled",
    "dark",
    "flat",
    "wavemap",
    "o1d",
    "jitter",
    "fastphot",
    "ramp",
    "fitopt",
    "pathloss",
)
KINDS: Final = (
    *(Kind(f"{name}.{'ecsv' if name in {'cat', 'phot', 'whtlt'} else 'fits'}", "SCIENCE", name.upper(), level)
      for name, level in SCIENCE.items()),
    *(Kind(f"{name}.fits", "AUXILIARY", name.upper(), 2) for name in AUXILIARY),
    *(Kind(f"{name}{ending}", "PREVIEW", "", 2) for name in ("cal", "i2d") for ending in (".jpg", "_thumb.jpg")),
    Kind("asn.json", "INFO", "ASN", 3), Kind("pool.csv", "INFO", "POOL", 3), Kind("msa.fits", "INFO", "MSA", 2),
)  # fmt: skip
STEPS: Final = ("gs-acq1", "gs-acq2", "gs-track", "gs-fg", "gs-id")
STREAMS: Final = ("stream", "uncal", "cal")
FILE_COLUMNS: Final = (
    "id", "archive", "dataURI", "obs_collection", "obs_id", "productFilename", "size", "description", "productType",
    "productSubGroupDescription", "productDocumentationURL", "project", "proposal_id", "dataRights", "t_obs_release",
)  # fmt: skip
ROW_COLUMNS: Final = (
    "observation_id", "product_id", "obsID", "obs_id", "dataproduct_type", "type", "productGroupDescription",
    "prvversion", "calib_level", "filters",
)  # fmt: skip

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Shape:
    """So many observations that list so many distinct files together. Shapes of different series, 0 to 8, have no
    observation and no file in common."""

    observations: int
    files: int
    series: int = 0

    @cached_property
    def ends(self) -> list[int]:
        """By observation, the number of files of its own and of those before it: half to one and a half times the
        mean."""
        return shared_out(self.files - self.files // 5, [50 + number * 37 % 101 for number in self.numbers])

    @cached_property
    def shared_ends(self) -> list[int]:
        """The same of the files that others list as well."""
        return shared_out(self.files // 5, [1] * self.observations)

    @cached_property
    def rows(self) -> int:
        """How many rows list the files."""
        shared = zip(self.numbers, self.shared_ends, [0, *self.shared_ends], strict=False)
        listings = (
            len(self.listing(number, among)) * ((end - start + 2 - among) // 3)
            for number, end, start in shared
            for among in range(3)
        )
        return self.ends[-1] + sum(listings)

    @property
    def numbers(self) -> range:
        """The observations, by their place."""
        return range(self.observations)

    def obsid(self, number: int) -> int:
        """The Product Group ID of an observation."""
        return OBSIDS + self.series * 1_000_000 + number

    def program(self, number: int) -> int:
        """The program of an observation."""
        return self.series * 10_000 + number // PER_PROGRAM

    def is_exclusive(self, number: int) -> bool:
        """Whether its files were not public when they were listed."""
        return self.program(number) % 8 == 3

    def release(self, number: int) -> float:
        """The MJD on which the files of an observation became or become public."""
        return RELEASE + number % 97 * 0.75 if self.is_exclusive(number) else 59_801 + number * 0.25 % 1_000

    def listing(self, number: int, among: int) -> list[int]:
        """The observations that list a shared file of this one: two to four of its program, itself first."""
        first = number // PER_PROGRAM * PER_PROGRAM
        size = min(PER_PROGRAM, self.observations - first)
        return [first + (number - first + step) % size for step in range(min(2 + among % 3, size))]


SHAPES: Final = {"million": Shape(100, 1_000_000, 1), "wide": Shape(10_000, 1_000_000, 2)}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What lies in the catalogue: keys of the observations in their order, distinct files and the rows that list
    them. `reused` when it was there already."""

    observations: list[int]
    files: int
    rows: int
    reused: bool


def shared_out(total: int, weights: Sequence[int]) -> list[int]:
    """The running sums of `total` shared out by weights, in whole numbers."""
    whole = sum(weights)
    return [total * part // whole for part in accumulate(weights)]


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""
    del stage, done, total


def load(shape: Shape, progress: Progress = silent) -> Loaded:
    """Put the rows into the catalogue, unless they are there, in one transaction."""
    with transaction.atomic():
        sql.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        found = _found(shape)
        if found:
            return Loaded(found, shape.files, shape.rows, reused=True)
        with TemporaryDirectory() as folder:
            table = Path(folder) / "observations.ecsv"
            tables.write([observation(shape, number) for number in shape.numbers], table)
            load_tables(observations=table)
        keys = _found(shape)
        writer = _Writer(shape, keys, progress)
        writer.files()
        writer.rows()
        models.Observation.objects.filter(pk__in=keys).update(products_version=1)
        sql.analyze("portal_observation", "portal_product", "portal_membership")
    return Loaded(keys, shape.files, shape.rows, reused=False)


def observation(shape: Shape, number: int) -> Observation:
    """The row of one observation, somewhere on the sky."""
    program, exclusive = shape.program(number), shape.is_exclusive(number)
    name = f"jw{program:05}-o{number % PER_PROGRAM + 1:03}_t001_nircam_f{number % 7 * 50 + 90:03}w"
    ra, dec = number * 137.50776 % 360, (number * 61.803399 % 160) - 80
    begin = 59_800 + number * 0.25 % 1_000
    return Observation(
        intentType="science",
        obs_collection="JWST",
        provenance_name="CALJWST",
        instrument_name="NIRCAM/IMAGE",
        project="JWST",
        filters=f"F{number % 7 * 50 + 90:03}W",
        wavelength_region="INFRARED",
        target_name=f"FIELD-{number + 1}",
        obs_id=name,
        s_ra=round(ra, 6),
        s_dec=round(dec, 6),
        dataproduct_type=TYPES[number % len(TYPES)],
        calib_level=3,
        t_min=begin,
        t_max=begin + 0.2,
        t_exptime=3600.0,
        obs_title="A survey that was never made",
        t_obs_release=shape.release(number),
        proposal_id=str(program),
        proposal_type="GO",
        s_region=f"CIRCLE ICRS {ra:.6f} {dec:.6f} 0.03",
        dataRights="EXCLUSIVE_ACCESS" if exclusive else "PUBLIC",
        mtFlag=False,
        obsid=str(shape.obsid(number)),
    )


def _found(shape: Shape) -> list[int]:
    names = [str(shape.obsid(number)) for number in shape.numbers]
    found = models.Observation.objects.filter(archive="local", obsid__in=names).order_by("obsid")
    return list(found.values_list("pk", flat=True))


class _Writer:
    """Writes the files of a shape, then the rows that list them, by COPY."""

    def __init__(self, shape: Shape, keys: Sequence[int], progress: Progress) -> None:
        self.shape = shape
        self.keys = keys
        self.progress = progress
        self.first = _reserved(shape.files)

    def files(self) -> None:
        """Keys lie side by side within an observation: sets of them are then small in a basket."""
        table = f"portal_product ({sql.listed(FILE_COLUMNS)})"
        self._copy(table, "Files", self.shape.files, self._file_lines())

    def rows(self) -> None:
        """One row for each file of each observation that lists it."""
        table = f"portal_membership ({sql.listed(ROW_COLUMNS)})"
        self._copy(table, "Rows", self.shape.rows, self._row_lines())

    def _copy(self, table: str, stage: str, total: int, lines: Iterator[str]) -> None:
        done = 0
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            while portion := list(islice(lines, AT_ONCE)):
                copy.write("".join(portion))
                done += len(portion)
                self.progress(stage, done, total)

    def _ranges(self, number: int) -> tuple[range, range]:
        """The files of an observation, counted over the whole shape: its own, and those that others list too."""
        own, shared = self.shape.ends, self.shape.shared_ends
        before = (own[number - 1], shared[number - 1]) if number else (0, 0)
        start, middle, end = sum(before), own[number] + before[1], own[number] + shared[number]
        return range(start, middle), range(middle, end)

    def _file_lines(self) -> Iterator[str]:
        shape = self.shape
        for number in shape.numbers:
            own, shared = self._ranges(number)
            rights = "EXCLUSIVE_ACCESS" if shape.is_exclusive(number) else "PUBLIC"
            tail = f"\t\tJWST\t{shape.program(number)}\t{rights}\t"
            for place, file in enumerate(own):
                kind, folder = _kind(number, place), _folder(shape, number, place // PER_EXPOSURE)
                yield self._file(file, folder, f"{folder}_{kind.ending}", kind, f"{tail}{shape.release(number)}\n")
            folder = _folder(shape, number, 1)
            for among, file in enumerate(shared):
                last = max(map(shape.release, shape.listing(number, among)))
                step = STEPS[among % len(STEPS)]
                kind = Kind("", "AUXILIARY", step.upper(), 1)
                yield self._file(file, folder, _guided(shape, number, among), kind, f"{tail}{last}\n")

    def _file(self, file: int, folder: str, name: str, kind: Kind, tail: str) -> str:
        """No size for one file in five thousand."""
        size = r"\N" if file % 5_000 == 4_999 else str(BLOCK * (1 + file * 2_654_435_761 % 40_000))
        uri = f"mast:JWST/product/{name}"
        what = f"{kind.category}\t{kind.group}"
        return f"{self.first + file}\tlocal\t{uri}\tJWST\t{folder}\t{name}\t{size}\t\t{what}{tail}"

    def _row_lines(self) -> Iterator[str]:
        shape = self.shape
        for number in shape.numbers:
            own, shared = self._ranges(number)
            type_ = TYPES[number % len(TYPES)]
            for place, file in enumerate(own):
                kind, exposure = _kind(number, place), place // PER_EXPOSURE
                mrp = MRP if kind.level > 1 and kind.category == "SCIENCE" and exposure % 3 == 0 else ""
                yield self._row(
                    number, number, file, exposure, f"{type_}\tS\t{mrp}\t1.14.0\t{kind.level}\tF090W\n"
                )
            for among, file in enumerate(shared):
                for listing in shape.listing(number, among):
                    yield self._row(listing, number, file, 1, "image\tS\t\t1.14.0\t1\tF090W\n")

    def _row(self, listing: int, number: int, file: int, exposure: int, tail: str) -> str:
        owner = f"{self.shape.obsid(number)}{f'-{exposure}' if exposure else ''}"
        return (
            f"{self.keys[listing]}\t{self.first + file}\t{owner}\t{_folder(self.shape, number, exposure)}\t{tail}"
        )


def _reserved(count: int) -> int:
    """The first of so many keys of files, which nobody else gets."""
    sequence = "pg_get_serial_sequence('portal_product', 'id')"
    first = sql.number(f"SELECT nextval({sequence})")
    sql.number(f"SELECT setval({sequence}, %s)", [first + count])
    return first


def _kind(number: int, place: int) -> Kind:
    exposure, among = divmod(place, PER_EXPOSURE)
    return KINDS[(number * 5 + exposure * PER_EXPOSURE + among) % len(KINDS)]


def _folder(shape: Shape, number: int, exposure: int) -> str:
    """The obs_id of an exposure; of the observation itself for the first, which is no exposure."""
    if not exposure:
        return (
            f"jw{shape.program(number):05}-o{number % PER_PROGRAM + 1:03}_t001_nircam_f{number % 7 * 50 + 90:03}w"
        )
    visit, rest = divmod(exposure, 4_000)
    activity, rest = divmod(rest, 40)
    dither, detector = divmod(rest, len(DETECTORS))
    return (
        f"jw{shape.program(number):05}{number % PER_PROGRAM + 1:03}{visit + 1:03}_{activity % 36 + 2:02}1"
        f"{activity // 36 + 1:02}_{dither + 1:05}_{DETECTORS[detector]}"
    )


def _guided(shape: Shape, number: int, among: int) -> str:
    turn, which = divmod(among, len(STEPS) * len(STREAMS))
    step, stream = STEPS[which // len(STREAMS)], STREAMS[which % len(STREAMS)]
    stem = f"jw{shape.program(number):05}{number % PER_PROGRAM + 1:03}001"
    return f"{stem}_{step}_2022{turn % 365 + 1:03}{turn // 365:02}{among % 60:02}00_{stream}.fits"
