"""Reading a basket: what the details of a file lead to, and what the page offers for common wishes."""

import re
from pathlib import Path

import pytest
from django.test import Client

from portal.models import Observation, Product, StoredFile
from tests.catalogue import Catalogue

pytestmark = pytest.mark.django_db


@pytest.fixture
def observation() -> Observation:
    """A combined product, and an exposure in two steps."""
    catalogue = Catalogue()
    made = catalogue.observation("jw1-o001_t001_nircam", calib_level=3)
    catalogue.lists(made, catalogue.product("jw1-o001_t001_nircam_i2d.fits"), calib_level=3)
    for step in ("rate", "cal"):
        catalogue.lists(made, catalogue.product(f"jw1_nrca1_{step}.fits"), exposure="jw1_nrca1")
    return made


@pytest.fixture
def filled(client: Client, observation: Observation) -> Client:
    client.post("/basket/add/", {"obsid": f"local:{observation.obsid}"})
    return client


def product(name: str) -> Product:
    return Product.objects.get(productFilename=name)


def page(client: Client, query: str) -> str:
    answer = client.get(f"/basket/?{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_details_link_to_what_the_file_was_made_from_and_into(filled: Client) -> None:
    text = page(filled, f"mrp=0&file={product('jw1_nrca1_cal.fits').pk}")
    assert f'href="?mrp=0&amp;file={product("jw1_nrca1_rate.fits").pk}#details"' in text
    assert f'href="?mrp=0&amp;file={product("jw1-o001_t001_nircam_i2d.fits").pk}#details"' in text


def test_a_linked_file_that_was_taken_out_is_named_without_a_link(filled: Client) -> None:
    rate = product("jw1_nrca1_rate.fits")
    filled.post("/basket/select/?mrp=0&q=rate", {"select": ""})
    filled.post("/basket/remove/?mrp=0", {"what": "selected"})
    text = page(filled, f"mrp=0&file={product('jw1_nrca1_cal.fits').pk}")
    assert "jw1_<wbr>nrca1_<wbr>rate.fits" in text
    assert f"file={rate.pk}#details" not in text


def test_only_files_of_this_kind_is_a_link_to_filters(filled: Client) -> None:
    pk = product("jw1_nrca1_cal.fits").pk
    assert f'href="?mrp=0&amp;category=SCIENCE&amp;ext=fits&amp;group=CAL&amp;file={pk}"' in page(
        filled, f"mrp=0&file={pk}"
    )


def test_headers_are_offered_where_there_are_bytes_to_read(filled: Client, tmp_path: Path) -> None:
    cal = product("jw1_nrca1_cal.fits")
    assert "FITS headers" not in page(filled, f"mrp=0&file={cal.pk}")
    StoredFile.objects.create(product=cal, path=str(tmp_path / "cal.fits"), size=1, mtime_ns=1)
    assert f'href="/header/?uri={cal.dataURI}"' in page(filled, f"mrp=0&file={cal.pk}")


def test_presets_stand_above_the_filters_and_the_present_one_is_marked(filled: Client) -> None:
    text = page(filled, "mrp=0&category=SCIENCE")
    found = re.findall(r'id="preset-(\w+)"( aria-current="true")?', text)
    assert [name for name, _ in found] == ["calibrated"]
    assert 'id="export-votable"' in text


def test_the_json_of_a_file_has_its_linkages(filled: Client) -> None:
    answer = filled.get(f"/api/v1/basket/files/{product('jw1_nrca1_cal.fits').pk}/").json()
    assert {kind["label"]: [link["name"] for link in kind["links"]] for kind in answer["linkages"]} == {
        "Made from": ["jw1_nrca1_rate.fits"],
        "Made into": ["jw1-o001_t001_nircam_i2d.fits"],
    }
    assert answer["header"] is None


def test_an_observation_page_lists_its_exposures(client: Client, observation: Observation) -> None:
    text = client.get(f"/observation/local/{observation.obsid}/").content.decode()
    assert "Exposures" in text
    assert "jw1_<wbr>nrca1" in text
