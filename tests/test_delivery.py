"""Downloads through the web server that is the default: whole, resumed, refused, cut. Real bytes, real clients."""

import hashlib
import http.client
import io
import json
import os
import subprocess
import time
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from basket.chosen import selected_products
from basket.models import Basket
from portal.models import Grant, Product, Program
from retrieval import accounting, plan
from retrieval.models import Outcome, Phase, Retrieval
from retrieval.transfer import SECONDS_BETWEEN_ENTRIES
from tests.small_archive import SmallArchive, fill, path_of
from tests.test_plan import law
from tests.tools import ask, tool
from tests.web_server import WebServer, serving, signed_in, until

pytestmark = pytest.mark.django_db(transaction=True)

MB = 1 << 20


@pytest.fixture(scope="module")
def site(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with serving(tmp_path_factory.mktemp("site")) as server:
        yield server


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


@pytest.fixture
def cookie(alice: User) -> str:
    return signed_in(alice)


def freeze(archive: SmallArchive, user: User, **options: Any) -> Retrieval:
    basket = fill(Basket.objects.create(key=f"{user.username}-basket", owner=user), archive)
    return plan.freeze(basket, user, timezone.now(), key=basket.key, **options)


def url_of(retrieval: Retrieval) -> str:
    return f"/retrieval/{retrieval.pk}/download"


def fetch(
    site: WebServer, retrieval: Retrieval, cookie: str, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    answer, opened = site.ask(url_of(retrieval), cookie, **headers)
    data = answer.read()
    opened.close()
    return answer, data


def curl(site: WebServer, retrieval: Retrieval, cookie: str, *options: str) -> int:
    command = [tool("curl"), "-sS", "--cookie", cookie, *options, site.url + url_of(retrieval)]
    return subprocess.run(command, capture_output=True, check=False).returncode


def settled(retrieval: Retrieval, phase: Phase) -> None:
    """Wait for what the server writes down after the last byte, and check the conservation law."""

    def reached() -> bool:
        retrieval.refresh_from_db()
        return retrieval.phase == phase

    until(reached, f"the retrieval is {phase}")
    law(retrieval)


def test_a_whole_zip_arrives_and_every_unzipper_agrees(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str, tmp_path: Path
) -> None:
    contents = {f"file{number}.fits": os.urandom(number * 40_000) for number in range(30)}
    for name, data in contents.items():
        archive.file(name, data)
    retrieval = freeze(archive, alice)
    answer, data = fetch(site, retrieval, cookie)
    assert answer.status == 200
    assert int(answer.headers["Content-Length"]) == len(data) == retrieval.length
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{retrieval.name}.zip"'
    assert answer.headers["ETag"] == retrieval.etag
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["Content-Encoding"] is None
    path = tmp_path / "whole.zip"
    path.write_bytes(data)
    with zipfile.ZipFile(path) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(f"JWST/jw1/{name}") for name in contents} == contents
        assert opened.namelist()[-3:] == ["MANIFEST.HTML", "MANIFEST.json", "SHA256SUMS"]
        assert json.loads(opened.read("MANIFEST.json"))["complete"] is True
        opened.extractall(tmp_path / "out")
    ask("unzip", "-tq", path)
    ask("sha256sum", "-c", "--quiet", "SHA256SUMS", cwd=tmp_path / "out")
    settled(retrieval, Phase.COMPLETED)
    assert retrieval.delivered == 30
    assert retrieval.bytes_sent == retrieval.length
    assert retrieval.sent_ranges == [[0, retrieval.length]]
    assert retrieval.started is not None
    assert retrieval.ended is not None


def test_what_is_missing_from_a_zip_is_told_inside_it(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    archive.file("jw1_i2d.fits")
    archive.exclusive("jw1_cal.fits")
    archive.listing("jw1_x1d.fits", 7)
    retrieval = freeze(archive, alice)
    _, data = fetch(site, retrieval, cookie)
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        told = json.loads(opened.read("MANIFEST.json"))
        assert "2027-03-01" in opened.read("MANIFEST.HTML").decode()
    assert told["complete"] is False
    assert {(file["outcome"], file["public_on"]) for file in told["files"]} == {
        ("delivered", None),
        ("denied", "2027-03-01"),
        ("failed", None),
    }
    settled(retrieval, Phase.COMPLETED)
    assert (retrieval.delivered, retrieval.denied, retrieval.failed) == (1, 1, 1)


def test_the_same_retrieval_gives_the_same_bytes(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    archive.file("jw1_i2d.fits", os.urandom(3 * MB))
    retrieval = freeze(archive, alice)
    assert fetch(site, retrieval, cookie)[1] == fetch(site, retrieval, cookie)[1]


def test_curl_resumes_at_any_point_and_the_retrieval_completes(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str, tmp_path: Path
) -> None:
    for number in range(20):
        archive.file(f"file{number}.fits", os.urandom(100_000))
    whole = fetch(site, freeze(archive, alice), cookie)[1]
    for place in (1, 29, 30, 777_777, len(whole) - 22, len(whole) - 1):
        retrieval = Retrieval.objects.get()
        retrieval = plan.again(retrieval, alice, timezone.now())
        Retrieval.objects.exclude(pk=retrieval.pk).delete()
        part = tmp_path / f"{place}.zip"
        assert curl(site, retrieval, cookie, "-r", f"0-{place - 1}", "-o", str(part)) == 0
        assert part.stat().st_size == place
        assert curl(site, retrieval, cookie, "-C", "-", "-o", str(part)) == 0
        with zipfile.ZipFile(part) as opened:
            assert opened.testzip() is None
        settled(retrieval, Phase.COMPLETED)
        assert retrieval.delivered == 20


def test_ranges_in_any_order_complete_together(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    for number in range(10):
        archive.file(f"file{number}.fits", os.urandom(50_000))
    retrieval = freeze(archive, alice)
    length = retrieval.length or 0
    cuts = [0, 10, 120_000, 120_001, 300_000, length - 5, length]
    parts: dict[int, bytes] = {}
    for start, stop in reversed(list(pairwise(cuts))):
        answer, parts[start] = fetch(site, retrieval, cookie, Range=f"bytes={start}-{stop - 1}")
        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{length}"
    settled(retrieval, Phase.COMPLETED)
    assert retrieval.delivered == 10
    with zipfile.ZipFile(io.BytesIO(b"".join(parts[start] for start in cuts[:-1]))) as opened:
        assert opened.testzip() is None


def test_a_head_request_tells_everything_and_starts_nothing(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    archive.file("jw1_i2d.fits", os.urandom(100_000))
    retrieval = freeze(archive, alice)
    for address in (url_of(retrieval), f"/api/v1/retrievals/{retrieval.pk}/download"):
        answer, opened = site.ask(address, cookie, method="HEAD")
        assert answer.status == 200
        assert answer.headers["Content-Length"] == str(retrieval.length)
        assert answer.headers["ETag"] == retrieval.etag
        assert answer.read() == b""
        opened.close()
    retrieval.refresh_from_db()
    assert (retrieval.phase, retrieval.started) == (Phase.QUEUED, None)


def test_conditions_decide_what_is_sent(site: WebServer, archive: SmallArchive, alice: User, cookie: str) -> None:
    archive.file("jw1_i2d.fits", os.urandom(100_000))
    retrieval = freeze(archive, alice)
    length, etag = retrieval.length or 0, retrieval.etag
    answer, data = fetch(site, retrieval, cookie, Range=f"bytes={length}-")
    assert (answer.status, answer.headers["Content-Range"], data) == (416, f"bytes */{length}", b"")
    answer, data = fetch(site, retrieval, cookie, If_None_Match=f'"other", {etag}')
    assert (answer.status, answer.headers["ETag"], data) == (304, etag, b"")
    answer, data = fetch(site, retrieval, cookie, Range="bytes=10-19", If_Range=etag)
    assert (answer.status, len(data)) == (206, 10)
    answer, data = fetch(site, retrieval, cookie, Range="bytes=10-19", If_Range='"of yesterday"')
    assert (answer.status, len(data)) == (200, length)
    answer, data = fetch(site, retrieval, cookie, Range="bytes=-22")
    assert (answer.status, data[:4]) == (206, b"PK\5\6")


def test_a_file_that_vanished_is_named_before_the_first_byte_and_left_out_the_next_time(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    lost = archive.file("jw1_i2d.fits")
    archive.file("jw1_cal.fits")
    retrieval = freeze(archive, alice)
    etag = retrieval.etag
    path_of(lost).unlink()
    answer, data = fetch(site, retrieval, cookie)
    assert answer.status == 409
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "JWST/jw1/jw1_i2d.fits" in data.decode()
    assert "Download again" in data.decode()
    law(retrieval)
    assert (retrieval.failed, retrieval.phase) == (1, Phase.QUEUED)
    assert retrieval.etag != etag
    answer, data = fetch(site, retrieval, cookie)
    assert answer.status == 200
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert "JWST/jw1/jw1_i2d.fits" not in opened.namelist()
        assert json.loads(opened.read("MANIFEST.json"))["counts"]["failed"] == 1
    settled(retrieval, Phase.COMPLETED)


def test_the_api_refuses_in_json(site: WebServer, archive: SmallArchive, alice: User, cookie: str) -> None:
    path_of(archive.file("jw1_i2d.fits")).write_bytes(b"S")
    retrieval = freeze(archive, alice)
    answer, opened = site.ask(f"/api/v1/retrievals/{retrieval.pk}/download", cookie, Accept="application/zip")
    assert answer.status == 409
    assert json.loads(answer.read())["error"]["code"] == "conflict"
    opened.close()


def test_when_the_last_file_vanished_the_retrieval_ends_in_error(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    lost = archive.file("jw1_i2d.fits")
    retrieval = freeze(archive, alice)
    path_of(lost).unlink()
    assert fetch(site, retrieval, cookie)[0].status == 409
    settled(retrieval, Phase.ERROR)
    assert (retrieval.failed, retrieval.length) == (1, None)
    answer, data = fetch(site, retrieval, cookie)
    assert answer.status == 409
    assert "None of the files can be delivered" in data.decode()


def begin(
    site: WebServer, retrieval: Retrieval, cookie: str
) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
    """Read the first megabytes and then pause: some more is under way, the rest is not read yet."""
    answer, opened = site.ask(url_of(retrieval), cookie)
    assert answer.status == 200
    assert len(answer.read(3 * MB)) == 3 * MB
    return answer, opened


def is_cut(answer: http.client.HTTPResponse) -> bool:
    """Whether the rest of the body ends too early."""
    try:
        while answer.read(MB):
            pass
    except (http.client.IncompleteRead, ConnectionError):
        return True
    return answer.length != 0


def test_a_file_that_is_truncated_in_mid_stream_cuts_the_connection(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    archive.file("jw1_cal.fits", os.urandom(MB + 5))
    large = archive.sparse("jw1_uncal.fits", 300 * MB)
    archive.file("jw1_x1d.fits")
    retrieval = freeze(archive, alice)
    answer, opened = begin(site, retrieval, cookie)
    os.truncate(path_of(large), 100)
    assert is_cut(answer)
    opened.close()
    settled(retrieval, Phase.ERROR)
    assert "JWST/jw1/jw1_uncal.fits" in retrieval.message
    assert "100 bytes in the archive instead of 314,572,800" in retrieval.message
    assert (retrieval.delivered, retrieval.failed, retrieval.skipped) == (1, 1, 1)
    answer, data = fetch(site, retrieval, cookie)
    assert answer.status == 200
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        assert whole.testzip() is None
        assert [name for name in whole.namelist() if "MANIFEST" not in name and "SUMS" not in name] == [
            "JWST/jw1/jw1_cal.fits",
            "JWST/jw1/jw1_x1d.fits",
        ]
    settled(retrieval, Phase.COMPLETED)
    assert (retrieval.delivered, retrieval.failed) == (2, 1)


def test_after_a_cut_a_client_that_cannot_know_gets_no_second_half(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str, tmp_path: Path
) -> None:
    large = archive.sparse("jw1_uncal.fits", 100 * MB)
    archive.file("jw1_x1d.fits", os.urandom(3 * MB))
    retrieval = freeze(archive, alice)
    answer, opened = begin(site, retrieval, cookie)
    os.truncate(path_of(large), 100)
    assert is_cut(answer)
    opened.close()
    settled(retrieval, Phase.ERROR)
    part = tmp_path / "part.zip"
    part.write_bytes(b"P" * MB)
    assert curl(site, retrieval, cookie, "-C", "-", "-o", str(part)) == 33


def test_curl_says_that_a_cut_transfer_is_incomplete(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str, tmp_path: Path
) -> None:
    product = archive.file("jw1_uncal.fits", b"\0" * (5 * MB))
    path = path_of(product)
    when = path.stat()
    path.write_bytes(b"\0" * (5 * MB - 1) + b"1")
    os.utime(path, ns=(when.st_atime_ns, when.st_mtime_ns))
    retrieval = freeze(archive, alice)
    assert curl(site, retrieval, cookie, "-o", str(tmp_path / "cut.zip")) in {18, 56}
    settled(retrieval, Phase.ERROR)
    assert "CRC-32" in retrieval.message
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(tmp_path / "cut.zip")


def test_a_right_that_ends_in_mid_stream_cuts_the_connection(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    archive.sparse("jw1_uncal.fits", 60 * MB)
    archive.exclusive("jw1_x1d.fits")
    program = Program.objects.create(obs_collection="JWST", proposal_id="1234")
    grant = Grant.objects.create(program=program, user=alice)
    retrieval = freeze(archive, alice)
    answer, opened = begin(site, retrieval, cookie)
    grant.delete()
    assert is_cut(answer)
    opened.close()
    settled(retrieval, Phase.ERROR)
    assert "JWST/jw1/jw1_x1d.fits" in retrieval.message
    assert (retrieval.skipped, retrieval.denied) == (1, 1)
    assert retrieval.files.get(outcome=Outcome.DENIED).public_on is not None


def test_a_right_that_ended_before_is_told_before_the_first_byte(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    product = archive.file("jw1_i2d.fits")
    archive.file("jw1_cal.fits")
    retrieval = freeze(archive, alice)
    Product.objects.filter(pk=product.pk).update(dataRights="RESTRICTED")
    answer, data = fetch(site, retrieval, cookie)
    assert answer.status == 409
    assert "jw1_i2d.fits: Restricted by the archive" in data.decode()
    assert fetch(site, retrieval, cookie)[0].status == 200
    settled(retrieval, Phase.COMPLETED)
    assert (retrieval.delivered, retrieval.denied) == (1, 1)


def test_a_cancelled_retrieval_is_cut(site: WebServer, archive: SmallArchive, alice: User, cookie: str) -> None:
    archive.sparse("jw1_uncal.fits", 400 * MB)
    retrieval = freeze(archive, alice)
    answer, opened = begin(site, retrieval, cookie)
    accounting.cancel(retrieval, timezone.now())
    time.sleep(SECONDS_BETWEEN_ENTRIES)
    assert is_cut(answer)
    opened.close()
    settled(retrieval, Phase.ABORTED)
    assert retrieval.skipped == 1
    answer, data = fetch(site, retrieval, cookie)
    assert answer.status == 409
    assert "was cancelled" in data.decode()


def test_a_client_that_vanishes_frees_the_file_and_the_transfer_can_be_taken_up_again(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str, tmp_path: Path
) -> None:
    large = archive.sparse("jw1_uncal.fits", 200 * MB)
    archive.file("jw1_x1d.fits")
    retrieval = freeze(archive, alice)
    answer, opened = begin(site, retrieval, cookie)
    assert str(path_of(large)) in site.open_files()
    answer.close()
    opened.close()
    until(lambda: str(path_of(large)) not in site.open_files(), "the file is closed")
    until(lambda: Retrieval.objects.get().bytes_sent > 0, "what was sent is written down")
    law(retrieval)
    assert retrieval.phase == Phase.EXECUTING
    assert accounting.broken_off(timezone.now() + timedelta(minutes=2)) == 1
    settled(retrieval, Phase.ERROR)
    assert "broke off" in retrieval.message
    assert retrieval.skipped == 2
    part = tmp_path / "part.zip"
    whole = curl(site, retrieval, cookie, "-r", f"0-{MB - 1}", "-o", str(part))
    assert whole == 0
    assert curl(site, retrieval, cookie, "-C", "-", "-o", str(part)) == 0
    settled(retrieval, Phase.COMPLETED)
    assert (retrieval.delivered, retrieval.message) == (2, "")


def test_a_client_that_vanishes_before_the_end_completes_nothing(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    archive.sparse("jw1_uncal.fits", 30 * MB)
    retrieval = freeze(archive, alice)
    _, opened = begin(site, retrieval, cookie)
    opened.close()
    until(lambda: not any("uncal" in path for path in site.open_files()), "the file is closed")
    until(lambda: Retrieval.objects.get().bytes_sent > 0, "what was sent is written down")
    retrieval.refresh_from_db()
    assert retrieval.phase == Phase.EXECUTING


def test_a_download_that_waits_holds_no_database_connection(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    archive.sparse("jw1_uncal.fits", 100 * MB)
    retrieval = freeze(archive, alice)
    _, opened = begin(site, retrieval, cookie)
    until(lambda: connections_of_others() == 0, "no connection but ours is open")
    opened.close()


def connections_of_others() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def test_memory_stays_flat_while_two_gigabytes_are_sent(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    archive.sparse("jw1_uncal.fits", 2_000_000_000)
    retrieval = freeze(archive, alice)
    before = site.peak_memory()
    assert curl(site, retrieval, cookie, "-o", "/dev/null") == 0
    assert site.peak_memory() - before < 200_000_000
    settled(retrieval, Phase.COMPLETED)


def test_completed_files_leave_the_basket_once_and_only_then(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    for number in range(3):
        archive.file(f"file{number}.fits", os.urandom(100_000))
    archive.exclusive("jw1_cal.fits")
    retrieval = freeze(archive, alice, remove_completed=True)
    basket = Basket.objects.get()
    version = basket.version
    length = retrieval.length or 0
    fetch(site, retrieval, cookie, Range=f"bytes=0-{length - 2}")
    until(lambda: Retrieval.objects.get().delivered == 3, "all files are delivered")
    basket.refresh_from_db()
    assert basket.version == version
    fetch(site, retrieval, cookie, Range=f"bytes={length - 1}-")
    settled(retrieval, Phase.COMPLETED)
    basket.refresh_from_db()
    removed = basket.version
    assert removed > version
    assert [product.productFilename for product in selected(basket)] == ["jw1_cal.fits"]
    fetch(site, retrieval, cookie)
    basket.refresh_from_db()
    assert basket.version == removed


def selected(basket: Basket) -> list[Product]:
    return list(selected_products(basket))


def test_a_completed_download_comes_again_without_being_counted_again(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    product = archive.file("jw1_i2d.fits", os.urandom(100_000))
    retrieval = freeze(archive, alice)
    first = fetch(site, retrieval, cookie)[1]
    settled(retrieval, Phase.COMPLETED)
    ended = retrieval.ended
    assert fetch(site, retrieval, cookie)[1] == first
    path_of(product).unlink()
    answer, data = fetch(site, retrieval, cookie)
    assert answer.status == 409
    assert "Retrieve the same selection again" in data.decode()
    law(retrieval)
    assert (retrieval.phase, retrieval.delivered, retrieval.ended) == (Phase.COMPLETED, 1, ended)


def test_a_download_belongs_to_its_owner(
    site: WebServer, archive: SmallArchive, alice: User, bob: User, cookie: str
) -> None:
    archive.file("jw1_i2d.fits")
    retrieval = freeze(archive, alice)
    for other in (signed_in(bob), ""):
        for address in (url_of(retrieval), f"/api/v1/retrievals/{retrieval.pk}/download"):
            answer, opened = site.ask(address, other)
            assert answer.status == 404
            assert b"There is no such download among yours." in answer.read()
            opened.close()
    nowhere, opened = site.ask("/retrieval/nothing-of-that-name/download", cookie)
    assert nowhere.status == 404
    assert b"There is no such download among yours." in nowhere.read()
    opened.close()


def test_one_file_is_served_by_its_uri(site: WebServer, archive: SmallArchive, alice: User, cookie: str) -> None:
    picture = os.urandom(2 * MB)
    archive.file("jw1_i2d.jpg", picture)
    archive.exclusive("jw1_cal.fits")
    address = "/retrieval/file?uri=mast:JWST/product/jw1_i2d.jpg"
    answer, opened = site.ask(address, cookie)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.headers["Content-Disposition"] == 'inline; filename="jw1_i2d.jpg"'
    assert answer.read() == picture
    opened.close()
    answer, opened = site.ask(address, cookie, Range="bytes=100-199", If_Range=answer.headers["ETag"])
    assert (answer.status, answer.read()) == (206, picture[100:200])
    opened.close()
    answer, opened = site.ask("/retrieval/file?uri=mast:JWST/product/jw1_cal.fits", cookie)
    assert answer.status == 403
    assert b"2027-03-01" in answer.read()
    opened.close()
    answer, opened = site.ask("/retrieval/file?uri=mast:JWST/product/nothing.fits", cookie)
    assert answer.status == 404
    opened.close()


def test_a_page_of_the_archive_is_saved_and_never_shown_as_ours(
    site: WebServer, archive: SmallArchive, cookie: str
) -> None:
    archive.file("evil.html", b"<script>alert(1)</script>")
    archive.file("evil.svg", b"<svg onload='alert(1)'/>")
    for name in ("evil.html", "evil.svg"):
        answer, opened = site.ask(f"/retrieval/file?uri=mast:JWST/product/{name}", cookie)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert len(hashlib.sha256(answer.read()).hexdigest()) == 64
        opened.close()
