"""Filters under a name: kept, applied, renamed, removed, brought back, and handed over at login."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from basket import saved_filters
from basket.holders import Holder
from basket.models import SavedFilters
from basket.page import Filters
from portal.errors import Problem

NOW = timezone.now()
SCIENCE = Filters(mrp=False, category=("SCIENCE",), group=("", "CAL"), q="-gs_*")
STRANGER = Holder(stranger="stranger")


@pytest.fixture
def holder(alice: User) -> Holder:
    return Holder(owner=alice.pk)


def listed(holder: Holder) -> list[str]:
    return [row.name for row in saved_filters.saved(holder)]


def test_what_is_saved_is_read_as_it_was(holder: Holder) -> None:
    every = (SCIENCE, Filters(), Filters(mrp=False), Filters(batch=("1",), ext=("", "fits.gz")))
    for number, filters in enumerate(every):
        row = saved_filters.save(holder, f"set {number}", filters)
        assert saved_filters.read(SavedFilters.objects.get(pk=row.pk)) == filters


def test_saving_the_same_twice_is_once(holder: Holder) -> None:
    first = saved_filters.save(holder, "Mine", SCIENCE)
    assert saved_filters.save(holder, "  Mine ", SCIENCE) == first
    assert listed(holder) == ["Mine"]


def test_a_name_that_stands_for_other_filters_is_not_taken_from_them(holder: Holder) -> None:
    first = saved_filters.save(holder, "Mine", SCIENCE)
    second = saved_filters.save(holder, "Other", Filters())
    acts: list[Callable[[], object]] = [
        lambda: saved_filters.save(holder, "Mine", Filters()),
        lambda: saved_filters.rename(holder, second.pk, "Mine"),
    ]
    for act in acts:
        with pytest.raises(Problem, match="Mine is the name of another set") as refused:
            act()
        assert (refused.value.status, refused.value.field) == (409, "name")
    assert saved_filters.read(SavedFilters.objects.get(pk=first.pk)) == SCIENCE


def test_a_set_is_renamed_removed_and_brought_back(holder: Holder) -> None:
    row = saved_filters.save(holder, "Mine", SCIENCE)
    saved_filters.rename(holder, row.pk, "Yours")
    saved_filters.remove(holder, row.pk, NOW)
    saved_filters.remove(holder, row.pk, NOW)
    assert listed(holder) == []
    assert list(saved_filters.removed(holder, NOW - timedelta(days=1))) == [row]
    saved_filters.save(holder, "Yours", Filters())
    saved_filters.bring_back(holder, row.pk)
    saved_filters.bring_back(holder, row.pk)
    assert listed(holder) == ["Yours", "Yours (2)"]


def test_nobody_sees_or_changes_the_sets_of_somebody_else(holder: Holder, bob: User) -> None:
    row = saved_filters.save(Holder(owner=bob.pk), "Bob's", SCIENCE)
    assert listed(holder) == listed(STRANGER) == []
    with pytest.raises(Problem, match="no such set of filters"):
        saved_filters.bring_back(holder, row.pk)
    with pytest.raises(Problem, match="no such set of filters"):
        saved_filters.rename(holder, row.pk, "x")
    with pytest.raises(Problem, match="no such set of filters"):
        saved_filters.remove(holder, row.pk, NOW)
    assert listed(Holder(owner=bob.pk)) == ["Bob's"]


def test_there_is_an_end_to_sets(holder: Holder) -> None:
    SavedFilters.objects.bulk_create(
        SavedFilters(owner_id=holder.owner, name=str(number), filters={}) for number in range(saved_filters.MOST)
    )
    with pytest.raises(Problem, match="You have saved 100 sets"):
        saved_filters.save(holder, "One more", SCIENCE)


def test_a_strangers_sets_are_handed_over_once(holder: Holder) -> None:
    saved_filters.save(holder, "Both alike", SCIENCE)
    saved_filters.save(holder, "Both", SCIENCE)
    for name, filters in (("Both alike", SCIENCE), ("Both", Filters()), ("Theirs", Filters(mrp=False))):
        saved_filters.save(STRANGER, name, filters)
    gone = saved_filters.save(STRANGER, "Gone", Filters())
    saved_filters.remove(STRANGER, gone.pk, NOW)
    saved_filters.hand_over(STRANGER, holder)
    saved_filters.hand_over(STRANGER, holder)
    assert listed(holder) == ["Both", "Both (2)", "Both alike", "Theirs"]
    assert list(saved_filters.removed(holder, NOW - timedelta(days=1))) == [gone]
    assert not SavedFilters.objects.exclude(stranger="").exists()


def test_the_longest_name_still_gets_a_number(holder: Holder) -> None:
    name = "x" * 80
    saved_filters.save(holder, name, SCIENCE)
    saved_filters.save(STRANGER, name, Filters())
    saved_filters.hand_over(STRANGER, holder)
    assert sorted(map(len, listed(holder))) == [78, 80]
