"""Footprints on the sky: index columns, and what overlaps what, against brute force."""

import math
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from portal.sky import (
    LARGE,
    ConeConditions,
    Footprint,
    angular_distance,
    cone_conditions,
    overlaps_cone,
    overlaps_polygon,
    parse_s_region,
    point_footprint,
    polygon_footprint,
    sky_columns,
    sky_index,
    unit_vector,
)
from portal.sky.index import SIZE_LIMITS, SLACK, ZONE_HEIGHTS
from tests.random_sky import Bools, Sky, centers, in_cone, in_polygon, outline, random_sky

SQUARE = (10.0, 0.0, 12.0, 0.0, 12.0, 2.0, 10.0, 2.0)
RAS = st.floats(-180, 360, allow_nan=False)
DECS = st.floats(-90, 90, allow_nan=False)
Coordinates: Any = SkyCoord
Columns = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def sky() -> Sky:
    return random_sky(seed=20, count=20_000)


@pytest.fixture(scope="module")
def footprints(sky: Sky) -> list[Footprint]:
    found = [parse_s_region(text) for text in sky.texts]
    return [footprint for footprint in found if footprint]


@pytest.fixture(scope="module")
def columns(footprints: list[Footprint]) -> Columns:
    return sky_columns(footprints)


def candidates(columns: Columns, cone: ConeConditions) -> Bools:
    """The conditions, as a database would apply them."""
    size_class, zone, ra = columns["size_class"], columns["dec_zone"], columns["center_ra"]
    indexed = np.zeros(len(ra), dtype=bool)
    for span in cone.ranges:
        inside = (zone >= span.zone_low) & (zone <= span.zone_high) & (ra >= span.ra_low) & (ra <= span.ra_high)
        indexed |= inside & (size_class == span.size_class)
    cosine = columns["x"] * cone.x + columns["y"] * cone.y + columns["z"] * cone.z
    least = columns["cos_radius"] * cone.cos_radius - columns["sin_radius"] * cone.sin_radius
    bounded = cosine >= least - SLACK if cone.bounded else np.ones(len(ra), dtype=bool)
    found: Bools = (indexed & bounded) | (size_class == LARGE)
    return found


def test_five_hundred_cones_find_exactly_what_brute_force_finds(
    sky: Sky, footprints: list[Footprint], columns: Columns
) -> None:
    rng = np.random.default_rng(1)
    radii = 10 ** rng.uniform(-3.5, 1, 520)
    hits = asked = 0
    for ra, dec, radius in zip(*centers(rng, 520), radii, strict=True):
        chosen = np.flatnonzero(candidates(columns, cone_conditions(ra, dec, radius)))
        inside = overlaps_cone([footprints[place] for place in chosen], ra, dec, radius)
        truth = in_cone(sky, ra, dec, radius)
        assert set(chosen[inside].tolist()) == truth, (ra, dec, radius)
        hits, asked = hits + len(truth), asked + len(chosen)
    assert hits > 10_000
    assert hits < asked < 3 * hits, "the index lets through little more than what overlaps"


def test_three_hundred_polygons_find_exactly_what_brute_force_finds(
    sky: Sky, footprints: list[Footprint], columns: Columns
) -> None:
    rng = np.random.default_rng(2)
    sizes = 10 ** rng.uniform(-1.8, 0.9, 320)
    hits = 0
    for ra, dec, size in zip(*centers(rng, 320), sizes, strict=True):
        vertices = outline(rng, ra, dec, size, rng.integers(3, 8))
        corners = [(float(a), float(d)) for a, d in vertices]
        circle = sky_index(polygon_footprint(corners))
        cone = cone_conditions(circle.center_ra, circle.center_dec, circle.bounding_radius)
        chosen = np.flatnonzero(candidates(columns, cone))
        inside = overlaps_polygon([footprints[place] for place in chosen], corners)
        truth = in_polygon(sky, vertices, ra, dec, size)
        assert set(chosen[inside].tolist()) == truth, corners
        hits += len(truth)
    assert hits > 5_000


