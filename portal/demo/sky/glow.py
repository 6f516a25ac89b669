"""Diffuse light: nebulae, galaxies, remnants and planets as surface brightness over the sky, in MJy/sr.

Every function takes offsets from the target in arcsec (east, north), a name that seeds its clouds, and
`warmth`: 0 for the shortest wavelength of JWST, 1 for the longest, where dust shines and stars fade.
"""

from collections.abc import Callable

import numpy as np

from portal.demo.sky.frame import Array
from portal.demo.sky.texture import ridges, sample

Glow = Callable[[str, Array, Array, float], Array]


def dark(name: str, east: Array, north: Array, warmth: float) -> Array:
    """Nothing but sky."""
    del name, north, warmth
    return np.zeros_like(east)


def turned(east: Array, north: Array, angle: float, axis_ratio: float) -> tuple[Array, Array]:
    """Coordinates along and across an inclined disc whose long axis lies at position angle `angle`, deg."""
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return north * c + east * s, (east * c - north * s) / axis_ratio


def step(x: Array) -> Array:
    """A smooth step from 0 to 1."""
    return 1 / (1 + np.exp(-np.clip(x, -40, 40)))


def ring(radius: float, width: float, angle: float, axis_ratio: float) -> Glow:
    """A planetary nebula: a lumpy shell, a glow inside, petals and filaments outside."""

    def glow(name: str, east: Array, north: Array, warmth: float) -> Array:
        along, across = turned(east, north, angle, axis_ratio)
        lumps = sample(name, east, north, 5 * radius)
        r = np.hypot(along, across) * (1 + 0.05 * lumps)
        shell = np.exp(-(((r - radius) / width) ** 2)) * (
            1 + 0.3 * sample(name + "fine", east, north, 2 * radius, 3.0)
        )
        inside = (0.45 - 0.3 * warmth) * step((radius - r) / (0.4 * width)) * (1 + 0.15 * lumps)
        outside = np.exp(-np.maximum(r - radius, 0) / (0.9 * radius)) * step((r - radius) / width)
        petals = outside * (0.12 + 0.3 * ridges(name + "halo", east, north, 2.5 * radius))
        return 24 * np.maximum(shell + inside + petals, 0)

    return glow


def wheel(outer: float, inner: float, angle: float, axis_ratio: float) -> Glow:
    """A collisional ring galaxy: a knotted outer ring, spokes, a bright inner ring and nucleus."""

    def glow(name: str, east: Array, north: Array, warmth: float) -> Array:
        along, across = turned(east, north, angle, axis_ratio)
        r, turn = np.hypot(along, across), np.arctan2(across, along)
        knots = np.maximum(1 + 1.2 * sample(name, east, north, 0.9 * outer), 0)
        rim = np.exp(-(((r - outer) / (0.09 * outer)) ** 2)) * knots
        spokes = np.exp(4 * (np.cos(11 * (turn + 0.5 * np.log(r / outer + 0.1))) - 1))
        between = spokes * step((outer - r) / 2) * step((r - inner) / 2)
        hub = 2 * np.exp(-(((r - inner) / (0.3 * inner)) ** 2)) + 4 * np.exp(-r / (0.35 * inner))
        return np.asarray(10 * (rim + (0.15 + 0.25 * warmth) * between + hub))

    return glow


def spiral(disc: float, pitch: float, angle: float, axis_ratio: float, bar: float = 0.0) -> Glow:
    """A two-armed spiral galaxy, barred out to `bar` arcsec; dust lanes shine where it is warm."""

    def glow(name: str, east: Array, north: Array, warmth: float) -> Array:
        along, across = turned(east, north, angle, axis_ratio)
        r, turn = np.hypot(along, across) + 0.1, np.arctan2(across, along)
        twist = np.log(np.maximum(r, max(bar, 1)) / disc) / np.tan(np.radians(pitch))
        wave = np.cos(2 * (turn - twist))
        web = ridges(name, along, across, 2.2 * disc)
        arms = np.exp(2.6 * (wave - 1)) * np.maximum(1 + 0.7 * sample(name + "arms", east, north, disc), 0)
        body = np.exp(-r / disc) * (0.25 * (1 - 0.6 * warmth) + arms + (0.1 + 0.35 * warmth) * web)
        bulge = (1.6 - warmth) * np.exp(-((r / (0.12 * disc)) ** 0.7))
        rod = 0.5 * np.exp(-((along / max(bar, 1)) ** 4) - (across / (0.14 * max(bar, 1))) ** 2) if bar else 0
        return np.asarray(18 * (body + bulge + rod))

    return glow


def elliptical(radius: float, jet_angle: float, jet_length: float) -> Glow:
    """A giant elliptical galaxy with a knotted one-sided jet."""

    def glow(name: str, east: Array, north: Array, warmth: float) -> Array:
        along, across = turned(east, north, jet_angle, 1.0)
        r = np.hypot(east, north)
        halo = (1 - 0.5 * warmth) * np.exp(-3.5 * ((r / radius + 1e-3) ** 0.35))
        knots = np.maximum(0.6 + sample(name, east, north, 2.2 * jet_length), 0.05)
        jet = step(along / 0.5) * step((jet_length - along) / 1.5) * knots
        return 120 * halo + 25 * jet * np.exp(-((across / (0.35 + 0.03 * np.abs(along))) ** 2))

    return glow


