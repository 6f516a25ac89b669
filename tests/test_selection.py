"""Selecting files: only what passes the filters changes."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from hypothesis import HealthCheck, given, settings

from basket import facets, filling, selection
from basket.chosen import selected_ids, selected_products
from basket.models import Basket, BasketItem
from basket.nodes import observation_path
from basket.page import Filters
from portal.errors import Problem
from portal.models import Observation, Product
from tests.basket_model import FILTERS, passes
from tests.catalogue import Catalogue, assert_lawful, listing, names, random_catalogue

EVERYTHING = Filters(mrp=False)


class Filled:
    """A basket with a JWST observation of own files and two exposures, and an HST one."""

    def __init__(self) -> None:
        catalogue = Catalogue()
        self.jwst, self.hst = catalogue.observation("jw1"), catalogue.observation("h1", "HST")
        catalogue.lists(self.jwst, catalogue.product("i2d.fits"), catalogue.product("asn.json"), mrp=True)
        catalogue.lists(
            self.jwst, catalogue.product("a_cal.fits"), catalogue.product("a_cal.jpg"), exposure="jw1_a"
        )
        catalogue.lists(self.jwst, catalogue.product("b_cal.fits"), exposure="jw1/b")
        catalogue.lists(self.hst, catalogue.product("drz.fits", mission="HST"), mrp=True)
        self.basket = Basket(key="stranger")
        filling.add_observations(self.basket, [self.jwst.pk, self.hst.pk])

    @property
    def top(self) -> str:
        return observation_path("JWST", self.jwst)

    def select(self, path: str, filters: Filters = EVERYTHING, *, value: bool = True) -> list[str]:
        """Select, and tell what is selected then."""
        selection.select(self.basket, path, filters, value)
        assert_lawful(self.basket)
        found = names(selected_products(self.basket))
        counts = facets.numbers(self.basket, EVERYTHING, AnonymousUser(), timezone.now())
        assert counts.selected.files == len(found)
        return found


@pytest.fixture
def filled(db: None) -> Filled:
    return Filled()


ALL = ["asn.json", "i2d.fits", "b_cal.fits", "a_cal.fits", "a_cal.jpg", "drz.fits"]


def test_a_selection_under_a_filter_leaves_hidden_files_alone(filled: Filled) -> None:
    fits = Filters(mrp=False, ext=("fits",))
    assert filled.select("", fits) == ["i2d.fits", "b_cal.fits", "a_cal.fits", "drz.fits"]
    assert filled.select("", Filters(), value=False) == ["b_cal.fits", "a_cal.fits"]
    assert filled.select("", Filters(mrp=False, ext=("json", "jpg"))) == [
        "asn.json",
        "b_cal.fits",
        "a_cal.fits",
        "a_cal.jpg",
    ]


def test_everything_can_be_selected_and_deselected(filled: Filled) -> None:
    assert filled.select("") == ALL
    assert filled.select("", value=False) == []


def test_a_mission_is_selected_without_the_others(filled: Filled) -> None:
    assert filled.select("JWST") == ALL[:-1]
    assert filled.select("HST") == ALL
    assert filled.select("JWST", value=False) == ["drz.fits"]


def test_an_observation_is_selected_without_the_others(filled: Filled) -> None:
    assert filled.select(filled.top) == ALL[:-1]
    assert filled.select(filled.top, Filters(), value=False) == ALL[2:-1]


def test_an_exposure_is_selected_without_its_siblings(filled: Filled) -> None:
    assert filled.select(f"{filled.top}/jw1_a") == ["a_cal.fits", "a_cal.jpg"]
    assert filled.select(f"{filled.top}/jw1%2Fb") == ["b_cal.fits", "a_cal.fits", "a_cal.jpg"]
    jpg = Filters(mrp=False, ext=("jpg",))
    assert filled.select(f"{filled.top}/jw1_a", jpg, value=False) == ["b_cal.fits", "a_cal.fits"]


def test_a_file_is_selected_alone(filled: Filled) -> None:
    own, exposed = (
        Product.objects.get(productFilename="i2d.fits"),
        Product.objects.get(productFilename="a_cal.jpg"),
    )
    assert filled.select(f"{filled.top}/{own.pk}") == ["i2d.fits"]
    assert filled.select(f"{filled.top}/jw1_a/{exposed.pk}") == ["i2d.fits", "a_cal.jpg"]
    assert filled.select(f"{filled.top}/{own.pk}", value=False) == ["a_cal.jpg"]


def test_a_hidden_file_is_not_selected_by_its_path_either(filled: Filled) -> None:
    hidden = Product.objects.get(productFilename="a_cal.jpg")
    assert filled.select(f"{filled.top}/jw1_a/{hidden.pk}", Filters()) == []


def test_a_later_selection_of_all_overrules_single_files_and_the_other_way_round(filled: Filled) -> None:
    path = f"{filled.top}/{Product.objects.get(productFilename='i2d.fits').pk}"
    filled.select(path)
    assert filled.select("") == ALL
    assert filled.select(path, value=False) == [name for name in ALL if name != "i2d.fits"]
    assert filled.select("", Filters(), value=False) == ALL[2:-1]
    assert filled.select(filled.top) == ALL[:-1]


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("CAL", ["b_cal.fits", "a_cal.fits", "a_cal.jpg"]),
        ("*.json", ["asn.json"]),
        ("!cal", ["asn.json", "i2d.fits", "drz.fits"]),
        ("a_*.fits", ["a_cal.fits"]),
        ("nothing", []),
    ],
)
def test_a_filter_on_names_holds_for_a_selection_too(filled: Filled, q: str, expected: list[str]) -> None:
    assert filled.select("", Filters(mrp=False, q=q)) == expected
    assert filled.select("") == ALL
    assert filled.select("", Filters(mrp=False, q=q), value=False) == [
        name for name in ALL if name not in expected
    ]


def test_values_that_nobody_has_select_nothing(filled: Filled) -> None:
    for filters in (Filters(category=("NEVER",)), Filters(batch=("",)), Filters(mrp=False, group=("Ω\0",))):
        assert filled.select("", filters) == []
    assert filled.select("", Filters(mrp=False, category=())) == ALL


@pytest.mark.parametrize(
    "path",
    [
        "TESS",
        "JWST/local:1",
        "JWST/",
        "JWST//",
        "/",
        "JWST/local:{obsid}/never",
        "JWST/local:{obsid}/999999999999",
        "JWST/local:{obsid}/jw1_a/{own}",
        "JWST/local:{obsid}/{exposed}",
        "JWST/local:{obsid}/jw1_a/{exposed}/1",
        "JWST/local:{obsid}/jw1_a/never",
        "JWST/mast:{obsid}",
        "HST/local:{obsid}",
        "JWST/local:{obsid}/99999999999999999999999999",
        "JWST/local:\0",
        "JWST/local:%00",
        "\0",
        "%zz",
        "a/b/c/d/e",
    ],
)
def test_a_path_that_leads_nowhere_is_told_and_changes_nothing(filled: Filled, path: str) -> None:
    own, exposed = (
        Product.objects.get(productFilename="i2d.fits"),
        Product.objects.get(productFilename="a_cal.jpg"),
    )
    version = filled.basket.version
    with pytest.raises(Problem) as caught:
        filled.select(path.format(obsid=filled.jwst.obsid, own=own.pk, exposed=exposed.pk))
    assert (caught.value.status, caught.value.field) == (404, "path")
    assert Basket.objects.get().version == version


def test_a_file_that_another_observation_carries_is_no_node_here(filled: Filled) -> None:
    catalogue = Catalogue()
    other = Observation.objects.create(obsid="9", obs_id="jw9", obs_collection="JWST")
    star = catalogue.product("star.fits")
    catalogue.lists(filled.jwst, star)
    catalogue.lists(other, star)
    basket = Basket(key="second")
    Observation.objects.update(products_version=1)
    filling.add_observations(basket, [filled.jwst.pk, other.pk])
    with pytest.raises(Problem):
        selection.select(basket, f"{observation_path('JWST', other)}/{star.pk}", EVERYTHING, value=True)
    selection.select(basket, f"{filled.top}/{star.pk}", EVERYTHING, value=True)
    assert names(selected_products(basket)) == ["star.fits"]


def test_nothing_is_selected_in_a_basket_that_is_not_stored(db: None) -> None:
    basket = Basket(key="stranger")
    selection.select(basket, "", EVERYTHING, value=True)
    assert not Basket.objects.exists()
    with pytest.raises(Problem):
        selection.select(basket, "JWST", EVERYTHING, value=True)
    assert list(selected_ids(basket)) == []


def test_a_selection_of_all_touches_no_item(filled: Filled) -> None:
    before = list(BasketItem.objects.order_by("pk").values())
    filled.select("")
    assert list(BasketItem.objects.order_by("pk").values()) == before


def test_selected_products_that_left_the_catalogue_are_not_passed_over(filled: Filled) -> None:
    filled.select("")
    Product.objects.filter(productFilename="i2d.fits").delete()
    with pytest.raises(Problem) as caught:
        list(selected_products(filled.basket))
    assert caught.value.status == 409


def test_what_is_selected_for_a_filter_is_what_passes_it(db: None) -> None:
    observations = random_catalogue(7, observations=6)
    lists = [listing(observation) for observation in observations]
    basket = Basket(key="stranger")
    filling.add_observations(basket, [observation.pk for observation in observations])

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(FILTERS)
    def check(filters: Filters) -> None:
        carried: set[int] = set()
        expected: list[int] = []
        for one in lists:
            mine = [file for file in one.files.values() if file.id not in carried]
            carried |= set(one.files)
            expected += [file.id for file in mine if passes(file, filters)]
        selection.select(basket, "", EVERYTHING, value=False)
        selection.select(basket, "", filters, value=True)
        assert [int(pk) for ids in selected_ids(basket) for pk in ids] == expected

    check()