def test_the_exact_tests_need_no_index(sky: Sky, footprints: list[Footprint]) -> None:
    rng = np.random.default_rng(3)
    for ra, dec in zip(*centers(rng, 6), strict=True):
        found = overlaps_cone(footprints, ra, dec, 3.0)
        assert set(np.flatnonzero(found).tolist()) == in_cone(sky, ra, dec, 3.0)
        vertices = outline(rng, ra, dec, 3.0, 5)
        found = overlaps_polygon(footprints, [(float(a), float(d)) for a, d in vertices])
        assert set(np.flatnonzero(found).tolist()) == in_polygon(sky, vertices, ra, dec, 3.0)


def test_a_cone_reaches_a_polygon_exactly_at_the_distance_of_its_densely_sampled_outline() -> None:
    rng = np.random.default_rng(4)
    for size in (1e-4, 0.01, 0.5, 12.0):
        for ra, dec in zip(*centers(rng, 5), strict=True):
            vertices = outline(rng, ra, dec, size, 5)
            footprint = polygon_footprint([(float(a), float(d)) for a, d in vertices])
            ends = Coordinates(vertices[:, 0], vertices[:, 1], unit="deg").cartesian.xyz.value.T
            steps = np.linspace(0, 1, 2001)[:, None, None]
            points = (ends + steps * (np.roll(ends, -1, axis=0) - ends)).reshape(-1, 3)
            outlined = Coordinates(*points.T, representation_type="cartesian").spherical
            away = Coordinates(ra, dec, unit="deg").directional_offset_by(
                rng.uniform(0, 360) * units.deg, 3 * size * units.deg
            )
            distance = away.separation(Coordinates(outlined.lon, outlined.lat)).deg.min()
            place = (away.ra.deg, away.dec.deg)
            assert overlaps_cone([footprint], *place, distance * (1 + 1e-5)).all()
            assert not overlaps_cone([footprint], *place, distance * (1 - 1e-5)).any()


