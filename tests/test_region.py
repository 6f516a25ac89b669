"""MAST's s_region in every form it comes in, and what is said of one that cannot be read."""

import contextlib
import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.sky import (
    Footprint,
    RegionError,
    footprint_of,
    overlaps_cone,
    parse_s_region,
    point_footprint,
    polygon_footprint,
    sky_columns,
)

SQUARE = (10.0, 0.0, 12.0, 0.0, 12.0, 2.0, 10.0, 2.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("POLYGON ICRS 10 0 12 0 12 2 10 2", Footprint(polygons=(SQUARE,))),
        ("POLYGON 10 0 12 0 12 2 10 2", Footprint(polygons=(SQUARE,))),
        ("polygon icrs 10 0 12 0 12 2 10 2 10 0", Footprint(polygons=(SQUARE,))),
        ("Polygon J2000  10 0  12 0  12 2  10 2", Footprint(polygons=(SQUARE,))),
        ("POLYGON UNKNOWNFRAME 10 0 12 0 12 2 10 2", Footprint(polygons=(SQUARE,))),
        ("POLYGON ICRS GEOCENTER SPHERICAL2 10 0 12 0 12 2 10 2", Footprint(polygons=(SQUARE,))),
        ("POLYGON FK5 -0.1 1 .1 1 0 -1e-1", Footprint(polygons=((-0.1, 1.0, 0.1, 1.0, 0.0, -0.1),))),
        ("CIRCLE ICRS 23.49 60.66 0.625", Footprint(circles=((23.49, 60.66, 0.625),))),
        ("POSITION ICRS 23.49 60.66", Footprint(circles=((23.49, 60.66, 0.0),))),
        ("UNION ICRS (CIRCLE 1 2 3 POLYGON 10 0 12 0 12 2 10 2)", Footprint((SQUARE,), ((1.0, 2.0, 3.0),))),
        ("UNION ICRS ( CIRCLE ICRS 1 2 3, CIRCLE ICRS 4 5 6 )", Footprint((), ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)))),
        ("POLYGON 10 0 12 0 12 2 10 2 POLYGON ICRS 10 0 12 0 12 2 10 2", Footprint((SQUARE, SQUARE))),
        ("", None),
        ("  \n", None),
        (None, None),
    ],
)
def test_every_form_of_s_region_is_read(text: str | None, expected: Footprint | None) -> None:
    assert parse_s_region(text) == expected


@pytest.mark.parametrize(
    ("text", "value", "reason"),
    [
        ("POLYGON ICRS 10 0 12 0 12 x", "X", "not a number"),
        ("POLYGON ICRS 10 0 12 0 12 2 10", "POLYGON 10", "7 numbers"),
        ("POLYGON ICRS 10 0 12 0", "POLYGON", "3 vertices"),
        ("POLYGON ICRS 10 0 12 0 12 95", "POLYGON", "declination 95"),
        ("POLYGON ICRS 10 0 12 0 1200 5", "POLYGON", "right ascension 1200"),
        ("POLYGON ICRS 10 0 12 0 nan 5", "POLYGON", "not a number"),
        ("POLYGON ICRS 10 0 12 0 1e999 5", "POLYGON", "not a number"),
        ("POLYGON ICRS 0 0 120 0 240 0", "POLYGON", "hemisphere"),
        ("CIRCLE ICRS 10 0", "CIRCLE", "number of values"),
        ("CIRCLE ICRS 10 0 -1", "CIRCLE", "radius -1"),
        ("CIRCLE ICRS 10 0 181", "CIRCLE", "radius 181"),
        ("CIRCLE GALACTIC 10 0 1", "GALACTIC", "ICRS"),
        ("ELLIPSE ICRS 10 0 1 2 3", "ELLIPSE", "POLYGON ICRS"),
        ("UNION ICRS (CIRCLE 1 2 3 NOT BOX 4 5 6)", "NOT", "shape"),
        ("UNION ICRS ()", "", "no shape"),
        ("UNION ICRS 1 2 (CIRCLE 1 2 3)", "UNION", "where shapes are expected"),
        ("10 0 12 0", "10", "shape"),
        ("POLYGON", "POLYGON", "0 numbers"),
        ("CIRCLE", "CIRCLE", "number of values"),
    ],
)
def test_a_malformed_s_region_is_named_with_its_reason(text: str, value: str, reason: str) -> None:
    with pytest.raises(RegionError) as caught:
        parse_s_region(text)
    assert caught.value.value.startswith(value)
    assert reason in caught.value.message
    assert caught.value.field == "s_region"


def test_an_observation_without_s_region_is_a_point() -> None:
    assert footprint_of("", 10.5, -20.0) == Footprint(circles=((10.5, -20.0, 0.0),))
    assert footprint_of("CIRCLE 1 2 3", 10.5, -20.0) == Footprint(circles=((1.0, 2.0, 3.0),))
    assert footprint_of(None, None, None) is None
    with pytest.raises(RegionError):
        point_footprint(10, 91)
    with pytest.raises(RegionError):
        point_footprint(math.nan, 0)


WORDS = "POLYGON circle UNION position ICRS GSC1 ( ) , NOT nan -inf 1e400 5 -5 10.5 91 1_0 ٣ é"
WORD = st.sampled_from(sorted(WORDS.split()))


@given(st.one_of(st.text(), st.lists(WORD, max_size=20).map(" ".join)))
def test_no_text_raises_anything_but_a_region_error(text: str) -> None:
    with contextlib.suppress(RegionError):
        footprint = parse_s_region(text)
        blank = not text.translate(str.maketrans("(),", "   ")).split()
        assert blank if footprint is None else len(sky_columns([footprint])["x"]) == 1


@given(st.lists(st.tuples(st.floats(100, 120), st.floats(-20, 20)), min_size=3, max_size=20, unique=True))
def test_a_written_polygon_is_read_as_it_was(vertices: list[tuple[float, float]]) -> None:
    numbers = " ".join(f"{ra!r} {dec!r}" for ra, dec in vertices)
    footprint = parse_s_region(f"POLYGON ICRS {numbers}")
    assert footprint == polygon_footprint(vertices)
    assert overlaps_cone([footprint], *vertices[0], 1e-6).all()


def test_every_recorded_s_region_is_read(shared: Path) -> None:
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in (shared / "data").rglob("*.*s*[nv]")]
    shape = re.compile(r"(?:POLYGON|CIRCLE) (?:ICRS |GSC1 |J2000 )?(?:\s*-?\d+\.\d+){3,}")
    regions = [found[0] for text in texts for found in shape.finditer(text)]
    assert len(regions) > 80
    index = sky_columns([footprint for footprint in map(parse_s_region, regions) if footprint])
    assert len(index["x"]) == len(regions)
    assert index["bounding_radius"].max() < 1


def test_a_recorded_footprint_lies_where_its_observation_points(shared: Path) -> None:
    answer = json.loads((shared / "data/mast-recorded/caom.json").read_text(encoding="utf-8"))
    rows = [row for row in answer["data"] if row["s_region"]]
    assert rows
    for row in rows:
        footprint = footprint_of(row["s_region"], row["s_ra"], row["s_dec"])
        assert footprint
        assert overlaps_cone([footprint], row["s_ra"], row["s_dec"], 0.02).all(), row["obs_id"]
