"""TESS: SPOC light curves, target pixels and data validation of stars with transiting planets.

Sectors from 901 do not exist. Sources: TESS Science Data Products Description Document (file names, columns);
Jenkins et al. 2016.
"""

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from portal.archives.base import Observation
from portal.demo.fitsfile import WRITTEN, Column, bundle, image, iso, table
from portal.demo.model import Entry, File, Listed, Owner, identifier
from portal.demo.previews import plot
from portal.demo.sky.frame import Array, Card
from portal.demo.sky.spectrum import transit
from portal.demo.sky.texture import rng
from portal.targets import Target, lookup

CADENCE = 120 / 86400  # days
EPOCH = 57000.0 - 0.5  # MJD of BTJD 0 (BJD 2457000)
POINTS, STAMP, SHOWN = 1800, 11, 120
VERSION = "5.0.20"


@dataclass(frozen=True, slots=True)
class Sector:
    """A star in a sector. `start` in MJD, `period` and `length` of the transit in days."""

    stamp: str
    number: int
    tic: int
    target: str
    start: float
    period: float
    length: float
    validated: bool

    @property
    def root(self) -> str:
        """The obs_id: start, sector, TIC number, identifier of the pipeline run."""
        return f"tess{self.stamp}-s{self.number:04d}-{self.tic:016d}-0{self.number % 900 + 119}-s"

    @property
    def place(self) -> Target:
        """Where it looks. Raises LookupError when the target is not a listed one."""
        found = lookup(self.target)
        if found is None:
            raise LookupError(
                f"portal.targets does not list {self.target!r}, which sector {self.number} observes."
            )
        return found


SECTORS = (
    Sector("2023206045859", 901, 261136679, "Pi Mensae", 60150.20, 0.6268, 0.12, validated=True),
    Sector("2023234235059", 902, 261136679, "Pi Mensae", 60178.99, 0.6268, 0.12, validated=False),
    Sector("2023263165758", 903, 100100827, "WASP-18", 60207.71, 0.9415, 0.09, validated=True),
)


def clock(sector: Sector) -> Array:
    """Mid-times in BTJD."""
    return np.asarray(sector.start - EPOCH + CADENCE * np.arange(POINTS))


def brightness(sector: Sector, salt: str) -> Array:
    """Relative flux: transits and noise."""
    moments = clock(sector)
    phase = ((moments - moments[0] - 0.3) % sector.period) / sector.length - 0.5
    return np.asarray(
        transit(sector.target, phase) + 8e-5 * rng("tess", sector.root, salt).standard_normal(POINTS)
    )


def primary(sector: Sector, name: str) -> list[Card]:
    """The primary header."""
    return [
        ("DATE", WRITTEN[:10], "file creation date"),
        ("FILENAME", name, "name of file"),
        ("TELESCOP", "TESS", "telescope"),
        ("INSTRUME", "TESS Photometer", "detector type"),
        ("OBJECT", f"TIC {sector.tic}", "string version of target id"),
        ("TICID", sector.tic, "unique tess target identifier"),
        ("SECTOR", sector.number, "Observing sector"),
        ("CAMERA", 4, "Camera number"),
        ("CCD", 2, "CCD chip number"),
        ("RA_OBJ", round(sector.place.ra, 8), "[deg] right ascension"),
        ("DEC_OBJ", round(sector.place.dec, 8), "[deg] declination"),
        ("DATE-OBS", iso(sector.start), "TSTART as UTC calendar date"),
        ("PROCVER", f"spoc-{VERSION}", "SPOC version that processed the data"),
    ]


def light_curve(sector: Sector, name: str) -> Any:
    """LIGHTCURVE: 2-minute cadence, raw and corrected flux; APERTURE."""
    base, drift = 52000.0, 1 + 0.002 * np.sin(clock(sector) / 3)
    flux = base * brightness(sector, "lc")
    columns: list[Column] = [
        ("TIME", clock(sector), "BJD - 2457000, days"),
        ("TIMECORR", np.full(POINTS, 0.0012, dtype=np.float32), "d"),
        ("CADENCENO", np.arange(POINTS, dtype=np.int32), ""),
        ("SAP_FLUX", (flux * drift).astype(np.float32), "e-/s"),
        ("SAP_FLUX_ERR", np.full(POINTS, 4.2, dtype=np.float32), "e-/s"),
        ("SAP_BKG", np.full(POINTS, 110, dtype=np.float32), "e-/s"),
        ("PDCSAP_FLUX", flux.astype(np.float32), "e-/s"),
        ("PDCSAP_FLUX_ERR", np.full(POINTS, 4.2, dtype=np.float32), "e-/s"),
        ("QUALITY", np.zeros(POINTS, dtype=np.int32), ""),
    ]
    return bundle(primary(sector, name), [table("LIGHTCURVE", columns), image("APERTURE", aperture())])


def aperture() -> Any:
    """Which pixels were collected (1) and summed (2)."""
    y, x = np.indices((STAMP, STAMP)) - STAMP // 2
    return np.where(np.hypot(x, y) < 2.6, 3, 1).astype(np.int32)


