"""Presets: common wishes as filters, offered where the basket has files for them."""

import pytest

from basket.filling import add_observations
from basket.ledger import cube_of
from basket.models import Basket
from basket.page import Filters, PageState
from basket.presets import Preset, like, presets
from tests.catalogue import Catalogue

pytestmark = pytest.mark.django_db

FILES = [
    # name, category, group, recommended
    ("jw1_i2d.fits", "SCIENCE", "I2D", True),
    ("jw1_cal.fits", "SCIENCE", "CAL", False),
    ("jw1_rate.fits", "SCIENCE", "RATE", False),
    ("jw1_uncal.fits", "SCIENCE", "UNCAL", False),
    ("jw1_msa.fits", "AUXILIARY", "MSA", False),
    ("jw1_gs.fits", "AUXILIARY", "GS-ID", False),
    ("jw1_asn.json", "INFO", "ASN", False),
    ("jw1_pool.csv", "INFO", "POOL", False),
    ("jw1_i2d.jpg", "PREVIEW", "", False),
]


START = PageState()


def shown(state: PageState = START, *, files: list[tuple[str, str, str, bool]] = FILES) -> dict[str, Preset]:
    catalogue = Catalogue()
    observation = catalogue.observation()
    for name, category, group, mrp in files:
        product = catalogue.product(name, productType=category, productSubGroupDescription=group)
        catalogue.lists(observation, product, mrp=mrp)
    basket = Basket.objects.create(key=f"preset-{observation.pk}")
    add_observations(basket, [observation.pk])
    basket.refresh_from_db()
    return {preset.name: preset for preset in presets(cube_of(basket), state)}


def test_each_wish_counts_the_files_that_fulfil_it() -> None:
    found = {name: preset.files for name, preset in shown().items()}
    assert found == {"recommended": 1, "rerun": 4, "calibrated": 2, "raw": 1, "previews": 1}


def test_a_preset_is_a_state_of_the_page() -> None:
    assert shown()["rerun"].query == (
        "mrp=0&category=AUXILIARY&category=INFO&category=SCIENCE&group=ASN&group=MSA&group=POOL&group=UNCAL"
    )
    assert shown()["previews"].query == "mrp=0&category=PREVIEW"


def test_a_search_for_a_name_and_the_open_nodes_stay() -> None:
    state = PageState(filters=Filters(q="nrs1"), open=("JWST",))
    assert shown(state)["raw"].query == "mrp=0&category=SCIENCE&group=UNCAL&q=nrs1&open=JWST"


def test_the_preset_whose_state_this_is_says_so() -> None:
    state = PageState(filters=Filters(mrp=False, category=("SCIENCE",), group=("UNCAL",), q="nrs1"))
    assert [name for name, preset in shown(state).items() if preset.active] == ["raw"]
    assert [name for name, preset in shown().items() if preset.active] == ["recommended"]


def test_what_the_basket_has_no_files_for_is_not_offered() -> None:
    assert list(shown(files=[("jw1_i2d.jpg", "PREVIEW", "", False)])) == ["previews"]
    assert list(presets(cube_of(Basket()), PageState())) == []


def test_files_of_one_kind_share_category_group_and_ending() -> None:
    assert like("SCIENCE", "CAL", "fits") == Filters(
        mrp=False, category=("SCIENCE",), group=("CAL",), ext=("fits",)
    )
