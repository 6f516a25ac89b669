"""The 407-file basket: the rows of two commissioning observations of the archive's rehearsal in 2019.

Metadata only: its files are missing by design. Every count follows from the product rules of that time: per
exposure and detector UNCAL, CAL, I2D, TRAPSFILLED and two previews; per stage-3 product I2D, previews, an
association and a catalogue; per guide-star attempt one identification and several stamps of each later step.
Recommended were the stage-3 images and catalogues alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from portal.archives.base import MRP, Observation, Product
from portal.demo.jwst.guiding import IDENTIFICATION
from portal.demo.jwst.modes import COMBINED, EXPOSURE
from portal.demo.jwst.observe import ASSOCIATION, POOL
from portal.demo.sky.frame import Frame
from portal.targets import lookup

PIPELINE = "0.13.8"
TOTAL, RECOMMENDED = 7_141_156_116, 564_095_878  # bytes of the basket, and of what was recommended in it
BLOCK = 2880  # every FITS file is a whole number of these

# Bytes of kinds of file: full frames of 2048 x 2048, guider images of 2024 x 1400 in strips, small windows
SIZES = {
    "uncal": 67_132_800, "cal": 100_748_160, "i2d": 50_581_440, "trapsfilled": 50_365_440,
    "image_uncal": 33_206_400, "image_cal": 66_381_120, "stacked_uncal": 37_794_240, "stacked_cal": 75_551_040,
    "gs-id stream": 37_776_960,
    "gs-acq1 stream": 406_080, "gs-acq1 uncal": 420_480, "gs-acq1 cal": 1_284_480,
    "gs-acq2 stream": 34_560, "gs-acq2 uncal": 48_960, "gs-acq2 cal": 106_560,
    "gs-track stream": 803_520, "gs-track uncal": 881_280, "gs-track cal": 2_468_160,
    "asn": 1_640, "pool": 17_104,
}  # fmt: skip
# About as many bytes: the exact ones make up the totals
MOSAIC, CATALOGUE, PICTURE, THUMBNAIL = 53_622_720, 410_000, 1_071_000, 19_200
STEPS = {
    "gs-acq1": "FGS1 guide star acquisition",
    "gs-acq2": "FGS2 guide star acquisition",
    "gs-track": "FGS guide star tracking",
    "gs-fg": "FGS guide star fine guide",
}


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One of the two observations. `visits` maps visit numbers to exposures; `holds` counts the tracking stamps
    of each guide-star attempt; `combined` are the stage-3 candidates, with whether a catalogue was made."""

    obsid: int
    program: int
    observation: int
    target: int
    instrument: str
    optics: str
    filters: str
    detectors: tuple[str, ...]
    visits: dict[int, tuple[str, ...]]
    combined: dict[str, bool]
    holds: dict[int, tuple[int, int]]
    processed: str
    start: datetime
    spare_stamp: bool = False

    def name(self, candidate: str) -> str:
        """The obs_id of a stage-3 product."""
        return f"jw{self.program:05d}-{candidate}_t{self.target:03d}_{self.instrument}_{self.optics}"

    def visit_id(self, visit: int) -> str:
        """Program, observation and visit."""
        return f"{self.program:05d}{self.observation:03d}{visit:03d}"


REHEARSALS = (
    Rehearsal(
        10000041976, 625, 25, 1, "niriss", "clear-f090w", "CLEAR;F090W", ("nis",),
        {1: ("02101", "02103"), 2: ("02101", "02103")}, {"o025": True, "c1001": True}, {1: (4, 4), 2: (4, 4)},
        "20190722t153012", datetime(2019, 7, 20, 3, 0, tzinfo=UTC),
    ),
    Rehearsal(
        10000042131, 710, 36, 13, "nircam", "clear-f212n", "F212N", ("nrca1", "nrca2", "nrca3", "nrca4"),
        {1: ("02101", "02103", "02105")}, {"o036": True, "c1003": False}, {1: (5, 4)},
        "20190724t081544", datetime(2019, 7, 20, 9, 0, tzinfo=UTC), spare_stamp=True,
    ),
)  # fmt: skip


