"""The version as an entity tag: who writes to what they saw, writes; who does not, changes nothing."""

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from basket import filling, keeping, removal, selection
from basket.facets import total_files
from basket.holders import Holder
from basket.models import Basket
from basket.page import Filters
from basket.versions import NotAsSeen, amount, etag, only_as_seen, only_if, seen_before, tag, unchanged
from portal.errors import Problem
from tests.catalogue import Catalogue, assert_lawful
from tests.test_merging import at_once

EVERYTHING = Filters(mrp=False)


@pytest.fixture
def basket(alice: User) -> Basket:
    """Two files, none selected."""
    made = keeping.opened(Holder(owner=alice.pk))
    filling.add_observations(made, [Catalogue().filled("a.fits", "b.fits").pk])
    return made


def test_the_tag_tells_basket_version_and_answer_apart(basket: Basket) -> None:
    one = etag(basket, 1, {"denied": 0})
    assert one.startswith(f'"{basket.pk}-1-')
    assert one == etag(basket, 1, {"denied": 0})
    assert len({one, etag(basket, 2, {"denied": 0}), etag(basket, 1, {"denied": 1}), etag(Basket(), 1, {})}) == 4
    assert (tag(basket), tag(Basket())) == (f"{basket.pk}-1", "0-0")


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ('"7-1-ab"', True),
        ('W/"7-1-ab"', True),
        ('"x", W/"7-1-ab" , "y"', True),
        ("*", True),
        ('"7-1"', False),
        ("7-1-ab", False),
        ("", False),
        ('"', False),
        ("nonsense \0", False),
        ('"7-1-ab", nonsense', False),
    ],
)
def test_if_none_match_is_read_as_the_standard_says(header: str, known: bool) -> None:
    assert unchanged('"7-1-ab"', header) is known


@given(st.text(max_size=50))
def test_no_header_is_a_server_error(header: str) -> None:
    unchanged('"7-1-ab"', header)


def test_writing_under_the_right_tag_succeeds_and_under_an_old_one_changes_nothing(basket: Basket) -> None:
    seen = etag(basket, basket.version, {"any": "filters"})
    with only_if(basket, seen):
        selection.select(basket, "", EVERYTHING, value=True)
    assert basket.version == 2
    with (
        pytest.raises(Problem, match="is at version 2 now") as refused,
        only_if(basket, seen),
    ):
        removal.clear(basket)
    assert (refused.value.status, refused.value.field, refused.value.code) == (412, "If-Match", "basket_changed")
    assert total_files(Basket.objects.get(pk=basket.pk)) == 2
    with only_if(basket, f'"0-0", "{tag(basket)}"'):
        removal.clear(basket)
    assert total_files(basket) == 0
    assert_lawful(basket)


@pytest.mark.parametrize("header", ["", "x", '"', "W/", '"a" b', '"' + "x" * 2000 + '"', "\0", ",", '"a"\n"b"'])
def test_nonsense_is_refused_and_changes_nothing(basket: Basket, header: str) -> None:
    with pytest.raises(Problem, match="no list of entity tags") as refused, only_if(basket, header):
        removal.clear(basket)
    assert refused.value.status == 400
    assert total_files(basket) == 2


def test_a_weak_tag_names_no_version_to_write_to(basket: Basket) -> None:
    with pytest.raises(Problem) as refused, only_if(basket, f'W/"{tag(basket)}"'):
        removal.clear(basket)
    assert refused.value.status == 412


def test_any_version_and_no_condition_write(basket: Basket) -> None:
    for header in ("*", None):
        with only_if(basket, header):
            selection.select(basket, "", EVERYTHING, value=header is None)
    assert basket.version == 3


def test_the_first_addition_may_have_a_condition(alice: User) -> None:
    holder, one = Holder(owner=alice.pk), Catalogue().filled("a.fits")
    basket = keeping.opened(holder)
    with pytest.raises(Problem), only_if(basket, '"1-1"'):
        filling.add_observations(basket, [one.pk])
    assert not Basket.objects.exists()
    basket, other = keeping.opened(holder), keeping.opened(holder)
    with only_if(basket, '"0-0"'):
        filling.add_observations(basket, [one.pk])
    assert total_files(Basket.objects.get()) == 1
    with pytest.raises(Problem), only_if(other, '"0-0"'):  # at the same time, in another tab
        filling.add_observations(other, [one.pk])


@pytest.mark.django_db(transaction=True)
def test_of_many_who_saw_the_same_version_one_writes() -> None:
    holder = Holder(owner=User.objects.create_user("alice").pk)
    filling.add_observations(keeping.opened(holder), [Catalogue().filled("a.fits", "b.fits").pk])
    for _ in range(5):
        seen = keeping.opened(holder)
        header = f'"{tag(seen)}"'

        def write() -> str:
            mine = keeping.opened(holder)
            try:
                with only_if(mine, header):  # noqa: B023 - all threads of this round end in it
                    selection.select(mine, "", EVERYTHING, value=True)
            except Problem as problem:
                return problem.code
            return "written"

        assert sorted(at_once(*[write] * 4)) == ["basket_changed"] * 3 + ["written"]
        assert keeping.opened(holder).version == seen.version + 1


def test_a_form_of_an_old_page_removes_only_what_it_showed(basket: Basket) -> None:
    selection.select(basket, "", Filters(mrp=False, q="a"), value=True)
    version, saw = str(basket.version), amount(basket, "selected")
    assert saw == "1-100"
    filling.add_observations(basket, [Catalogue().filled("c.fits").pk])  # elsewhere: the selection is as it was
    with only_as_seen(basket, version, "selected", saw):
        removal.remove_selected(basket)
    assert total_files(basket) == 2
    selection.select(basket, "", EVERYTHING, value=True)
    with (
        pytest.raises(NotAsSeen, match="with 2 files selected now"),
        only_as_seen(basket, version, "selected", saw),
    ):
        removal.remove_selected(basket)
    with pytest.raises(NotAsSeen, match="with 2 files in it now"), only_as_seen(basket, version, "all", "3-300"):
        removal.clear(basket)
    assert total_files(basket) == 2


def test_a_form_of_the_present_version_or_of_none_is_as_seen(basket: Basket) -> None:
    for version in (str(basket.version), "", "x", "²"):
        assert not seen_before(basket, version)
        with only_as_seen(basket, version, "selected", "9-9"):
            pass
    assert seen_before(basket, "0")
