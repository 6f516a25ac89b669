"""What is being added in the background, on the page and in JSON: how far it is, stopping it, trying again."""

import json
from typing import Any

import pytest
from django.test import Client

from basket import fillings, ledger
from basket.models import Filling
from portal.models import Observation
from tests.catalogue import Catalogue


@pytest.fixture
def slow(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything takes longer than a request may, and one observation is a portion."""
    monkeypatch.setattr(fillings, "LITTLE_SECONDS", -1.0)
    monkeypatch.setattr(fillings, "PORTION_ROWS", 1)


@pytest.fixture
def observations(slow: None) -> list[Observation]:
    catalogue = Catalogue()
    return [catalogue.filled(f"a{number}.fits", f"b{number}.fits", obs_id=f"jw{number}") for number in range(3)]


def posted(client: Client, *observations: Observation, **fields: str) -> str:
    """Add on the page, and what is shown then."""
    names = [f"local:{one.obsid}" for one in observations]
    return client.post("/basket/add/", {"obsid": names, **fields}, follow=True).content.decode()


def asked(client: Client, path: str, body: object = None) -> tuple[int, Any]:
    answer = client.post(path, json.dumps(body or {}), content_type="application/json")
    return answer.status_code, answer.json()


def test_the_page_tells_how_far_it_is_and_asks_again_until_it_has_ended(
    client: Client, observations: list[Observation]
) -> None:
    shown = posted(client, *observations)
    assert "Adding 3 observations: your basket shows how far that is." in shown
    assert "Adding 0 of 3 observations …" in shown
    assert 'hx-trigger="every 2s"' in shown
    made = Filling.objects.get()
    assert fillings.work(made.key, seconds=1e-9)
    shown = client.get("/basket/?mrp=0").content.decode()
    assert "Adding 1 of 3 observations …" in shown
    assert "Displaying <b>2</b> of <b>2</b> files" in shown, "the basket is there meanwhile"
    fillings.work(made.key)
    shown = client.get("/basket/?mrp=0").content.decode()
    assert "Displaying <b>6</b> of <b>6</b> files" in shown
    assert "every 2s" not in shown


def test_it_can_be_stopped_and_what_came_in_stays(client: Client, observations: list[Observation]) -> None:
    posted(client, *observations)
    made = Filling.objects.get()
    fillings.work(made.key, seconds=1e-9)
    shown = client.post(f"/basket/fillings/{made.key}/cancel/?mrp=0", follow=True).content.decode()
    assert "Stopped: 1 of 3 observations are in the basket." in shown
    assert "Displaying <b>2</b> of <b>2</b> files" in shown
    assert "every 2s" not in shown


def test_what_could_not_be_added_is_named_and_can_be_tried_again(
    client: Client, slow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = Catalogue()
    fine, other = catalogue.filled("a.fits"), catalogue.filled("h.fits", mission="HST")
    monkeypatch.setattr(ledger, "MOST_MISSIONS", 1)
    posted(client, fine, other)
    made = Filling.objects.get()
    fillings.work(made.key)
    shown = client.get("/basket/?mrp=0").content.decode()
    assert "1 observation could not be added" in shown
    assert (
        f"<b>local:{other.obsid}</b>: A basket holds observations of at most 1 missions; HST is one more." in shown
    )
    monkeypatch.setattr(ledger, "MOST_MISSIONS", 255)
    shown = client.post(f"/basket/fillings/{made.key}/retry/?mrp=0", follow=True).content.decode()
    assert "Adding 0 of 1 observation …" in shown
    again = Filling.objects.exclude(pk=made.pk).get()
    fillings.work(again.key)
    shown = client.get("/basket/?mrp=0").content.decode()
    assert "could not be added" not in shown
    assert "Displaying <b>2</b> of <b>2</b> files" in shown


def test_the_search_page_stays_where_it_was(client: Client, observations: list[Observation]) -> None:
    shown = posted(client, observations[0], then="stay", next="/?program=1")
    assert "Adding 1 observation: your basket shows how far that is." in shown


def test_json_answers_202_with_an_address_that_tells_how_far_it_is(
    client: Client, observations: list[Observation]
) -> None:
    body = {"obsids": [*(one.obsid for one in observations), "nothing"]}
    status, begun = asked(client, "/api/v1/basket/observations/", body)
    made = Filling.objects.get()
    assert (status, begun) == (202, {"filling": f"/api/v1/basket/fillings/{made.key}/", "not_found": ["nothing"]})
    assert client.get(begun["filling"]).json() == {
        "phase": "QUEUED", "total": 3, "done": 0, "added": 0, "already": 0, "files": 0, "rows": 0, "duplicates": 0,
        "failures": [],
    }  # fmt: skip
    fillings.work(made.key)
    told = client.get(begun["filling"]).json()
    assert (told["phase"], told["done"], told["added"], told["files"]) == ("COMPLETED", 3, 3, 6)
    assert client.get("/api/v1/basket/").json()["files"] == 6
    status, problem = asked(client, f"{begun['filling']}retry/")
    assert (status, problem["error"]["code"]) == (409, "nothing_to_retry")


def test_json_stops_it(client: Client, observations: list[Observation]) -> None:
    _, begun = asked(client, "/api/v1/basket/observations/", {"obsids": [one.obsid for one in observations]})
    status, told = asked(client, f"{begun['filling']}cancel/")
    assert (status, told["phase"]) == (200, "ABORTED")
    assert asked(client, f"{begun['filling']}cancel/")[1] == told


def test_nobody_sees_or_stops_what_somebody_else_adds(client: Client, observations: list[Observation]) -> None:
    posted(client, *observations)
    key, stranger = Filling.objects.get().key, Client()
    for path in (f"/api/v1/basket/fillings/{key}/", "/api/v1/basket/fillings/none/"):
        assert stranger.get(path).status_code == 404
    for path in (f"/basket/fillings/{key}/cancel/", f"/basket/fillings/{key}/retry/"):
        assert stranger.post(path).status_code == 404
    assert Filling.objects.get().phase == "QUEUED"
