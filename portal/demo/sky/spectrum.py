"""Spectra and light curves: what a slit, a grism or a photometer records of a target."""

from functools import cache

import numpy as np

from portal.demo.sky.frame import Array
from portal.demo.sky.texture import rng

# Vacuum wavelengths in um of lines that astronomers know by heart, with relative strengths
NEBULAR = (
    (0.4862, 1.0), (0.4960, 1.2), (0.5008, 3.6), (0.6565, 2.9), (0.6585, 1.0), (0.6725, 0.4), (0.9533, 1.3),
    (1.0833, 1.6), (1.2822, 0.5), (1.6440, 0.5), (1.8756, 1.1), (2.0587, 0.4), (2.1218, 0.7), (2.1661, 0.3),
    (2.6259, 0.4), (3.0392, 0.2), (4.0523, 0.5), (4.6946, 0.3), (5.5112, 0.3), (6.9095, 0.5), (6.9853, 1.2),
    (8.9914, 0.8), (10.5105, 1.1), (12.2786, 0.5), (12.8135, 1.6), (15.5551, 1.0), (17.0348, 0.4), (18.7130, 0.9),
)  # fmt: skip
DUST = (
    (3.29, 0.05, 0.4),
    (6.22, 0.15, 1.2),
    (7.7, 0.35, 2.0),
    (8.6, 0.2, 0.8),
    (11.3, 0.2, 1.3),
    (12.7, 0.3, 0.6),
)
MOLECULES = (
    (0.767, 0.004),
    (1.15, 0.03),
    (1.4, 0.05),
    (1.9, 0.06),
    (2.7, 0.08),
    (4.3, 0.09),
    (6.3, 0.5),
    (9.0, 0.6),
)

STARS = {"P330-E": 5900.0, "WASP-39": 5400.0, "WASP-96": 5500.0, "TRAPPIST-1": 2566.0, "HIP 65426": 8840.0}
REDSHIFTS = {4590: 8.498, 6355: 7.665, 10612: 7.663, 112: 1.38}
DEPTHS = {"WASP-39": 0.0211, "WASP-96": 0.0138, "TRAPPIST-1": 0.0072, "WASP-18": 0.0094, "Pi Mensae": 0.00029}


def lines(wave: Array, redshift: float, width: float) -> Array:
    """Emission lines of unit scale; `width` is the resolution element as a fraction of the wavelength."""
    total = np.zeros_like(wave)
    for rest, strength in NEBULAR:
        centre = rest * (1 + redshift)
        total += strength * np.exp(-(((wave - centre) / (width * centre)) ** 2))
    return total


def blackbody(wave: Array, kelvin: float) -> Array:
    """A black body per unit frequency, 1 at its brightest within the range. Wavelengths in um."""
    shape = 1 / wave**3 / np.expm1(14387.8 / (wave * kelvin))
    return np.asarray(shape / shape.max())


def spectrum(target: str, wave: Array, source: int = 0, width: float = 0.004) -> Array:
    """Flux density in mJy at wavelengths in um: a star, a galaxy of known redshift, or a nebula with dust."""
    if target in STARS:
        dips = sum(0.08 * np.exp(-(((wave - centre) / (0.6 * depth)) ** 2)) for centre, depth in MOLECULES)
        return np.asarray(12 * blackbody(wave, STARS[target]) * (1 - dips))
    if source in REDSHIFTS:
        redshift = REDSHIFTS[source]
        break_at = np.where(wave > 0.1216 * (1 + redshift), 1.0, 0.02)
        return np.asarray(1e-3 * (0.4 * (wave / 2) ** -0.3 * break_at + 2.5 * lines(wave, redshift, width)))
    dust = sum(height * np.exp(-(((wave - centre) / size) ** 2)) for centre, size, height in DUST)
    warm = 0.6 + 0.05 * wave**1.4 + 2.2 * dust
    return np.asarray(2.0 * (warm + 3.0 * lines(wave, redshift_of(target), width)))


def redshift_of(target: str) -> float:
    """Redshifts of nearby nebulae and galaxies."""
    return {"Stephan's Quintet": 0.0215, "NGC 4151": 0.0033, "SN 1987A": 0.0009, "30 Doradus": 0.0009}.get(
        target, 0.0
    )


@cache
def atmosphere(target: str) -> tuple[Array, Array]:
    """Wavelengths (um) and relative depths of a transiting planet's spectrum."""
    wave = np.geomspace(0.5, 28, 900)
    bumps = sum(0.12 * np.exp(-(((wave - centre) / depth) ** 2)) for centre, depth in MOLECULES)
    ripple = 0.015 * rng("atmosphere", target).standard_normal(900)
    return wave, np.asarray(1 + bumps + ripple)


def transit(target: str, phase: Array, wavelength: float | None = None) -> Array:
    """Relative flux of the star at `phase` (0 is mid-transit, 0.5 first and last contact), 1 outside."""
    depth = DEPTHS[target]
    if wavelength is not None:
        grid, relative = atmosphere(target)
        depth = depth * float(np.interp(wavelength, grid, relative))
    edge = np.clip((0.5 - np.abs(phase)) / 0.08, 0, 1)
    limb = 1 - 0.12 * (np.clip(np.abs(phase), 0, 0.5) / 0.5) ** 2
    return np.asarray(1 - depth * edge**1.5 * limb)
