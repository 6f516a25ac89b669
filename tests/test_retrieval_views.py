"""The download pages: from the basket's form to the bundle, the history, and the truth about each retrieval."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from basket.models import Basket
from retrieval import accounting, jobs, plan
from retrieval.models import Phase, Retrieval
from tests.small_archive import SmallArchive, fill, path_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


@pytest.fixture
def visitor(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def retrieval(visitor: Client, alice: User, archive: SmallArchive) -> Retrieval:
    """Of four files: two can be had, one is exclusive, one has no bytes."""
    archive.file("jw1_i2d.fits", b"x" * 1_500_000)
    archive.file("jw1_x1d.fits", b"x" * 500_000)
    archive.exclusive("jw1_cal.fits")
    archive.listing("jw1_s2d.fits", 7)
    fill(Basket.objects.create(key=f"owner:{alice.pk}", owner=alice), archive)
    visitor.post("/retrieval/", {"method": "zip"})
    return Retrieval.objects.get()


def page(client: Client, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return answer.content.decode()


def test_the_form_of_the_basket_leads_straight_to_the_bundle(
    visitor: Client, alice: User, archive: SmallArchive
) -> None:
    archive.file("jw1_i2d.fits")
    fill(Basket.objects.create(key=f"owner:{alice.pk}", owner=alice), archive)
    answer = visitor.post("/retrieval/", {"method": "zip", "layout": "flat", "remove_completed": "1"})
    retrieval = Retrieval.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/retrieval/{retrieval.pk}/download")
    assert (retrieval.layout, retrieval.remove_completed, retrieval.owner) == ("flat", True, alice)


def test_what_will_be_missing_is_told_before_the_first_byte_by_the_page_that_begins_the_download(
    visitor: Client, retrieval: Retrieval
) -> None:
    told = page(visitor, f"/retrieval/{retrieval.pk}/?start=1")
    assert "2 of 4 files ready to download; 1 is exclusive until 2027-03-01; 1 failed." in told
    assert f'content="0; url=/retrieval/{retrieval.pk}/download"' in told


def test_a_retrieval_that_is_not_ready_leads_to_its_page(
    visitor: Client, alice: User, archive: SmallArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LITTLE_BYTES", 0)
    archive.file("jw1_i2d.fits", measured=False)
    fill(Basket.objects.create(key=f"owner:{alice.pk}", owner=alice), archive)
    answer = visitor.post("/retrieval/")
    retrieval = Retrieval.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/retrieval/{retrieval.pk}/")
    shown = visitor.get(answer["Location"])
    assert shown.context["running"] is True
    assert shown.context["download_url"] is None
    assert "still to be read" in shown.content.decode()
    refused = visitor.get(f"/retrieval/{retrieval.pk}/download")
    assert (refused.status_code, refused["Retry-After"]) == (409, "5")
    assert "being read once" in refused.content.decode()
    jobs.measure(retrieval.pk)
    shown = visitor.get(answer["Location"])
    assert shown.context["download_url"] == f"/retrieval/{retrieval.pk}/download"


def test_a_page_follows_a_download_that_may_begin_any_moment_but_not_for_ever(
    visitor: Client, retrieval: Retrieval
) -> None:
    address = f"/retrieval/{retrieval.pk}/"
    assert 'hx-trigger="every 5s"' in page(visitor, address)
    Retrieval.objects.update(created=timezone.now() - timedelta(minutes=11))
    assert "hx-trigger" not in page(visitor, address)


def test_a_page_tells_how_far_the_preparing_is_and_goes_on_by_itself(
    visitor: Client, alice: User, archive: SmallArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "FEW", 1)
    monkeypatch.setattr(jobs, "CHUNK", 2)
    for number in range(3):
        archive.file(f"file{number}.fits")
    fill(Basket.objects.create(key=f"owner:{alice.pk}", owner=alice), archive)
    answer = visitor.post("/retrieval/")
    retrieval = Retrieval.objects.get()
    address = f"/retrieval/{retrieval.pk}/"
    assert (answer.status_code, answer["Location"]) == (303, address)
    assert jobs.freeze(retrieval.pk, seconds=0)
    told = page(visitor, address)
    assert "Preparing, 2 of 3 files." in told
    assert 'hx-trigger="every 2s"' in told
    assert '<meta http-equiv="refresh" content="5">' in told
    assert (
        "3 requested = 0 delivered + 0 denied + 0 failed + 0 skipped + 3 pending"
        in (visitor.get(address).context["conservation"])
    )
    assert "being prepared: 2 of 3 files so far" in page(visitor, f"{address}download", 409)
    assert 'aria-label="Files of' in page(visitor, "/retrieval/")
    while jobs.go_on(retrieval.pk):
        pass
    assert "3 of 3 files ready to download." in page(visitor, address)


def test_a_page_tells_how_fast_bytes_leave_and_when_none_do(visitor: Client, retrieval: Retrieval) -> None:
    address = f"/retrieval/{retrieval.pk}/"
    now = timezone.now()
    Retrieval.objects.update(
        phase=Phase.EXECUTING,
        started=now,
        heard=now,
        lease=now,
        length=2_000_000,
        bytes_sent=500_000,
        rate=25_000.0,
    )
    told = page(visitor, address)
    assert "500.0 kB of 2.0 MB sent, 25 %; 25.0 kB/s, about 1 minute left" in told
    Retrieval.objects.update(heard=now - timedelta(seconds=40))
    assert "25 %; nothing has left for 4" in page(visitor, address)


def test_a_selection_comes_in_parts_that_are_listed_on_each_page(
    visitor: Client, alice: User, archive: SmallArchive, settings: Settings
) -> None:
    settings.STREAM_LIMIT_BYTES = 1000
    for number in range(3):
        archive.file(f"jw{number}_i2d.fits", b"x" * 900, obs_id=f"jw{number}")
    fill(Basket.objects.create(key=f"owner:{alice.pk}", owner=alice), archive)
    refused = visitor.post("/retrieval/", {"method": "zip"})
    assert refused.status_code == 413
    assert "Take it as 3 parts" in refused.content.decode()
    answer = visitor.post("/retrieval/", {"method": "zip", "split": "1", "part_bytes": ""})
    first, second, third = Retrieval.objects.order_by("part")
    assert (answer.status_code, answer["Location"]) == (303, f"/retrieval/{first.pk}/?start=1")
    told = page(visitor, f"/retrieval/{second.pk}/")
    for part in (first, second, third):
        assert f"Part {part.part} of 3" in told
        assert f'href="/retrieval/{part.pk}/download"' in told
    assert page(visitor, "/retrieval/").count("_part") >= 3
    assert visitor.post("/retrieval/", {"split": "1", "part_bytes": "many"}).status_code == 400


def test_the_options_say_what_fits_and_what_compressing_saves(
    visitor: Client, alice: User, archive: SmallArchive, settings: Settings
) -> None:
    archive.file("jw1_cal.fits", b"x" * 2_000_000, productSubGroupDescription="CAL")
    fill(Basket.objects.create(key=f"owner:{alice.pk}", owner=alice), archive)
    shown = page(visitor, "/basket/?mrp=0")
    assert "about 860.0 kB instead of 2.0 MB, estimated from the kinds of files" in shown
    assert re.search(r'value="zip"[^>]* checked>', shown)
    assert not re.search(r'id="split"[^>]* checked>', shown)
    settings.STREAM_LIMIT_BYTES = 1_500_000
    shown = page(visitor, "/basket/?mrp=0")
    assert re.search(r'id="split"[^>]* checked>', shown)
    assert "needed: 2.0 MB is more than the 1.5 MB that one stream may hold; at least 2 parts" in shown
    settings.STREAM_LIMIT_BYTES = 10_000_000
    visitor.post("/retrieval/", {"method": "tar.gz"})
    assert re.search(r"line: [0-9.]+ kB instead of 2.0 MB, as measured", page(visitor, "/basket/?mrp=0"))


def test_refusals_are_readable_pages_with_their_status(visitor: Client) -> None:
    for form, status, words in [({}, 422, "Tick the files"), ({"method": "batch"}, 422, "Available: zip, tar")]:
        answer = visitor.post("/retrieval/", form)
        assert answer.status_code == status
        assert answer["Content-Type"].startswith("text/html")
        assert words in answer.content.decode()


def test_recommended_files_of_an_observation_come_with_one_click_and_without_an_account(
    client: Client, archive: SmallArchive
) -> None:
    archive.file("jw1_i2d.fits", productGroupDescription="Minimum Recommended Products")
    archive.file("jw1_uncal.fits")
    obsid = archive.observation("jw1").obsid
    answer = client.post("/retrieval/recommended/", {"archive": "local", "obsid": obsid})
    retrieval = Retrieval.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/retrieval/{retrieval.pk}/download")
    assert client.head(answer["Location"])["Content-Length"] == str(retrieval.length)
    assert retrieval.requested == 1
    assert retrieval.name in page(client, "/retrieval/")
    assert retrieval.name not in page(Client(), "/retrieval/")
    missing = client.post("/retrieval/recommended/", {"obsid": "77"})
    assert missing.status_code == 404
    assert "no observation 77" in missing.content.decode()


def test_the_history_lists_each_retrieval_with_its_numbers(visitor: Client, retrieval: Retrieval) -> None:
    shown = page(visitor, "/retrieval/")
    assert f'href="/retrieval/{retrieval.pk}/"' in shown
    assert f"/retrieval/{retrieval.pk}/?outcome=denied" in shown
    assert f"/retrieval/{retrieval.pk}/?outcome=failed" in shown


def test_the_history_is_paged_newest_first(visitor: Client, retrieval: Retrieval, alice: User) -> None:
    for number in range(55):
        Retrieval.objects.create(owner=alice, key="", name=f"MAST_{number}", method="zip", phase=Phase.COMPLETED)
    first = visitor.get("/retrieval/").context["page"]
    assert (len(first), first.paginator.count, first[0].name) == (50, 56, "MAST_54")
    assert visitor.get("/retrieval/", {"page": 2}).context["page"][-1] == retrieval
    assert visitor.get("/retrieval/", {"page": "x"}).context["page"].number == 1


def test_a_page_tells_the_truth_in_one_sentence_and_the_law_in_numbers(
    visitor: Client, retrieval: Retrieval
) -> None:
    shown = visitor.get(f"/retrieval/{retrieval.pk}/")
    assert (
        shown.context["headline"] == "2 of 4 files ready to download; 1 is exclusive until 2027-03-01; 1 failed."
    )
    assert (
        shown.context["conservation"] == "4 requested = 0 delivered + 1 denied + 1 failed + 0 skipped + 2 pending"
    )
    assert shown.context["headline"] in shown.content.decode()
    assert "JWST/jw1/jw1_s2d.fits" in shown.content.decode().replace("<wbr>", "")
    assert "The archive has no bytes for this file." in shown.content.decode()


def test_files_are_filtered_by_outcome_and_unknown_ones_refused(visitor: Client, retrieval: Retrieval) -> None:
    address = f"/retrieval/{retrieval.pk}/"
    denied = visitor.get(address, {"outcome": "denied"}).context["page"]
    assert [file.path for file in denied] == ["JWST/jw1/jw1_cal.fits"]
    assert "outcome=lost is none of" in page(visitor, f"{address}?outcome=lost", 400)


def test_a_broken_transfer_offers_what_would_help(visitor: Client, retrieval: Retrieval) -> None:
    accounting.begin(retrieval, retrieval.etag, timezone.now())
    address = f"/retrieval/{retrieval.pk}/"
    running = visitor.get(address).context
    assert (running["running"], running["can_cancel"], running["can_retry"]) == (True, True, False)
    Retrieval.objects.update(lease=timezone.now() - timedelta(days=1))
    accounting.broken_off(timezone.now())
    broken = visitor.get(address)
    assert (broken.context["running"], broken.context["can_retry"]) == (False, True)
    assert "broke off" in broken.content.decode()


def test_cancel_retry_and_again_lead_to_pages(visitor: Client, retrieval: Retrieval) -> None:
    address = f"/retrieval/{retrieval.pk}/"
    answer = visitor.post(f"{address}cancel/")
    assert (answer.status_code, answer["Location"]) == (303, address)
    assert "Cancelled." in page(visitor, address)
    again = visitor.post(f"{address}again/")
    newer = Retrieval.objects.order_by("-created")[0]
    assert (again.status_code, again["Location"]) == (303, f"/retrieval/{newer.pk}/?start=1")
    assert visitor.get(again["Location"]).context["start"] is True
    retried = visitor.post(f"{address}retry/")
    assert retried.status_code == 303
    assert Retrieval.objects.order_by("-created")[0].requested == 3


def test_what_changed_since_is_shown_when_asked_for(visitor: Client, retrieval: Retrieval) -> None:
    address = f"/retrieval/{retrieval.pk}/"
    assert visitor.get(address).context["changes"] is None
    assert visitor.get(address, {"changes": 1}).context["changes"].changed == 0


def test_a_file_that_vanished_gives_a_page_that_names_it(
    visitor: Client, retrieval: Retrieval, archive: SmallArchive
) -> None:
    path_of(archive.observation("jw1").memberships.get(product__productFilename="jw1_i2d.fits").product).unlink()
    told = page(visitor, f"/retrieval/{retrieval.pk}/download", 409)
    assert "JWST/jw1/jw1_i2d.fits" in told
    assert f'href="/retrieval/{retrieval.pk}/"' in told


def test_nothing_is_changed_by_looking(visitor: Client, retrieval: Retrieval) -> None:
    for path in ("cancel/", "retry/", "again/"):
        assert visitor.get(f"/retrieval/{retrieval.pk}/{path}").status_code == 405
    assert visitor.get("/retrieval/recommended/").status_code == 405
    assert Retrieval.objects.count() == 1


def test_pages_of_others_do_not_exist(retrieval: Retrieval, bob: User) -> None:
    other = Client()
    other.force_login(bob)
    for client in (other, Client()):
        told = page(client, f"/retrieval/{retrieval.pk}/", 404)
        assert "There is no such download among yours." in told
        assert client.post(f"/retrieval/{retrieval.pk}/cancel/").status_code == 404
