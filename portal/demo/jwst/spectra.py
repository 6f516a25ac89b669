"""JWST products that hold spectra: rectified spectra, cubes, extracted spectra, light curves of spectra.

Source: JWST pipeline documentation, "Science products": S2D, S3D, X1D, X1DINTS, C1D and their columns.
"""

from typing import Any

import numpy as np

from portal.demo.fitsfile import Column, bundle, image, table
from portal.demo.jwst.dataset import Dataset
from portal.demo.jwst.headers import primary
from portal.demo.jwst.images import DUMMY, FLOOR, errors, single
from portal.demo.jwst.pixels import light_curve, times, wavelengths
from portal.demo.sky.frame import Array, Card
from portal.demo.sky.render import noise
from portal.demo.sky.spectrum import spectrum
from portal.demo.sky.texture import rng, sample

POINTS = 360
SLIT_SHAPE, CUBE_SHAPE = (20, 160), (30, 30)
DEPTH = {True: 44, False: 20}  # planes of a cube, after stage 3 and before
STEPS = 20  # of the light curves' wavelengths


def resolution(dataset: Dataset) -> float:
    """The width of a line as a fraction of its wavelength."""
    return {"CH1": 0.002, "CH3": 0.002, "G235H": 0.002, "G395M": 0.004, "G140M": 0.004}.get(
        dataset.band.element, 0.012
    )


def flux(dataset: Dataset, wave: Array, source: int) -> Array:
    """Flux density in mJy."""
    return spectrum(dataset.visit.place.name, wave, source, resolution(dataset))


def ruler(dataset: Dataset, count: int, axis: int) -> list[Card]:
    """The WCS keywords of a wavelength axis."""
    low, high = dataset.band.range
    return [
        (f"CTYPE{axis}", "WAVE", "wavelength in vacuum"),
        (f"CUNIT{axis}", "um", "axis units"),
        (f"CRPIX{axis}", 1.0, "coordinate of the reference pixel"),
        (f"CRVAL{axis}", low, "wavelength at the reference pixel"),
        (f"CDELT{axis}", (high - low) / (count - 1), "increment per pixel"),
    ]


def s2d(dataset: Dataset, name: str) -> Any:
    """Rectified spectra: an image of (position along the slit, wavelength) for each source."""
    rows, columns = SLIT_SHAPE
    wave = wavelengths(dataset, columns)
    profile = np.exp(-(((np.arange(rows)[:, None] - rows / 2 + 0.5) / 2) ** 2))
    extensions = []
    for number, source in enumerate(dataset.sources, start=1):
        light = flux(dataset, wave, source)
        signal = 30 * profile * light[None, :] / light.max()
        picture = signal + noise(f"{dataset.obs_id}{source}", signal, FLOOR * 6)
        cards: list[Card] = [
            ("WCSAXES", 2, "number of World Coordinate System axes"),
            *ruler(dataset, columns, 1),
            ("CTYPE2", "OFFSET", "position along the slit"),
            ("CUNIT2", "arcsec", "axis units"),
            ("CRPIX2", (rows + 1) / 2, "coordinate of the reference pixel"),
            ("CRVAL2", 0.0, "offset at the reference pixel"),
            ("CDELT2", 0.1, "increment per pixel"),
            ("SOURCEID", source, "source number in the catalogue"),
            ("S_REGION", dataset.frame.region, "spatial extent of the observation"),
        ]
        extensions.append(image("SCI", single(picture), cards, "MJy/sr", number))
        extensions.append(image("ERR", errors(signal), DUMMY, "MJy/sr", number))
        extensions.append(image("WHT", single(np.full(SLIT_SHAPE, dataset.seconds)), number=number))
    return bundle(primary(dataset, name, "s2d"), extensions)


def s3d(dataset: Dataset, name: str) -> Any:
    """A cube of (wavelength, rows, columns): lines come from a lumpy source, the continuum from its middle."""
    depth, (rows, columns) = DEPTH[dataset.combined], CUBE_SHAPE
    where = dataset.frame.resized(columns, rows, dataset.band.field_of_view / columns)
    east, north = where.sky()
    wave = wavelengths(dataset, depth)
    light = flux(dataset, wave, 0)
    smooth = np.minimum.accumulate(light)
    size = dataset.band.field_of_view
    shape = np.exp(-((np.hypot(east, north) / (0.25 * size)) ** 2))
    lumps = np.maximum(1 + 0.5 * sample(dataset.visit.place.name, east, north, 2 * size, 3.4), 0)
    cube = (
        40 * smooth[:, None, None] * shape + 25 * (light - smooth)[:, None, None] * shape**0.5 * lumps
    ) / light.max()
    cards = where.cards()
    cards[0] = ("WCSAXES", 3, "number of World Coordinate System axes")
    picture = cube + noise(dataset.obs_id, cube, FLOOR * 3)
    return bundle(
        primary(dataset, name, "s3d"),
        [
            image(
                "SCI",
                single(picture),
                [*cards, *ruler(dataset, depth, 3), ("PC3_3", 1.0, "linear element")],
                "MJy/sr",
            ),
            image("ERR", errors(cube), DUMMY, "MJy/sr"),
            image("DQ", np.zeros(cube.shape, dtype=np.uint32)),
            image("WMAP", np.full(cube.shape, 4, dtype=np.int16)),
        ],
    )


def x1d(dataset: Dataset, name: str) -> Any:
    """Extracted spectra: a table for each source, flux in Jy."""
    extensions = [extracted(dataset, source, number) for number, source in enumerate(dataset.sources, start=1)]
    return bundle(primary(dataset, name, "x1d"), extensions)


