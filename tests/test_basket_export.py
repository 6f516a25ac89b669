"""The displayed list as a table: as the tree shows it, whoever asks, in every format."""

import asyncio
import io
from datetime import timedelta
from typing import Any

import pytest
from astropy.table import Table
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from portal.access import datetime_to_mjd
from portal.archives.base import PRODUCT_COLUMNS
from portal.models import Grant, Observation, Program
from tests.catalogue import Catalogue

pytestmark = pytest.mark.django_db(transaction=True)

READ = {"csv": "ascii.csv", "ecsv": "ascii.ecsv", "votable": "votable"}


@pytest.fixture
def observation() -> Observation:
    """Two recommended files, one of them exclusive; a raw one in an exposure; rows that repeat a file."""
    catalogue = Catalogue()
    made = catalogue.observation("jw1")
    release = datetime_to_mjd(timezone.now() + timedelta(days=30))
    held: dict[str, Any] = {"dataRights": "EXCLUSIVE_ACCESS", "t_obs_release": release, "proposal_id": "1234"}
    catalogue.lists(made, catalogue.product("jw1_i2d.fits"), catalogue.product("jw1_x1d.fits", **held), mrp=True)
    pool = catalogue.product("jw1_pool.csv", None, productType="INFO", productSubGroupDescription="POOL")
    catalogue.lists(made, catalogue.product("jw1_uncal.fits", 1000), pool, exposure="jw1_nrs1", calib_level=1)
    catalogue.lists(made, pool, calib_level=None)
    return made


@pytest.fixture
def filled(client: Client, observation: Observation) -> Client:
    client.post("/basket/add/", {"obsid": f"local:{observation.obsid}"})
    return client


def fetched(client: Client, query: str) -> bytes:
    answer: Any = client.get(f"/basket/export/?{query}")
    assert answer.status_code == 200, answer.content

    async def whole() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return asyncio.run(whole())


def exported(client: Client, name: str, query: str) -> Any:
    options = {"comment": "#"} if name == "csv" else {}
    return Table.read(io.BytesIO(fetched(client, f"format={name}&{query}")), format=READ[name], **options)


@pytest.mark.parametrize("name", READ)
def test_every_displayed_file_is_one_row_with_the_columns_of_mast(name: str, filled: Client) -> None:
    table = exported(filled, name, "mrp=0")
    assert table.colnames == [*PRODUCT_COLUMNS, "access", "url"]
    assert list(table["productFilename"]) == ["jw1_i2d.fits", "jw1_pool.csv", "jw1_x1d.fits", "jw1_uncal.fits"]
    assert list(table["obs_id"]) == ["jw1", "jw1", "jw1", "jw1_nrs1"]
    assert list(table["size"].filled(-1)) == [100, -1, 100, 1000]


def test_only_what_passes_the_filters_is_listed(filled: Client) -> None:
    assert len(exported(filled, "ecsv", "mrp=1")) == 2
    assert list(exported(filled, "ecsv", "mrp=0&q=UNCAL")["productFilename"]) == ["jw1_uncal.fits"]
    assert len(exported(filled, "ecsv", "mrp=0&category=PREVIEW")) == 0


def test_the_list_says_who_may_read_each_file(filled: Client, alice: User) -> None:
    assert [str(text).split(" until ")[0] for text in exported(filled, "ecsv", "mrp=1")["access"]] == [
        "PUBLIC",
        "Exclusive access",
    ]
    Grant.objects.create(program=Program.objects.create(obs_collection="JWST", proposal_id="1234"), user=alice)
    filled.force_login(alice)
    assert set(exported(filled, "ecsv", "mrp=1")["access"]) == {"PUBLIC"}


def test_the_query_stands_in_the_table(filled: Client) -> None:
    assert b"/basket/?mrp=0&q=i2d" in fetched(filled, "format=csv&mrp=0&q=i2d")


def test_an_unknown_format_is_told(client: Client) -> None:
    answer = client.get("/basket/export/?format=xlsx")
    assert answer.status_code == 400
    assert "csv, ecsv, votable" in answer.content.decode()


def test_an_empty_basket_gives_a_table_without_rows(client: Client) -> None:
    assert len(exported(client, "votable", "mrp=0")) == 0
