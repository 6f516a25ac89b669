"""The filter on file names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from basket import matching
from basket.manifests import manifests_for
from basket.matching import MATCHES, NAMES, lines, matches
from basket.memory import Memory
from basket.models import ManifestNames, ProductManifest
from basket.rows import Rows
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
    assert lines(q, name.lower().encode()).tolist() == [expected]


@given(st.text("ab*", max_size=8), st.lists(st.text("abé", max_size=10), min_size=1, max_size=6))
def test_a_pattern_fits_as_a_regular_expression_would(pattern: str, names: list[str]) -> None:
    if "*" in pattern:
        wanted = re.compile(".*".join(map(re.escape, pattern.split("*"))))
        expected = [wanted.fullmatch(name) is not None for name in names]
    else:
        expected = [pattern in name for name in names]
    text = "\n".join(names).encode()
    assert lines(pattern, text).tolist() == expected
    if pattern:
        assert lines(f"-{pattern}", text).tolist() == [not one for one in expected]


def test_a_pattern_of_many_stars_is_decided_at_once() -> None:
    assert lines("*a" * 120 + "*b", b"a" * 250).tolist() == [False]


@pytest.mark.parametrize("q", ["a\nb", "a*\n*b", "\ud800", "*\ud800"])
def test_what_no_name_holds_is_found_nowhere(q: str) -> None:
    assert lines(q, b"a\nb").tolist() == [False, False]


def rows(pk: int, q: str) -> list[bool]:
    """By row of a manifest, whether its name matches."""
    found = Rows([ProductManifest.objects.get(pk=pk).products])
    matching: list[bool] = found.unpack_bits([matches(q, [pk])[pk].bits]).tolist()
    return matching


def test_matches_are_rows_with_their_counts(db: None) -> None:
    catalogue = Catalogue()
    observation, empty = catalogue.filled("A_cal.fits", "b_rate.fits", "c_CAL.jpg"), catalogue.observation()
    manifests = manifests_for([observation.pk, empty.pk])
    found = matches("cal", [manifest.pk for manifest in manifests.values()])
    match = found[manifests[observation.pk].pk]
    assert rows(manifests[observation.pk].pk, "cal") == [True, False, True]
    assert (match.counts["files"].sum(), match.counts["bytes"].sum()) == (2, 200)
    assert rows(manifests[empty.pk].pk, "cal") == []


def test_an_immutable_manifest_is_searched_once_and_its_names_are_kept(db: None) -> None:
    observation = Catalogue().filled("a.fits", "b.fits")
    pk = manifests_for([observation.pk])[observation.pk].pk
    first = matches("a.", [pk])[pk]
    assert matches("a.", [pk])[pk] is first
    ManifestNames.objects.all().delete()
    assert rows(pk, "b.") == [False, True]


def test_what_a_process_forgot_it_reads_again(db: None) -> None:
    observation = Catalogue().filled("a.fits", "b.fits")
    pk = manifests_for([observation.pk])[observation.pk].pk
    first = matches("a.", [pk])[pk]
    MATCHES.clear()
    NAMES.clear()
    assert matches("a.", [pk])[pk] is not first
    assert rows(pk, "a.") == [True, False]


def test_names_are_those_of_the_list_whatever_becomes_of_the_files(db: None) -> None:
    observation = Catalogue().filled("a.fits", "b.fits", "c\nd.fits")
    pk = manifests_for([observation.pk])[observation.pk].pk
    Product.objects.filter(productFilename="a.fits").delete()
    assert rows(pk, "b.") == [False, True, False]
    assert rows(pk, "d.") == [False, False, True]


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
    memory.put("a", 1, 4)
    memory.clear()
    assert memory.get("a") is None


def test_many_manifests_are_searched_in_portions(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "ROWS_AT_ONCE", 2)
    catalogue = Catalogue()
    observations = [catalogue.filled(f"x{number}.fits") for number in range(5)]
    manifests = manifests_for([observation.pk for observation in observations])
    found = matches("x3", [manifest.pk for manifest in manifests.values()])
    assert sum(match.counts["files"].sum() for match in found.values()) == 1
    assert len(found) == 5
