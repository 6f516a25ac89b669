"""The bytes of HST files: pictures with HST's four spikes, long-slit spectra, events, and engineering tables."""

import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from portal.demo.fitsfile import WRITTEN, Column, bundle, fits, image, iso, table
from portal.demo.hst.programs import Pointing
from portal.demo.sky.frame import Array, Card, Frame
from portal.demo.sky.render import noise, render
from portal.demo.sky.scene import scene
from portal.demo.sky.spectrum import spectrum
from portal.demo.sky.texture import rng

SIDE, DEEP, POINTS = 96, 250, 700
PREFIX = {"WFC3": "iref", "ACS": "jref", "STIS": "oref", "COS": "lref", "WFPC2": "uref"}
REFERENCES = {
    "WFC3": ("BPIXTAB", "CCDTAB", "DARKFILE", "PFLTFILE", "IDCTAB", "MDRIZTAB"),
    "ACS": ("BPIXTAB", "CCDTAB", "BIASFILE", "DRKCFILE", "PFLTFILE", "IDCTAB"),
    "STIS": ("BPIXTAB", "DARKFILE", "BIASFILE", "PFLTFILE", "APERTAB", "PHOTTAB"),
    "COS": ("FLATFILE", "BPIXTAB", "DISPTAB", "XTRACTAB", "FLUXTAB", "BRFTAB"),
    "WFPC2": ("MASKFILE", "ATODFILE", "BIASFILE", "DARKFILE", "FLATFILE", "IDCTAB"),
}


def primary(pointing: Pointing, root: str, name: str) -> list[Card]:
    """The primary header; reference files are named as `iref$<file>` of the instrument's directory."""
    camera, channel = pointing.instrument.split("/")
    prefix = PREFIX[camera]
    cards: list[Card] = [
        ("DATE", WRITTEN[:10], "date this file was written (yyyy-mm-dd)"),
        ("FILENAME", name, "name of file"),
        ("TELESCOP", "HST", "telescope used to acquire data"),
        ("INSTRUME", camera, "identifier for instrument used to acquire data"),
        ("DETECTOR", channel, "detector in use"),
        ("ROOTNAME", root, "rootname of the observation set"),
        ("ASN_ID", pointing.root if pointing.exposures else "NONE", "unique identifier assigned to association"),
        ("PROPOSID", pointing.proposal, "PEP proposal identifier"),
        ("PR_INV_L", pointing.pi.split(",")[0], "last name of principal investigator"),
        ("TARGNAME", pointing.place.name.upper().replace(" ", "-"), "proposer's target name"),
        ("RA_TARG", round(pointing.place.ra, 8), "right ascension of the target (deg) (J2000)"),
        ("DEC_TARG", round(pointing.place.dec, 8), "declination of the target (deg) (J2000)"),
        ("DATE-OBS", iso(pointing.start)[:10], "UT date of start of observation (yyyy-mm-dd)"),
        ("TIME-OBS", iso(pointing.start)[11:19], "UT time of start of observation (hh:mm:ss)"),
        ("EXPSTART", pointing.start, "exposure start time (Modified Julian Date)"),
        ("EXPEND", pointing.start + pointing.seconds / 86400, "exposure end time (Modified Julian Date)"),
        ("EXPTIME", pointing.seconds, "exposure duration (seconds)"),
        ("OPT_ELEM" if pointing.kind == "spectrum" else "FILTER", pointing.element, "element selected"),
        ("CAL_VER", "3.7.2 (Jul-29-2024)", "calibration software version"),
        ("CRDS_CTX", "hst_1205.pmap", "CRDS context"),
    ]
    for keyword in REFERENCES[camera]:
        serial = zlib.crc32(f"{camera} {keyword}".encode()) % 36**3
        file = f"{np.base_repr(serial, 36).lower():0>3}1200{prefix[0]}_{keyword[:3].lower()}.fits"
        cards.append((keyword, f"{prefix}${file}", "reference file"))
    return cards


def frame(pointing: Pointing, side: int) -> Frame:
    """Where the camera looks."""
    place = pointing.place
    return Frame(
        round(place.ra, 6), round(place.dec, 6), side, side, pointing.view / side, pointing.proposal * 7 % 90
    )