def shares(total: int, count: int, unit: int) -> list[int]:
    """`total` in `count` nearly equal multiples of `unit`; what is left over is nobody's."""
    units = total // unit
    return [unit * (units // count + (n < units % count)) for n in range(count)]


def observations() -> list[Observation]:
    """The two observation rows."""
    return [observation(rehearsal) for rehearsal in REHEARSALS]


def observation(rehearsal: Rehearsal) -> Observation:
    """An observation row: where a rehearsal pretended to look."""
    place = lookup("LMC astrometric field")
    if place is None:
        raise LookupError("portal.targets does not list the LMC astrometric field, which the rehearsal observes.")
    candidate = next(iter(rehearsal.combined))
    name = rehearsal.name(candidate)
    mjd = (rehearsal.start - datetime(1858, 11, 17, tzinfo=UTC)) / timedelta(days=1)
    frame = Frame(place.ra, place.dec, 2048, 2048, 133 / 2048, 12.0)
    wide = rehearsal.instrument == "nircam"
    return Observation(
        intentType="calibration",
        obs_collection="JWST",
        provenance_name="CALJWST",
        instrument_name=f"{rehearsal.instrument.upper()}/IMAGE",
        project="JWST",
        filters=rehearsal.filters,
        wavelength_region="INFRARED",
        target_name="LMC-ASTROMETRIC-FIELD",
        target_classification="Calibration; Astrometric",
        obs_id=name,
        s_ra=round(place.ra, 8),
        s_dec=round(place.dec, 8),
        dataproduct_type="image",
        proposal_pi="Banneker, Benjamin",
        calib_level=3,
        t_min=mjd,
        t_max=round(mjd + 0.3, 8),
        t_exptime=858.944 if wide else 429.472,
        em_min=2109.0 if wide else 795.0,
        em_max=2134.0 if wide else 1005.0,
        obs_title="Rehearsal of commissioning: geometric distortion and image quality",
        t_obs_release=round(mjd + 4, 8),
        proposal_id=str(rehearsal.program),
        proposal_type="COM",
        s_region=frame.region,
        jpegURL=f"mast:JWST/product/{name}_i2d.jpg",
        dataURL=f"mast:JWST/product/{name}_i2d.fits",
        dataRights="PUBLIC",
        mtFlag=False,
        obsid=str(rehearsal.obsid),
        objID=str(rehearsal.obsid + 5_000_000),
    )


def products() -> list[Product]:
    """The 407 rows. What the rules leave open fills the totals: mosaics, fine-guide records, full previews."""
    rows = [row for rehearsal in REHEARSALS for row in listed(rehearsal)]
    best = sum(row.size or 0 for row in rows if row.productGroupDescription)
    rows = settled(
        rows,
        lambda row: row.size == 0 and row.productSubGroupDescription == "I2D",
        RECOMMENDED - best - 3 * CATALOGUE,
    )
    best = sum(row.size or 0 for row in rows if row.productGroupDescription)
    rows = settled(rows, lambda row: row.productSubGroupDescription == "CAT", RECOMMENDED - best, 1)
    rest = TOTAL - sum(row.size or 0 for row in rows)
    rows = settled(rows, lambda row: row.productSubGroupDescription == "GS-FG", rest - 20 * PICTURE)
    rest = TOTAL - sum(row.size or 0 for row in rows)
    return settled(rows, lambda row: row.description == "Preview-Full", rest, 1)


def settled(
    rows: list[Product], chosen: Callable[[Product], bool], total: int, unit: int = BLOCK
) -> list[Product]:
    """The rows with `total` bytes shared out among the chosen ones."""
    parts = iter(shares(total, sum(chosen(row) for row in rows), unit))
    return [replace(row, size=next(parts)) if chosen(row) else row for row in rows]


def listed(rehearsal: Rehearsal) -> Iterator[Product]:
    """The rows of one observation: stage 3, then visit by visit the exposures and their guide stars."""
    for place, candidate in enumerate(rehearsal.combined):
        yield from combined(rehearsal, candidate, str(rehearsal.obsid + place))
    for visit, activities in rehearsal.visits.items():
        for activity in activities:
            for detector in rehearsal.detectors:
                yield from exposed(rehearsal, visit, activity, detector)
        for attempt, holds in enumerate(rehearsal.holds[visit], start=1):
            yield from guided(rehearsal, visit, attempt, holds)


def row(rehearsal: Rehearsal, owner: str, obs_id: str, name: str, **columns: object) -> Product:
    """A row with what all have in common; sizes of 0 are settled later."""
    common = Product(
        obsID=owner,
        obs_collection="JWST",
        dataproduct_type="image",
        obs_id=obs_id,
        type="S",
        dataURI=f"mast:JWST/product/{name}",
        productType="SCIENCE",
        project="CALJWST",
        proposal_id=str(rehearsal.program),
        productFilename=name,
        size=0,
        parent_obsid=str(rehearsal.obsid),
        dataRights="PUBLIC",
        calib_level=2,
        filters=rehearsal.filters,
    )
    made = replace(common, **columns)  # type: ignore[arg-type]  # the fields of Product by name
    return replace(made, prvversion=PIPELINE if (made.calib_level or 0) > 1 else "")


def pictures(source: Product) -> Iterator[Product]:
    """The two previews of a file."""
    stem = source.productFilename.removesuffix(".fits")
    for ending, description, size in ((".jpg", "Preview-Full", 0), ("_thumb.jpg", "Preview-Thumb", THUMBNAIL)):
        yield replace(
            source,
            description=description,
            productType="PREVIEW",
            productGroupDescription="",
            productSubGroupDescription="",
            dataURI=f"mast:JWST/product/{stem}{ending}",
            productFilename=stem + ending,
            size=size,
        )


def combined(rehearsal: Rehearsal, candidate: str, owner: str) -> Iterator[Product]:
    """The files of a stage-3 product; the observation's own lists the pool as well."""
    stem = rehearsal.name(candidate)
    shared = {"type": "D", "calib_level": 3}
    i2d, cat = COMBINED["i2d"], COMBINED["cat"]
    mosaic = row(
        rehearsal, owner, stem, f"{stem}_i2d.fits", **shared, description=i2d.description,
        productGroupDescription=MRP, productSubGroupDescription="I2D",
        size=MOSAIC if rehearsal.instrument == "niriss" else 0,
    )  # fmt: skip
    yield mosaic
    yield from pictures(mosaic)
    if rehearsal.combined[candidate]:
        yield row(
            rehearsal, owner, stem, f"{stem}_cat.ecsv", **shared, description=cat.description,
            productGroupDescription=MRP, productSubGroupDescription="CAT",
        )  # fmt: skip
    members = sum(len(activities) for activities in rehearsal.visits.values()) * len(rehearsal.detectors)
    table = f"jw{rehearsal.program:05d}-{candidate}_{rehearsal.processed}_image3_001_asn.json"
    notes = {"productType": "INFO", **shared}
    yield row(
        rehearsal, owner, stem, table, **notes, description=ASSOCIATION, productSubGroupDescription="ASN",
        size=SIZES["asn"] + 140 * members,
    )  # fmt: skip
    if owner == str(rehearsal.obsid):
        pool = f"jw{rehearsal.program:05d}_{rehearsal.processed}_pool.csv"
        yield row(
            rehearsal,
            owner,
            stem,
            pool,
            **notes,
            description=POOL,
            productSubGroupDescription="POOL",
            size=SIZES["pool"],
        )


def exposure_owner(rehearsal: Rehearsal, visit: int, activity: str, detector: str) -> tuple[str, str]:
    """obsID and obs_id of an exposure."""
    exposures = [(v, a, d) for v, many in rehearsal.visits.items() for a in many for d in rehearsal.detectors]
    number = rehearsal.obsid - 900 + exposures.index((visit, activity, detector))
    return str(number), f"jw{rehearsal.visit_id(visit)}_{activity}_00001_{detector}"


def exposed(rehearsal: Rehearsal, visit: int, activity: str, detector: str) -> Iterator[Product]:
    """The files of an exposure in one detector."""
    owner, stem = exposure_owner(rehearsal, visit, activity, detector)
    for suffix in ("uncal", "cal", "i2d", "trapsfilled"):
        known = EXPOSURE[suffix]
        file = row(
            rehearsal, owner, stem, f"{stem}_{suffix}.fits",
            dataproduct_type="reference" if suffix == "trapsfilled" else "image",
            description=known.description, productType=known.category, productSubGroupDescription=suffix.upper(),
            calib_level=known.level, size=SIZES[suffix],
        )  # fmt: skip
        yield file
        if suffix == "cal":
            yield from pictures(file)


def guided(rehearsal: Rehearsal, visit: int, attempt: int, holds: int) -> Iterator[Product]:
    """The files of one attempt to acquire a guide star: tracking and fine guiding as often as it held."""
    stem = f"jw{rehearsal.visit_id(visit)}"
    owner, obs_id = exposure_owner(rehearsal, visit, rehearsal.visits[visit][0], rehearsal.detectors[0])
    shared = {"productType": "AUXILIARY"}
    for kind in IDENTIFICATION:
        size = SIZES["gs-id stream" if kind == "stream" else kind]
        name = f"{stem}_gs-id_{attempt}_{kind}.fits"
        yield row(
            rehearsal, owner, obs_id, name, **shared, description="FGS guide star identification",
            productSubGroupDescription="GS-ID", calib_level=2 if kind.endswith("_cal") else 1, size=size,
        )  # fmt: skip
    begun = rehearsal.start + timedelta(hours=3 * (visit - 1), minutes=90 * (attempt - 1))
    spare = rehearsal.spare_stamp and attempt == 1
    counts = {"gs-acq1": 3, "gs-acq2": 3 + spare, "gs-track": holds, "gs-fg": holds}
    for order, (step, description) in enumerate(STEPS.items()):
        for n in range(counts[step]):
            moment = begun + timedelta(minutes=1 + 2 * order + 17 * n * (order > 1), seconds=46 * n)
            for kind in ("stream", "uncal", "cal"):
                if kind == "cal" and step == "gs-acq2" and n == 3:
                    continue  # the spare stamp was never calibrated
                name = f"{stem}_{step}_{moment:%Y%j%H%M%S}_{kind}.fits"
                yield row(
                    rehearsal, owner, obs_id, name, **shared, description=description,
                    dataproduct_type="" if order > 1 else "image", productSubGroupDescription=step.upper(),
                    calib_level=2 if kind == "cal" else 1, size=SIZES.get(f"{step} {kind}", 0),
                )  # fmt: skip
