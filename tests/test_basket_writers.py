"""Several tabs at once on one basket: no update is lost, and no reader sees half of one."""

import threading
from collections.abc import Callable

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.utils import timezone

from basket import chosen, facets, filling, selection, tree
from basket.ledger import snapshot
from basket.models import Basket
from basket.nodes import observation_path
from basket.page import Filters
from portal.models import Observation
from tests.catalogue import Catalogue, assert_lawful

EVERYTHING = Filters(mrp=False)


class Writer(threading.Thread):
    """One of several tabs: acts on the basket as fast as it can, on a connection of its own."""

    def __init__(self, basket: int, act: Callable[[Basket, int], object], times: int) -> None:
        super().__init__()
        self.basket, self.act, self.times = basket, act, times
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            for number in range(self.times):
                self.act(Basket.objects.get(pk=self.basket), number)
        except BaseException as error:
            self.error = error
        finally:
            connection.close()


@pytest.mark.django_db(transaction=True)
def test_four_writers_lose_no_update_and_no_reader_sees_half_of_one() -> None:
    """Each deselects files of its own, one by one; a reader compares items with the counts of the basket."""
    catalogue, times = Catalogue(), 30
    every = [catalogue.filled(*(f"{one}_{number}_cal.fits" for number in range(times))) for one in range(4)]
    basket = Basket(key="shared")
    filling.add_observations(basket, [one.pk for one in every])
    selection.select(basket, "", EVERYTHING, value=True)
    before = basket.version

    def deselect(observation: Observation) -> Callable[[Basket, int], object]:
        top = observation_path("JWST", observation)
        ids = list(observation.memberships.order_by("pk").values_list("product", flat=True))
        keep = ids[0]
        return lambda basket, number: selection.select(
            basket, f"{top}/{ids[number]}", EVERYTHING, ids[number] == keep
        )

    def compare(basket: Basket, number: int) -> None:
        with snapshot():
            top = tree.nodes(basket, "", EVERYTHING).nodes[0]
            below = tree.nodes(basket, "JWST", EVERYTHING).nodes
            found = facets.numbers(basket, EVERYTHING, AnonymousUser(), timezone.now())
        assert top.selected == sum(node.selected for node in below) == found.selected.files

    threads = [Writer(basket.pk, deselect(one), times) for one in every] + [Writer(basket.pk, compare, 3 * times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [thread.error for thread in threads] == [None] * 5
    basket.refresh_from_db()
    assert basket.version == before + 4 * times
    assert sum(len(ids) for ids in chosen.selected_ids(basket)) == 4
    assert_lawful(basket)


@pytest.mark.django_db(transaction=True)
def test_two_first_acts_of_one_person_at_once_make_one_basket() -> None:
    catalogue = Catalogue()
    every = [catalogue.filled(f"a{number}.fits") for number in range(4)]
    barrier = threading.Barrier(4)
    errors: list[BaseException] = []

    def add(observation: Observation) -> None:
        try:
            barrier.wait()
            filling.add_observations(Basket(key="one"), [observation.pk])
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=add, args=(one,)) for one in every]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert Basket.objects.get().version == 4
    assert_lawful(Basket.objects.get())
