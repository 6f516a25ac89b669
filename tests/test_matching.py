"""The filter on file names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from basket import matching
from basket.manifests import manifests_for
from basket.matching import Memory, asked, matches
from portal.models import Product
from tests.catalogue import Catalogue


@pytest.mark.parametrize(
    ("q", "name", "expected"),
    [
        ("CAL", "jw1_cal.fits", True),
        ("cal", "jw1_rate.fits", False),
        ("*.fits", "jw1_cal.fits", True),
        ("*.fits", "jw1_cal.fits.gz", False),
        ("jw*nrs1*", "jw1_nrs1_cal.fits", True),
        ("a*a", "a", False),
        ("*", "", True),
        ("-thumb", "jw1_thumb.jpg", False),
        ("!thumb", "jw1_cal.jpg", True),
        ("-*.jpg", "jw1_cal.jpg", False),
        ("-", "jw1-o001.fits", True),
        ("-", "jw1.fits", False),
        ("", "anything", True),
        (".", "x", False),
        ("[a", "[a].fits", True),
    ],
)
def test_a_text_is_a_part_of_the_name_or_a_pattern_or_the_opposite(q: str, name: str, expected: bool) -> None:
    assert asked(q)(name) is expected


@given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
def test_a_pattern_fits_as_a_regular_expression_would(pattern: str, name: str) -> None:
    if "*" in pattern:
        expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None
        assert asked(pattern)(name) is expected


def test_a_pattern_of_many_stars_is_decided_at_once() -> None:
    assert asked("*a" * 120 + "*b")("a" * 250) is False


def test_matches_are_rows_with_their_counts(db: None) -> None:
    catalogue = Catalogue()
    observation, empty = catalogue.filled("A_cal.fits", "b_rate.fits", "c_CAL.jpg"), catalogue.observation()
    manifests = manifests_for([observation.pk, empty.pk])
    found = matches("cal", [manifest.pk for manifest in manifests.values()])
    match = found[manifests[observation.pk].pk]
    assert match.rows.tolist() == [True, False, True]
    assert (match.counts["files"].sum(), match.counts["bytes"].sum()) == (2, 200)
    assert found[manifests[empty.pk].pk].rows.tolist() == []


def test_an_immutable_manifest_is_searched_once(db: None) -> None:
    observation = Catalogue().filled("a.fits", "b.fits")
    pk = manifests_for([observation.pk])[observation.pk].pk
    matches("a.", [pk])
    Product.objects.all().delete()
    assert matches("a.", [pk])[pk].rows.tolist() == [True, False]
    assert matches("b.", [pk])[pk].rows.tolist() == [False, True], "names are kept too"


def test_a_file_that_left_the_catalogue_shifts_no_other_name(db: None) -> None:
    observation = Catalogue().filled("a.fits", "b.fits", "c\nd.fits")
    pk = manifests_for([observation.pk])[observation.pk].pk
    Product.objects.filter(productFilename="a.fits").delete()
    assert matches("b.", [pk])[pk].rows.tolist() == [False, True, False]
    assert matches("d.", [pk])[pk].rows.tolist() == [False, False, True]


def test_the_memory_forgets_what_was_used_longest_ago() -> None:
    memory: Memory[str, int] = Memory(10)
    memory.put("a", 1, 4)
    memory.put("b", 2, 4)
    assert memory.get("a") == 1
    memory.put("c", 3, 4)
    assert [memory.get(key) for key in "abc"] == [1, None, 3]
    memory.put("a", 5, 6)
    assert [memory.get(key) for key in "ac"] == [5, 3]
    memory.put("d", 6, 11)
    assert [memory.get(key) for key in "acd"] == [None, None, None], "too heavy to keep at all"


def test_many_manifests_are_searched_in_portions(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "AT_ONCE", 2)
    catalogue = Catalogue()
    observations = [catalogue.filled(f"x{number}.fits") for number in range(5)]
    manifests = manifests_for([observation.pk for observation in observations])
    found = matches("x3", [manifest.pk for manifest in manifests.values()])
    assert sum(match.rows.sum() for match in found.values()) == 1
    assert len(found) == 5
