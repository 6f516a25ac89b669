"""Copies of a basket: of its rows, never of its files, and lawful like the basket itself."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from basket import chosen, copying, facets, filling, removal, selection, tree
from basket.ledger import locked
from basket.models import Basket, BasketItem
from basket.page import Filters
from portal.errors import Problem
from tests.catalogue import Catalogue, assert_lawful, names, random_catalogue

EVERYTHING = Filters(mrp=False)


@pytest.fixture
def basket(db: None) -> Basket:
    """Overlapping lists, some files taken out, some selected, in bulk and one by one."""
    made = Basket(key="stranger")
    filling.add_observations(made, [one.pk for one in random_catalogue(7)])
    selection.select(made, "", Filters(mrp=False, category=("AUXILIARY",)), value=True)
    removal.remove_selected(made)
    selection.select(made, "", Filters(mrp=False, q="cal"), value=True)
    selection.select(made, "HST", EVERYTHING, value=True)
    return made


def told(basket: Basket) -> tuple[Any, ...]:
    """Everything that a page tells of a basket, but its version."""
    numbers = facets.numbers(basket, EVERYTHING, AnonymousUser(), timezone.now())
    levels = [tree.nodes(basket, path, EVERYTHING, limit=200).nodes for path in ("", *basket.missions)]
    plain = {name: getattr(numbers, name) for name in numbers.__slots__ if name != "version"}
    return plain, facets.facets(basket, EVERYTHING), levels, names(chosen.selected_products(basket))


def test_a_copy_tells_what_the_basket_told(basket: Basket) -> None:
    copy = copying.frozen(basket)
    assert told(copy) == told(basket)
    assert_lawful(copy)
    assert copy.pk != basket.pk
    assert (copy.owner, copy.stranger, copy.frozen) == (None, "", True)


def test_a_copy_stays_as_it_is_when_the_basket_changes(basket: Basket) -> None:
    copy = copying.frozen(basket)
    before = told(copy)
    removal.clear(basket)
    filling.add_observations(basket, [Catalogue().filled("new.fits").pk])
    assert told(Basket.objects.get(pk=copy.pk)) == before


def test_nobody_writes_to_a_copy(basket: Basket) -> None:
    copy = copying.frozen(basket)
    with pytest.raises(Problem):
        locked(copy)
    with pytest.raises(Problem):
        removal.clear(copy)
    assert_lawful(copy)


def test_a_basket_gets_back_what_a_copy_holds(basket: Basket) -> None:
    copy, before = copying.frozen(basket), told(basket)
    removal.clear(basket)
    version = basket.version
    copying.replace(locked(basket), Basket.objects.get(pk=copy.pk))
    restored = Basket.objects.get(pk=basket.pk)
    assert told(restored) == before
    assert restored.version == version + 1
    assert_lawful(restored)
    assert not Basket.objects.filter(pk=copy.pk).exists()
    selection.select(restored, "", EVERYTHING, value=True)
    assert_lawful(restored)


def test_a_copy_costs_as_many_queries_for_many_observations_as_for_few(
    db: None, django_assert_num_queries: Callable[[int], Any]
) -> None:
    catalogue = Catalogue()
    for amount in (1, 30):
        basket = Basket(key=f"of{amount}")
        filling.add_observations(basket, [catalogue.filled("a.fits", "b.fits").pk for _ in range(amount)])
        with django_assert_num_queries(5):  # savepoint, read, basket, items, release
            copy = copying.frozen(basket)
        assert BasketItem.objects.filter(basket=copy).count() == amount


def test_a_dropped_copy_leaves_nothing(basket: Basket) -> None:
    copy = copying.frozen(basket)
    copying.drop(copy)
    assert list(Basket.objects.values_list("pk", flat=True)) == [basket.pk]
    assert not BasketItem.objects.exclude(basket=basket).exists()