def extracted(dataset: Dataset, source: int, number: int) -> Any:
    """The EXTRACT1D table of one source."""
    wave = wavelengths(dataset, POINTS)
    jansky = flux(dataset, wave, source) / 1000
    error = 0.02 * jansky + 0.01 * np.median(jansky)
    depth = 0.4 if dataset.combined else 1.0
    seen = jansky + depth * error * rng("x1d", dataset.obs_id, source).standard_normal(POINTS)
    columns: list[Column] = [
        ("WAVELENGTH", wave, "um"),
        ("FLUX", seen, "Jy"),
        ("FLUX_ERROR", depth * error, "Jy"),
        ("SURF_BRIGHT", seen * 1e3, "MJy/sr"),
        ("SB_ERROR", depth * error * 1e3, "MJy/sr"),
        ("DQ", np.zeros(POINTS, dtype=np.int32), ""),
        ("BACKGROUND", np.full(POINTS, 0.3), "MJy/sr"),
        ("NPIXELS", np.full(POINTS, 7.0), ""),
    ]
    cards: list[Card] = [
        ("SOURCEID", source, "source number in the catalogue"),
        ("SRCTYPE", "POINT" if source else "EXTENDED", "source type"),
        ("S_REGION", dataset.frame.region, "spatial extent of the observation"),
    ]
    return table("EXTRACT1D", columns, cards, number)


def c1d(dataset: Dataset, name: str) -> Any:
    """The combined spectrum of a source."""
    wave = wavelengths(dataset, POINTS)
    jansky = flux(dataset, wave, dataset.source) / 1000
    error = 0.01 * jansky + 0.003 * np.median(jansky)
    seen = jansky + error * rng("c1d", dataset.obs_id).standard_normal(POINTS)
    columns: list[Column] = [
        ("WAVELENGTH", wave, "um"),
        ("FLUX", seen, "Jy"),
        ("ERROR", error, "Jy"),
        ("SURF_BRIGHT", seen * 1e3, "MJy/sr"),
        ("DQ", np.zeros(POINTS, dtype=np.int32), ""),
        ("WEIGHT", np.full(POINTS, dataset.seconds), "s"),
        ("N_INPUT", np.full(POINTS, float(dataset.visit.dithers)), ""),
    ]
    return bundle(primary(dataset, name, "c1d"), [table("COMBINE1D", columns)])


def x1dints(dataset: Dataset, name: str) -> Any:
    """Spectra of every integration: the transit is deeper where the planet's air absorbs."""
    wave = wavelengths(dataset, POINTS // 2)
    jansky = flux(dataset, wave, 0) / 1000
    nodes = wavelengths(dataset, STEPS)
    curves = np.stack([light_curve(dataset, float(node)) for node in nodes], axis=1)
    dimmed = np.stack([np.interp(wave, nodes, curve) for curve in curves])
    moments = times(dataset)
    half = (moments[1] - moments[0]) / 2
    error = np.broadcast_to(1e-3 * jansky, dimmed.shape)
    seen = dimmed * jansky + error * rng("ints", dataset.obs_id).standard_normal(dimmed.shape)
    first = max(dataset.segment - 1, 0) * len(moments)
    columns: list[Column] = [
        ("INT_NUM", (np.arange(len(moments)) + 1 + first).astype(np.int32), ""),
        ("MJD-BEG", moments - half, "d"),
        ("MJD-AVG", moments, "d"),
        ("MJD-END", moments + half, "d"),
        ("TDB-MID", moments + 0.0008, "d"),
        ("WAVELENGTH", single(np.broadcast_to(wave, dimmed.shape)), "um"),
        ("FLUX", single(seen), "Jy"),
        ("FLUX_ERROR", single(error), "Jy"),
    ]
    cards: list[Card] = [("SRCTYPE", "POINT", "source type"), ("S_REGION", dataset.frame.region, "spatial extent")]
    return bundle(primary(dataset, name, "x1dints"), [table("EXTRACT1D", columns, cards)])


def msa(dataset: Dataset, name: str) -> Any:
    """The micro-shutters of a configuration: which are open, and for which source."""
    visit = dataset.visit
    dice = rng("msa", visit.program.number, visit.number)
    count = 3 * len(visit.sources)
    shutters = [
        ("slitlet_id", np.repeat(np.arange(1, len(visit.sources) + 1), 3).astype(np.int32), ""),
        ("msa_metadata_id", np.ones(count, dtype=np.int32), ""),
        ("shutter_quadrant", dice.integers(1, 5, count).astype(np.int32), ""),
        ("shutter_row", dice.integers(1, 366, count).astype(np.int32), ""),
        ("shutter_column", dice.integers(1, 172, count).astype(np.int32), ""),
        ("source_id", np.repeat(np.array(visit.sources), 3).astype(np.int32), ""),
        ("shutter_state", np.full(count, "OPEN"), ""),
    ]
    found = [
        ("source_id", np.array(visit.sources, dtype=np.int32), ""),
        ("program", np.full(len(visit.sources), visit.program.number, dtype=np.int32), ""),
        ("ra", np.full(len(visit.sources), visit.place.ra), "deg"),
        ("dec", np.full(len(visit.sources), visit.place.dec), "deg"),
        ("stellarity", np.zeros(len(visit.sources)), ""),
    ]
    state = np.zeros((60, 60), dtype=np.int16)
    return bundle(
        primary(dataset, name, "msa"),
        [image("SHUTTER_IMAGE", state), table("SHUTTER_INFO", shutters), table("SOURCE_INFO", found)],
    )
