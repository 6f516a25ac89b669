"""A random sky with everything that goes wrong in it, and a brute-force answer to what overlaps what.

Written without portal.sky and by other means: the sky is projected onto the plane that touches it at the
centre of the query, where great circles are straight lines (gnomonic), and plane geometry decides.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MOST_VERTICES = 9


@dataclass(frozen=True)
class Sky:
    """Footprints as s_region texts, and their shapes as arrays; sizes (degrees) are distances never exceeded."""

    texts: list[str]
    polygon_owner: NDArray[np.int64]
    polygons: Floats  # (polygons, MOST_VERTICES, 3), the last vertex repeated
    polygon_size: Floats
    circle_owner: NDArray[np.int64]
    circles: Floats
    circle_radius: Floats


def vectors(ra: ArrayLike, dec: ArrayLike) -> Floats:
    a, d = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)


def basis(center: Floats) -> tuple[Floats, Floats]:
    """Two directions at right angles to a unit vector (..., 3) and to one another."""
    helper = np.where(np.abs(center[..., 2:]) < 0.9, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])
    east = np.cross(helper, center)
    east /= np.linalg.norm(east, axis=-1, keepdims=True)
    return east, np.cross(center, east)


def centers(rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Clustered, at both poles, across RA 0, and anywhere, in degrees."""
    ra, dec = rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))
    kind = rng.choice(
        ["cluster", "pole", "exact pole", "wrap", "equinox", "any"], count, p=[0.5, 0.06, 0.02, 0.06, 0.02, 0.34]
    )
    offset = rng.normal(0, 1, (2, count))
    ra = np.where(kind == "cluster", (ra // 60 * 60 + 30 + 2 * offset[0]) % 360, ra)
    dec = np.where(kind == "cluster", np.clip(dec // 45 * 45 + 20 + 2 * offset[1], -90, 90), dec)
    dec = np.where(kind == "pole", np.sign(dec) * (90 - np.minimum(np.abs(offset[1]), 30)), dec)
    dec = np.where(kind == "exact pole", np.sign(dec) * 90, dec)
    ra = np.where(kind == "wrap", 0.5 * offset[0], ra)
    return np.where(kind == "equinox", 0.0, ra), np.where(kind == "equinox", np.round(dec, -1), dec)


def outline(rng: np.random.Generator, ra: float, dec: float, size: float, count: int | np.integer) -> Floats:
    """Vertices (count, 2) in degrees of a simple polygon, often concave, either way round."""
    turns = np.sort((np.arange(count) + rng.uniform(-0.2, 0.2, count)) / count * 2 * np.pi)
    reach = np.tan(np.radians(size)) * rng.uniform(0.35, 1.0, count)
    center = vectors(ra, dec)
    east, north = basis(center)
    around = center + (reach * np.cos(turns))[:, None] * east + (reach * np.sin(turns))[:, None] * north
    vertex_ra = np.degrees(np.arctan2(around[:, 1], around[:, 0])) + rng.choice([0, 360])
    vertex_dec = np.degrees(np.arctan2(around[:, 2], np.hypot(around[:, 0], around[:, 1])))
    return np.stack([vertex_ra, vertex_dec], axis=-1)[:: rng.choice([-1, 1])]


def random_sky(seed: int, count: int) -> Sky:
    """15 % points, the rest 0.5 arcmin to 12 degrees; polygons, circles, several of them, closed or not."""
    rng = np.random.default_rng(seed)
    share = rng.random(count)
    size = np.select(
        [share < 0.15, share < 0.85, share < 0.96, share < 0.99],
        [np.zeros(count), rng.uniform(0.5, 6, count) / 60, rng.uniform(0.5, 1.5, count), np.full(count, 6.0)],
        12.0,
    )
    texts, polygons, circles = [], [], []
    for owner, (ra, dec, radius) in enumerate(zip(*centers(rng, count), size, strict=True)):
        text = []
        for neighbour in range(rng.choice([1, 2, 3], p=[0.9, 0.07, 0.03])):
            at_dec = float(np.clip(dec + 2.5 * radius * neighbour, -90, 90))
            if radius == 0 or rng.random() < 0.1:
                circles.append((owner, ra, at_dec, radius))
                text.append(f"CIRCLE ICRS {float(ra)!r} {at_dec!r} {float(radius)!r}")
            else:
                vertices = outline(rng, ra, at_dec, radius, rng.integers(3, MOST_VERTICES))
                polygons.append((owner, vertices, radius))
                text.append(polygon_text(rng, vertices))
        texts.append(" ".join(text))
    return _packed(texts, polygons, circles)


def polygon_text(rng: np.random.Generator, vertices: Floats) -> str:
    """As MAST writes it: with a frame or none, closed or not, a vertex twice."""
    written = vertices[
        np.sort(np.append(np.arange(len(vertices)), rng.integers(len(vertices), size=rng.integers(2))))
    ]
    if rng.random() < 0.3:
        written = np.concatenate([written, written[:1]])
    frame = rng.choice(["ICRS ", "J2000 ", "GSC1 ", ""])
    return f"POLYGON {frame}" + " ".join(repr(float(value)) for value in written.ravel())


def _packed(
    texts: list[str], polygons: list[tuple[int, Floats, float]], circles: list[tuple[int, float, float, float]]
) -> Sky:
    padded = [vertices[np.minimum(np.arange(MOST_VERTICES), len(vertices) - 1)] for _, vertices, _ in polygons]
    flat, rows = np.array(padded), np.array(circles)
    return Sky(
        texts,
        np.array([owner for owner, _, _ in polygons]),
        vectors(flat[..., 0], flat[..., 1]),
        np.array([size for _, _, size in polygons]),
        rows[:, 0].astype(np.int64),
        vectors(rows[:, 1], rows[:, 2]),
        rows[:, 3],
    )


def near(points: Floats, center: Floats, degrees: Floats) -> Bools:
    """Which unit vectors lie within so many degrees of a centre."""
    away: Bools = np.linalg.norm(points - center, axis=-1) <= 2 * np.sin(np.radians(degrees) / 2)
    return away


def flat(points: Floats, center: Floats) -> Floats:
    """Gnomonic projection (..., 2) of unit vectors less than 90 degrees from the centre."""
    east, north = basis(center)
    depth = (points * center).sum(-1)
    assert depth.min(initial=1.0) > 0
    return np.stack([(points * east).sum(-1) / depth, (points * north).sum(-1) / depth], axis=-1)


def holds(polygon: Floats, point: Floats) -> Bools:
    """Ray casting: whether plane polygons (..., n, 2) hold points (..., 2)."""
    x, y = polygon[..., 0] - point[..., None, 0], polygon[..., 1] - point[..., None, 1]
    next_x, next_y = np.roll(x, -1, axis=-1), np.roll(y, -1, axis=-1)
    spans = (y > 0) != (next_y > 0)
    rise = np.where(spans, next_y - y, 1.0)
    inside: Bools = (spans & (x - y * (next_x - x) / rise > 0)).sum(axis=-1) % 2 == 1
    return inside


def to_outline(polygon: Floats) -> Floats:
    """Distances of the origin from the outlines of plane polygons (..., n, 2)."""
    step = np.roll(polygon, -1, axis=-2) - polygon
    square = (step**2).sum(-1)
    along = np.clip(-(polygon * step).sum(-1) / np.where(square > 0, square, 1.0), 0.0, 1.0)
    distance: Floats = np.linalg.norm(polygon + along[..., None] * step, axis=-1).min(axis=-1)
    return distance


def outlines_cross(polygons: Floats, query: Floats) -> Bools:
    """Whether any side of plane polygons (m, n, 2) crosses any side of one (k, 2)."""
    a, b = polygons[:, :, None], np.roll(polygons, -1, axis=1)[:, :, None]
    c, d = query[None, None], np.roll(query, -1, axis=0)[None, None]

    def turn(p: Floats, q: Floats, r: Floats) -> Floats:
        return (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (
            r[..., 0] - p[..., 0]
        )

    crossing = (turn(a, b, c) * turn(a, b, d) < 0) & (turn(c, d, a) * turn(c, d, b) < 0)
    found: Bools = np.any(crossing, axis=(1, 2))
    return found


def in_cone(sky: Sky, ra: float, dec: float, radius: float) -> set[int]:
    """Footprints that overlap a cone of up to 20 degrees, by brute force."""
    center = vectors(ra, dec)
    close = np.flatnonzero(near(sky.polygons[:, 0], center, radius + 2 * sky.polygon_size + 1))
    plane = flat(sky.polygons[close], center)
    hit = holds(plane, np.zeros(2)) | (to_outline(plane) <= np.tan(np.radians(radius)))
    round_hit = near(sky.circles, center, sky.circle_radius + radius)
    return _owners(sky.polygon_owner[close[hit]], sky.circle_owner[round_hit])


def in_polygon(sky: Sky, vertices: Floats, ra: float, dec: float, size: float) -> set[int]:
    """Footprints that overlap a polygon within ``size`` degrees of a centre, by brute force."""
    center, query = vectors(ra, dec), vectors(vertices[:, 0], vertices[:, 1])
    close = np.flatnonzero(near(sky.polygons[:, 0], center, size + 2 * sky.polygon_size + 1))
    plane, query_plane = flat(sky.polygons[close], center), flat(query, center)
    hit = outlines_cross(plane, query_plane) | holds(plane, query_plane[0])
    hit |= holds(query_plane, plane[:, 0])
    near_circles = np.flatnonzero(near(sky.circles, center, sky.circle_radius + size + 1))
    from_circle = flat(query, sky.circles[near_circles, None])
    reach = np.tan(np.radians(sky.circle_radius[near_circles]))
    round_hit = holds(from_circle, np.zeros(2)) | (to_outline(from_circle) <= reach)
    return _owners(sky.polygon_owner[close[hit]], sky.circle_owner[near_circles[round_hit]])


def _owners(*found: Iterable[np.int64]) -> set[int]:
    return {int(owner) for owners in found for owner in owners}
