"""What falls on a detector: the sky through a filter, dispersed light, or a star behind a mask. MJy/sr."""

from functools import lru_cache

import numpy as np

from portal.demo.jwst.dataset import INTEGRATIONS, Dataset, integrations
from portal.demo.sky.frame import Array
from portal.demo.sky.render import render
from portal.demo.sky.scene import scene
from portal.demo.sky.spectrum import spectrum, transit
from portal.demo.sky.texture import rng

TRACE_SHAPE, SERIES_SHAPE = (64, 100), (20, 112)
SLICES = 16


@lru_cache(maxsize=8)
def truth(dataset: Dataset) -> Array:
    """The signal without noise, (rows, columns)."""
    mode = dataset.visit.mode
    if mode.spectral:
        return dispersed(dataset)
    if mode.level3 == "coron3":
        return behind_mask(dataset)
    if mode.level3 == "ami3":
        return fringes(dataset)
    shot = render(scene(dataset.visit.place.name), dataset.frame, dataset.band.wavelength)
    return shot[8:52, 8:52] if mode.series else shot


def wavelengths(dataset: Dataset, count: int) -> Array:
    """The wavelengths of that many columns, um."""
    low, high = dataset.band.range
    return np.linspace(low, high, count)


def tracks(dataset: Dataset) -> list[tuple[float, float, float, int]]:
    """Row, slope and curvature (rows across the image) and source of every spectrum on the detector."""
    exp_type = dataset.visit.exp_type
    if exp_type in {"NRS_IFU", "MIR_MRS"}:
        return [(2 + 4 * n, 1.5, 2.5 if exp_type == "MIR_MRS" else 0.5, n) for n in range(SLICES)]
    if exp_type == "NRS_MSASPEC":
        return [(12 + 20 * n + 2 * dataset.exposure, 1.0, 0.8, source) for n, source in enumerate(dataset.sources)]
    if exp_type == "NIS_WFSS":
        dice = rng("grism", dataset.visit.place.name)
        return [(row, 0.6, 0.2, 112 if n == 0 else 0) for n, row in enumerate(dice.uniform(3, 60, 14))]
    if exp_type == "NIS_SOSS":
        return [(6.0, 4.0, 6.0, 0), (17.0, -2.0, 4.0, 0)]
    rows = SERIES_SHAPE[0] if dataset.visit.mode.series else TRACE_SHAPE[0]
    return [(rows / 2 + 5 * (dataset.exposure - 1), 0.5, 0.3, dataset.sources[0])]


def dispersed(dataset: Dataset) -> Array:
    """Spectra across the detector, wavelength along the rows."""
    shape = SERIES_SHAPE if dataset.visit.mode.series else TRACE_SHAPE
    rows, columns = np.arange(shape[0])[:, None], np.linspace(-1, 1, shape[1])[None, :]
    wave = wavelengths(dataset, shape[1])
    image = np.full(shape, 0.3)
    for order, (row, slope, curve, source) in enumerate(tracks(dataset)):
        centre = row + slope * columns + curve * columns**2
        flux = spectrum(dataset.visit.place.name, wave, source if source > SLICES else 0)
        if dataset.visit.exp_type in {"NRS_IFU", "MIR_MRS"}:
            flux = flux * np.exp(-(((order - SLICES / 2) / 5) ** 2))
        flux = flux / flux.max() * (25 if order == 0 or source else 8)
        image = image + flux[None, :] * np.exp(-(((rows - centre) / 1.1) ** 2))
    return np.asarray(image)


def behind_mask(dataset: Dataset) -> Array:
    """A coronagraph's view: speckles round a dark hole, and for the target its companion or disc."""
    east, north = dataset.frame.sky()
    r = np.hypot(east, north)
    turn = np.arctan2(east, north)
    dice = rng("speckles", dataset.visit.program.number)
    speckles = sum(
        np.cos(k * turn + dice.uniform(0, 6.3)) * np.cos(r * dice.uniform(2, 9) + dice.uniform(0, 6.3))
        for k in range(3, 16)
    )
    halo = 60 * np.exp(-r / 1.6) * (1 + 0.4 * speckles) * (1 - np.exp(-((r / 0.7) ** 4)))
    spikes = (
        6 * sum(np.exp(-(np.abs(np.sin(turn - a)) * r / 0.25)) for a in (0, np.pi / 3, 2 * np.pi / 3)) / (1 + r)
    )
    image = 0.5 + np.maximum(halo, 0) + spikes * (r > 0.8)
    return np.asarray(image if dataset.visit.calibrates else image + companion(dataset))


def companion(dataset: Dataset) -> Array:
    """What is left when the star is subtracted: the scene without its first source, dark in the middle."""
    place = scene(dataset.visit.place.name)
    east, north = dataset.frame.sky()
    r = np.hypot(east, north)
    light = place.light(place.name, east, north, 0.7)
    sources = place.sources
    for n in range(1, len(sources)):
        distance = np.hypot(east - 4 * sources.east[n], north - 4 * sources.north[n])
        light = light + 4 * sources.flux[n] * np.exp(-((distance / (1.5 * dataset.frame.scale)) ** 2))
    return np.asarray(light * (1 - np.exp(-((r / 0.9) ** 4))))


def fringes(dataset: Dataset) -> Array:
    """The interferogram of seven holes: an envelope with hexagonal fringes."""
    east, north = dataset.frame.sky()
    envelope = np.exp(-((np.hypot(east, north) / 0.75) ** 2))
    pattern = np.full_like(east, 1.0)
    for n in range(9):
        angle, length = n * np.pi / 9, 14 + 5 * (n % 3)
        pattern = pattern + 0.22 * np.cos(length * (east * np.cos(angle) + north * np.sin(angle)))
    return np.asarray(0.2 + 180 * envelope * np.maximum(pattern, 0.02) ** 2)


def times(dataset: Dataset) -> Array:
    """Mid-times of the integrations of a time series, MJD; of all segments together after stage 3."""
    per_segment = integrations(dataset.visit)
    count = INTEGRATIONS if dataset.combined else per_segment
    total = dataset.visit.seconds / 86400
    first = 0 if dataset.combined else max(dataset.segment - 1, 0) * per_segment
    return np.asarray(dataset.visit.start + total * (first + np.arange(count) + 0.5) / INTEGRATIONS)


def light_curve(dataset: Dataset, wavelength: float | None = None) -> Array:
    """Relative flux in each integration: one transit in the middle half of the observation."""
    if not dataset.visit.mode.series:
        return np.ones(integrations(dataset.visit))
    middle = dataset.visit.start + dataset.visit.seconds / 86400 / 2
    phase = (times(dataset) - middle) / (dataset.visit.seconds / 86400 / 2)
    return transit(dataset.visit.place.name, phase, wavelength)
