"""Draw a scene through a frame: diffuse light, galaxies, stars with the telescope's diffraction spikes."""

import numpy as np
import numpy.typing as npt

from portal.demo.sky.frame import Array, Frame
from portal.demo.sky.scene import Scene, Sources
from portal.demo.sky.texture import rng

HALF = 9
SPIKES = {"JWST": (0.0, 60.0, 120.0), "HST": (45.0, 135.0), "TESS": ()}


def warmth(wavelength: float) -> float:
    """0 at 0.6 um, 1 at 28 um, logarithmic."""
    return float(np.clip(np.log(wavelength / 0.6) / np.log(28 / 0.6), -0.3, 1))


def render(scene: Scene, frame: Frame, wavelength: float, mission: str = "JWST") -> Array:
    """Surface brightness in MJy/sr, (height, width), without noise. Wavelength in um."""
    east, north = frame.sky()
    heat = warmth(wavelength)
    image = scene.light(scene.name, east, north, heat) + scene.sky * (1 + 3 * heat**2)
    add_sources(image, frame, scene.sources, heat)
    add_spikes(image, frame, scene.sources, heat, mission)
    return image


def in_view(frame: Frame, sources: Sources, margin: int = 0) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """Pixel positions of the sources, and which of them fall within the image and a margin of pixels."""
    x, y = frame.pixels(sources.east, sources.north)
    inside = (x > -margin) & (y > -margin) & (x < frame.width - 1 + margin) & (y < frame.height - 1 + margin)
    return x, y, inside


def add_sources(image: Array, frame: Frame, sources: Sources, heat: float) -> None:
    """Add every source in view as a small stamp: stars as a Gaussian with wings, galaxies as exponential discs."""
    x, y, inside = in_view(frame, sources, HALF)
    flux = sources.brightness(heat) / frame.scale**2
    for n in map(int, np.flatnonzero(inside)):
        reach = HALF if sources.radius[n] == 0 else int(min(5 * sources.radius[n] / frame.scale + 4, 60))
        left, low = max(int(x[n]) - reach, 0), max(int(y[n]) - reach, 0)
        right, high = min(int(x[n]) + reach + 2, frame.width), min(int(y[n]) + reach + 2, frame.height)
        if left >= right or low >= high:
            continue
        dx, dy = np.arange(left, right)[None, :] - x[n], np.arange(low, high)[:, None] - y[n]
        shape = star(dx, dy) if sources.radius[n] == 0 else galaxy(dx, dy, frame, sources, n)
        image[low:high, left:right] += flux[n] * shape


def star(dx: Array, dy: Array, sigma: float = 0.85) -> Array:
    """A point source of unit flux: a Gaussian core and a tenth of the light in wings."""
    r2 = dx**2 + dy**2
    core = np.exp(-r2 / (2 * sigma**2)) / (2 * np.pi * sigma**2)
    return np.asarray(0.9 * core + 0.1 * 0.5 / np.pi / (1 + r2) ** 1.5)


def galaxy(dx: Array, dy: Array, frame: Frame, sources: Sources, n: int) -> Array:
    """An exponential disc of unit flux, blurred by adding the point source's width to its own."""
    turn = np.radians(sources.angle[n] - frame.roll)
    along, across = dy * np.cos(turn) - dx * np.sin(turn), dx * np.cos(turn) + dy * np.sin(turn)
    a = np.hypot(sources.radius[n] / frame.scale / 1.68, 0.6)
    b = np.hypot(sources.radius[n] * sources.axis_ratio[n] / frame.scale / 1.68, 0.6)
    return np.asarray(np.exp(-np.sqrt((along / a) ** 2 + (across / b) ** 2 + 0.05)) / (2 * np.pi * a * b))


def add_spikes(image: Array, frame: Frame, sources: Sources, heat: float, mission: str) -> None:
    """Diffraction spikes of the brightest stars."""
    x, y, inside = in_view(frame, sources, 10)
    flux = sources.brightness(heat) / frame.scale**2
    bright = np.flatnonzero(inside & (sources.radius == 0) & (flux > 60 / max(frame.scale, 0.05)))
    rows, columns = np.arange(frame.height)[:, None], np.arange(frame.width)[None, :]
    for n in bright[np.argsort(-flux[bright])][:14]:
        dx, dy = columns - x[n], rows - y[n]
        for angle in SPIKES[mission]:
            c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
            along, across = np.abs(dy * c - dx * s), np.abs(dx * c + dy * s)
            image += 0.012 * flux[n] * np.exp(-((across / 0.7) ** 2)) / (1 + (along / 4) ** 2)


def noise(name: str, image: Array, level: float) -> Array:
    """Errors of a measurement of the image: a floor and photon noise, MJy/sr."""
    spread = level * np.sqrt(0.05 + np.maximum(image, 0) * 0.04)
    return np.asarray(spread * rng("noise", name).standard_normal(image.shape))