@lru_cache(maxsize=4)
def sky(pointing: Pointing, side: int) -> Array:
    """The picture without noise."""
    return render(scene(pointing.place.name), frame(pointing, side), sum(pointing.range) / 2, "HST")


def extensions(pointing: Pointing, root: str, pixels: Array, cards: list[Card], unit: str) -> list[Any]:
    """SCI, ERR and DQ."""
    hit = (rng("cosmic", root).random(pixels.shape) < 0.004).astype(np.int16) * np.int16(4096)
    error = 0.05 * np.sqrt(0.05 + 0.04 * np.maximum(pixels, 0))
    del pointing
    return [
        image("SCI", pixels.astype(np.float32), cards, unit),
        image("ERR", error.astype(np.float32), (), unit),
        image("DQ", hit),
    ]


def flat(pointing: Pointing, root: str, name: str) -> Any:
    """A calibrated exposure."""
    pixels = sky(pointing, SIDE)
    seen = pixels + noise(name, pixels, 0.06)
    return bundle(
        primary(pointing, root, name), extensions(pointing, root, seen, frame(pointing, SIDE).cards(), "ELECTRONS")
    )


def raw(pointing: Pointing, root: str, name: str) -> Any:
    """A raw exposure, 16-bit counts."""
    pixels = sky(pointing, SIDE)
    counts = np.clip(np.rint(2500 + 20 * (pixels + noise(name, pixels, 0.06))), 0, 65535).astype(np.uint16)
    return bundle(primary(pointing, root, name), [image("SCI", counts, frame(pointing, SIDE).cards(), "COUNTS")])


def reads(pointing: Pointing, root: str, name: str) -> Any:
    """The reads of an infrared exposure, last first."""
    pixels = sky(pointing, SIDE)
    made = []
    for n in range(4):
        seen = pixels + noise(f"{name}{n}", pixels, 0.06 * (n + 1))
        made.append(image("SCI", seen.astype(np.float32), frame(pointing, SIDE).cards(), "ELECTRONS/S", n + 1))
    return bundle(primary(pointing, root, name), made)


def drizzle(pointing: Pointing, root: str, name: str) -> Any:
    """A combined image: SCI, WHT and CTX."""
    pixels = sky(pointing, DEEP)
    seen = (pixels + noise(name, pixels, 0.03)).astype(np.float32)
    weight = np.full(pixels.shape, pointing.seconds, dtype=np.float32)
    context = np.full(pixels.shape, 3, dtype=np.int16)
    made = [
        image("SCI", seen, frame(pointing, DEEP).cards(), "ELECTRONS/S"),
        image("WHT", weight),
        image("CTX", context),
    ]
    return bundle(primary(pointing, root, name), made)


def chips(pointing: Pointing, root: str, name: str) -> Any:
    """The four chips of WFPC2 as extensions."""
    quarters = four(pointing, name)
    return bundle(
        primary(pointing, root, name),
        [image("SCI", quarter, (), "COUNTS", n + 1) for n, quarter in enumerate(quarters)],
    )


def waivered(pointing: Pointing, root: str, name: str) -> Any:
    """The four chips as one array with an ASCII table of group parameters."""
    made = bundle(primary(pointing, root, name), [], np.stack(four(pointing, name)))
    place = pointing.place
    columns: list[Column] = [
        fits.Column(name="CRVAL1", format="D25.16", unit="deg", array=np.full(4, place.ra)),
        fits.Column(name="CRVAL2", format="D25.16", unit="deg", array=np.full(4, place.dec)),
        fits.Column(name="DETECTOR", format="I8", array=np.arange(1, 5)),
    ]
    made.append(fits.TableHDU.from_columns(columns, name=f"{root}.{name[-8:-5]}.tab"))
    made[0].header["NEXTEND"] = 1
    return made


def four(pointing: Pointing, name: str) -> list[Any]:
    """The quarters of the picture."""
    pixels = sky(pointing, SIDE)
    seen = (pixels + noise(name, pixels, 0.06)).astype(np.float32)
    half = SIDE // 2
    return [np.ascontiguousarray(seen[a : a + half, b : b + half]) for a in (0, half) for b in (0, half)]


