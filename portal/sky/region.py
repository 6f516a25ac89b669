"""Footprints, and MAST's s_region column: STC-S as MAST writes it.

Source: IVOA note STC-S 1.33, and the rows themselves, which add frames of their own (GSC1), leave the frame
out, close a polygon or not, and have negative right ascensions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_SHAPES = frozenset({"POLYGON", "CIRCLE", "POSITION", "UNION"})
_OTHER_SHAPES = frozenset(
    {"BOX", "ELLIPSE", "CONVEX", "NOT", "INTERSECTION", "ALLSKY", "POSITIONINTERVAL", "RANGE"}
)
# All equatorial at J2000: GSC1 differs from ICRS by less than an arcsecond, the rest by milliarcseconds
_FRAMES = frozenset({"ICRS", "J2000", "FK5", "GSC1", "GSC2", "UNKNOWNFRAME", "UNKNOWN"})
_OTHER_FRAMES = frozenset({"FK4", "B1950", "GALACTIC", "GALACTIC_II", "ECLIPTIC", "SUPER_GALACTIC"})
_REFERENCES = frozenset(
    {"BARYCENTER", "GEOCENTER", "HELIOCENTER", "TOPOCENTER", "UNKNOWNREFPOS", "SPHERICAL2", "SPHER2"}
)
_SEPARATORS = str.maketrans("(),", "   ")
_WAY = "Write POLYGON ICRS ra dec ra dec ra dec, or CIRCLE ICRS ra dec radius, in degrees"


class RegionError(ValueError):
    """An s_region or a polygon that cannot be read; ``value`` is the part that is wrong."""

    field = "s_region"

    def __init__(self, value: str, reason: str) -> None:
        self.value = value[:60]
        self.message = f"s_region “{self.value}” {reason}."
        super().__init__(self.message)


@dataclass(frozen=True, slots=True)
class Footprint:
    """What an observation covers: the union of its shapes, in ICRS degrees. A point is a circle of radius 0.

    ``polygons``: each ``(ra, dec, ra, dec, ...)``, not closed, either way round, convex or not, within a
    hemisphere. ``circles``: each ``(ra, dec, radius)``.
    """

    polygons: tuple[tuple[float, ...], ...] = ()
    circles: tuple[tuple[float, float, float], ...] = ()

    def __post_init__(self) -> None:
        if not (self.polygons or self.circles):
            raise RegionError("", f"has no shape in it. {_WAY}")


def footprint_of(s_region: str | None, s_ra: float | None, s_dec: float | None) -> Footprint | None:
    """An observation's s_region, else its point, else None. Raises RegionError."""
    footprint = parse_s_region(s_region)
    if footprint is None and s_ra is not None and s_dec is not None:
        return point_footprint(s_ra, s_dec)
    return footprint


def point_footprint(ra: float, dec: float) -> Footprint:
    """A point, for an observation without s_region. Raises RegionError."""
    _check_positions((ra, dec), f"{ra} {dec}")
    return Footprint(circles=((ra, dec, 0.0),))


def polygon_footprint(vertices: Sequence[tuple[float, float]]) -> Footprint:
    """One polygon of (ra, dec) vertices in degrees. Raises RegionError."""
    flat = [float(value) for vertex in vertices for value in vertex]
    return Footprint(polygons=(_polygon(flat, "POLYGON " + " ".join(f"{value:g}" for value in flat)),))


def parse_s_region(text: str | None) -> Footprint | None:
    """Footprint of an s_region; None where it is blank. Raises RegionError.

    Reads POLYGON, CIRCLE and POSITION, one or several, inside ``UNION ( ... )`` or one behind the other.
    """
    words = (text or "").translate(_SEPARATORS).upper().split()
    if not words:
        return None
    starts = [place for place, word in enumerate(words) if word in _SHAPES]
    if not starts or starts[0]:
        raise RegionError(words[0], f"is not a shape that can be read. {_WAY}")
    polygons: list[tuple[float, ...]] = []
    circles: list[tuple[float, float, float]] = []
    for start, end in pairwise([*starts, len(words)]):
        _read(words[start], words[start + 1 : end], polygons, circles)
    return Footprint(tuple(polygons), tuple(circles))


