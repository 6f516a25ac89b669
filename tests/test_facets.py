"""What the filters and the action bar say, against independent counts."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser, User

from basket import facets, filling, removal, selection
from basket.facets import Amount, Facet
from basket.models import Basket
from basket.page import Filters
from portal.access import datetime_to_mjd
from portal.ingest import load_tables
from portal.models import Grant, Observation, Product, Program
from tests.catalogue import Catalogue

EVERYTHING = Filters(mrp=False)
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RELEASE = datetime(2027, 3, 1, tzinfo=UTC)


def filled(*observations: Observation) -> Basket:
    basket = Basket(key="stranger")
    filling.add_observations(basket, [observation.pk for observation in observations])
    return basket


def numbers(basket: Basket, filters: Filters = EVERYTHING, user: User | None = None) -> facets.Numbers:
    return facets.numbers(basket, filters, user or AnonymousUser(), NOW)


def by_name(basket: Basket, filters: Filters = EVERYTHING) -> dict[str, Facet]:
    return {facet.name: facet for facet in facets.facets(basket, filters)}


def told(facet: Facet) -> dict[str, tuple[int, int]]:
    return {value.value: (value.shown, value.total) for value in facet.values}


@pytest.fixture
def mixed(db: None) -> Basket:
    catalogue = Catalogue()
    observation = catalogue.observation()
    catalogue.lists(observation, catalogue.product("i2d.fits", productSubGroupDescription="I2D"), mrp=True)
    catalogue.lists(observation, catalogue.product("cal.fits", productType="SCIENCE"), exposure="e")
    catalogue.lists(
        observation,
        catalogue.product("cal.jpg", productType="PREVIEW", productSubGroupDescription=""),
        exposure="e",
        dataproduct_type="",
    )
    catalogue.lists(observation, catalogue.product("lc.fits.gz", mission="TESS", productSubGroupDescription="LC"))
    return filled(observation)


def test_the_facets_have_names_and_labels_in_the_order_of_the_panel(mixed: Basket) -> None:
    assert [(facet.name, facet.label) for facet in facets.facets(mixed, Filters())] == [
        ("mrp", "Minimum Recommended Products"),
        ("category", "Product Category"),
        ("type", "Product Type"),
        ("ext", "Extension"),
        ("batch", "Batch Available"),
        ("group", "Group"),
    ]


def test_each_value_is_shown_of_total(mixed: Basket) -> None:
    found = by_name(mixed, Filters(mrp=False, category=("SCIENCE",)))
    assert told(found["category"]) == {"PREVIEW": (0, 1), "SCIENCE": (3, 3)}
    assert told(found["ext"]) == {"fits": (2, 2), "fits.gz": (1, 1), "jpg": (0, 1)}
    assert told(found["batch"]) == {"0": (1, 1), "1": (2, 3)}
    assert told(found["mrp"]) == {"1": (1, 1)}


def test_blank_values_come_last_and_have_a_label(mixed: Basket) -> None:
    found = by_name(mixed)
    assert [(value.value, value.label) for value in found["group"].values] == [
        ("CAL", "CAL"),
        ("I2D", "I2D"),
        ("LC", "LC"),
        ("", "(none)"),
    ]
    assert [value.label for value in found["batch"].values] == ["No", "Yes"]


def test_chosen_values_are_active_and_stay_when_nothing_has_them(mixed: Basket) -> None:
    found = by_name(mixed, Filters(mrp=True, category=("SCIENCE", "GONE"), group=("",), batch=("2",)))
    assert [(value.value, value.active) for value in found["category"].values] == [
        ("GONE", True),
        ("PREVIEW", False),
        ("SCIENCE", True),
    ]
    assert told(found["category"])["GONE"] == (0, 0)
    assert told(found["batch"]) == {"0": (0, 1), "1": (0, 3), "2": (0, 0)}
    assert [value.active for value in found["mrp"].values] == [True]
    assert [value.active for value in by_name(mixed)["mrp"].values] == [False]


def test_values_of_a_facet_are_alternatives_and_facets_all_have_to_hold(mixed: Basket) -> None:
    assert numbers(mixed, Filters(mrp=False, ext=("fits", "jpg"))).displayed == Amount(3, 300)
    assert numbers(mixed, Filters(mrp=False, ext=("fits", "jpg"), category=("PREVIEW",))).displayed == Amount(
        1, 100
    )
    assert numbers(mixed, Filters(mrp=False, ext=())).displayed == Amount(4, 400)
    assert numbers(mixed, Filters(mrp=False, ext=("never",))).displayed == Amount(0, 0)
    assert numbers(mixed, Filters(mrp=False, q="CAL")).displayed == Amount(2, 200)


def test_the_numbers_of_a_selection(mixed: Basket) -> None:
    selection.select(mixed, "", Filters(mrp=False, ext=("fits",)), value=True)
    found = numbers(mixed, Filters(mrp=True))
    assert (found.displayed, found.selected, found.selected_displayed) == (
        Amount(1, 100),
        Amount(2, 200),
        Amount(1, 100),
    )
    assert found.version == mixed.version


def test_files_taken_out_are_no_duplicates(db: None) -> None:
    catalogue = Catalogue()
    first, second = catalogue.filled("a.fits"), catalogue.filled("b.fits")
    star = catalogue.product("gs.fits")
    for observation in (first, second):
        catalogue.lists(observation, star)
    basket = filled(first, second)
    assert (numbers(basket).rows, numbers(basket).files, numbers(basket).duplicates) == (4, 3, 1)
    removal.remove_files(basket, [star.pk])
    assert (numbers(basket).rows, numbers(basket).files, numbers(basket).duplicates) == (4, 2, 1)


def test_unknown_sizes_are_counted_where_they_are_carried(db: None) -> None:
    catalogue = Catalogue()
    first, second = catalogue.filled("a.fits"), catalogue.filled("b.fits")
    vague = catalogue.product("vague.fits", size=None)
    for observation in (first, second):
        catalogue.lists(observation, vague)
    basket = filled(first, second)
    assert (numbers(basket).unknown_sizes, numbers(basket).bytes) == (1, 200)
    removal.remove_files(basket, [vague.pk])
    assert numbers(basket).unknown_sizes == 0


def exclusive(catalogue: Catalogue, *names: str, until: datetime | None = RELEASE) -> list[Product]:
    release = None if until is None else datetime_to_mjd(until)
    return [
        catalogue.product(name, dataRights="EXCLUSIVE_ACCESS", t_obs_release=release, proposal_id="1234")
        for name in names
    ]


def test_what_a_reader_may_not_have_is_counted_with_the_first_day_on_which_that_changes(db: None) -> None:
    catalogue = Catalogue()
    observation = catalogue.filled("public.fits")
    later = exclusive(catalogue, "later.fits", until=datetime(2028, 1, 1, tzinfo=UTC))
    past = exclusive(catalogue, "past.fits", until=datetime(2020, 1, 1, tzinfo=UTC))
    never = [catalogue.product("never.fits", dataRights="RESTRICTED")]
    catalogue.lists(observation, *exclusive(catalogue, "a.fits", "b.fits"), *later, *past, *never)
    basket = filled(observation)
    assert numbers(basket).denied == Amount(0, 0)
    selection.select(basket, "", EVERYTHING, value=True)
    assert (numbers(basket).denied, numbers(basket).public_on) == (Amount(4, 400), date(2027, 3, 1))
    selection.select(basket, "", Filters(mrp=False, q="-b.fits"), value=False)
    assert numbers(basket).denied == Amount(1, 100)
    selection.select(basket, "", Filters(mrp=False, q="never"), value=True)
    selection.select(basket, "", Filters(mrp=False, q="b.fits"), value=False)
    assert (numbers(basket).denied, numbers(basket).public_on) == (Amount(1, 100), None)


def test_a_grant_opens_what_was_denied(db: None, alice: User, bob: User) -> None:
    catalogue = Catalogue()
    observation = catalogue.observation()
    catalogue.lists(observation, *exclusive(catalogue, "a.fits", "b.fits"))
    basket = filled(observation)
    selection.select(basket, "", EVERYTHING, value=True)
    Grant.objects.create(program=Program.objects.create(obs_collection="JWST", proposal_id="1234"), user=alice)
    assert numbers(basket, user=alice).denied == Amount(0, 0)
    assert numbers(basket, user=bob).denied == Amount(2, 200)


def test_a_shared_exclusive_file_is_denied_once(db: None) -> None:
    catalogue = Catalogue()
    first, second = catalogue.filled("a.fits"), catalogue.filled("b.fits")
    [file] = exclusive(catalogue, "x.fits")
    for observation in (first, second):
        catalogue.lists(observation, file)
    basket = filled(first, second)
    selection.select(basket, "", EVERYTHING, value=True)
    assert numbers(basket).denied == Amount(1, 100)


def test_an_empty_basket_has_facets_without_values_and_no_numbers(db: None) -> None:
    for basket in (Basket(), Basket(pk=987654321)):
        found = numbers(basket, Filters())
        assert (found.observations, found.files, found.rows, found.duplicates, found.version) == (0, 0, 0, 0, 0)
        assert told(by_name(basket)["category"]) == {}
        assert told(by_name(basket)["mrp"]) == {"1": (0, 0)}
        assert told(by_name(basket, Filters(group=("CAL",)))["group"]) == {"CAL": (0, 0)}


def test_the_seed_basket_shows_exactly_its_numbers(db: None, shared: Path) -> None:
    seed = shared / "data" / "seed"
    load_tables(products=seed / "seed_basket_407.csv")
    totals = json.loads((seed / "seed_basket_407_facets.json").read_text(encoding="utf-8"))
    basket = filled(*Observation.objects.order_by("pk"))
    found = numbers(basket, Filters(mrp=False, category=("SCIENCE",)))
    assert (found.files, found.displayed.files, found.bytes) == (407, 55, totals["bytes"])
    assert (
        numbers(basket, Filters()).displayed == Amount(totals["mrp"], totals["mrp_bytes"]) == Amount(7, 564095878)
    )
    shown = by_name(basket)
    assert {value.value: value.total for value in shown["category"].values} == totals["category"]
    assert {value.value: value.total for value in shown["ext"].values} == totals["extension"]
    assert {value.value: value.total for value in shown["type"].values} == totals["dataproduct_type"]
    assert {value.value: value.total for value in shown["group"].values} == totals["group"]
    assert told(shown["mrp"]) == {"1": (7, 7)}
    assert told(shown["batch"]) == {"1": (407, 407)}
