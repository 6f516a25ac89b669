"""Catalogues of stage 3: sources in a mosaic with their segmentation map, light curves of time series.

Source: JWST pipeline documentation, "source_catalog", "white_light", "tso_photometry".
"""

import io
from typing import Any

import astropy.table
import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from portal.demo.fitsfile import bundle, image
from portal.demo.jwst.dataset import Dataset
from portal.demo.jwst.headers import primary
from portal.demo.jwst.images import place
from portal.demo.jwst.pixels import light_curve, times, truth
from portal.demo.sky.frame import Array
from portal.demo.sky.render import in_view, warmth
from portal.demo.sky.scene import scene
from portal.demo.sky.texture import rng

QTable: Any = astropy.table.QTable
Coordinates: Any = SkyCoord
MOST = 250
FAINTEST = 0.08  # Jy-like flux units of the scene
TO_JY = 2.35e-5  # MJy/sr times arcsec^2


def detected(dataset: Dataset) -> tuple[Array, Array, Array, Array]:
    """x, y (pixels from 0), flux (Jy) and radius (arcsec) of the sources in a mosaic, brightest first."""
    sources = scene(dataset.visit.place.name).sources
    x, y, inside = in_view(dataset.frame, sources, -4)
    flux = sources.brightness(warmth(dataset.band.wavelength))
    found = np.flatnonzero(inside & (flux > FAINTEST))
    found = found[np.argsort(-flux[found])][:MOST]
    return x[found], y[found], flux[found] * TO_JY, sources.radius[found]


def ecsv(table: Any) -> bytes:
    """The table as ECSV."""
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue().encode()


def cat(dataset: Dataset, name: str) -> bytes:
    """The source catalogue of a mosaic."""
    del name
    x, y, flux, radius = detected(dataset)
    ra, dec = dataset.frame.wcs.wcs_pix2world(x, y, 0)
    error = 0.01 * flux + 1e-9
    table = QTable()
    table["label"] = np.arange(1, len(x) + 1)
    table["xcentroid"], table["ycentroid"] = np.round(x, 3) * u.pix, np.round(y, 3) * u.pix
    table["sky_centroid"] = Coordinates(np.round(ra, 8), np.round(dec, 8), unit="deg", frame="icrs")
    for share, label in ((0.3, "aper30"), (0.5, "aper50"), (0.7, "aper70"), (1.0, "aper_total")):
        table[f"{label}_flux"] = (share * flux).astype(np.float32) * u.Jy
        table[f"{label}_flux_err"] = (share * error).astype(np.float32) * u.Jy
    table["aper_total_abmag"] = np.round(8.9 - 2.5 * np.log10(flux), 4)
    table["is_extended"] = radius > 0
    table["isophotal_flux"] = (0.9 * flux).astype(np.float32) * u.Jy
    table["isophotal_area"] = np.round(np.pi * reach(radius, dataset) ** 2) * u.pix**2
    table.meta = {
        "FILENAME": f"{dataset.obs_id}_cat.ecsv",
        "image_file": f"{dataset.obs_id}_i2d.fits",
        "instrument": dataset.visit.mode.instrument,
        "filter": dataset.band.element,
        "comments": ["Demonstration data: the sources drawn into the image"],
    }
    return ecsv(table)


def reach(radius: Array, dataset: Dataset) -> Array:
    """The radius in pixels that a source fills."""
    return np.asarray(2 + 1.5 * radius / dataset.frame.scale)


def segm(dataset: Dataset, name: str) -> Any:
    """The segmentation map: at each pixel the label of the source that fills it, or 0."""
    x, y, _flux, radius = detected(dataset)
    labels = np.zeros((dataset.frame.height, dataset.frame.width), dtype=np.uint16)
    size = reach(radius, dataset)
    for n in range(len(x) - 1, -1, -1):
        left, low = max(int(x[n] - size[n]), 0), max(int(y[n] - size[n]), 0)
        part = labels[low : int(y[n] + size[n]) + 2, left : int(x[n] + size[n]) + 2]
        rows, columns = np.indices(part.shape)
        part[np.hypot(columns + left - x[n], rows + low - y[n]) <= size[n]] = n + 1
    return bundle(primary(dataset, name, "segm"), [image("SCI", labels, place(dataset))])


def whtlt(dataset: Dataset, name: str) -> bytes:
    """The white-light curve of a spectroscopic time series."""
    del name
    curve = light_curve(dataset)
    flux = truth(dataset).sum() * curve * (1 + 2e-4 * rng("white", dataset.obs_id).standard_normal(len(curve)))
    moments = np.round(times(dataset), 8)
    table = QTable(
        {"MJD_UTC": moments, "BJD_TDB": np.round(moments + 0.0008, 8), "whitelight_flux": np.round(flux, 3)},
        meta={"FILENAME": f"{dataset.obs_id}_whtlt.ecsv", "target": dataset.visit.place.name},
    )
    return ecsv(table)


def phot(dataset: Dataset, name: str) -> bytes:
    """Aperture photometry of an imaging time series."""
    del name
    curve = light_curve(dataset)
    dice = rng("phot", dataset.obs_id)
    flux = 0.02 * curve * (1 + 3e-4 * dice.standard_normal(len(curve)))
    table = QTable(
        {
            "MJD": np.round(times(dataset), 8),
            "aperture_sum": np.round(flux + 0.001, 9) * u.Jy,
            "aperture_sum_err": np.round(3e-4 * flux, 12) * u.Jy,
            "annulus_sum": np.round(np.full(len(curve), 0.001) * (1 + 0.01 * dice.standard_normal(len(curve))), 9)
            * u.Jy,
            "net_aperture_sum": np.round(flux, 9) * u.Jy,
            "net_aperture_sum_err": np.round(3e-4 * flux, 12) * u.Jy,
        },
        meta={"FILENAME": f"{dataset.obs_id}_phot.ecsv", "target": dataset.visit.place.name},
    )
    return ecsv(table)
