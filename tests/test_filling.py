"""Putting observations into a basket: each file counts once, and the basket follows the archive."""

import csv
from collections import defaultdict
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from basket import facets, filling, following, removal, selection, tree
from basket.chosen import selected_products
from basket.filling import Added
from basket.following import Rebased
from basket.models import Basket, BasketItem
from basket.page import Filters
from portal.ingest import load_tables
from portal.models import Observation
from tests.catalogue import Catalogue, assert_lawful, names

EVERYTHING = Filters(mrp=False)


@pytest.fixture
def basket(db: None) -> Basket:
    return Basket(key="stranger")


def numbers(basket: Basket, filters: Filters = EVERYTHING) -> facets.Numbers:
    return facets.numbers(basket, filters, AnonymousUser(), timezone.now())


def shared_pair(catalogue: Catalogue) -> tuple[Observation, Observation]:
    """Two observations with a guide star in common."""
    first, second = catalogue.filled("a.fits", "b.fits"), catalogue.filled("c.fits")
    star = catalogue.product("gs.fits", size=7)
    catalogue.lists(first, star)
    catalogue.lists(second, star)
    return first, second


def test_a_file_of_two_observations_counts_once(basket: Basket) -> None:
    first, second = shared_pair(Catalogue())
    added = filling.add_observations(basket, [first.pk, second.pk])
    assert added == Added(added=2, already=0, files=4, rows=5, duplicates=1)
    found = numbers(basket)
    assert (found.observations, found.files, found.rows, found.duplicates) == (2, 4, 5, 1)
    assert found.bytes == 307
    assert [node.files for node in tree.nodes(basket, "JWST", EVERYTHING).nodes] == [3, 1]
    assert_lawful(basket)


def test_the_same_holds_when_they_come_one_after_the_other(basket: Basket) -> None:
    first, second = shared_pair(Catalogue())
    filling.add_observations(basket, [first.pk])
    assert filling.add_observations(basket, [second.pk]) == Added(1, 0, 1, 2, 1)
    assert numbers(basket).files == 4


def test_adding_again_adds_nothing_and_says_so(basket: Basket) -> None:
    first, second = shared_pair(Catalogue())
    filling.add_observations(basket, [first.pk, second.pk])
    version = basket.version
    assert filling.add_observations(basket, [second.pk, second.pk, first.pk]) == Added(0, 2, 0, 0, 0)
    assert basket.version == version
    assert numbers(basket).files == 4


def test_a_basket_without_anything_has_no_row(basket: Basket) -> None:
    assert filling.add_observations(basket, [987654321]) == Added()
    assert filling.add_observations(basket, []) == Added()
    assert not Basket.objects.exists()
    assert basket.pk is None


def test_the_object_passed_in_shows_what_was_stored(basket: Basket) -> None:
    filling.add_observations(basket, [Catalogue().filled("a.fits").pk])
    assert basket.pk == Basket.objects.get().pk
    assert basket.version == Basket.objects.get().version == 1
    assert facets.total_files(basket) == 1


def test_each_write_raises_the_version_by_one(basket: Basket) -> None:
    catalogue = Catalogue()
    filling.add_observations(basket, [catalogue.filled("a.fits").pk, catalogue.filled("b.fits").pk])
    selection.select(basket, "", EVERYTHING, value=True)
    removal.remove_selected(basket)
    removal.undo(basket)
    assert basket.version == Basket.objects.get().version == 4


def test_a_planned_observation_is_kept_without_files(basket: Basket) -> None:
    planned = Catalogue().observation("planned", calib_level=-1)
    assert filling.add_observations(basket, [planned.pk]) == Added(1, 0, 0, 0, 0)
    assert numbers(basket).observations == 1


def test_newcomers_are_not_seized_by_an_older_selection_of_all(basket: Basket) -> None:
    catalogue = Catalogue()
    filling.add_observations(basket, [catalogue.filled("a.fits").pk])
    selection.select(basket, "", EVERYTHING, value=True)
    filling.add_observations(basket, [catalogue.filled("b.fits").pk])
    assert names(selected_products(basket)) == ["a.fits"]
    assert numbers(basket).selected.files == 1


def test_a_file_that_was_taken_out_comes_back_with_another_observation(basket: Basket) -> None:
    first, second = shared_pair(Catalogue())
    filling.add_observations(basket, [first.pk])
    star = first.memberships.get(product__productFilename="gs.fits").product_id
    removal.remove_files(basket, [star])
    assert filling.add_observations(basket, [second.pk]) == Added(1, 0, 2, 2, 0)
    assert [node.files for node in tree.nodes(basket, "JWST", EVERYTHING).nodes] == [2, 2]
    assert_lawful(basket)


