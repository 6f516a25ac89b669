"""What lies around each target of the demo: diffuse light, stars and galaxies, the same for every telescope."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from portal.demo.sky import glow
from portal.demo.sky.frame import Array
from portal.demo.sky.texture import rng


@dataclass(frozen=True, slots=True)
class Sources:
    """Compact sources: offsets in arcsec, flux in MJy/sr arcsec^2, colour (> 0 is brighter where it is warm).

    Galaxies have a half-light radius in arcsec, an axis ratio and a position angle in deg; stars have radius 0.
    """

    east: Array
    north: Array
    flux: Array
    colour: Array
    radius: Array
    axis_ratio: Array
    angle: Array

    def __len__(self) -> int:
        return len(self.east)

    def brightness(self, warmth: float) -> Array:
        """Flux of each source at that warmth."""
        return np.asarray(self.flux * np.exp(2 * self.colour * (warmth - 0.3)))


@dataclass(frozen=True, slots=True)
class Scene:
    """A place on the sky. `sky` is the smooth background in MJy/sr."""

    name: str
    light: glow.Glow
    sources: Sources
    sky: float = 0.4


def joined(*parts: Sources) -> Sources:
    """All of the sources together."""
    fields = ("east", "north", "flux", "colour", "radius", "axis_ratio", "angle")
    return Sources(*(np.concatenate([getattr(part, field) for part in parts]) for field in fields))


def stars(name: str, count: int, spread: float = 200.0, brightest: float = 400.0) -> Sources:
    """A field of stars whose counts rise towards faint ones; `spread` is half the width of the field, arcsec."""
    dice = rng("stars", name)
    flux = np.minimum(4 * dice.pareto(0.75, count) + 1.0, brightest * dice.uniform(0.3, 1, count))
    east, north = dice.uniform(-spread, spread, (2, count))
    colour = dice.normal(-0.5, 0.4, count)
    zero = np.zeros(count)
    return Sources(east, north, flux, colour, zero, zero + 1, zero)


def points(*rows: tuple[float, float, float, float]) -> Sources:
    """Single stars: (east, north, flux, colour) each."""
    east, north, flux, colour = np.array(rows, dtype=float).T
    zero = np.zeros(len(rows))
    return Sources(east, north, flux, colour, zero, zero + 1, zero)


def galaxies(name: str, count: int, spread: float = 200.0, *, crowded: bool = False) -> Sources:
    """A deep field; `crowded` gathers the bright ones towards the middle as in a cluster of galaxies."""
    dice = rng("galaxies", name)
    east, north = dice.uniform(-spread, spread, (2, count))
    flux = 3 * (dice.pareto(1.0, count) + 0.15)
    radius = np.clip(0.45 * flux**0.3 * dice.uniform(0.6, 1.5, count), 0.25, 2.5)
    if crowded:
        members = count // 4
        turn, distance = dice.uniform(0, 2 * np.pi, members), dice.gamma(1.6, 18, members)
        east[:members], north[:members] = distance * np.cos(turn), 0.7 * distance * np.sin(turn)
        flux[:members] = 12 * (dice.pareto(1.1, members) + 0.4)
        radius[:members] = np.clip(0.6 * flux[:members] ** 0.3, 0.6, 3)
    return Sources(
        east,
        north,
        np.minimum(flux, 400),
        dice.normal(0.3, 0.5, count),
        radius,
        dice.uniform(0.25, 1, count),
        dice.uniform(0, 180, count),
    )


def arcs(name: str, count: int, radius: float) -> Sources:
    """Background galaxies drawn out round a cluster by its gravity."""
    dice = rng("arcs", name)
    turn, distance = dice.uniform(0, 2 * np.pi, count), radius * dice.uniform(0.7, 1.7, count)
    east, north = distance * np.cos(turn), 0.75 * distance * np.sin(turn)
    tangent = np.degrees(np.arctan2(-np.sin(turn), 0.75 * np.cos(turn))) % 180
    size = np.full(count, 2.6)
    return Sources(
        east, north, dice.uniform(10, 45, count), dice.normal(0.6, 0.3, count), size, size * 0 + 0.1, tangent
    )


TRAPEZIUM = ((2, 3, 700, -0.7), (-9, 6, 300, -0.7), (6, -6, 340, -0.6), (-4, -8, 260, -0.6))
MOONS = ((-34, 11, 90, -0.5), (29, -9, 120, -0.4), (41, -13, 60, -0.3))

LIGHT: dict[str, glow.Glow] = {
    "M 57": glow.ring(34, 9, 60, 0.78),
    "NGC 3132": glow.ring(26, 7, 160, 0.74),
    "M 16": glow.pillars,
    "NGC 3324": glow.cliffs,
    "Stephan's Quintet": glow.quintet,
    "M 42": glow.bar,
    "30 Doradus": glow.cavern,
    "JUPITER": glow.planet(19),
    "M 51": glow.spiral(38, 20, 30, 0.85),
    "NGC 1365": glow.spiral(42, 26, 62, 0.6, bar=38),
    "ESO 350-40": glow.wheel(30, 6, 20, 0.78),
    "Cassiopeia A": glow.remnant(38, 8, 0.25),
    "M 87": glow.elliptical(70, 290, 22),
    "Beta Pictoris": glow.edge_on(3.2, 30),
    "SN 1987A": glow.ring(0.8, 0.15, 0, 0.7),
}
COMPACT: dict[str, Callable[[str], Sources]] = {
    "M 57": lambda name: joined(stars(name, 260), points((0, 0, 20, -0.6)), galaxies(name, 60)),
    "NGC 3132": lambda name: joined(stars(name, 320), points((0, 0, 160, -0.3), (-1.5, 0.8, 25, 0.5))),
    "M 16": lambda name: joined(stars(name, 900), points((-8, 34, 110, 0.6))),
    "NGC 3324": lambda name: stars(name, 1500, 240),
    "Stephan's Quintet": lambda name: joined(stars(name, 70), galaxies(name, 260)),
    "SMACS J0723.3-7327": lambda name: cluster(name, 620),
    "M 42": lambda name: joined(stars(name, 500, 160), points(*TRAPEZIUM)),
    "30 Doradus": lambda name: joined(stars(name, 700), stars("R136", 160, 14, 250)),
    "JUPITER": lambda _: points(*MOONS),
    "M 51": lambda name: joined(stars(name, 60), galaxies(name, 60)),
    "NGC 1365": lambda name: joined(stars(name, 60), galaxies(name, 60)),
    "ESO 350-40": lambda name: joined(stars(name, 40), galaxies(name, 120)),
    "Cassiopeia A": lambda name: stars(name, 420, 120),
    "M 87": lambda name: joined(stars(name, 40), galaxies(name, 80), stars("clusters", 200, 60, 4)),
    "HUDF": lambda name: joined(stars(name, 12), galaxies(name, 900, 130)),
    "Beta Pictoris": lambda _: points((0, 0, 900, -0.8)),
    "HIP 65426": lambda _: points((0, 0, 500, -0.8), (0.45, -0.7, 6, 0.9)),
    "SN 1987A": lambda name: stars(name, 160, 60),
}


def cluster(name: str, count: int) -> Sources:
    """A rich cluster of galaxies round a giant, with the arcs that it lenses."""
    giant = Sources(*(np.array([value]) for value in (0.0, 0.0, 900.0, 0.2, 5.0, 0.6, 60.0)))
    return joined(stars(name, 45), galaxies(name, count, 130, crowded=True), arcs(name, 18, 28), giant)


def lonely(name: str) -> Sources:
    """One bright star and a few faint neighbours."""
    return joined(points((0, 0, 300, -0.6)), stars(name, 60, 100, 20))


@cache
def scene(target: str) -> Scene:
    """The scene of a target; a star alone in a thin field where no other is drawn."""
    return Scene(target, LIGHT.get(target, glow.dark), COMPACT.get(target, lonely)(target))
