"""What is typed into the search box: names, positions and radii."""

from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from portal.coordinates import (
    DEFAULT_RADIUS,
    LONGEST,
    CoordinateError,
    Query,
    format_sexagesimal,
    galactic_to_icrs,
    parse,
    parse_position,
    parse_ra_dec,
    parse_radius,
)

SOUTH = (153.0558333, -45.2008333)
M51 = (202.4696, 47.1952)
Coordinates: Any = SkyCoord


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10 12 13.4 -45 12 03", SOUTH),
        ("10:12:13.4 -45:12:03", SOUTH),
        ("10h12m13.4s -45d12m03s", SOUTH),
        ("10h 12m 13.4s -45d 12m 03s", SOUTH),
        ("10h 12m 13.4s −45° 12′ 03″", SOUTH),
        ("10ʰ12ᵐ13.4ˢ –45°12'03\"", SOUTH),
        ("10H12M13.4S,-45D12M03S", SOUTH),
        ("10 12 13.4, -45 12 03", SOUTH),
        ("10 12 13.4,-45 12 03", SOUTH),
        ("10,12,13.4,-45,12,03", SOUTH),
        ("10:12:13.4-45:12:03", SOUTH),
        ("10 : 12 : 13.4  -45 : 12 : 03", SOUTH),
        ("10 hours 12 min 13.4 sec -45 degrees 12 arcmin 3 arcsec", SOUTH),
        ("RA=10:12:13.4 Dec=-45:12:03 (J2000)", SOUTH),
        ("\u00a0153.0558333\t-45.2008333\n", SOUTH),
        ("153.0558333-45.2008333", SOUTH),
        ("153.0558333d -45d12m3s", SOUTH),
        ("10:12:13.4 -45.2008333", SOUTH),
        ("-10.5 20", (349.5, 20)),
        ("14h03m12.6s+54d20m56.7s", (210.8025, 54.3490833)),
        ("14h03m12.6s54d20m56.7s", (210.8025, 54.3490833)),
        ("14 03 54 20", (210.75, 54.3333333)),
        ("14 03.5 54 20.5", (210.875, 54.3416667)),
        ("14 03 +54 20 56.7", (210.75, 54.3490833)),
        ("202.4696 47.1952", M51),
        ("202.4696, +47.1952", M51),
        ("202.4696;47.1952", M51),
        ("202.4696d 47.1952d", M51),
        ("202.4696° 47.1952°", M51),
        ("202.4696 47.1952 ICRS", M51),
        ("J2000 202.4696 47.1952", M51),
        ("202d28m10.56s 47d11m42.72s", M51),
        ("13.497973333h 47.1952d", M51),
        ("1e-5 20", (1e-5, 20)),
        ("0 -0 30 00", (0, -0.5)),
        ("0 0 0 -0 30 00", (0, -0.5)),
        ("24:00:00 +90:00:00", (0, 90)),
        ("360 -90", (0, -90)),
        ("-1e-30 5", (0, 5)),
    ],
)
def test_every_form_of_a_position_is_read(text: str, expected: tuple[float, float]) -> None:
    query = parse(text)
    assert (query.ra, query.dec) == pytest.approx(expected, abs=1e-7)
    assert query.name == ""
    assert query.radius == DEFAULT_RADIUS


@pytest.mark.parametrize("word", ["gal", "galactic", "GAL", "Galactic", "g", "(gal)"])
def test_galactic_positions_become_icrs(word: str) -> None:
    query = parse(f"104.8516 68.5607 {word} r=1m")
    assert (query.ra, query.dec) == pytest.approx(M51, abs=1e-4)
    assert query.radius == pytest.approx(1 / 60)


def test_galactic_sexagesimal_is_degrees_in_both_coordinates() -> None:
    assert parse("104:51:05.76 68:33:38.52 gal") == parse("104.8516 68.5607 gal")


def test_the_galactic_rotation_agrees_with_astropy() -> None:
    rng = np.random.default_rng(1)
    longitude, latitude = rng.uniform(0, 360, 500), np.degrees(np.arcsin(rng.uniform(-1, 1, 500)))
    ours = np.array([galactic_to_icrs(*place) for place in zip(longitude, latitude, strict=True)])
    astropys = Coordinates(longitude, latitude, unit="deg", frame="galactic").icrs
    separation = Coordinates(ours[:, 0], ours[:, 1], unit="deg").separation(astropys)
    # Astropy goes by way of FK5, which is turned against ICRS by 0.02 arcsec
    assert separation.max() < 0.05 * units.arcsec


