"""The JSON of retrievals: shapes, phases, laws and refusals of /api/v1/retrievals/."""

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from basket.models import Basket
from portal.models import Product
from retrieval import accounting, jobs, plan
from retrieval.models import Phase, Retrieval
from tests.small_archive import SmallArchive, fill, law, path_of

pytestmark = pytest.mark.django_db

ROOT = "/api/v1/retrievals/"


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def basket_of(user: User, archive: SmallArchive) -> Basket:
    return fill(Basket.objects.create(key=f"owner:{user.pk}", owner=user), archive)


def post(client: Client, path: str = ROOT, **body: object) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json")


def json_of(answer: Any, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    body: dict[str, Any] = json.loads(answer.content)
    return body


def error_of(answer: Any, status: int) -> dict[str, str]:
    error: dict[str, str] = json_of(answer, status)["error"]
    return error


def test_a_retrieval_has_the_shape_of_the_contract(signed_in: Client, alice: User, archive: SmallArchive) -> None:
    archive.file("jw1_i2d.fits", b"x" * 1000)
    archive.exclusive("jw1_cal.fits")
    basket_of(alice, archive)
    answer = post(signed_in, method="zip")
    made = json_of(answer, 201)
    assert made["counts"] == {
        "requested": 2, "delivered": 0, "denied": 1, "failed": 0, "skipped": 0, "pending": 1,
    }  # fmt: skip
    retrieval = Retrieval.objects.get()
    assert made["id"] == retrieval.pk
    assert made["url"] == f"http://testserver{ROOT}{retrieval.pk}/" == answer["Location"]
    assert made["page"] == f"http://testserver/retrieval/{retrieval.pk}/"
    assert made["download_url"] == f"http://testserver{ROOT}{retrieval.pk}/download"
    assert (made["method"], made["phase"], made["name"]) == ("zip", "QUEUED", retrieval.name)
    assert (made["bytes"], made["bytes_sent"], made["length"]) == (1000, 0, retrieval.length)
    assert made["expires"] is None
    assert made["message"] == "1 of 2 files ready to download; 1 is exclusive until 2027-03-01."
    assert json_of(signed_in.get(made["url"])) == made


def test_the_defaults_are_a_nested_zip_that_leaves_the_basket_alone(
    signed_in: Client, alice: User, archive: SmallArchive
) -> None:
    archive.file("jw1_i2d.fits")
    basket_of(alice, archive)
    json_of(post(signed_in), 201)
    retrieval = Retrieval.objects.get()
    assert (retrieval.method, retrieval.layout, retrieval.remove_completed) == ("zip", "nested", False)


def test_what_cannot_be_is_refused_with_the_field_at_fault(
    signed_in: Client, alice: User, archive: SmallArchive, settings: Settings
) -> None:
    archive.file("jw1_i2d.fits", b"x" * 100)
    basket_of(alice, archive)
    assert error_of(post(signed_in, method="pigeon"), 422)["field"] == "method"
    assert error_of(post(signed_in, method="script", script="fish"), 422)["field"] == "script"
    assert error_of(post(signed_in, layout="heap"), 422)["field"] == "layout"
    assert "remove_completed" in error_of(post(signed_in, remove_completed="perhaps"), 400)["message"]
    settings.STREAM_LIMIT_BYTES = 10
    error = error_of(post(signed_in), 413)
    assert error["code"] == "too_large"
    assert "100 bytes" in error["message"]
    assert "10 bytes" in error["message"]
    assert not Retrieval.objects.exists()


def test_a_split_request_is_answered_with_its_first_part_which_names_the_others(
    signed_in: Client, alice: User, archive: SmallArchive, settings: Settings
) -> None:
    settings.STREAM_LIMIT_BYTES = 1_000_000
    for number in range(3):
        archive.file(f"jw{number}_i2d.fits", b"x" * 900_000, obs_id=f"jw{number}")
    basket_of(alice, archive)
    refused = error_of(post(signed_in, method="tar"), 413)
    assert '3 parts by observation (“split” in the download options, or "split": true)' in refused["message"]
    made = json_of(post(signed_in, method="tar", split=True), 201)
    assert (made["part"]["number"], made["part"]["of"], len(made["part"]["urls"])) == (1, 3, 3)
    assert made["part"]["urls"][0] == made["url"]
    assert made["name"] == f"{made['part']['name']}_part1of3"
    parts = [json_of(signed_in.get(url)) for url in made["part"]["urls"]]
    assert [part["part"]["number"] for part in parts] == [1, 2, 3]
    assert all(part["download_url"] for part in parts)
    assert error_of(post(signed_in, split=True, part_bytes=10), 422)["field"] == "part_bytes"
    assert json_of(post(signed_in, split=False), 413)


def test_what_fits_is_not_split(signed_in: Client, alice: User, archive: SmallArchive) -> None:
    archive.file("jw1_i2d.fits", b"x" * 100)
    basket_of(alice, archive)
    assert json_of(post(signed_in, split=True), 201)["part"] is None


def test_while_it_is_prepared_the_numbers_say_how_far(
    signed_in: Client, alice: User, archive: SmallArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "FEW", 0)
    monkeypatch.setattr(jobs, "CHUNK", 1)
    archive.file("jw1_i2d.fits", b"x" * 100)
    archive.file("jw2_i2d.fits", b"x" * 100)
    basket_of(alice, archive)
    made = json_of(post(signed_in), 201)
    assert (made["phase"], made["prepared"], made["counts"]["pending"], made["bytes"]) == ("PENDING", 0, 2, 200)
    assert jobs.freeze(made["id"], seconds=0)
    told = json_of(signed_in.get(made["url"]))
    assert (told["prepared"], told["message"]) == (1, "Preparing: 1 of 2 files looked at.")
    assert error_of(signed_in.get(f"{made['url']}download"), 409)["code"] == "not_ready"


def test_an_empty_selection_is_refused_with_what_to_do(client: Client) -> None:
    error = error_of(post(client), 422)
    assert error["code"] == "nothing_selected"
    assert "Tick the files" in error["message"]


def test_a_session_needs_its_csrf_token(alice: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert "CSRF" in error_of(post(strict), 403)["message"]


def test_retrievals_are_listed_newest_first_in_pages(
    signed_in: Client, alice: User, archive: SmallArchive
) -> None:
    archive.file("jw1_i2d.fits")
    basket_of(alice, archive)
    made = [json_of(post(signed_in), 201)["id"] for _ in range(3)]
    listed = json_of(signed_in.get(ROOT, {"page_size": 2}))
    assert (listed["count"], listed["page"], listed["pages"], listed["page_size"]) == (3, 1, 2, 2)
    assert [one["id"] for one in listed["results"]] == [made[2], made[1]]
    assert [one["id"] for one in json_of(signed_in.get(ROOT, {"page_size": 2, "page": 2}))["results"]] == [made[0]]
    assert json_of(signed_in.get(ROOT, {"page": 99}))["results"] == []
    assert error_of(signed_in.get(ROOT, {"page_size": 1001}), 400)["field"] == "page_size"
    assert error_of(signed_in.get(ROOT, {"page": "two"}), 400)["field"] == "page"


def test_files_come_in_pages_with_their_outcome(signed_in: Client, alice: User, archive: SmallArchive) -> None:
    archive.file("jw1_i2d.fits")
    archive.exclusive("jw1_cal.fits")
    archive.listing("jw1_x1d.fits", 7)
    basket_of(alice, archive)
    files = f"{json_of(post(signed_in), 201)['url']}files/"
    listed = json_of(signed_in.get(files))
    assert listed["count"] == 3
    by_outcome = {one["outcome"]: one for one in listed["results"]}
    assert by_outcome["pending"]["path"] == "JWST/jw1/jw1_i2d.fits"
    assert by_outcome["pending"]["uri"] == "mast:JWST/product/jw1_i2d.fits"
    assert len(by_outcome["pending"]["sha256"]) == 64
    assert by_outcome["denied"]["public_on"] == "2027-03-01"
    assert by_outcome["failed"]["reason"] == "The archive has no bytes for this file."
    assert by_outcome["failed"]["size"] == 7
    denied = json_of(signed_in.get(files, {"outcome": "denied"}))
    assert [one["outcome"] for one in denied["results"]] == ["denied"]
    assert error_of(signed_in.get(files, {"outcome": "lost"}), 400)["field"] == "outcome"


def test_somebody_elses_retrieval_does_not_exist(
    signed_in: Client, alice: User, bob: User, archive: SmallArchive
) -> None:
    archive.file("jw1_i2d.fits")
    basket_of(alice, archive)
    url = json_of(post(signed_in), 201)["url"]
    other, stranger = Client(), Client()
    other.force_login(bob)
    for client in (other, stranger):
        for path, method in [
            ("", "get"), ("files/", "get"), ("download", "get"), ("download", "head"), ("changes/", "get"),
            ("cancel/", "post"), ("retry/", "post"), ("again/", "post"),
        ]:  # fmt: skip
            answer = getattr(client, method)(url + path)
            assert answer.status_code == 404, path
            if method != "head":
                nowhere = getattr(client, method)(f"{ROOT}nothing-of-that-name/{path}")
                assert answer.content == nowhere.content
        assert json_of(client.get(ROOT))["count"] == 0
    law(Retrieval.objects.get())


def test_a_stranger_keeps_retrievals_by_cookie_and_takes_them_along_when_signing_in(
    client: Client, alice: User, archive: SmallArchive
) -> None:
    archive.file("jw1_i2d.fits")
    observation = archive.observation("jw1")
    added = post(client, "/api/v1/basket/observations/", archive="local", obsids=[observation.obsid])
    assert json_of(added)["added"] == 1
    selection = {"action": "select", "path": "", "filters": {"mrp": 0}}
    json_of(client.post("/api/v1/basket/selection/", json.dumps(selection), content_type="application/json"))
    url = json_of(post(client), 201)["url"]
    assert json_of(client.get(ROOT))["count"] == 1
    assert Client().get(url).status_code == 404
    client.force_login(alice)
    client.get("/basket/")
    assert json_of(client.get(url))["counts"]["requested"] == 1
    assert Retrieval.objects.get().owner == alice
    client.logout()
    assert client.get(url).status_code == 404


def test_cancel_ends_it_with_nothing_pending(signed_in: Client, alice: User, archive: SmallArchive) -> None:
    archive.file("jw1_i2d.fits")
    basket_of(alice, archive)
    url = json_of(post(signed_in), 201)["url"]
    cancelled = json_of(post(signed_in, f"{url}cancel/"))
    assert (cancelled["phase"], cancelled["download_url"]) == ("ABORTED", None)
    assert cancelled["counts"]["skipped"] == 1
    assert cancelled["counts"]["pending"] == 0
    assert cancelled["message"].startswith("Cancelled. 0 of 1 file delivered")
    assert error_of(post(signed_in, f"{url}cancel/"), 409)["code"] == "conflict"
    law(Retrieval.objects.get())


def test_retry_takes_what_failed_and_again_takes_all(
    signed_in: Client, alice: User, archive: SmallArchive
) -> None:
    archive.file("jw1_i2d.fits")
    archive.listing("jw1_x1d.fits", 7)
    basket_of(alice, archive)
    url = json_of(post(signed_in), 201)["url"]
    retry = json_of(post(signed_in, f"{url}retry/"), 201)
    assert (retry["counts"]["requested"], retry["phase"]) == (1, "ERROR")
    assert "None of the files can be delivered" in retry["message"]
    assert json_of(post(signed_in, f"{url}again/"), 201)["counts"]["requested"] == 2
    assert json_of(signed_in.get(ROOT))["count"] == 3


def test_changes_tell_what_the_archive_changed_since(
    signed_in: Client, alice: User, archive: SmallArchive
) -> None:
    changed = archive.file("jw1_i2d.fits")
    released = archive.exclusive("jw1_cal.fits")
    archive.file("jw1_s2d.fits")
    archive.file("jw1_x1d.fits")
    basket_of(alice, archive)
    url = json_of(post(signed_in), 201)["url"] + "changes/"
    assert json_of(signed_in.get(url)) == {"changed": 0, "gone": 0, "released": 0, "files": []}
    changed.stored.sha256 = "a" * 64
    changed.stored.save()
    Product.objects.filter(pk=released.pk).update(t_obs_release=0.0)
    Product.objects.filter(productFilename="jw1_x1d.fits").delete()
    found = json_of(signed_in.get(url))
    assert (found["changed"], found["gone"], found["released"]) == (1, 1, 1)
    assert {(one["kind"], one["path"]) for one in found["files"]} == {
        ("changed", "JWST/jw1/jw1_i2d.fits"),
        ("gone", "JWST/jw1/jw1_x1d.fits"),
        ("released", "JWST/jw1/jw1_cal.fits"),
    }


def test_while_files_are_being_read_it_cannot_be_downloaded(
    signed_in: Client, alice: User, archive: SmallArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LITTLE_BYTES", 5)
    archive.file("jw1_i2d.fits", b"x" * 2_500_000, measured=False)
    basket_of(alice, archive)
    made = json_of(post(signed_in), 201)
    assert (made["phase"], made["length"], made["download_url"]) == ("QUEUED", None, None)
    assert made["message"] == "1 file (2.5 MB) still to be read before the download can start."
    refused = signed_in.get(f"{made['url']}download")
    assert error_of(refused, 409)["code"] == "not_ready"
    assert refused["Retry-After"] == "5"
    assert not jobs.measure(made["id"])
    ready = json_of(signed_in.get(made["url"]))
    assert ready["download_url"] is not None
    assert signed_in.head(ready["download_url"])["Content-Length"] == str(ready["length"])


@pytest.mark.django_db(transaction=True)
def test_a_long_poll_ends_when_it_can_be_downloaded(
    signed_in: Client, alice: User, archive: SmallArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LITTLE_BYTES", 0)
    archive.file("jw1_i2d.fits", measured=False)
    basket_of(alice, archive)
    made = json_of(post(signed_in), 201)

    def work() -> None:
        jobs.measure(made["id"])
        connections.close_all()

    worker = threading.Timer(0.3, work)
    worker.start()
    answer = json_of(signed_in.get(made["url"] + "?wait=30&phase=QUEUED"))
    worker.join()
    assert answer["download_url"] is not None


def test_a_long_poll_for_another_phase_answers_at_once_and_one_in_vain_in_the_end(
    signed_in: Client, alice: User, archive: SmallArchive
) -> None:
    archive.file("jw1_i2d.fits")
    basket_of(alice, archive)
    url = json_of(post(signed_in), 201)["url"]
    assert json_of(signed_in.get(url + "?wait=30&phase=EXECUTING"))["phase"] == "QUEUED"
    assert json_of(signed_in.get(url, {"wait": "0.2", "phase": "QUEUED"}))["phase"] == "QUEUED"
    for wait in ("soon", "-1", "nan", "inf"):
        assert error_of(signed_in.get(url, {"wait": wait}), 400)["field"] == "wait"
    assert error_of(signed_in.get(url, {"phase": "LATER"}), 400)["field"] == "phase"


def test_a_broken_transfer_says_how_to_go_on(signed_in: Client, alice: User, archive: SmallArchive) -> None:
    archive.file("jw1_i2d.fits", b"x" * 5_000_000)
    basket_of(alice, archive)
    url = json_of(post(signed_in), 201)["url"]
    retrieval = Retrieval.objects.get()
    accounting.begin(retrieval, retrieval.etag, timezone.now())
    assert json_of(signed_in.get(url))["phase"] == "EXECUTING"
    accounting.broken_off(timezone.now() + timedelta(minutes=5))
    broken = json_of(signed_in.get(url))
    assert broken["phase"] == "ERROR"
    assert "curl -C -" in broken["message"]
    assert broken["counts"]["skipped"] == 1
    assert broken["download_url"] is not None


def test_a_file_that_changed_is_named_with_a_conflict(
    signed_in: Client, alice: User, archive: SmallArchive
) -> None:
    lost = archive.file("jw1_i2d.fits")
    archive.file("jw1_cal.fits")
    basket_of(alice, archive)
    made = json_of(post(signed_in), 201)
    path_of(lost).unlink()
    error = error_of(signed_in.get(made["download_url"]), 409)
    assert error["code"] == "changed"
    assert "JWST/jw1/jw1_i2d.fits" in error["message"]
    after = json_of(signed_in.get(made["url"]))
    assert (after["counts"]["failed"], after["counts"]["pending"], after["phase"]) == (1, 1, Phase.QUEUED)
