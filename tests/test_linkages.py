"""What belongs together, read off the archive's rows."""

from typing import Any

import pytest

from portal import linkages
from portal.linkages import Linkage
from portal.models import Membership, Observation, Product
from tests.catalogue import Catalogue

pytestmark = pytest.mark.django_db

EXPOSURE = "jw05224001001_02101_00001_nrs1"


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue()


@pytest.fixture
def combined(catalogue: Catalogue) -> Observation:
    """A stage-3 observation with its products, its association, and one exposure in four steps."""
    made = catalogue.observation("jw05224-o101_t001_nirspec", calib_level=3)
    for name in ("jw05224-o101_t001_nirspec_s2d.fits", "jw05224-o101_t001_nirspec_x1d.fits"):
        catalogue.lists(made, catalogue.product(name), calib_level=3)
    information: dict[str, Any] = {"productType": "INFO", "productSubGroupDescription": "ASN"}
    catalogue.lists(made, catalogue.product("jw05224-o101_20240101t000000_spec3_00001_asn.json", **information))
    for step, level in (("uncal", 1), ("rate", 2), ("rateints", 2), ("cal", 2), ("o101_crf", 2)):
        catalogue.lists(made, catalogue.product(f"{EXPOSURE}_{step}.fits"), exposure=EXPOSURE, calib_level=level)
    preview = catalogue.product(f"{EXPOSURE}_cal.jpg", productType="PREVIEW")
    catalogue.lists(made, preview, exposure=EXPOSURE)
    return made


def links(name: str) -> dict[str, list[str]]:
    row = Membership.objects.select_related("product", "observation").get(product__productFilename=name)
    return {kind.label: [link.name for link in kind.links] for kind in linkages.of_file(row)}


def test_a_calibrated_exposure_has_what_it_was_made_from_and_what_it_went_into(combined: Observation) -> None:
    found = links(f"{EXPOSURE}_cal.fits")
    assert found["Made from"] == [f"{EXPOSURE}_rate.fits", f"{EXPOSURE}_rateints.fits"]
    assert found["Made into"] == [f"{EXPOSURE}_o101_crf.fits"]
    assert found["Association"] == ["jw05224-o101_20240101t000000_spec3_00001_asn.json"]


def test_the_last_step_of_an_exposure_went_into_the_combined_products(combined: Observation) -> None:
    assert links(f"{EXPOSURE}_o101_crf.fits")["Made into"] == [
        "jw05224-o101_t001_nirspec_s2d.fits",
        "jw05224-o101_t001_nirspec_x1d.fits",
    ]


def test_raw_data_were_made_from_nothing(combined: Observation) -> None:
    found = links(f"{EXPOSURE}_uncal.fits")
    assert "Made from" not in found
    assert found["Made into"] == [f"{EXPOSURE}_rate.fits", f"{EXPOSURE}_rateints.fits"]


def test_a_combined_product_was_made_from_its_exposures(combined: Observation) -> None:
    found = links("jw05224-o101_t001_nirspec_s2d.fits")
    assert found["Made from exposures"] == [EXPOSURE]
    assert found["Made into"] == ["jw05224-o101_t001_nirspec_x1d.fits"]
    assert links("jw05224-o101_t001_nirspec_x1d.fits")["Made from"] == ["jw05224-o101_t001_nirspec_s2d.fits"]


def test_a_preview_is_no_step_of_the_pipeline(combined: Observation) -> None:
    assert set(links(f"{EXPOSURE}_cal.jpg")) == {"Association"}


def test_a_file_in_two_observations_says_so(catalogue: Catalogue, combined: Observation) -> None:
    other = catalogue.observation("jw05224-o102_t001_nirspec")
    shared = catalogue.product("jw05224001001_gs-id_1_image_cal.fits", productType="AUXILIARY")
    catalogue.lists(combined, shared)
    catalogue.lists(other, shared)
    row = Membership.objects.get(product=shared, observation=combined)
    [also] = [kind for kind in linkages.of_file(row) if kind.label == "Also listed by"]
    assert [(link.name, link.address) for link in also.links] == [(other.obs_id, ("local", other.obsid))]


def test_an_observation_knows_its_exposures_and_what_it_is_part_of(catalogue: Catalogue) -> None:
    single = catalogue.observation(EXPOSURE, calib_level=2)
    whole = catalogue.observation("jw05224-o101_t001_nirspec", calib_level=3)
    for step in ("rate", "cal"):
        product = catalogue.product(f"{EXPOSURE}_{step}.fits")
        catalogue.lists(single, product)
        Membership.objects.create(observation=whole, product=product, obsID=single.obsid, obs_id=single.obs_id)
    [below] = linkages.of_observation(whole)
    assert below == Linkage("Exposures", [linkages.Linked(EXPOSURE, address=("local", single.obsid), files=2)], 1)
    [above] = linkages.of_observation(single)
    assert (above.label, above.links[0].name) == ("Part of", whole.obs_id)
    assert linkages.uncombined(single) == ""


def test_a_single_exposure_of_jwst_says_why_there_is_no_stage_3(catalogue: Catalogue) -> None:
    alone = catalogue.filled("jw1_dark.fits", obs_id="jw00001001001_02101_00001_nrs1")
    assert linkages.uncombined(alone) == ""  # it is at level 3 itself
    Observation.objects.update(calib_level=2)
    alone.refresh_from_db()
    assert "No stage-3 product" in linkages.uncombined(alone)


def test_long_lists_are_cut_and_counted(catalogue: Catalogue) -> None:
    whole = catalogue.observation("jw05224-o101_t001_nirspec", calib_level=3)
    for number in range(20):
        exposure = f"jw05224001001_02101_{number:05}_nrs1"
        catalogue.lists(whole, catalogue.product(f"{exposure}_cal.fits"), exposure=exposure)
    [below] = linkages.of_observation(whole)
    assert (len(below.links), below.total, below.more) == (12, 20, 8)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jw01_nis_o003_crf.fits", ("jw01_nis", "crf")),
        ("jw01_nis_a3001_crfints.fits", ("jw01_nis", "crfints")),
        ("iabc01010_drz.fits", ("iabc01010", "drz")),
        ("README", ("", "README")),
        ("", ("", "")),
    ],
)
def test_the_parts_of_a_name(name: str, expected: tuple[str, str]) -> None:
    assert linkages.parts(name) == expected


def test_a_name_without_parts_has_no_links(catalogue: Catalogue) -> None:
    made = catalogue.filled("README", obs_id="jw9")
    assert Product.objects.get(productFilename="README")
    assert [kind.label for kind in linkages.of_file(Membership.objects.get(observation=made))] == []
