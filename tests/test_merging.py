"""A stranger's choice becomes the person's own at login, once, told in one sentence; and can be undone."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from basket import chosen, filling, keeping, merging, removal, saved_filters, selection, sharing
from basket.current import what_came
from basket.facets import total_files
from basket.holders import Holder
from basket.merging import Joined, take_over
from basket.models import Basket, Joining, Removal, SavedFilters, Share
from basket.page import Filters
from portal.errors import Problem
from portal.models import Observation
from tests.catalogue import Catalogue, assert_lawful, names
from tests.test_copying import told

NOW = timezone.now()
EVERYTHING = Filters(mrp=False)
STRANGER = Holder(stranger="stranger")


@pytest.fixture
def own(alice: User) -> Holder:
    return Holder(owner=alice.pk)


def put(holder: Holder, *observations: Observation) -> Basket:
    basket = keeping.opened(holder)
    filling.add_observations(basket, [one.pk for one in observations])
    return basket


def test_what_is_new_and_what_was_there_is_told_apart(alice: User, own: Holder) -> None:
    catalogue = Catalogue()
    every = [catalogue.filled(f"{n}a.fits", f"{n}b.fits") for n in range(5)]
    put(own, *every[:2])
    put(STRANGER, *every)
    joined = take_over("stranger", alice, NOW)
    assert joined is not None
    assert (joined.observations, joined.already, joined.files) == (3, 2, 6)
    assert what_came(joined) == (
        "Your 3 observations from before signing in were added, with 6 files; 2 were already there."
    )
    assert total_files(keeping.opened(own)) == 10
    assert_lawful(keeping.opened(own))


@pytest.mark.parametrize(
    ("joined", "told"),
    [
        (Joined(1, 0, 1, 7), "Your 1 observation from before signing in was added, with 1 file."),
        (Joined(2, 1, 3, 7), "…were added, with 3 files; 1 was already there."),
        (Joined(0, 2, 0, None), "Your 2 observations from before signing in were already there."),
        (Joined(0, 1, 0, 7), "…in was already there; what you had selected there is selected."),
    ],
)
def test_the_sentence_is_honest(joined: Joined, told: str) -> None:
    assert what_came(joined).endswith(told.removeprefix("…"))


def test_undo_brings_the_accounts_basket_back_as_it_was(alice: User, own: Holder) -> None:
    catalogue = Catalogue()
    shared, mine, theirs = (catalogue.filled(f"{n}a.fits", f"{n}b.fits") for n in "smt")
    basket = put(own, shared, mine)
    selection.select(basket, "", Filters(mrp=False, q="ma"), value=True)
    removal.remove_files(basket, shared.memberships.values_list("product", flat=True)[:1])
    before = told(keeping.opened(own))
    selection.select(put(STRANGER, theirs, shared), "", EVERYTHING, value=True)
    joined = take_over("stranger", alice, NOW)
    assert joined is not None
    assert joined.joining is not None
    assert names(chosen.selected_products(keeping.opened(own))) != ["ma.fits"]
    undone = merging.undo(own, joined.joining, timezone.now())
    assert undone.basket == keeping.opened(own) == basket
    assert told(keeping.opened(own)) == before
    assert undone.kept is not None
    assert (undone.kept.name, total_files(undone.kept)) == ("Before signing in", 4)
    assert [one.name for one in keeping.listed(own)] == ["Basket", "Before signing in"]
    for one in keeping.baskets(own):
        assert_lawful(one)


def test_undoing_twice_changes_nothing(alice: User, own: Holder) -> None:
    put(STRANGER, Catalogue().filled("a.fits"))
    joined = take_over("stranger", alice, NOW)
    assert joined is not None
    assert joined.joining is not None
    merging.undo(own, joined.joining, timezone.now())
    again = merging.undo(own, joined.joining, timezone.now())
    assert again.kept is None
    assert len(keeping.listed(own)) == 2
    assert not Basket.objects.filter(frozen=True).exists()


def test_what_was_done_since_is_kept_when_the_merge_is_undone(alice: User, own: Holder) -> None:
    catalogue = Catalogue()
    put(own, catalogue.filled("mine.fits"))
    put(STRANGER, catalogue.filled("theirs.fits"))
    joined = take_over("stranger", alice, NOW)
    assert joined is not None
    assert joined.joining is not None
    put(own, catalogue.filled("later.fits"))
    undone = merging.undo(own, joined.joining, NOW)
    assert total_files(keeping.opened(own)) == 1
    assert undone.kept is not None
    assert (undone.kept.title, total_files(undone.kept)) == (f"As it was on {NOW:%Y-%m-%d, %H:%M} UTC", 3)
    assert_lawful(undone.kept)
    filling.add_observations(undone.kept, [catalogue.filled("more.fits").pk])  # it is a basket like any other
    assert total_files(undone.kept) == 4


def test_what_a_stranger_took_out_comes_along_and_goes_back_with_the_undo(alice: User, own: Holder) -> None:
    catalogue = Catalogue()
    gone = catalogue.filled("gone.fits")
    theirs = put(STRANGER, catalogue.filled("a.fits"), gone)
    removal.remove_observations(theirs, [gone.pk])
    joined = take_over("stranger", alice, NOW)
    assert joined is not None
    assert joined.joining is not None
    assert Removal.objects.get().basket == keeping.opened(own)
    undone = merging.undo(own, joined.joining, timezone.now())
    assert Removal.objects.get().basket == undone.kept


def test_named_baskets_saved_filters_and_links_come_along_as_they_are(alice: User, own: Holder) -> None:
    catalogue = Catalogue()
    put(own, catalogue.filled("mine.fits"))
    saved_filters.save(own, "Best", EVERYTHING)
    put(STRANGER, catalogue.filled("theirs.fits"))
    named = keeping.new(STRANGER, "Nebulae", timezone.now())
    put(STRANGER, catalogue.filled("n1.fits"), catalogue.filled("n2.fits"))
    saved_filters.save(STRANGER, "Best", Filters())
    saved_filters.save(STRANGER, "Only", Filters(category=("INFO",)))
    sharing.share(keeping.opened(STRANGER), STRANGER)
    take_over("stranger", alice, NOW)
    assert {one.name: one.files for one in keeping.listed(own)} == {"Basket": 2, "Nebulae": 2}
    assert Basket.objects.get(pk=named.pk).key != "stranger"
    assert [row.name for row in saved_filters.saved(own)] == ["Best", "Best (2)", "Only"]
    assert sharing.shares(own).count() == 1
    for rows in (Basket.objects.all(), SavedFilters.objects.all(), Share.objects.all()):
        assert not STRANGER.among(rows).exists()


def test_nothing_leads_from_the_strangers_key_to_the_persons_baskets(alice: User, own: Holder) -> None:
    keeping.new(STRANGER, "Named first", timezone.now())
    put(STRANGER, Catalogue().filled("a.fits"))
    take_over("stranger", alice, NOW)
    late = put(STRANGER, Catalogue().filled("late.fits"))
    assert total_files(late) == 1
    assert late not in keeping.baskets(own)


def test_an_undo_opens_the_basket_and_leaves_no_way_to_the_one_that_is_kept(alice: User, own: Holder) -> None:
    put(own, Catalogue().filled("mine.fits"))
    first = keeping.opened(own)
    put(STRANGER, Catalogue().filled("a.fits"))
    joined = take_over("stranger", alice, NOW)
    assert joined is not None
    keeping.new(own, "Opened since", timezone.now())
    undone = merging.undo(own, joined.joining or 0, timezone.now())
    assert keeping.opened(own) == undone.basket == first
    late = put(STRANGER, Catalogue().filled("late.fits"))
    assert late not in keeping.baskets(own)
    assert undone.kept is not None
    assert total_files(keeping.baskets(own).get(pk=undone.kept.pk)) == 1


def test_an_undo_of_somebody_elses_merge_is_refused(alice: User, bob: User) -> None:
    put(STRANGER, Catalogue().filled("a.fits"))
    joined = take_over("stranger", alice, NOW)
    assert joined is not None
    for pk in (joined.joining or 0, 999_999):
        with pytest.raises(Problem, match="nothing of that kind") as refused:
            merging.undo(Holder(owner=bob.pk), pk, NOW)
        assert refused.value.status == 404


def test_the_undo_is_offered_until_something_else_happens(alice: User, own: Holder) -> None:
    put(STRANGER, Catalogue().filled("a.fits"))
    joined = take_over("stranger", alice, NOW)
    assert joined is not None
    basket = keeping.opened(own)
    last = merging.last(basket)
    assert last is not None
    assert last.pk == joined.joining
    selection.select(basket, "", EVERYTHING, value=True)
    assert merging.last(basket) is None
    assert merging.last(Basket()) is None


def at_once(*acts: Callable[[], object]) -> list[Any]:
    """What each returns, or raises, when all begin together, each on a connection of its own."""
    start = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(place: int, act: Callable[[], object]) -> None:
        start.wait()
        try:
            results[place] = act()
        except Exception as error:
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=one) for one in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db(transaction=True)
def test_a_login_in_many_tabs_at_once_merges_once() -> None:
    alice = User.objects.create_user("alice")
    own, catalogue = Holder(owner=alice.pk), Catalogue()
    observations = [catalogue.filled(f"{number}.fits") for number in range(4)]
    put(STRANGER, *observations[:3])
    put(Holder(stranger="other"), *observations[1:])
    sign_in = [lambda key=key: take_over(key, alice, NOW) for key in ("stranger", "other") * 3]
    results = at_once(*sign_in)
    told = [one for one in results if one is not None]
    assert [type(one) for one in told] == [Joined, Joined]
    assert sorted((one.observations, one.already) for one in told) == [(1, 2), (3, 0)]
    assert total_files(keeping.opened(own)) == 4
    assert_lawful(keeping.opened(own))


@pytest.mark.django_db(transaction=True)
def test_what_is_added_during_a_login_is_lost_nowhere() -> None:
    """A tab that had not noticed either gets in before, or is told; what it added late is taken over later."""
    alice = User.objects.create_user("alice")
    own, catalogue = Holder(owner=alice.pk), Catalogue()
    for _ in range(4):
        basket = put(STRANGER, catalogue.filled("first.fits"))
        late = [catalogue.filled("late.fits") for _ in range(3)]
        before = total_files(keeping.opened(own))
        tabs = [(Basket.objects.get(pk=basket.pk), [one.pk]) for one in late]
        adds = [lambda tab=tab: filling.add_observations(*tab) for tab in tabs]
        *added, joined = at_once(*adds, lambda: take_over("stranger", alice, NOW))
        counted = [one for one in added if isinstance(one, filling.Added)]
        refused = [one for one in added if isinstance(one, Problem)]
        assert len(counted) + len(refused) == 3, added
        assert {one.code for one in refused} <= {"basket_gone"}
        assert joined.observations == 1 + len(counted)
        assert total_files(keeping.opened(own)) == before + joined.files
        Basket.objects.filter(key="stranger").update(key=f"spent {basket.pk}")
    assert_lawful(keeping.opened(own))


@pytest.mark.django_db(transaction=True)
def test_undo_and_another_tab_at_once_lose_nothing() -> None:
    alice = User.objects.create_user("alice")
    own, catalogue = Holder(owner=alice.pk), Catalogue()
    put(own, catalogue.filled("mine.fits"))
    put(STRANGER, catalogue.filled("theirs.fits"))
    joined = take_over("stranger", alice, NOW)
    assert joined is not None
    assert joined.joining is not None
    pk, later = joined.joining, catalogue.filled("later.fits")
    undone, again, added = at_once(
        lambda: merging.undo(own, pk, timezone.now()),
        lambda: merging.undo(own, pk, timezone.now()),
        lambda: filling.add_observations(keeping.opened(own), [later.pk]),
    )
    assert [one for one in (undone, again, added) if isinstance(one, Exception)] == []
    held = {
        one.pk for basket in keeping.baskets(own) for one in Observation.objects.filter(basketitem__basket=basket)
    }
    assert held == set(Observation.objects.values_list("pk", flat=True))
    for basket in keeping.baskets(own):
        assert_lawful(basket)
    assert Joining.objects.get().undone is not None


def test_a_merge_long_ago_can_no_longer_be_undone(alice: User, own: Holder) -> None:
    put(STRANGER, Catalogue().filled("a.fits"))
    joined = take_over("stranger", alice, NOW)
    assert joined is not None
    assert joined.joining is not None
    Joining.objects.update(created=NOW - timedelta(days=31), before=None)
    undone = merging.undo(own, joined.joining, timezone.now())
    assert undone.kept is None
    assert total_files(keeping.opened(own)) == 1