def light(pointing: Pointing, name: str) -> tuple[Array, Array]:
    """Wavelengths in Angstrom and flux in arbitrary units, with the noise of the file."""
    wave = np.linspace(*pointing.range, POINTS)
    flux = spectrum(pointing.place.name, wave, width=0.002)
    if pointing.instrument.startswith("COS"):
        for line, strength in ((0.1216, 6), (0.1240, 1.5), (0.1335, 0.5), (0.1402, 1.8)):
            flux = flux + strength * np.exp(-(((wave - line * 1.0033) / 0.0009) ** 2))
        flux = flux * (1 - 0.7 * np.exp(-(((wave - 0.1226) / 0.0004) ** 2)))
    return wave * 1e4, flux * (1 + 0.02 * rng("light", name).standard_normal(POINTS))


def slit(pointing: Pointing, root: str, name: str) -> Any:
    """A long-slit spectrum."""
    _wave, flux = light(pointing, name)
    rows = np.arange(64)[:, None]
    pixels = 30 * flux[None, ::3] / flux.max() * np.exp(-(((rows - 32) / 1.5) ** 2))
    seen = pixels + noise(name, pixels, 0.1)
    return bundle(primary(pointing, root, name), extensions(pointing, root, seen, [], "COUNTS"))


def curve(pointing: Pointing, root: str, name: str) -> Any:
    """An extracted spectrum."""
    wave, flux = light(pointing, name)
    columns: list[Column] = [
        ("WAVELENGTH", wave, "Angstrom"),
        ("FLUX", flux * 1e-14, "erg/s/cm**2/Angstrom"),
        ("ERROR", flux * 2e-16, "erg/s/cm**2/Angstrom"),
        ("DQ", np.zeros(POINTS, dtype=np.int16), ""),
    ]
    return bundle(primary(pointing, root, name), [table("SCI", columns)])


def events(pointing: Pointing, root: str, name: str) -> Any:
    """A list of photons."""
    dice = rng("events", name)
    count = 3000
    columns: list[Column] = [
        ("TIME", np.sort(dice.uniform(0, pointing.seconds, count)).astype(np.float32), "s"),
        ("XCORR", dice.uniform(0, 16384, count).astype(np.float32), "pixel"),
        ("YCORR", dice.normal(480, 5, count).astype(np.float32), "pixel"),
        ("PHA", dice.integers(2, 30, count).astype(np.int16), ""),
    ]
    return bundle(primary(pointing, root, name), [table("EVENTS", columns)])


def members(pointing: Pointing, root: str, name: str) -> Any:
    """The association table."""
    listed = [*pointing.exposures, pointing.root]
    kinds = ["EXP-DTH"] * len(pointing.exposures) + ["PROD-DTH"]
    columns: list[Column] = [
        ("MEMNAME", np.array([entry.upper() for entry in listed]), ""),
        ("MEMTYPE", np.array(kinds), ""),
        ("MEMPRSNT", np.ones(len(listed), dtype=bool), ""),
    ]
    return bundle(primary(pointing, root, name), [table("ASN", columns)])


def text(pointing: Pointing, root: str, name: str) -> Any:
    """Engineering values or a log, line by line."""
    lines = [f"{root.upper()} line {n:3d} of {name}" for n in range(24)]
    return bundle(primary(pointing, root, name), [table("LINES", [("TEXT_FILE", np.array(lines), "")])])


def jitter(pointing: Pointing, root: str, name: str) -> Any:
    """The jitter of the pointing as a picture."""
    dice = rng("jitter", name)
    counts, _x, _y = np.histogram2d(
        dice.normal(0, 4, 4000), dice.normal(0, 4, 4000), bins=48, range=((-24, 24), (-24, 24))
    )
    return bundle(primary(pointing, root, name), [image("SCI", counts.astype(np.int16))])


RECIPES: dict[str, Callable[[Pointing, str, str], Any]] = {
    "flat": flat, "raw": raw, "reads": reads, "drizzle": drizzle, "chips": chips, "waivered": waivered,
    "slit": slit, "curve": curve, "events": events, "members": members, "text": text, "jitter": jitter,
}  # fmt: skip