@given(
    st.tuples(RAS, DECS),
    st.floats(1e-6, 180),
    st.tuples(RAS, DECS),
    st.sampled_from([0.0, 0.001, 0.02, 0.1, 1.9, 19.9, 40.0]),
    st.integers(0, 9),
)
def test_the_index_never_loses_an_overlap(
    center: tuple[float, float], radius: float, place: tuple[float, float], size: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shapes = [Footprint(circles=((*place, size),))]
    if size:
        vertices = outline(rng, *place, size, 3 + seed % 5)
        shapes.append(Footprint(polygons=(tuple(map(float, vertices.ravel())),)))
    found = candidates(sky_columns(shapes), cone_conditions(*center, radius))
    assert (found | ~overlaps_cone(shapes, *center, radius)).all()


def test_every_footprint_lies_inside_its_bounding_circle(footprints: list[Footprint], columns: Columns) -> None:
    for place in range(0, len(footprints), 50):
        footprint, center = footprints[place], (columns["center_ra"][place], columns["center_dec"][place])
        radius = columns["bounding_radius"][place]
        for polygon in footprint.polygons:
            assert angular_distance(*center, polygon[::2], polygon[1::2]).max() < radius
        for ra, dec, reach in footprint.circles:
            assert angular_distance(*center, ra, dec) + reach < radius


def test_index_columns_are_consistent(columns: Columns) -> None:
    assert ((columns["center_ra"] >= 0) & (columns["center_ra"] < 360)).all()
    assert np.allclose(columns["cos_radius"] ** 2 + columns["sin_radius"] ** 2, 1)
    assert np.allclose(columns["x"] ** 2 + columns["y"] ** 2 + columns["z"] ** 2, 1)
    for size_class, (limit, height) in enumerate(zip(SIZE_LIMITS, ZONE_HEIGHTS, strict=True)):
        mine = columns["size_class"] == size_class
        assert mine.sum() > 50
        assert (columns["bounding_radius"][mine] <= limit).all()
        above = columns["center_dec"][mine] + 90 - columns["dec_zone"][mine] * height
        assert ((above > -1e-9) & (above < height + 1e-9)).all()


def test_one_footprints_index_is_that_of_many() -> None:
    shapes = [point_footprint(359.999, -90.0), Footprint(polygons=(SQUARE,), circles=((14.0, 1.0, 0.5),))]
    many = sky_columns(shapes)
    for place, shape in enumerate(shapes):
        index = sky_index(shape)
        assert {name: getattr(index, name) for name in many} == {name: many[name][place].item() for name in many}
    assert type(index.size_class) is int
    assert index.bounding_radius == pytest.approx(2.9, abs=0.1)


def test_no_footprints_at_all_are_no_trouble() -> None:
    assert sky_columns([])["center_ra"].shape == (0,)
    assert overlaps_cone([], 0, 0, 1).shape == (0,)
    assert overlaps_polygon([], [(0, 0), (1, 0), (0, 1)]).shape == (0,)


def test_shapes_on_opposite_sides_of_the_sky_are_one_large_footprint() -> None:
    both = Footprint(circles=((0.0, 90.0, 0.1), (0.0, -90.0, 0.1)))
    assert sky_index(both).size_class == LARGE
    assert candidates(sky_columns([both]), cone_conditions(77, -89.95, 0.01)).all()
    assert overlaps_cone([both], 77, -89.95, 0.01).all()
    assert not overlaps_cone([both], 77, 0, 1).any()


def test_shapes_that_balance_exactly_have_a_centre_all_the_same() -> None:
    ring = Footprint(circles=tuple((ra, 0.0, 0.1) for ra in (0.0, 0.0, 180.0, -180.0)))
    index = sky_index(ring)
    assert index.size_class == LARGE
    assert math.hypot(index.x, index.y, index.z) == pytest.approx(1)


def test_a_hair_below_ra_0_is_indexed_as_ra_0() -> None:
    assert sky_index(point_footprint(-1e-20, 5)).center_ra == 0


def test_a_cone_across_ra_0_has_two_intervals_and_one_at_the_pole_has_all() -> None:
    wrapped = [span for span in cone_conditions(0.01, 10, 0.1).ranges if span.size_class == 0]
    assert [(span.ra_low == 0, span.ra_high == 360) for span in wrapped] == [(True, False), (False, True)]
    assert all(span.all_ra for span in cone_conditions(10, 89.95, 0.1).ranges)
    plain = cone_conditions(180, 10, 0.1).ranges
    assert len(plain) == len(SIZE_LIMITS)
    assert not any(span.all_ra for span in plain)


def test_the_whole_sky_is_a_cone_of_180_degrees(footprints: list[Footprint], columns: Columns) -> None:
    assert candidates(columns, cone_conditions(10, 20, 180)).all()
    assert overlaps_cone(footprints[:500], 10, 20, 180).all()


@pytest.mark.parametrize(
    ("ra", "dec", "radius", "expected"),
    [
        (11, 1, 1e-6, True),  # well inside, no edge within reach
        (9, 0, 1.0, True),  # touches a vertex
        (9, 0, 0.999999, False),
        (10, 0, 1e-9, True),  # at a vertex
        (191, -1, 1e-6, False),  # the antipode of the inside
        (191, -1, 179, True),
        (11, -0.5, 0.5, True),  # nearest to the middle of an edge
        (11, -0.5, 0.49999, False),
    ],
)
def test_cones_against_a_square(ra: float, dec: float, radius: float, expected: bool) -> None:
    backwards = tuple(value for place in range(6, -2, -2) for value in SQUARE[place : place + 2])
    shapes = [Footprint(polygons=(polygon,)) for polygon in (SQUARE, backwards)]
    assert overlaps_cone(shapes, ra, dec, radius).tolist() == [expected, expected]


def test_the_notch_of_a_concave_polygon_is_outside() -> None:
    arrow = polygon_footprint([(0, 0), (4, 0), (4, 4), (2, 1), (0, 4)])
    assert overlaps_cone([arrow], 2, 0.5, 1e-4).all()
    assert not overlaps_cone([arrow], 2, 3, 0.5).any()
    assert not overlaps_polygon([arrow], [(1.8, 3), (2.2, 3), (2, 3.5)]).any()


def test_a_polygon_round_the_pole_holds_the_pole() -> None:
    cap = polygon_footprint([(0, 80), (90, 80), (180, 80), (270, 80)])
    assert overlaps_cone([cap], 123, 90, 1e-6).all()
    assert not overlaps_cone([cap], 123, -90, 1e-6).any()
    assert overlaps_polygon([cap], [(10, 89), (130, 89), (250, 89)]).all()


@pytest.mark.parametrize("size", [1e-7, 1e-4, 1.0])
def test_footprints_of_a_milliarcsecond_are_told_apart(size: float) -> None:
    ra, dec = 283.396, 33.029
    vertices = [(ra, dec), (ra + size, dec), (ra + size, dec + size), (ra, dec + size)]
    shape = polygon_footprint(vertices)
    assert overlaps_cone([shape], ra + size / 2, dec + size / 2, size * 1e-3).all()
    assert overlaps_cone([shape], ra + size / 2, dec + 2 * size, size * 1.01).all()
    assert not overlaps_cone([shape], ra + size / 2, dec + 2 * size, size * 0.98).any()
    assert overlaps_polygon([shape], vertices).all(), "it overlaps itself"


def test_degenerate_polygons_are_points_and_lines() -> None:
    point = polygon_footprint([(5, 5), (5, 5), (5, 5)])
    line = polygon_footprint([(0, 0), (10, 0), (5, 0)])
    assert overlaps_cone([point, line], 5, 5, 1e-6).tolist() == [True, False]
    assert overlaps_cone([point, line], 2, 1, 1.1).tolist() == [False, True]
    assert overlaps_polygon([point, line], [(4, -1), (6, -1), (6, 6), (4, 6)]).tolist() == [True, True]
    assert overlaps_polygon([point, line], [(7, -1), (8, -1), (8, 6), (7, 6)]).tolist() == [False, True]


def test_polygons_cross_where_no_vertex_lies_inside_the_other() -> None:
    wide, tall = [(0, 4), (10, 4), (10, 6), (0, 6)], [(4, 0), (6, 0), (6, 10), (4, 10)]
    antipodal = [(184, 0), (186, 0), (186, -10), (184, -10)]
    assert overlaps_polygon([polygon_footprint(wide)], tall).all()
    assert not overlaps_polygon([polygon_footprint(wide)], antipodal).any()


def test_distances_agree_with_astropy_and_are_exact_for_tiny_and_antipodal_ones() -> None:
    rng = np.random.default_rng(5)
    (ra1, dec1), (ra2, dec2) = centers(rng, 1000), centers(rng, 1000)
    expected = Coordinates(ra1, dec1, unit="deg").separation(Coordinates(ra2, dec2, unit="deg")).deg
    assert np.allclose(angular_distance(ra1, dec1, ra2, dec2), expected, rtol=1e-12, atol=1e-12)
    assert angular_distance(10, 0, 10, 1e-13) == pytest.approx(1e-13, rel=1e-9)
    assert angular_distance(10, 30, 190, -30 + 1e-7) == pytest.approx(180 - 1e-7, abs=1e-12)
    assert angular_distance(0, 90, 123, 90) == pytest.approx(0, abs=1e-14)
    assert angular_distance(0.0, 5, 360.0, 5) == pytest.approx(0, abs=1e-12)
    assert unit_vector(90, 0) == pytest.approx((0, 1, 0))