def remnant(radius: float, thickness: float, filled: float, axis_ratio: float = 1.0) -> Glow:
    """A supernova remnant: a tangle of filaments, in a shell or, with `filled` near 1, throughout."""

    def glow(name: str, east: Array, north: Array, warmth: float) -> Array:
        along, across = turned(east, north, 125, axis_ratio)
        r = np.hypot(along, across) * (1 + 0.08 * sample(name, east, north, 3 * radius))
        shell = np.exp(-(((r - radius) / thickness) ** 2)) + filled * step((radius - r) / thickness)
        tangle = ridges(name + "a", east, north, 1.3 * radius) + 0.8 * ridges(
            name + "b", east, north, 0.7 * radius
        )
        haze = 0.3 * filled * np.exp(-((r / radius) ** 2)) * (1 - 0.5 * warmth)
        shock = 0.3 * np.exp(-(((r - 1.25 * radius) / 2) ** 2))
        return 14 * (shell * (0.12 + tangle) + haze + shock)

    return glow


def shore(density: Array, name: str, east: Array, north: Array, warmth: float) -> Array:
    """A cloud lit from outside: dark inside, a bright ionised rim, thin haze beyond."""
    texture = sample(name + "haze", east, north, 160)
    haze = (1.3 - 0.8 * warmth) * (1 - density) * np.maximum(1 + 0.35 * texture, 0.1)
    rim = 1.6 * np.exp(-(((density - 0.5) / 0.2) ** 2))
    veins = density * (0.25 + 0.9 * warmth) * (0.35 + ridges(name + "veins", east, north, 60))
    return 9 * (haze + rim + veins)


def pillars(name: str, east: Array, north: Array, warmth: float) -> Array:
    """Three columns of dust that point at the stars which erode them."""
    wobble = 5 * sample(name, east, north, 90)
    density = np.zeros_like(east)
    for foot, top, width in ((34, 48, 15), (-2, 26, 11), (-30, 4, 9)):
        centre = foot + 0.28 * north + wobble
        half = width * (0.55 + 0.45 * step((top - 12 - north) / 16))
        column = step((half - np.abs(east - centre)) / 1.8) * step((top + wobble - north) / 2.2)
        density = np.maximum(density, column)
    return shore(density, name, east, north, warmth)


def cliffs(name: str, east: Array, north: Array, warmth: float) -> Array:
    """The wall of a cavity: mountains of dust below, hot stars above."""
    ridge = 14 * sample(name, east, 0.3 * north, 260) + 7 * sample(name + "peaks", east, north, 60)
    density = step((ridge + 0.25 * east - north - 5) / 3)
    return shore(density, name, east, north, warmth)


def cavern(name: str, east: Array, north: Array, warmth: float) -> Array:
    """A cluster's cavity: filaments all round, bright towards the middle, as in 30 Doradus or Orion."""
    r = np.hypot(east, north)
    density = step((0.9 * sample(name, east, north, 200) + (r - 45) / 30) / 0.35)
    middle = 1.5 * np.exp(-r / 40)
    return shore(density, name, east, north, warmth) * (1 + middle)


def bar(name: str, east: Array, north: Array, warmth: float) -> Array:
    """The Orion Bar: a straight bright edge to the south-east, nebula around the Trapezium."""
    along, across = turned(east, north, 50, 1.0)
    density = step((across - 45 + 7 * sample(name, along, across, 110)) / 2.5)
    r = np.hypot(east, north)
    return shore(density, name, east, north, warmth) * (0.7 + 2.2 * np.exp(-r / 60))


def quintet(name: str, east: Array, north: Array, warmth: float) -> Array:
    """Four interacting galaxies, a fifth in the foreground, and the shock between them."""
    light = np.zeros_like(east)
    for x, y, disc, angle, ratio in (
        (-48, -6, 10, 30, 0.6),
        (2, 0, 8, 140, 0.8),
        (9, 12, 8, 60, 0.7),
        (48, -38, 9, 0, 0.9),
    ):
        light = light + spiral(disc, 18, angle, ratio)(f"{name}{x}", east - x, north - y, warmth)
    face = spiral(16, 22, 140, 0.75)(name + "face", east + 30, north - 42, warmth)
    shock = ridges(name + "shock", east, north, 70) * np.exp(-(((east + 18) / 8) ** 2) - ((north - 8) / 32) ** 2)
    return light + 0.6 * face + 10 * (0.4 + warmth) * shock


def planet(radius: float) -> Glow:
    """A giant planet: a limb-darkened disc with belts and zones, bright poles and a faint ring."""

    def glow(name: str, east: Array, north: Array, warmth: float) -> Array:
        along, across = turned(east, north, 18, 1.0)
        r = np.hypot(across, along * 1.07) / radius
        belts = 1 + 0.35 * np.sin(along / radius * 17 + 0.4 * sample(name, across, along * 4, 3 * radius))
        disc = step((1 - r) * 30) * np.sqrt(np.maximum(1 - np.minimum(r, 1) ** 2, 0.02)) * belts
        spot = 0.7 * np.exp(
            -(((across - 0.3 * radius) / (0.14 * radius)) ** 2) - ((along + 0.37 * radius) / (0.08 * radius)) ** 2
        )
        aurora = 1.2 * np.exp(-(((np.abs(along) - 0.9 * radius) / (0.06 * radius)) ** 2)) * step((1.02 - r) * 30)
        edge = np.exp(-(((np.hypot(across, along / 0.12) - 1.8 * radius) / (0.05 * radius)) ** 2))
        return np.asarray(60 * (disc + spot * (r < 1) + aurora) + (1 + warmth) * edge)

    return glow


def edge_on(radius: float, angle: float) -> Glow:
    """A debris disc seen edge-on, with the bend of its inner part."""

    def glow(name: str, east: Array, north: Array, warmth: float) -> Array:
        along, across = turned(east, north, angle, 1.0)
        bent = across - 0.05 * along * np.exp(-np.abs(along) / radius)
        grain = 1 + 0.1 * sample(name, east, north, radius)
        return (20 + 30 * warmth) * grain * np.exp(-np.abs(along) / radius - (bent / (0.12 * radius)) ** 2)

    return glow