@pytest.mark.parametrize(
    "text",
    [
        "10h12m13.4s -45d12m03s",
        "14h03m12.6s +54d20m56.7s",
        "202.4696d 47.1952d",
        "202d28m10.56s 47d11m42.72s",
        "0h0m0s -0d0m1s",
    ],
)
def test_astropy_reads_the_same_position(text: str) -> None:
    expected = Coordinates(text)
    assert parse_position(text) == pytest.approx((expected.ra.deg, expected.dec.deg), abs=1e-10)


@pytest.mark.parametrize(
    "name",
    [
        "m57", "M 31", "NGC 6720", "HD 209458", "2MASS J0523-1403", "WASP-39", "3C 273", "47 Tuc", "55 Cnc e",
        "Barnard's star", "TIC 307210830", "L 98-59", "G 29-38", "0957+561", "PKS 0405-385", "1H 0707-495",
        "2S 0114+650", "1E 0657-558", "1E0657-56", "4U 1820-30", "2M1207", "30 Dor", "Sgr A*", "V838 Mon",
        "SDSS J140312.6+542056", "1 Ceres", "C/2022 E3", "HR 8799", "β Pic", "10 Lac", "RA", "d 5",
    ],
)  # fmt: skip
def test_names_are_names(name: str) -> None:
    assert parse(name) == Query(DEFAULT_RADIUS, name=name)
    assert parse(f" {name}  r=1m ").name == name


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("m57 r=1m", 1 / 60),
        ("M57 r=0.5d", 0.5),
        ("m57 r=20s", 20 / 3600),
        ("m57 r=.5", 0.5),
        ("m57 r=+1e-1", 0.1),
        ("m57, r = 3 arcmin", 0.05),
        ("m57 R=3'", 0.05),
        ("m57 r=3′", 0.05),
        ('m57 r=30"', 30 / 3600),
        ('m57 r=30 "', 30 / 3600),
        ("m57 r=30''", 30 / 3600),
        ("m57 radius=2 degrees", 2),
        ("m57 r=2 deg", 2),
        ("m57 r=2°", 2),
        ("m57 r=5arcseconds", 5 / 3600),
        ("r=1m m57", 1 / 60),
        ("m57 r=180", 180),
        ("m57", DEFAULT_RADIUS),
    ],
)
def test_every_form_of_a_radius_is_read(text: str, degrees: float) -> None:
    query = parse(text)
    assert query.name.lower() == "m57"
    assert query.radius == pytest.approx(degrees)


def test_a_radius_in_the_text_comes_before_the_one_given_with_it() -> None:
    assert parse("m57", radius=2).radius == 2
    assert parse("m57 r=1d", radius=2).radius == 1


@pytest.mark.parametrize(
    ("text", "field", "value", "hint"),
    [
        ("", "target", "", "M57"),
        ("  \u200b ", "target", "  \u200b ", "M57"),
        ("r=1m", "target", "r=1m", "M57"),
        ("m57 r=abc", "radius", "abc", "r=3m"),
        ("m57 r=", "radius", "", "r=3m"),
        ("m57 r=nan", "radius", "nan", "r=3m"),
        ("m57 r=-1", "radius", "-1", "more than zero"),
        ("m57 r=1,5d", "radius", "1,5d", "r=0.5d"),
        ("m57 r=−1m", "radius", "−1m", "more than zero"),
        ("m57 r=0", "radius", "0", "r=1s"),
        ("m57 r=181", "radius", "181", "180 degrees is the most"),
        ("m57 r=1m r=2m", "radius", "r=1m r=2m", "one r="),
        ("10 95", "target", "95", "-90 to +90"),
        ("10 12 13 -90 00 01", "target", "-90 00 01", "-90 to +90"),
        ("400 10", "target", "400", "0 to 360"),
        ("-181 10", "target", "-181", "0 to 360"),
        ("202 28 10.6 +47 11 42", "target", "202 28 10.6", "202.4696111d"),
        ("10 60 00 -45 00 00", "target", "10 60 00", "60 minutes"),
        ("10 00 00 -45 00 60", "target", "-45 00 60", "60 seconds"),
        ("10 12.5 13 -45 12 03", "target", "10 12.5 13", "decimal minutes"),
        ("10.5 12 13 -45 12 03", "target", "10.5 12 13 -45 12 03", "283.396"),
        ("10 12 13", "target", "10 12 13", "283.396"),
        ("10h12m13s", "target", "10h12m13s", "283.396"),
        ("10 12 13.4 -45h12m", "target", "-45h12m", "degrees"),
        ("2733", "target", "2733", "program"),
        ("202,5 47,2", "target", "202,5 47,2", "283.396"),
        ("202,5 47.2", "target", "202,5 47.2", "283.396"),
        ("10 20 B1950", "target", "10 20 B1950", "J2000"),
        ("M57 " * 100, "target", ("M57 " * 100)[:LONGEST], "one target"),
    ],
)
def test_what_cannot_be_read_is_named_with_a_way_forward(text: str, field: str, value: str, hint: str) -> None:
    with pytest.raises(CoordinateError) as caught:
        parse(text)
    assert (caught.value.field, caught.value.value) == (field, value)
    assert hint in caught.value.message
    assert caught.value.message.endswith(".")