def target_pixels(sector: Sector, name: str) -> Any:
    """PIXELS: a stamp for each cadence."""
    y, x = np.indices((STAMP, STAMP)) - STAMP // 2
    star = 9000 * np.exp(-(x**2 + y**2) / 2.6)
    flux = star[None] * brightness(sector, "tp")[:SHOWN, None, None] + 20
    columns: list[Column] = [
        ("TIME", clock(sector)[:SHOWN], "BJD - 2457000, days"),
        ("CADENCENO", np.arange(SHOWN, dtype=np.int32), ""),
        ("FLUX", flux.astype(np.float32).reshape(SHOWN, -1), "e-/s"),
        ("QUALITY", np.zeros(SHOWN, dtype=np.int32), ""),
    ]
    return bundle(primary(sector, name), [table("PIXELS", columns), image("APERTURE", aperture())])


def validation(sector: Sector, name: str) -> Any:
    """TCE_1: the light curve folded on the transit that was found."""
    moments = clock(sector)
    folded = (moments - moments[0] - 0.3) % sector.period
    columns: list[Column] = [
        ("TIME", moments, "BJD - 2457000, days"),
        ("PHASE", folded.astype(np.float32), "d"),
        ("LC_INIT", (brightness(sector, "dv") - 1).astype(np.float32), ""),
        ("MODEL_INIT", (transit(sector.target, folded / sector.length - 0.5) - 1).astype(np.float32), ""),
    ]
    cards: list[Card] = [
        ("TPERIOD", sector.period, "[d] transit period"),
        ("TDUR", sector.length * 24, "[h] transit duration"),
    ]
    return bundle(primary(sector, name), [table("TCE_1", columns, cards)])


def report(sector: Sector, name: str) -> bytes:
    """A page with the folded light curve, as PDF."""
    moments = clock(sector)
    folded = (moments - moments[0] - 0.3) % sector.period
    order = np.argsort(folded)
    drawn = plot(folded[order], brightness(sector, "dv")[order], f"{name}: days since ingress", "relative flux")
    target = io.BytesIO()
    written = time.strptime(WRITTEN, "%Y-%m-%dT%H:%M:%S")
    Image.open(io.BytesIO(drawn)).save(target, "PDF", title=name, creationDate=written, modDate=written)
    return target.getvalue()


Recipe = Callable[[Sector, str], Any]
KINDS: tuple[tuple[str, str, str, str, Recipe, bool], ...] = (
    ("_lc.fits", "LC", "Light curves", "SCIENCE", light_curve, True),
    ("_tp.fits", "TP", "Target pixel files", "SCIENCE", target_pixels, False),
)
VALIDATION: tuple[tuple[str, str, str, str, Recipe, bool], ...] = (
    ("dvt.fits", "DVT", "Data validation time series", "SCIENCE", validation, True),
    ("dvr.pdf", "DVR", "full data validation report", "INFO", report, False),
    ("dvs.pdf", "DVS", "Data validation report summary", "INFO", report, False),
)


def entries() -> Iterator[Entry]:
    """Every TESS observation of the demo."""
    return (entry(sector) for sector in SECTORS)


def entry(sector: Sector) -> Entry:
    """A star in a sector with its files."""
    owner = Owner(sector.root, "timeseries", "TESS")
    sectors = f"s{sector.number:04d}-s{sector.number:04d}"
    search = f"tess{sector.stamp}-{sectors}-{sector.tic:016d}-{sector.number:05d}_"
    files = []
    for stem, kinds in ((sector.root, KINDS), (search, VALIDATION if sector.validated else ())):
        for ending, group, description, category, recipe, best in kinds:
            name = stem + ending
            made = File(name, description, category, group, partial(recipe, sector, name))
            files.append(Listed(owner, made, 3, "S", recommended=best))
    return Entry(observation(sector), files, VERSION, "TESS")


def observation(sector: Sector) -> Observation:
    """The observation row: the footprint is a circle of a pixel's size."""
    place = sector.place
    return Observation(
        intentType="science",
        obs_collection="TESS",
        provenance_name="SPOC",
        instrument_name="Photometer",
        project="TESS",
        filters="TESS",
        wavelength_region="Optical",
        target_name=str(sector.tic),
        obs_id=sector.root,
        s_ra=round(place.ra, 8),
        s_dec=round(place.dec, 8),
        dataproduct_type="timeseries",
        proposal_pi="Argelander, Friedrich",
        calib_level=3,
        t_min=sector.start,
        t_max=round(sector.start + CADENCE * POINTS, 8),
        t_exptime=120.0,
        em_min=600.0,
        em_max=1000.0,
        t_obs_release=round(sector.start + 60, 8),
        proposal_id="90301",
        sequence_number=sector.number,
        s_region=f"CIRCLE ICRS {place.ra:.8f} {place.dec:.8f} 0.00583333",
        dataURL=f"mast:TESS/product/{sector.root}_lc.fits",
        dataRights="PUBLIC",
        mtFlag=False,
        obsid=identifier(sector.root),
        objID=identifier(sector.root + " plane"),
    )
