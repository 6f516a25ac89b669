"""Several baskets of one holder: named, one of them open, removed and brought back."""

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from basket import filling, keeping
from basket.facets import total_files
from basket.holders import Holder
from basket.models import Basket
from portal.errors import Problem
from tests.catalogue import Catalogue, assert_lawful

NOW = timezone.now()


@pytest.fixture
def holder(alice: User) -> Holder:
    return Holder(owner=alice.pk)


def fill(basket: Basket, *names: str) -> Basket:
    filling.add_observations(basket, [Catalogue().filled(name).pk for name in names])
    return basket


def titles(holder: Holder) -> list[str]:
    return [one.name for one in keeping.listed(holder)]


def test_nothing_is_stored_before_something_comes_in(holder: Holder) -> None:
    basket = keeping.opened(holder)
    assert basket.pk is None
    assert basket.title == "Basket"
    assert not keeping.listed(holder)
    fill(basket, "a.fits")
    assert keeping.opened(holder) == basket
    assert not Basket.objects.exclude(pk=basket.pk).exists()


def test_a_new_basket_is_empty_and_open_and_the_one_before_is_kept(holder: Holder) -> None:
    first = fill(keeping.opened(holder), "a.fits", "b.fits")
    second = keeping.new(holder, "  M57,\n NIRCam ", timezone.now())
    assert (second.name, total_files(second), keeping.opened(holder)) == ("M57, NIRCam", 0, second)
    fill(keeping.opened(holder), "c.fits")
    one, other = keeping.listed(holder)
    assert (one.id, one.name, one.open, one.observations, one.files, one.bytes) == (
        second.pk,
        "M57, NIRCam",
        True,
        1,
        1,
        100,
    )
    assert (other.id, other.name, other.open, other.files, other.selected) == (first.pk, "Basket", False, 2, 0)


def test_a_basket_without_a_name_gets_a_number(holder: Holder) -> None:
    for _ in range(3):
        keeping.new(holder, " ", timezone.now())
    assert titles(holder) == ["Basket 3", "Basket 2", "Basket 1"]


def test_switching_opens_the_other_one(holder: Holder) -> None:
    first = fill(keeping.opened(holder), "a.fits")
    keeping.new(holder, "Other", timezone.now())
    keeping.switch(holder, first.pk, timezone.now())
    assert keeping.opened(holder) == first


def test_a_removed_basket_can_be_brought_back_and_is_open_again(holder: Holder) -> None:
    fill(keeping.opened(holder), "a.fits")
    gone = fill(keeping.new(holder, "Gone", timezone.now()), "b.fits")
    keeping.remove(holder, gone.pk, NOW)
    assert keeping.remove(holder, gone.pk, NOW) == gone  # in two tabs
    assert titles(holder) == ["Basket"]
    assert list(keeping.removed(holder, NOW - timedelta(days=1))) == [gone]
    assert keeping.bring_back(holder, gone.pk) == keeping.bring_back(holder, gone.pk)
    assert keeping.opened(holder) == gone
    assert_lawful(gone)


def test_after_the_last_one_was_removed_a_fresh_one_begins(holder: Holder) -> None:
    first = fill(keeping.opened(holder), "a.fits")
    keeping.remove(holder, first.pk, NOW)
    fresh = fill(keeping.opened(holder), "b.fits", "c.fits")
    assert fresh != first
    keeping.bring_back(holder, first.pk)
    assert {one.files for one in keeping.listed(holder)} == {1, 2}


def test_what_is_written_to_a_removed_basket_is_refused(holder: Holder) -> None:
    basket = fill(keeping.opened(holder), "a.fits")
    keeping.remove(holder, basket.pk, NOW)
    with pytest.raises(Problem, match="This basket is gone") as refused:
        fill(basket, "b.fits")
    assert (refused.value.status, refused.value.code) == (409, "basket_gone")


@pytest.mark.parametrize("act", ["switch", "rename", "remove", "bring_back"])
def test_somebody_elses_basket_is_answered_like_none(holder: Holder, bob: User, act: str) -> None:
    theirs = fill(keeping.opened(Holder(owner=bob.pk)), "a.fits")
    acts = {
        "switch": lambda pk: keeping.switch(holder, pk, NOW),
        "rename": lambda pk: keeping.rename(holder, pk, "Mine"),
        "remove": lambda pk: keeping.remove(holder, pk, NOW),
        "bring_back": lambda pk: keeping.bring_back(holder, pk),
    }
    told = []
    for pk in (theirs.pk, 987_654_321):
        with pytest.raises(Problem) as refused:
            acts[act](pk)
        told.append((refused.value.status, refused.value.message))
    assert told[0] == told[1] == (404, "There is no such basket among yours.")


@pytest.mark.parametrize(
    ("name", "told"), [(" \n", "is missing"), ("x" * 81, "at most 80 letters; this one has 81")]
)
def test_a_name_that_cannot_be_says_why(holder: Holder, name: str, told: str) -> None:
    basket = fill(keeping.opened(holder), "a.fits")
    with pytest.raises(Problem, match=told) as refused:
        keeping.rename(holder, basket.pk, name)
    assert (refused.value.status, refused.value.field) == (422, "name")


def test_there_is_an_end_to_baskets(holder: Holder) -> None:
    Basket.objects.bulk_create(Basket(key=f"k{n}", owner_id=holder.owner) for n in range(keeping.MOST))
    with pytest.raises(Problem, match="You have 100 baskets") as refused:
        keeping.new(holder, "One more", NOW)
    assert refused.value.status == 409


def test_two_strangers_keep_apart() -> None:
    one, other = Holder(stranger="one"), Holder(stranger="other")
    assert one.key != other.key
    assert Holder().among(Basket.objects.all()).query.is_empty()
    assert one.among(Basket.objects.all()).query != other.among(Basket.objects.all()).query


@pytest.mark.django_db(transaction=True)
def test_switching_in_four_tabs_at_once_leaves_one_open() -> None:
    alice = User.objects.create_user("alice")
    holder = Holder(owner=alice.pk)
    made = [keeping.new(holder, str(number), timezone.now()) for number in range(4)]
    start, errors = threading.Barrier(4), []

    def switch(basket: Basket) -> None:
        try:
            start.wait()
            for _ in range(5):
                keeping.switch(holder, basket.pk, timezone.now())
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=switch, args=(one,)) for one in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert [one.open for one in keeping.listed(holder)] == [True, False, False, False]
