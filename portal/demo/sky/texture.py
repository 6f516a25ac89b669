"""Cloudiness: a seeded, endlessly repeating fractal texture that can be sampled anywhere on the sky."""

import zlib
from functools import cache

import numpy as np

from portal.demo.sky.frame import Array

SIZE = 256


def rng(*names: object) -> np.random.Generator:
    """Random numbers that depend on nothing but the names given."""
    return np.random.default_rng([zlib.crc32(str(name).encode()) for name in names])


@cache
def clouds(name: str, slope: float = 2.6) -> Array:
    """A periodic field of SIZE x SIZE, mean 0 and deviation 1, whose power falls with `slope`."""
    noise = np.fft.rfft2(rng("clouds", name).standard_normal((SIZE, SIZE)))
    ky = np.fft.fftfreq(SIZE)[:, None] * SIZE
    kx = np.fft.rfftfreq(SIZE)[None, :] * SIZE
    wave = np.hypot(kx, ky)
    wave[0, 0] = np.inf
    field = np.fft.irfft2(noise * wave ** (-slope / 2), s=(SIZE, SIZE))
    made: Array = (field - field.mean()) / field.std()
    return made


def sample(name: str, east: Array, north: Array, period: float, slope: float = 2.6) -> Array:
    """The texture at offsets in arcsec, one copy of it every `period` arcsec, by bilinear interpolation."""
    field = clouds(name, slope)
    x, y = east / period * SIZE, north / period * SIZE
    i, j = np.floor(x).astype(int), np.floor(y).astype(int)
    u, v = x - i, y - j
    i, j, i1, j1 = i % SIZE, j % SIZE, (i + 1) % SIZE, (j + 1) % SIZE
    below = field[j, i] * (1 - u) + field[j, i1] * u
    above = field[j1, i] * (1 - u) + field[j1, i1] * u
    made: Array = below * (1 - v) + above * v
    return made


def ridges(name: str, east: Array, north: Array, period: float) -> Array:
    """Filaments: 1 along the zero lines of the texture, falling off sharply on both sides."""
    made: Array = np.exp(-(np.abs(sample(name, east, north, period, 3.7)) / 0.16))
    return made