def test_two_fields_are_read_and_named_apart() -> None:
    assert parse_ra_dec("202.4696", "+47:11:42.72") == pytest.approx(M51)
    for ra, dec, field in (("x", "1", "ra"), ("1", "", "dec"), ("1", "95", "dec"), ("361", "1", "ra")):
        with pytest.raises(CoordinateError) as caught:
            parse_ra_dec(ra, dec)
        assert caught.value.field == field


def test_a_name_keeps_nothing_invisible() -> None:
    assert parse("\ufeffM\u200b57\x00").name == "M57"


@pytest.mark.parametrize(
    ("ra", "dec", "expected"),
    [
        (202.4696, 47.1952, ("13:29:52.704", "+47:11:42.72")),
        (0, -0.0, ("00:00:00.000", "+00:00:00.00")),
        (359.9999999, -89.9999999, ("00:00:00.000", "-90:00:00.00")),
        (14.9999999, 59.9999999, ("01:00:00.000", "+60:00:00.00")),
        (-15, -0.5, ("23:00:00.000", "-00:30:00.00")),
        (0, -1e-9, ("00:00:00.000", "+00:00:00.00")),
    ],
)
def test_degrees_are_written_as_hours_and_degrees(ra: float, dec: float, expected: tuple[str, str]) -> None:
    assert format_sexagesimal(ra, dec) == expected


@pytest.mark.parametrize(("ra", "dec"), [(float("nan"), 0), (0, float("nan")), (float("inf"), 0), (0, 90.1)])
def test_no_position_is_not_written(ra: float, dec: float) -> None:
    with pytest.raises(CoordinateError):
        format_sexagesimal(ra, dec)


@given(st.floats(0, 359.9999), st.floats(-90, 90))
def test_a_written_position_is_read_as_it_was(ra: float, dec: float) -> None:
    written = format_sexagesimal(ra, dec)
    found = parse_position(" ".join(written))
    assert found is not None
    assert abs(found[0] - ra + 180) % 360 - 180 == pytest.approx(0, abs=0.0005 / 240 * 1.001)
    assert found[1] == pytest.approx(dec, abs=0.005 / 3600 * 1.001)
    assert format_sexagesimal(*found) == written


@given(
    st.floats(0, 359.9999).filter(lambda ra: ra == 0 or ra > 1e-90),
    st.floats(-90, 90).filter(lambda dec: dec == 0 or abs(dec) > 1e-90),
    st.sampled_from([" ", ", ", " +", "d "]),
)
def test_degrees_are_read_to_the_last_bit(ra: float, dec: float, between: str) -> None:
    between = between.replace("+", "+" if dec >= 0 and not str(dec).startswith("-") else "")
    assert parse_position(f"{ra!r}{between}{dec!r}") == (ra, dec)


PIECE = st.one_of(
    st.sampled_from([*"0123456789.,:;+-−hdms°'\"ep= ", "r=", "gal", "J2000", "RA", "dec", "min", "1e308", "٣"]),
    st.floats().map(repr),
    st.integers().map(str),
)


@given(st.one_of(st.text(), st.lists(PIECE, max_size=40).map("".join)))
def test_no_text_raises_anything_but_a_coordinate_error(text: str) -> None:
    try:
        query = parse(text)
    except CoordinateError as error:
        message = error.message
        assert error.field in {"target", "radius"}, message  # noqa: PT017 - either outcome is fine
        return
    assert 0 < query.radius <= 180
    if query.ra is None or query.dec is None:
        assert query.name
        assert query.name.isprintable()
    else:
        assert query.name == ""
        assert 0 <= query.ra < 360
        assert -90 <= query.dec <= 90


@given(st.text(max_size=30))
def test_no_radius_raises_anything_but_a_coordinate_error(text: str) -> None:
    try:
        assert 0 < parse_radius(text) <= 180
    except CoordinateError as error:
        assert error.field == "radius"  # noqa: PT017 - either outcome is fine


@pytest.mark.parametrize(
    "text", ["1" * LONGEST, "1." * 127, "1 " * 127, "h1" * 127, "h" * 125 + "1" * 125, "-" * LONGEST]
)
def test_long_nonsense_is_answered_too(text: str) -> None:
    try:
        assert parse(text).name
    except CoordinateError as error:
        assert error.field == "target"  # noqa: PT017 - either outcome is fine