def _read(
    shape: str, words: list[str], polygons: list[tuple[float, ...]], circles: list[tuple[float, float, float]]
) -> None:
    """One shape: its frame, then its numbers."""
    while words and words[0] in _FRAMES | _REFERENCES:
        words = words[1:]
    numbers = _numbers(words)
    shown = " ".join([shape, *words])
    if shape == "POLYGON":
        polygons.append(_polygon(numbers, shown))
    elif shape == "CIRCLE":
        circles.append(_circle(numbers, shown))
    elif shape == "POSITION":
        circles.append(_circle([*numbers, 0.0], shown))
    elif numbers:
        raise RegionError(shown, f"has numbers where shapes are expected. {_WAY}")


def _numbers(words: list[str]) -> list[float]:
    numbers: list[float] = []
    for word in words:
        try:
            numbers.append(float(word))
        except ValueError:
            raise RegionError(word, _why_no_number(word)) from None
    return numbers


def _why_no_number(word: str) -> str:
    if word in _OTHER_SHAPES:
        return f"is not a shape that can be read. {_WAY}"
    if word in _OTHER_FRAMES:
        return "is not a frame that can be read. Give the region in ICRS"
    return f"is not a number. {_WAY}"


def _polygon(numbers: list[float], shown: str) -> tuple[float, ...]:
    """Vertices without the closing one. An odd number of values, fewer than three vertices: RegionError."""
    if len(numbers) % 2 or len(numbers) < 6:
        raise RegionError(
            shown, f"has {len(numbers)} numbers; a polygon has an RA and a Dec for 3 vertices or more"
        )
    _check_positions(numbers, shown)
    if numbers[:2] == numbers[-2:]:
        numbers = numbers[:-2]
    ra, dec = numbers[::2], numbers[1::2]
    # Two vertices are never further apart than their differences in RA and in Dec together
    if max(ra) - min(ra) + max(dec) - min(dec) >= 90 and not _in_one_hemisphere(ra, dec):
        raise RegionError(
            shown, "spans a hemisphere or more, so that its inside is unknown. Give several polygons"
        )
    return tuple(numbers)


def _circle(numbers: list[float], shown: str) -> tuple[float, float, float]:
    if len(numbers) != 3:
        raise RegionError(shown, f"has the wrong number of values. {_WAY}")
    ra, dec, radius = numbers
    _check_positions((ra, dec), shown)
    if not 0 <= radius <= 180:
        raise RegionError(shown, f"has radius {radius:g}, outside 0 to 180 degrees")
    return ra, dec, radius


def _check_positions(numbers: Sequence[float], shown: str) -> None:
    """RA in [-360, 720]: mosaics across RA 0 are written with -0.1 or 360.1. Dec in [-90, 90]."""
    if not all(map(math.isfinite, numbers)):
        raise RegionError(shown, "has a coordinate that is not a number")
    ra, dec = numbers[::2], numbers[1::2]
    if min(dec) < -90 or max(dec) > 90:
        worst = max(dec, key=abs)
        raise RegionError(shown, f"has declination {worst:g}, outside -90 to +90 degrees")
    if min(ra) < -360 or max(ra) > 720:
        worst = max(ra, key=lambda value: abs(value - 180))
        raise RegionError(shown, f"has right ascension {worst:g}, outside 0 to 360 degrees")


def _in_one_hemisphere(ra: Sequence[float], dec: Sequence[float]) -> bool:
    """Whether every vertex is less than 90 degrees from their common mean."""
    vectors = [
        (
            math.cos(math.radians(d)) * math.cos(math.radians(a)),
            math.cos(math.radians(d)) * math.sin(math.radians(a)),
            math.sin(math.radians(d)),
        )
        for a, d in zip(ra, dec, strict=True)
    ]
    mean = [math.fsum(axis) for axis in zip(*vectors, strict=True)]
    return all(sum(m * v for m, v in zip(mean, vector, strict=True)) > 1e-9 for vector in vectors)
