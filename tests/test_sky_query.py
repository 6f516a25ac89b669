"""The sky index in the database: the same candidates as in memory, by way of the B-tree."""

import numpy as np
import pytest
from django.db import connection

from portal.models import Observation
from portal.sky import (
    LARGE,
    Footprint,
    cone_conditions,
    overlaps_cone,
    overlaps_polygon,
    parse_s_region,
    point_footprint,
    sky_columns,
)
from portal.sky_query import cone_q, polygon_q
from tests.random_sky import centers, in_cone, in_polygon, outline, random_sky

pytestmark = pytest.mark.django_db


def save(footprints: list[Footprint]) -> None:
    """One observation for each; its obsid is its place in the list."""
    columns = {name: values.tolist() for name, values in sky_columns(footprints).items()}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    Observation.objects.bulk_create(Observation(obsid=str(place), **row) for place, row in enumerate(rows))


def found(condition: object) -> list[int]:
    return sorted(map(int, Observation.objects.filter(condition).values_list("obsid", flat=True)))


def test_cones_and_polygons_find_exactly_what_brute_force_finds() -> None:
    sky = random_sky(seed=7, count=4000)
    footprints = [footprint for text in sky.texts if (footprint := parse_s_region(text))]
    save(footprints)
    rng = np.random.default_rng(8)
    hits = 0
    for ra, dec, exponent in zip(*centers(rng, 60), rng.uniform(-2, 0.9, 60), strict=True):
        at_ra, at_dec, size = float(ra), float(dec), float(10**exponent)
        places = found(cone_q(at_ra, at_dec, size))
        inside = overlaps_cone([footprints[place] for place in places], at_ra, at_dec, size)
        assert set(np.array(places, dtype=int)[inside].tolist()) == in_cone(sky, at_ra, at_dec, size)
        vertices = outline(rng, at_ra, at_dec, size, 5)
        corners = [(float(a), float(d)) for a, d in vertices]
        places = found(polygon_q(corners))
        inside = overlaps_polygon([footprints[place] for place in places], corners)
        truth = in_polygon(sky, vertices, at_ra, at_dec, size)
        assert set(np.array(places, dtype=int)[inside].tolist()) == truth
        hits += len(truth)
    assert hits > 200


def test_the_bounding_circle_keeps_far_away_footprints_of_the_same_zone_out() -> None:
    save([point_footprint(10, 20.09), point_footprint(10, 20.001)])
    assert {span.size_class for span in cone_conditions(10, 20, 0.01).ranges} == {0, 1, 2, 3}
    assert found(cone_q(10, 20, 0.01)) == [1]


def test_observations_without_a_position_are_never_found() -> None:
    save([point_footprint(10, 20)])
    Observation.objects.create(obsid="7")
    assert found(cone_q(10, 20, 180)) == [0]


def test_the_largest_footprints_are_candidates_everywhere() -> None:
    save([Footprint(circles=((10.0, 20.0, 30.0),)), point_footprint(10, 20)])
    assert Observation.objects.get(obsid="0").size_class == LARGE
    assert found(cone_q(200, -20, 0.01)) == [0]


@pytest.mark.parametrize("radius", [1e-6, 0.05, 3.0, 30.0, 170.0])
def test_every_footprint_within_reach_is_found_whatever_the_radius(radius: float) -> None:
    near, far = radius * 0.999, min(radius * 1.001 + 1, 180)
    save([point_footprint(ra, 0.0) for ra in (350 + near, 350 - near, 350 + far)])
    assert found(cone_q(350, 0, radius))[:2] == [0, 1]


def test_a_cone_of_most_of_the_sky_reaches_round_the_far_side() -> None:
    save([Footprint(circles=((170.0, 0.0, 15.0),))])
    assert found(cone_q(350, 0, 170)) == [0], "its centre is 180 degrees away, and the radii add up to 185"


@pytest.mark.parametrize("ra", [0.0, 180.0])
def test_the_database_goes_to_zone_and_right_ascension_by_the_index(ra: float) -> None:
    save([point_footprint(float(place), 20) for place in range(300)])
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = Observation.objects.filter(cone_q(ra, 20, 0.05)).explain()
    conditions = [line for line in plan.splitlines() if "Index Cond" in line]
    assert plan.count("on observation_sky") == len(conditions) >= 5
    assert sum("dec_zone = ANY" in line and "center_ra >=" in line for line in conditions) == len(conditions) - 1
    assert "Seq Scan" not in plan
