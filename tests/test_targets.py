"""The built-in list of targets: positions that everybody knows, and names as people type them."""

import math

import pytest

from portal.targets import LISTED, Target, lookup, names, normal

# Independent of the list: SIMBAD as quoted in papers, deg
WELL_KNOWN = {
    "M57": (283.396, 33.029),
    "Crab Nebula": (83.633, 22.0145),
    "M31": (10.6847, 41.2688),
    "M101": (210.8024, 54.3488),
    "M87": (187.7059, 12.3911),
    "Vega": (279.2347, 38.7837),
    "SMACS 0723": (110.8343, -73.4542),
    "HUDF": (53.1625, -27.7914),
    "TRAPPIST-1": (346.6224, -5.0414),
    "WASP-39": (217.3267, -3.4445),
    "Beta Pic": (86.8212, -51.0664),
    "Cas A": (350.85, 58.815),
    "Sgr A*": (266.4168, -29.0078),
}


def separation(target: Target, ra: float, dec: float) -> float:
    """Arcmin between a target and a position, small angles."""
    return 60 * math.hypot((target.ra - ra) * math.cos(math.radians(dec)), target.dec - dec)


@pytest.mark.parametrize("name", WELL_KNOWN)
def test_well_known_targets_are_within_an_arcminute(name: str) -> None:
    found = lookup(name)
    assert found is not None
    assert separation(found, *WELL_KNOWN[name]) < 1


def test_all_messier_objects_are_listed() -> None:
    assert [number for number in range(1, 111) if lookup(f"M{number}") is None] == []


@pytest.mark.parametrize(
    "spelling",
    [
        "m57",
        "M 57",
        "Messier 057",
        "MESSIER-57",
        "NGC6720",
        "ngc 6720",
        "ring  nebula",
        "Ring Nebula",
        "RING-NEBULA",
    ],
)
def test_one_target_has_many_spellings(spelling: str) -> None:
    assert lookup(spelling) == lookup("M 57")


def test_greek_letters_are_read() -> None:
    assert lookup("β Pic") == lookup("beta pictoris")
    assert lookup("π Men") == lookup("Pi Mensae")


@pytest.mark.parametrize("unknown", ["", " ", "M 111", "M", "NGC", "no such object", "57"])
def test_an_unknown_name_finds_nothing(unknown: str) -> None:
    assert lookup(unknown) is None


def test_every_name_finds_its_own_target_and_no_other() -> None:
    owners: dict[str, str] = {}
    for target, aliases in LISTED:
        for name in (target.name, *aliases):
            assert owners.setdefault(normal(name), target.name) == target.name
            assert lookup(name) == target
    assert len(names()) > 300


def test_positions_are_on_the_sphere() -> None:
    for target, _aliases in LISTED:
        assert 0 <= target.ra < 360
        assert -90 <= target.dec <= 90


def test_neighbours_on_the_sky_are_neighbours_in_the_list() -> None:
    pairs = {
        ("M 31", "M 32"): 24,
        ("M 81", "M 82"): 37,
        ("M 42", "M 43"): 8,
        ("M 65", "M 66"): 20,
        ("M 84", "M 86"): 17,
    }
    for (one, other), arcmin in pairs.items():
        first, second = lookup(one), lookup(other)
        assert first is not None
        assert second is not None
        assert separation(first, second.ra, second.dec) == pytest.approx(arcmin, abs=1.5)
