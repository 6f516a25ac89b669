"""What is selected, told before anything is sent, against sums made file by file."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client
from django.utils import timezone

from basket import chosen, filling, selection, summary
from basket.facets import Amount
from basket.models import Basket
from basket.page import Filters
from portal import access
from portal.access import datetime_to_mjd
from portal.models import Grant, Product, Program
from tests.catalogue import Catalogue, random_catalogue

pytestmark = pytest.mark.django_db

NOW = timezone.now()
NOBODY = AnonymousUser()
LIMIT = 10**10
Sums = dict[Any, tuple[int, int]]


def sums(products: Iterable[Product], of: Any) -> Sums:
    """Files and bytes by what `of` says of each product."""
    files: Counter[Any] = Counter()
    size: Counter[Any] = Counter()
    for product in products:
        files[of(product)] += 1
        size[of(product)] += product.size or 0
    return {key: (files[key], size[key]) for key in files}


def lines(told: list[summary.Line]) -> Sums:
    return {line.name: (line.files, line.bytes) for line in told}


def size_class(product: Product) -> str:
    if product.size is None:
        return "size unknown"
    for name, most in (("up to 1 MB", 10**6), ("1 to 100 MB", 10**8), ("100 MB to 1 GB", 10**9)):
        if product.size <= most:
            return name
    return "over 1 GB"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_sum_equals_one_made_file_by_file(seed: int) -> None:
    basket, catalogue = Basket(key="stranger"), random_catalogue(seed)
    filling.add_observations(basket, [one.pk for one in catalogue])
    selection.select(basket, "", Filters(mrp=False, category=("SCIENCE", "")), value=True)
    selection.select(basket, "", Filters(mrp=False, q="-3"), value=True)
    told = summary.summary(basket, NOBODY, NOW, LIMIT)
    files = list(chosen.selected_products(basket))
    assert told.selected == Amount(len(files), sum(one.size or 0 for one in files))
    assert told.unknown_sizes == sum(one.size is None for one in files)
    assert lines(told.sizes) == sums(files, size_class)
    assert lines(told.categories) == sums(files, lambda one: one.productType or "(none)")
    assert [sum(line.files for line in told.missions), sum(line.bytes for line in told.missions)] == [
        told.selected.files,
        told.selected.bytes,
    ]
    granted: set[tuple[str, str]] = set()
    reasons = sums(files, lambda one: access.judge(one, granted, NOW).reason)
    public = reasons.pop("", (0, 0))
    assert told.access.public == Amount(*public)
    assert {one.reason: (one.files, one.bytes) for one in told.access.refusals} == reasons
    assert told.deliverable == Amount(
        told.selected.files - told.access.denied.files, told.selected.bytes - told.access.denied.bytes
    )


@pytest.fixture
def exclusive() -> Basket:
    """Selected: two public files, three of one program until two days, one of another for ever, one unknown."""
    catalogue, observation = Catalogue(), Catalogue().observation()

    def listed(name: str, rights: str, release: date | None, program: str) -> None:
        moment: Any = None if release is None else datetime_to_mjd(_midnight(release))
        columns: dict[str, Any] = {"dataRights": rights, "t_obs_release": moment, "proposal_id": program}
        catalogue.lists(observation, catalogue.product(name, 10, **columns))

    for name in ("a", "b"):
        listed(name, "PUBLIC", None, "1")
    listed("c", "EXCLUSIVE_ACCESS", date(2127, 3, 1), "2")
    listed("d", "EXCLUSIVE_ACCESS", date(2127, 3, 1), "2")
    listed("e", "EXCLUSIVE_ACCESS", date(2127, 1, 9), "2")
    listed("f", "RESTRICTED", None, "3")
    listed("g", "EXCLUSIVE_ACCESS", None, "3")
    basket = Basket(key="stranger")
    filling.add_observations(basket, [observation.pk])
    selection.select(basket, "", Filters(mrp=False), value=True)
    return basket


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def test_who_may_read_what_from_when_on(exclusive: Basket) -> None:
    told = summary.summary(exclusive, NOBODY, NOW, LIMIT).access
    assert [one.sentence for one in told.refusals] == [
        "1 file becomes public on 2127-01-09.",
        "2 files become public on 2127-03-01.",
        "1 file: Exclusive access: the date of its release is not known.",
        "1 file: Restricted by the archive: not public at any time.",
    ]
    assert (told.public, told.granted, told.denied) == (Amount(2, 20), Amount(0, 0), Amount(5, 50))


def test_a_right_of_ones_own_is_told_apart_from_the_public(exclusive: Basket, alice: User) -> None:
    program = Program.objects.create(obs_collection="JWST", proposal_id="2")
    Grant.objects.create(program=program, user=alice)
    told = summary.summary(exclusive, alice, NOW, LIMIT).access
    assert (told.public, told.granted, told.denied) == (Amount(2, 20), Amount(3, 30), Amount(2, 20))
    assert len(told.refusals) == 2


def test_what_was_released_in_the_meantime_is_public(exclusive: Basket) -> None:
    later = _midnight(date(2127, 2, 1))
    told = summary.summary(exclusive, NOBODY, later, LIMIT).access
    assert (told.public, told.denied) == (Amount(3, 30), Amount(4, 40))


@pytest.mark.parametrize(
    ("files", "size", "unknown", "fits", "note"),
    [
        (3, 1000, 0, True, "1.0 kB of the 1.0 kB that one stream may hold"),
        (3, 1001, 0, False, "1 byte more than the 1.0 kB"),
        (3, 900, 2, True, "2 files of unknown size count too"),
        (0, 0, 0, False, "0 bytes of the 1.0 kB"),
    ],
)
def test_ways_that_fit_and_that_do_not(files: int, size: int, unknown: int, fits: bool, note: str) -> None:
    told = {way.method: way for way in summary.ways(Amount(files, size), unknown, 1000)}
    assert list(told) == ["zip", "tar", "tar.gz", "script", "batch"]
    assert {told[name].fits for name in ("zip", "tar", "tar.gz")} == {fits}
    assert note in told["zip"].note
    assert (told["script"].fits, told["batch"].fits) == (bool(files), False)


def test_nothing_is_told_of_nothing(client: Client) -> None:
    told = summary.summary(Basket(), NOBODY, NOW, LIMIT)
    assert (told.selected, told.missions, told.categories, told.sizes) == (Amount(0, 0), [], [], [])
    assert "Nothing is selected" in client.get("/basket/summary/").content.decode()
    assert client.get("/api/v1/basket/summary/").json()["selected"] == {"files": 0, "bytes": 0}


def test_the_page_the_json_and_the_download_manager_tell_it(client: Client) -> None:
    catalogue, observation = Catalogue(), Catalogue().observation(obs_id="jw1")
    release: Any = datetime_to_mjd(NOW + timedelta(days=400))
    secret = catalogue.product("jw1_b.fits", dataRights="EXCLUSIVE_ACCESS", t_obs_release=release)
    catalogue.lists(observation, catalogue.product("jw1_a.fits"), secret, mrp=True)
    client.post("/basket/add/", {"obsid": f"local:{observation.obsid}"})
    client.post("/basket/select/?mrp=0", {"select": ""})
    day = (NOW + timedelta(days=400)).date().isoformat()
    shown = client.get("/basket/summary/").content.decode()
    assert f"1 file becomes public on {day}." in shown
    assert "1 file public" in shown
    body = client.get("/api/v1/basket/summary/").json()
    assert body["access"] == {
        "public": {"files": 1, "bytes": 100},
        "granted": {"files": 0, "bytes": 0},
        "denied": {"files": 1, "bytes": 100},
    }
    assert body["refusals"][0]["public_on"] == day
    assert [way["fits"] for way in body["ways"]] == [True, True, True, True, False]
    page = client.get("/basket/?mrp=1").content.decode()
    assert 'id="preflight-summary"' in page
    assert 'href="/basket/summary/"' in page
