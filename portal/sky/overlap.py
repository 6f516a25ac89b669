"""The exact test: which footprints overlap a cone or a polygon on the sphere.

Edges are great-circle arcs, boundaries belong to the shape, polygons may be concave and have any number of
vertices. Polygons with equally many vertices are tested together. Differences of nearby vectors rather than
the vectors themselves keep full precision for footprints of a few milliarcseconds.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from portal.sky.region import Footprint, polygon_footprint
from portal.sky.sphere import Floats, angles, cross, dot, norm, unit_vectors

Bools = NDArray[np.bool_]

TOUCH = 1e-11
"""Radians (2 microarcsec) up to which shapes count as touching."""
_BLOCK = 200_000
"""Edges, or pairs of edges, that are worked on at once: some tens of MB."""


def overlaps_cone(footprints: Sequence[Footprint], ra: float, dec: float, radius: float) -> Bools:
    """For each footprint, whether it overlaps the circle round (ra, dec); all in degrees, radius up to 180."""
    target = unit_vectors(ra, dec)
    reach = np.radians(radius) + TOUCH
    return _overlaps(
        footprints,
        pairs=1,
        polygon_test=lambda rings: _separation(target, rings) <= reach,
        circle_test=lambda centers, radii: angles(centers, target) <= radii + reach,
    )


def overlaps_polygon(footprints: Sequence[Footprint], vertices: Sequence[tuple[float, float]]) -> Bools:
    """For each footprint, whether it overlaps the polygon of (ra, dec) vertices in degrees.

    Either way round, closed or not, less than a hemisphere; a polygon that crosses itself encloses every
    point that it winds round. Raises RegionError where the vertices make no such polygon.
    """
    flat = np.array(polygon_footprint(vertices).polygons[0])
    query = unit_vectors(flat[::2], flat[1::2])
    return _overlaps(
        footprints,
        pairs=len(query),
        polygon_test=lambda rings: _meets(rings, query),
        circle_test=lambda centers, radii: _separation(centers, query) <= radii + TOUCH,
    )


def _overlaps(
    footprints: Sequence[Footprint],
    *,
    pairs: int,
    polygon_test: Callable[[Floats], Bools],
    circle_test: Callable[[Floats, Floats], Bools],
) -> Bools:
    """Whether any shape of a footprint passes its test."""
    found = np.zeros(len(footprints), dtype=np.bool_)
    for owners, rings in _rings(footprints, pairs):
        found[owners[polygon_test(rings)]] = True
    owners, centers, radii = _circles(footprints)
    found[owners[circle_test(centers, radii)]] = True
    return found


def _rings(footprints: Sequence[Footprint], pairs: int) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """Polygons with equally many vertices, in blocks: owners (m,) and unit vectors (m, vertices, 3)."""
    groups: dict[int, tuple[list[int], list[tuple[float, ...]]]] = {}
    for owner, footprint in enumerate(footprints):
        for polygon in footprint.polygons:
            owners, polygons = groups.setdefault(len(polygon), ([], []))
            owners.append(owner)
            polygons.append(polygon)
    for values, (owners, polygons) in groups.items():
        step = max(1, _BLOCK // (values // 2 * pairs))
        for start in range(0, len(owners), step):
            block = np.array(polygons[start : start + step])
            yield np.array(owners[start : start + step]), unit_vectors(block[:, ::2], block[:, 1::2])


def _circles(footprints: Sequence[Footprint]) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Owners (m,), centres as unit vectors (m, 3) and radii in radians (m,) of all circles."""
    found = [(owner, *circle) for owner, footprint in enumerate(footprints) for circle in footprint.circles]
    values = np.array(found, dtype=np.float64).reshape(-1, 4)
    return values[:, 0].astype(np.int64), unit_vectors(values[:, 1], values[:, 2]), np.radians(values[:, 3])


def _separation(points: Floats, rings: Floats) -> Floats:
    """Angles in radians from points (..., 3) to polygons (..., vertices, 3); 0 inside. Shapes broadcast."""
    point = points[..., None, :]
    to_start = point - rings
    nearest = np.minimum(_to_vertices(to_start), _to_edges(point, rings, to_start))
    return np.where(_winds_round(points, rings, to_start), 0.0, nearest)


def _winds_round(points: Floats, rings: Floats, to_start: Floats) -> Bools:
    """Whether the edges, as seen from a point, turn once round it.

    They look the same from its antipode, which is told apart by the side on which the polygon's mean lies.
    """
    here = cross(to_start, points[..., None, :])
    there = np.roll(here, -1, axis=-2)
    turn = np.arctan2(dot(points[..., None, :], cross(here, there)), dot(here, there)).sum(axis=-1)
    inside: Bools = (np.abs(turn) > np.pi) & (dot(points, rings.sum(axis=-2)) > 0.0)
    return inside


def _to_vertices(to_start: Floats) -> Floats:
    """Angle to the nearest vertex."""
    chord = np.sqrt(dot(to_start, to_start).min(axis=-1))
    nearest: Floats = 2.0 * np.arcsin(np.minimum(chord / 2.0, 1.0))
    return nearest


def _to_edges(point: Floats, rings: Floats, to_start: Floats) -> Floats:
    """Angle to the nearest edge on which the foot of the perpendicular lies; pi where there is none."""
    ends = np.roll(rings, -1, axis=-2)
    edges = ends - rings
    normals = cross(rings, edges)
    length = norm(normals)
    after_start = dot(edges, to_start) - dot(rings, edges) * dot(rings, to_start)
    to_end = point - ends
    before_end = dot(ends, edges) * dot(ends, to_end) - dot(edges, to_end)
    foot = (after_start >= 0.0) & (before_end >= 0.0) & (length > 0.0)
    sine = np.abs(dot(normals, to_start)) / np.where(length > 0.0, length, 1.0)
    nearest = np.where(foot, sine, np.inf).min(axis=-1)
    return np.where(np.isfinite(nearest), np.arcsin(np.minimum(nearest, 1.0)), np.pi)


def _meets(rings: Floats, query: Floats) -> Bools:
    """Whether polygons (m, n, 3) overlap one polygon (k, 3): a vertex inside or on the other, or edges cross."""
    met: Bools = np.any(_separation(rings, query) <= TOUCH, axis=-1)
    rest = np.flatnonzero(~met)
    met[rest] = np.any(_separation(query, rings[rest, None]) <= TOUCH, axis=-1)
    rest = np.flatnonzero(~met)
    met[rest] = _edges_cross(rings[rest], query)
    return met


def _edges_cross(rings: Floats, query: Floats) -> Bools:
    """Whether any edge of each polygon (m, n, 3) crosses any edge of one polygon (k, 3)."""
    ends, query_ends = np.roll(rings, -1, axis=-2), np.roll(query, -1, axis=-2)
    normals, query_normals = cross(rings, ends - rings), cross(query, query_ends - query)
    side = rings @ query_normals.T
    query_side = normals @ query.T
    straddle = (side * np.roll(side, -1, axis=1) < 0.0) & (query_side * np.roll(query_side, -1, axis=2) < 0.0)
    ring, edge, query_edge = np.nonzero(straddle)
    # The planes meet in two opposite points: both edges must pass through the same one
    line = cross(normals[ring, edge], query_normals[query_edge])
    middle, query_middle = (rings + ends)[ring, edge], (query + query_ends)[query_edge]
    crossed = np.zeros(len(rings), dtype=np.bool_)
    crossed[ring[dot(line, middle) * dot(line, query_middle) > 0.0]] = True
    return crossed
