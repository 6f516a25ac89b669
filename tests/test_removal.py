"""Taking files out of a basket and putting them back."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from basket import facets, filling, removal, selection, tree
from basket.chosen import selected_products
from basket.models import Basket, BasketItem, Removal
from basket.nodes import observation_path
from basket.page import Filters
from portal.errors import Problem
from portal.models import Observation
from tests.catalogue import Catalogue, assert_lawful, names

EVERYTHING = Filters(mrp=False)


class Three:
    """A basket of three observations; all of them list gs.fits, the first two also pool.csv."""

    def __init__(self) -> None:
        catalogue = Catalogue()
        self.catalogue = catalogue
        self.observations = [catalogue.filled(f"{letter}1.fits", f"{letter}2.fits") for letter in "abc"]
        self.star, self.pool = catalogue.product("gs.fits", size=7), catalogue.product("pool.csv", size=9)
        for observation in self.observations:
            catalogue.lists(observation, self.star)
        for observation in self.observations[:2]:
            catalogue.lists(observation, self.pool)
        self.basket = Basket(key="stranger")
        filling.add_observations(self.basket, self.pks)

    @property
    def pks(self) -> list[int]:
        return [observation.pk for observation in self.observations]

    def id(self, name: str) -> int:
        """The key of a file."""
        found = self.observations[0].memberships.model.objects.filter(product__productFilename=name).first()
        assert found is not None
        return found.product_id

    def select(self, *wanted: str) -> None:
        """Select exactly these files."""
        selection.select(self.basket, "", EVERYTHING, value=False)
        for name in wanted:
            selection.select(self.basket, "", Filters(mrp=False, q=f"{name}*"), value=True)

    def files(self) -> list[list[str]]:
        """The names that each observation in the basket carries."""
        found = []
        for item in (
            BasketItem.objects.filter(basket=self.basket.pk).order_by("position").select_related("observation")
        ):
            path = observation_path("JWST", item.observation)
            found.append([node.label for node in tree.nodes(self.basket, path, EVERYTHING).nodes])
        return found

    def selected(self) -> list[str]:
        return names(selected_products(self.basket))


@pytest.fixture
def three(db: None) -> Three:
    return Three()


def test_a_shared_file_goes_to_the_next_observation_that_lists_it(three: Three) -> None:
    assert three.files() == [
        ["a1.fits", "a2.fits", "gs.fits", "pool.csv"],
        ["b1.fits", "b2.fits"],
        ["c1.fits", "c2.fits"],
    ]
    removed = removal.remove_observations(three.basket, three.pks[:1])
    assert three.files() == [["b1.fits", "b2.fits", "gs.fits", "pool.csv"], ["c1.fits", "c2.fits"]]
    assert (removed.files, removed.bytes) == (2, 200)
    assert_lawful(three.basket)


def test_it_is_as_selected_there_as_it_was(three: Three) -> None:
    three.select("gs", "b1")
    removal.remove_observations(three.basket, three.pks[:1])
    assert three.selected() == ["b1.fits", "gs.fits"]
    removal.remove_observations(three.basket, three.pks[1:2])
    assert three.selected() == ["gs.fits"]
    assert three.files() == [["c1.fits", "c2.fits", "gs.fits"]]


def test_observations_that_leave_together_inherit_nothing_from_each_other(three: Three) -> None:
    removed = removal.remove_observations(three.basket, three.pks[:2])
    assert three.files() == [["c1.fits", "c2.fits", "gs.fits"]]
    assert (removed.files, removed.bytes) == (5, 409)


def test_a_file_that_is_taken_out_is_inherited_by_nobody(three: Three) -> None:
    removed = removal.remove_files(three.basket, [three.star.pk])
    assert (removed.files, removed.bytes) == (1, 7)
    assert three.files() == [["a1.fits", "a2.fits", "pool.csv"], ["b1.fits", "b2.fits"], ["c1.fits", "c2.fits"]]
    removal.remove_observations(three.basket, three.pks[:1])
    assert three.files() == [["b1.fits", "b2.fits", "pool.csv"], ["c1.fits", "c2.fits"]]
    assert_lawful(three.basket)


def test_an_observation_goes_with_its_last_file(three: Three) -> None:
    removal.remove_files(three.basket, [three.id("b1.fits"), three.id("b2.fits")])
    assert list(BasketItem.objects.order_by("position").values_list("observation", flat=True)) == [
        three.pks[0],
        three.pks[2],
    ]


def test_an_observation_whose_only_file_another_carried_goes_with_that_file(three: Three) -> None:
    bare = three.catalogue.observation()
    three.catalogue.lists(bare, three.star)
    filling.add_observations(three.basket, [bare.pk])
    assert BasketItem.objects.count() == 4
    removal.remove_files(three.basket, [three.star.pk])
    assert BasketItem.objects.count() == 3
    removal.undo(three.basket)
    assert BasketItem.objects.count() == 4
    assert_lawful(three.basket)


def test_the_selected_files_are_taken_out_and_no_others(three: Three) -> None:
    three.select("a1", "b", "gs")
    removed = removal.remove_selected(three.basket)
    assert removed.files == 4
    assert three.files() == [["a2.fits", "pool.csv"], ["c1.fits", "c2.fits"]]
    assert three.selected() == []


def test_undo_puts_files_and_their_selection_back_where_they_were(three: Three) -> None:
    three.select("a1", "b", "gs")
    before = three.files()
    removal.remove_selected(three.basket)
    undone = removal.undo(three.basket)
    assert undone.undone is not None
    assert three.files() == before
    assert three.selected() == ["a1.fits", "gs.fits", "b1.fits", "b2.fits"]
    assert_lawful(three.basket)


def test_undo_of_an_observation_restores_its_place_in_the_order(three: Three) -> None:
    removal.remove_observations(three.basket, three.pks[1:2])
    removal.undo(three.basket)
    assert list(BasketItem.objects.order_by("position").values_list("observation", flat=True)) == three.pks


def test_undo_works_after_other_things_came_in(three: Three) -> None:
    removal.remove_observations(three.basket, three.pks[2:])
    newcomer = three.catalogue.filled("d.fits")
    three.catalogue.lists(newcomer, three.catalogue.product("e.fits"))
    filling.add_observations(three.basket, [newcomer.pk, three.pks[0]])
    removal.undo(three.basket)
    assert sorted(name for files in three.files() for name in files) == [
        "a1.fits", "a2.fits", "b1.fits", "b2.fits", "c1.fits", "c2.fits", "d.fits", "e.fits", "gs.fits", "pool.csv",
    ]  # fmt: skip
    assert_lawful(three.basket)


def test_a_file_that_somebody_inherited_stays_with_the_heir_after_undo(three: Three) -> None:
    removal.remove_observations(three.basket, three.pks[:1])
    removal.undo(three.basket)
    assert three.files() == [
        ["a1.fits", "a2.fits"],
        ["b1.fits", "b2.fits", "gs.fits", "pool.csv"],
        ["c1.fits", "c2.fits"],
    ]
    assert_lawful(three.basket)


def test_a_second_undo_brings_back_the_removal_before(three: Three) -> None:
    removal.remove_observations(three.basket, three.pks[:1])
    removal.clear(three.basket)
    assert three.files() == []
    removal.undo(three.basket)
    assert len(three.files()) == 2
    removal.undo(three.basket)
    assert len(three.files()) == 3


def test_a_form_that_is_sent_twice_undoes_once(three: Three) -> None:
    removal.remove_observations(three.basket, three.pks[:1])
    newest = removal.clear(three.basket)
    assert removal.last(three.basket) == newest
    removal.undo(three.basket, newest.pk)
    version = three.basket.version
    assert removal.undo(three.basket, newest.pk) == newest
    assert three.basket.version == version
    assert len(three.files()) == 2


def test_there_is_an_end_to_undoing(three: Three) -> None:
    with pytest.raises(Problem) as caught:
        removal.undo(three.basket)
    assert caught.value.status == 409
    removal.clear(three.basket)
    removal.undo(three.basket)
    assert removal.last(three.basket) is None
    with pytest.raises(Problem, match="nothing to undo"):
        removal.undo(three.basket)


def test_nobody_undoes_the_removal_of_somebody_else(three: Three) -> None:
    theirs = removal.clear(three.basket)
    mine = Basket(key="other")
    filling.add_observations(mine, three.pks)
    with pytest.raises(Problem) as caught:
        removal.undo(mine, theirs.pk)
    assert caught.value.status == 404


def test_clearing_leaves_nothing_and_undo_brings_everything_back(three: Three) -> None:
    three.select("a", "gs")
    removed = removal.clear(three.basket)
    found = facets.numbers(three.basket, EVERYTHING, AnonymousUser(), timezone.now())
    assert (found.files, found.bytes, found.observations, found.rows) == (0, 0, 0, 0)
    assert (removed.files, removed.bytes) == (8, 616)
    removal.undo(three.basket)
    assert three.selected() == ["a1.fits", "a2.fits", "gs.fits"]
    assert_lawful(three.basket)


def test_a_planned_observation_can_be_removed_and_comes_back(three: Three) -> None:
    planned = three.catalogue.observation(calib_level=-1)
    filling.add_observations(three.basket, [planned.pk])
    removal.remove_observations(three.basket, [planned.pk])
    assert BasketItem.objects.count() == 3
    removal.undo(three.basket)
    assert BasketItem.objects.filter(observation=planned).exists()


def test_removing_what_is_not_there_changes_nothing(three: Three) -> None:
    version = three.basket.version
    for removed in (
        removal.remove_observations(three.basket, [987654321]),
        removal.remove_files(three.basket, [987654321]),
        removal.remove_selected(three.basket),
    ):
        assert removed._state.adding, "not stored"
        assert removed.files == 0
    assert three.basket.version == version
    assert not Removal.objects.exists()


def test_two_tabs_that_remove_the_same_observation_remove_it_once(three: Three) -> None:
    stale = Basket.objects.get(pk=three.basket.pk)
    removal.remove_observations(three.basket, three.pks[:1])
    assert removal.remove_observations(stale, three.pks[:1]).files == 0
    assert Removal.objects.count() == 1
    assert_lawful(three.basket)


def test_an_empty_basket_that_was_never_stored_has_nothing_to_remove(db: None) -> None:
    basket = Basket(key="stranger")
    assert removal.clear(basket).files == 0
    assert removal.remove_selected(basket).files == 0
    assert removal.remove_files(basket, [1]).files == 0
    assert removal.last(basket) is None
    with pytest.raises(Problem):
        removal.undo(basket)
    assert not Basket.objects.exists()


def test_a_basket_that_is_gone_says_so(three: Three) -> None:
    stale = Basket.objects.get(pk=three.basket.pk)
    three.basket.delete()
    with pytest.raises(Problem) as caught:
        removal.clear(stale)
    assert caught.value.status == 409


def test_undo_after_the_list_changed_puts_back_what_is_still_listed(three: Three) -> None:
    removal.remove_observations(three.basket, three.pks[2:])
    three.observations[2].memberships.filter(product=three.id("c1.fits")).delete()
    Observation.objects.filter(pk=three.pks[2]).update(products_version=5)
    removal.undo(three.basket)
    assert three.files()[2] == ["c2.fits"]
    assert_lawful(three.basket)
