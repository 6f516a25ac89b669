"""What was taken away lately: told in words, brought back, and forgotten after thirty days."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from basket import filling, keeping, merging, recently_removed, removal, saved_filters, selection, sharing, tasks
from basket.facets import total_files
from basket.holders import Holder
from basket.models import Basket, BasketItem, Joining, Removal, RemovedFiles, SavedFilters, Share
from basket.page import Filters
from tests.catalogue import Catalogue, assert_lawful

EVERYTHING = Filters(mrp=False)


@pytest.fixture
def holder(alice: User) -> Holder:
    return Holder(owner=alice.pk)


def filled(holder: Holder, count: int) -> Basket:
    """Observations jw0, jw1… of two files each."""
    basket, catalogue = keeping.opened(holder), Catalogue()
    made = [catalogue.filled(f"{n}a.fits", f"{n}b.fits", obs_id=f"jw{n}") for n in range(count)]
    filling.add_observations(basket, [one.pk for one in made])
    return basket


def told(holder: Holder) -> list[str]:
    rows = list(recently_removed.removals(holder, timezone.now()))
    return [one.what for one in recently_removed.described(rows)]


def test_each_act_is_told_the_last_first(holder: Holder) -> None:
    basket = filled(holder, 6)
    removal.remove_observations(
        basket, BasketItem.objects.filter(position=5).values_list("observation", flat=True)
    )
    selection.select(basket, "", Filters(mrp=False, q="a.fits"), value=True)
    removal.remove_selected(basket)
    removal.clear(basket)
    assert told(holder) == [
        "5 files of jw0, jw1, jw2 and 2 more",
        "5 files of jw0, jw1, jw2 and 2 more",
        "2 files of jw5",
    ]
    [last, *_] = recently_removed.described(list(recently_removed.removals(holder, timezone.now())))
    assert (last.basket, last.basket_name, last.files, last.bytes) == (basket.pk, "Basket", 5, 500)


def test_what_was_brought_back_is_told_no_more_and_a_second_time_is_harmless(holder: Holder) -> None:
    basket = filled(holder, 2)
    removal.clear(basket)
    [row] = recently_removed.removals(holder, timezone.now())
    filling.add_observations(basket, RemovedFiles.objects.values_list("observation", flat=True)[:1])
    for _ in range(2):
        removal.undo(basket, row.pk)
        assert total_files(basket) == 4
        assert told(holder) == []
    assert_lawful(basket)


def test_removals_of_every_basket_are_told_and_of_nobody_else(holder: Holder, bob: User) -> None:
    removal.clear(filled(holder, 1))
    keeping.new(holder, "Other", timezone.now())
    removal.clear(filled(holder, 1))
    assert len(told(holder)) == 2
    assert told(Holder(owner=bob.pk)) == told(Holder(stranger="")) == []


def test_describing_many_costs_as_many_queries_as_describing_one(
    holder: Holder, django_assert_num_queries: Callable[[int], Any]
) -> None:
    basket = filled(holder, 5)
    for pk in list(BasketItem.objects.values_list("observation", flat=True)):
        removal.remove_observations(basket, [pk])
    rows = list(recently_removed.removals(holder, timezone.now()))
    for some in (rows[:1], rows):
        with django_assert_num_queries(3):
            assert len(recently_removed.described(some)) == len(some)


def test_after_thirty_days_everything_is_gone(holder: Holder) -> None:
    now = timezone.now()
    removal.clear(filled(holder, 2))
    row = saved_filters.save(holder, "Mine", EVERYTHING)
    saved_filters.remove(holder, row.pk, now)
    gone = filled_other(holder)
    keeping.remove(holder, gone.pk, now)
    almost, after = now + timedelta(days=29, hours=23), now + timedelta(days=30, hours=1)
    assert len(list(recently_removed.removals(holder, almost))) == 1
    assert not list(recently_removed.removals(holder, after))
    assert not list(recently_removed.baskets(holder, after))
    assert not list(recently_removed.filters(holder, after))
    assert recently_removed.forget(almost) == 0
    assert recently_removed.forget(after) == 3
    assert not Removal.objects.exists()
    assert not RemovedFiles.objects.exists()
    assert not SavedFilters.objects.exists()
    assert list(keeping.baskets(holder)) == list(Basket.objects.all())


def filled_other(holder: Holder) -> Basket:
    keeping.new(holder, "Other", timezone.now())
    return filled(holder, 1)


def test_forgetting_spares_what_somebody_needs(holder: Holder, alice: User) -> None:
    now = timezone.now()
    filled(holder, 1)
    filled(Holder(stranger="stranger"), 1)
    merging.take_over("stranger", alice, now)
    share = sharing.share(keeping.opened(holder), holder)
    token = sharing.token(share)
    tasks.forget()
    assert Basket.objects.filter(frozen=True).count() == 2
    assert len(list(recently_removed.joinings(holder, now))) == 1
    recently_removed.forget(now + timedelta(days=31))
    assert [one.pk for one in Basket.objects.filter(frozen=True)] == [share.basket_id]
    assert sharing.opened(token).files == 4
    assert not Joining.objects.exists()
    assert not keeping.removed(holder, now - timedelta(days=99)).exists()
    assert total_files(keeping.opened(holder)) == 4


def test_an_ended_link_is_told_for_a_while_and_then_forgotten(holder: Holder) -> None:
    now = timezone.now()
    share = sharing.share(filled(holder, 1), holder)
    sharing.revoke(holder, share.pk, now)
    recently_removed.forget(now + timedelta(days=29))
    assert Share.objects.exists()
    recently_removed.forget(now + timedelta(days=31))
    assert not Share.objects.exists()