def test_adding_an_observation_again_brings_back_what_was_taken_out_of_it(basket: Basket) -> None:
    first, _ = shared_pair(Catalogue())
    filling.add_observations(basket, [first.pk])
    removal.remove_files(basket, first.memberships.values_list("product", flat=True)[:2])
    assert filling.add_observations(basket, [first.pk]) == Added(0, 1, 2, 2, 0)
    assert numbers(basket).files == 3
    assert_lawful(basket)


def test_many_observations_go_in_by_portions_and_all_of_them(
    basket: Basket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "AT_ONCE", 3)
    catalogue = Catalogue()
    star = catalogue.product("gs.fits")
    every = [catalogue.filled(f"a{number}.fits") for number in range(8)]
    for observation in every:
        catalogue.lists(observation, star)
    added = filling.add_observations(basket, [observation.pk for observation in every])
    assert added == Added(added=8, already=0, files=9, rows=16, duplicates=7)
    assert list(BasketItem.objects.order_by("position").values_list("observation", flat=True)) == [
        observation.pk for observation in every
    ]
    assert basket.version == 3


def test_a_changed_list_keeps_what_stays_and_takes_in_what_is_new_unselected(basket: Basket) -> None:
    catalogue = Catalogue()
    observation, other = shared_pair(catalogue)
    filling.add_observations(basket, [observation.pk, other.pk])
    selection.select(basket, "", EVERYTHING, value=True)
    ids = dict(observation.memberships.values_list("product__productFilename", "product"))
    removal.remove_files(basket, [ids["b.fits"]])
    observation.memberships.filter(product__in=[ids["gs.fits"]]).delete()
    catalogue.lists(observation, catalogue.product("new.fits"))
    observation.products_version += 1
    observation.save()
    assert following.rebase(basket) == Rebased(observations=1, came=1, left=0)
    assert names(selected_products(basket)) == ["a.fits", "c.fits", "gs.fits"]
    assert numbers(basket).files == 4
    assert not following.rebase(basket)
    assert_lawful(basket)


def test_a_file_that_no_list_has_any_more_leaves(basket: Basket) -> None:
    catalogue = Catalogue()
    observation = catalogue.filled("a.fits", "b.fits")
    filling.add_observations(basket, [observation.pk])
    selection.select(basket, "", EVERYTHING, value=True)
    observation.memberships.filter(product__productFilename="a.fits").delete()
    observation.products_version += 1
    observation.save()
    assert following.rebase(basket) == Rebased(observations=1, came=0, left=1)
    assert names(selected_products(basket)) == ["b.fits"]
    assert_lawful(basket)


def test_adding_follows_the_archive_first(basket: Basket) -> None:
    catalogue = Catalogue()
    observation = catalogue.filled("a.fits")
    filling.add_observations(basket, [observation.pk])
    catalogue.lists(observation, catalogue.product("b.fits"))
    Observation.objects.update(products_version=7)
    filling.add_observations(basket, [catalogue.filled("c.fits").pk])
    assert numbers(basket).files == 3


def test_the_real_list_of_718_rows_is_323_files(basket: Basket, shared: Path) -> None:
    folder = shared / "data" / "jwst"
    table = folder / "jw05224_nirspec_msa_products_full.csv"
    load_tables(observations=folder / "jw05224_nirspec_msa_observations.csv", products=table)
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    wanted = list(dict.fromkeys(row["parent_obsid"] for row in rows))
    pks = [Observation.objects.get(obsid=obsid).pk for obsid in wanted]
    added = filling.add_observations(basket, pks)
    assert added == Added(added=2, already=0, files=323, rows=718, duplicates=395)
    found = numbers(basket)
    assert (found.files, found.rows, found.duplicates) == (323, 718, 395)
    sizes = {row["dataURI"]: int(row["size"]) for row in rows}
    assert found.bytes == sum(sizes.values())
    assert counted(basket, "category") == distinct(rows, lambda row: row["productType"])
    assert counted(basket, "group") == distinct(rows, lambda row: row["productSubGroupDescription"])
    assert counted(basket, "ext") == distinct(rows, lambda row: row["productFilename"].rpartition(".")[2])
    assert_lawful(basket)


def counted(basket: Basket, name: str) -> dict[str, int]:
    """What the filters panel says of a facet."""
    [facet] = [facet for facet in facets.facets(basket, EVERYTHING) if facet.name == name]
    return {value.value: value.total for value in facet.values}


def distinct(rows: list[dict[str, str]], value: object) -> dict[str, int]:
    """The same counted independently, over the rows of the table."""
    files: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        files[value(row)].add(row["dataURI"])  # type: ignore[operator]  # a function of a row
    return {key: len(uris) for key, uris in files.items()}
