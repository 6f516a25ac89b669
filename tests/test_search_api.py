"""GET /api/v1/search/: the search as JSON, in the contract's shape."""

from pathlib import Path

import pytest
from django.test import Client

from portal.archives.base import OBSERVATION_COLUMNS
from portal.ingest import load_tables
from tests.sky_catalogue import observe

pytestmark = pytest.mark.django_db


def test_rows_have_all_of_masts_columns_and_say_how_they_may_be_read(client: Client) -> None:
    observe(obs_id="ring", s_ra=283.396, s_dec=33.029, dataRights="EXCLUSIVE_ACCESS", t_obs_release=62000.0)
    body = client.get("/api/v1/search/", {"target": "M57"}).json()
    assert body["count"] == 1
    row = body["results"][0]
    assert set(OBSERVATION_COLUMNS) <= set(row)
    assert row["obs_id"] == "ring"
    assert row["access"] == "exclusive"
    assert row["public_on"] == "2028-08-17"
    assert {facet["name"] for facet in body["facets"]} >= {"collection", "access", "instrument_name"}


def test_pages_hold_every_observation_once(client: Client) -> None:
    for _ in range(7):
        observe()
    seen = []
    for page in (1, 2, 3, 4):
        body = client.get("/api/v1/search/", {"collection": "JWST", "page": page, "page_size": 3}).json()
        assert body["count"] == 7
        seen += [row["obsid"] for row in body["results"]]
    assert len(seen) == len(set(seen)) == 7


def test_the_table_of_recommended_products_counts_distinct_files(client: Client, shared: Path) -> None:
    folder = shared / "data" / "jwst"
    load_tables(
        observations=folder / "jw05224_nirspec_msa_observations.csv",
        products=folder / "jw05224_nirspec_msa_products_full.csv",
        files=None,
        checksums=False,
    )
    rows = client.get("/api/v1/search/", {"program": "5224"}).json()["results"]
    assert [row["recommended"]["files"] for row in rows] == [5, 5]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"target": "m57 r=abc"}, "target"),
        ({"ra": "10", "dec": "95"}, "dec"),
        ({"colour": "red"}, "colour"),
        ({"page": "0"}, "page"),
        ({"page": "two"}, "page"),
        ({"page_size": "100000"}, "page_size"),
        ({"t_min": "yesterday"}, "t_min"),
    ],
)
def test_bad_input_is_refused_with_its_field_and_a_way_forward(
    client: Client, parameters: dict[str, str], field: str
) -> None:
    answer = client.get("/api/v1/search/", parameters)
    assert answer.status_code in {400, 422}
    error = answer.json()["error"]
    assert error["field"] in {field, "r", "radius"}
    assert error["code"]
    assert len(error["message"]) > 20


def test_an_address_that_is_not_there_answers_in_json(client: Client) -> None:
    answer = client.get("/api/v1/nowhere/")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_a_method_that_is_not_offered_answers_in_json(client: Client) -> None:
    answer = client.delete("/api/v1/search/")
    assert answer.status_code == 405
    assert answer.json()["error"]["code"] == "method_not_allowed"
