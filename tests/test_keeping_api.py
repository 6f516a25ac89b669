"""JSON of what is kept: versions as ETag, several baskets, saved filters, removals, links."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from basket.models import Basket
from portal.access import datetime_to_mjd
from portal.models import Grant, Program
from tests.catalogue import Catalogue

pytestmark = pytest.mark.django_db
JSON = "application/json"


@pytest.fixture
def filled(client: Client) -> Client:
    """A stranger with two files in the basket."""
    add(client, "a.fits", "b.fits")
    return client


def add(client: Client, *names: str, **headers: str) -> Any:
    observation = Catalogue().filled(*names)
    return send(client, "post", "basket/observations/", {"obsids": [observation.obsid]}, **headers)


def send(client: Client, method: str, route: str, body: Any = None, **headers: str) -> Any:
    return getattr(client, method)(f"/api/v1/{route}", body or {}, content_type=JSON, headers=headers)


def told(client: Client, route: str, **query: Any) -> Any:
    answer = client.get(f"/api/v1/{route}", query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def error(answer: Any) -> tuple[int, str, str]:
    body = answer.json()["error"]
    return answer.status_code, body["code"], body.get("field", "")


# The version


def test_the_numbers_carry_a_strong_tag_and_are_not_sent_again(filled: Client) -> None:
    first = filled.get("/api/v1/basket/?mrp=0")
    tag = first.headers["ETag"]
    assert tag.startswith(f'"{first.json()["id"]}-{first.json()["version"]}-')
    assert first.headers["Cache-Control"] == "private, no-cache"
    for method in ("get", "head"):
        again = getattr(filled, method)("/api/v1/basket/?mrp=0", headers={"If-None-Match": f'"x", {tag}'})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert filled.get("/api/v1/basket/?mrp=0", headers={"If-None-Match": "nonsense"}).status_code == 200
    send(filled, "post", "basket/selection/", {"action": "select"})
    changed = filled.get("/api/v1/basket/?mrp=0", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["selected"]["files"]) == (200, 2)


def test_filters_have_tags_of_their_own(filled: Client) -> None:
    tags = {filled.get(f"/api/v1/basket/?mrp=0&q={q}").headers["ETag"] for q in ("", "a", "nothing")}
    assert len(tags) == 3


def test_the_tag_changes_with_the_readers_rights(client: Client, alice: User) -> None:
    catalogue, observation = Catalogue(), Catalogue().observation()
    later: Any = datetime_to_mjd(timezone.now() + timedelta(days=9))
    product = catalogue.product("x.fits", dataRights="EXCLUSIVE_ACCESS", t_obs_release=later, proposal_id="7")
    catalogue.lists(observation, product, mrp=True)
    client.force_login(alice)
    send(client, "post", "basket/observations/", {"obsids": [observation.obsid]})
    send(client, "post", "basket/selection/", {"action": "select"})
    first = client.get("/api/v1/basket/")
    assert first.json()["denied"]["files"] == 1
    Grant.objects.create(program=Program.objects.create(obs_collection="JWST", proposal_id="7"), user=alice)
    second = client.get("/api/v1/basket/", headers={"If-None-Match": first.headers["ETag"]})
    assert (second.status_code, second.json()["denied"]["files"]) == (200, 0)
    assert second.json()["version"] == first.json()["version"]


@pytest.mark.parametrize(
    ("method", "route", "body"),
    [
        ("delete", "basket/", {}),
        ("post", "basket/undo/", {}),
        ("post", "basket/selection/", {"action": "select"}),
        ("delete", "basket/observations/", {"selected": True}),
        ("post", "basket/observations/", {"obsids": ["1"]}),
    ],
)
def test_every_write_obeys_if_match(filled: Client, method: str, route: str, body: Any) -> None:
    send(filled, "post", "basket/selection/", {"action": "select"})
    send(filled, "delete", "basket/observations/", {"selected": True})
    add(filled, "c.fits", "d.fits")
    send(filled, "post", "basket/selection/", {"action": "select"})
    seen = filled.get("/api/v1/basket/").headers["ETag"]
    send(filled, "post", "basket/selection/", {"action": "deselect"})
    send(filled, "post", "basket/selection/", {"action": "select"})
    before = told(filled, "basket/", mrp=0)
    for header, status in ((seen, 412), ('"0-0"', 412), (f"W/{seen}", 412), ("nonsense", 400), ("", 400)):
        refused = send(filled, method, route, body, **{"If-Match": header})
        assert error(refused) == (status, "basket_changed" if status == 412 else "bad_request", "If-Match")
        assert told(filled, "basket/", mrp=0) == before
    now = filled.get("/api/v1/basket/").headers["ETag"]
    done = send(filled, method, route, body, **{"If-Match": now})
    assert done.status_code == 200


def test_a_write_answers_with_the_tag_that_the_next_one_may_name(filled: Client) -> None:
    tag = filled.get("/api/v1/basket/").headers["ETag"]
    for action in ("select", "deselect", "select"):
        answer = send(filled, "post", "basket/selection/", {"action": action}, **{"If-Match": tag})
        assert answer.status_code == 200
        assert answer.headers["ETag"] != tag
        tag = answer.headers["ETag"]


def test_an_empty_basket_has_a_tag_too(client: Client) -> None:
    first = client.get("/api/v1/basket/")
    assert first.headers["ETag"].startswith('"0-0-')
    assert (first.json()["id"], first.json()["name"]) == (None, "Basket")
    assert add(client, "a.fits", **{"If-Match": first.headers["ETag"]}).status_code == 200
    assert add(client, "b.fits", **{"If-Match": first.headers["ETag"]}).status_code == 412
    assert told(client, "basket/")["files"] == 1


# Several baskets


def test_baskets_are_made_opened_renamed_removed_and_brought_back(filled: Client) -> None:
    made = send(filled, "post", "baskets/", {"name": "Nebulae"})
    assert made.status_code == 201
    assert (made.json()["name"], made.json()["open"], made.json()["files"]) == ("Nebulae", True, 0)
    other, first = told(filled, "baskets/")["baskets"]
    assert (other["id"], first["name"], first["files"], first["open"]) == (made.json()["id"], "Basket", 2, False)
    changed = send(filled, "patch", f"baskets/{first['id']}/", {"name": "Rings", "open": True}).json()
    assert (changed["name"], changed["open"]) == ("Rings", True)
    assert (told(filled, "basket/")["files"], told(filled, "basket/")["name"]) == (2, "Rings")
    assert send(filled, "delete", f"baskets/{first['id']}/").status_code == 204
    assert told(filled, "basket/")["name"] == "Nebulae"
    assert [one["name"] for one in told(filled, "basket/removals/")["baskets"]] == ["Rings"]
    assert send(filled, "post", f"baskets/{first['id']}/bring-back/").json()["open"] is True


@pytest.mark.parametrize(
    "body", [{"name": ""}, {"name": "x" * 81}, {"name": ["x"]}, {"name": None}, {"open": "?"}]
)
def test_a_change_that_cannot_be_is_refused(filled: Client, body: Any) -> None:
    answer = send(filled, "patch", f"baskets/{Basket.objects.get().pk}/", body)
    assert answer.status_code in {400, 422}
    assert answer.json()["error"]["field"] in body


def test_what_is_somebody_elses_is_not_found(filled: Client) -> None:
    pk, thief = Basket.objects.get().pk, Client()
    for method, route in (("patch", ""), ("delete", ""), ("post", "bring-back/")):
        for key in (pk, 0, 10**30):
            assert error(send(thief, method, f"baskets/{key}/{route}", {"open": True}))[:2] == (404, "not_found")
    assert told(thief, "baskets/") == {"baskets": []}


# Saved filters


def test_filters_are_saved_listed_renamed_and_removed(filled: Client) -> None:
    body = {"name": "Best", "filters": {"mrp": False, "category": ["SCIENCE", ""], "q": "-gs"}}
    saved = send(filled, "post", "basket/filters/", body)
    assert saved.status_code == 201
    assert saved.json()["filters"] == {
        "mrp": False,
        "category": ["", "SCIENCE"],
        "type": [],
        "ext": [],
        "batch": [],
        "group": [],
        "q": "-gs",
    }
    again = send(filled, "post", "basket/selection/", {"action": "select", "filters": saved.json()["filters"]})
    assert again.status_code == 200
    assert error(send(filled, "post", "basket/filters/", {"name": "Best"})) == (409, "exists", "name")
    pk = saved.json()["id"]
    assert send(filled, "patch", f"basket/filters/{pk}/", {"name": "Better"}).json()["name"] == "Better"
    assert [one["name"] for one in told(filled, "basket/filters/")["filters"]] == ["Better"]
    assert send(filled, "delete", f"basket/filters/{pk}/").status_code == 204
    assert told(filled, "basket/filters/") == {"filters": []}
    assert error(send(Client(), "delete", f"basket/filters/{pk}/"))[0] == 404


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"name": ""},
        {"name": "x", "filters": {"colour": "red"}},
        {"name": "x", "filters": [1]},
        {"name": {}},
    ],
)
def test_filters_that_cannot_be_are_refused(filled: Client, body: Any) -> None:
    answer = filled.post("/api/v1/basket/filters/", body, content_type=JSON)
    assert answer.status_code in {400, 422}
    assert answer.json()["error"]["message"]


# Removals


def test_removals_are_listed_and_undone_by_their_key(filled: Client) -> None:
    send(filled, "delete", "basket/")
    add(filled, "c.fits")
    send(filled, "delete", "basket/")
    body = told(filled, "basket/removals/")
    assert (body["count"], [one["files"] for one in body["removals"]]) == (2, [1, 2])
    oldest = body["removals"][1]
    assert oldest["what"].startswith("2 files of jw")
    assert send(filled, "post", "basket/undo/", {"removal": oldest["id"]}).json()["files"] == 2
    assert told(filled, "basket/removals/", page=1)["count"] == 1
    assert told(filled, "basket/removals/", page=99)["removals"] == []
    assert error(send(filled, "post", "basket/undo/", {"removal": 10**30}))[2] == "removal"
    assert error(send(Client(), "post", "basket/undo/", {"removal": oldest["id"]}))[0] == 409


def test_a_merge_at_login_is_listed_and_undone(filled: Client, alice: User) -> None:
    filled.force_login(alice)
    assert told(filled, "basket/")["files"] == 2
    [joining] = told(filled, "basket/removals/")["joinings"]
    assert joining["files"] == 2
    undone = send(filled, "post", "basket/undo/", {"joining": joining["id"]})
    assert (undone.status_code, undone.json()["files"]) == (200, 0)
    assert told(filled, "basket/removals/")["joinings"] == []
    assert [one["name"] for one in told(filled, "baskets/")["baskets"]] == ["Basket", "Before signing in"]


# Links


def test_a_basket_is_shared_looked_at_and_copied(filled: Client) -> None:
    send(filled, "post", "basket/selection/", {"action": "select", "filters": {"mrp": False, "q": "a.fits"}})
    made = send(filled, "post", "basket/share/")
    assert made.status_code == 201
    link = urlsplit(made.json()["url"])
    assert link.path.startswith("/basket/shared/")
    token, bob = link.path.split("/")[3], Client()
    assert bob.get(link.path).status_code == 200
    seen = bob.get(f"/api/v1/basket/shared/{token}/?mrp=0&q=b.fits")
    assert (seen.json()["files"], seen.json()["displayed"]["files"], seen.json()["selected"]["files"]) == (2, 1, 1)
    assert "no-store" in seen.headers["Cache-Control"]
    copied = send(bob, "post", f"basket/shared/{token}/copy/").json()
    assert {name: copied[name] for name in ("added", "already", "files")} == {"added": 1, "already": 0, "files": 2}
    assert told(bob, "basket/")["selected"]["files"] == 1
    assert send(bob, "post", f"basket/shared/{token}/copy/").json() == {
        "added": 0,
        "already": 1,
        "files": 0,
        "joining": None,
    }
    [listed] = told(filled, "basket/share/")["shares"]
    assert listed == made.json()
    assert told(bob, "basket/share/") == {"shares": []}
    assert error(send(bob, "delete", f"basket/share/{listed['id']}/"))[0] == 404
    assert send(filled, "delete", f"basket/share/{listed['id']}/").status_code == 204
    for method, route in (("get", ""), ("post", "copy/")):
        assert getattr(bob, method)(f"/api/v1/basket/shared/{token}/{route}").status_code == 410
    assert told(filled, "basket/share/")["shares"][0]["url"] is None


def test_nothing_is_not_shared_and_no_link_is_not_found(client: Client) -> None:
    assert error(send(client, "post", "basket/share/")) == (422, "nothing", "")
    for token in ("x", "%00", "x" * 9000):
        assert client.get(f"/api/v1/basket/shared/{token}/").status_code == 404
        assert client.post(f"/api/v1/basket/shared/{token}/copy/").status_code == 404
