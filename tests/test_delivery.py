"""Downloads through the web server that is the default: whole, resumed, conditional, refused, owned."""

import io
import json
import os
import tarfile
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from basket.chosen import selected_products
from basket.models import Basket
from portal.models import Product
from retrieval import plan, tasks
from retrieval.models import PackedSize, Phase, Retrieval
from tests.downloads import MB, curl, fetch, freeze, is_cut, settled, url_of
from tests.small_archive import SmallArchive, law, path_of
from tests.tools import ask
from tests.web_server import WebServer, serving, signed_in, until

pytestmark = pytest.mark.django_db(transaction=True)


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


def selected(basket: Basket) -> list[Product]:
    return list(selected_products(basket))


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


def test_a_whole_tar_arrives_and_resumes(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str, tmp_path: Path
) -> None:
    contents = {f"file{number}.fits": os.urandom(number * 40_000) for number in range(20)}
    for name, data in contents.items():
        archive.file(name, data)
    retrieval = freeze(archive, alice, method="tar")
    path = tmp_path / "whole.tar"
    answer, half = fetch(site, retrieval, cookie, Range="bytes=0-3000000")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{retrieval.name}.tar"'
    assert answer.headers["Content-Type"] == "application/x-tar"
    path.write_bytes(half)
    assert curl(site, retrieval, cookie, "-C", "-", "-o", str(path)) == 0
    assert path.stat().st_size == retrieval.length
    with tarfile.open(path) as opened:
        assert opened.getnames()[-3:] == ["MANIFEST.HTML", "MANIFEST.json", "SHA256SUMS"]
    (tmp_path / "out").mkdir()
    ask("tar", "-xf", path, "-C", tmp_path / "out")
    assert {name: (tmp_path / "out" / "JWST" / "jw1" / name).read_bytes() for name in contents} == contents
    ask("sha256sum", "-c", "--quiet", "SHA256SUMS", cwd=tmp_path / "out")
    settled(retrieval, Phase.COMPLETED)


def test_a_whole_tar_gz_arrives_and_resumes(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str, tmp_path: Path
) -> None:
    contents = {f"noise{number}.jpg": os.urandom(number * 40_000) for number in range(6)}
    contents |= {f"file{number}.fits": os.urandom(1000).hex().encode() * number * 400 for number in range(8)}
    for name, data in contents.items():
        archive.file(name, data)
    retrieval = freeze(archive, alice, method="tar.gz")
    assert retrieval.length is None
    tasks.start(retrieval)
    assert retrieval.length is not None
    assert retrieval.length < retrieval.bytes * 0.7
    path = tmp_path / "whole.tar.gz"
    answer, half = fetch(site, retrieval, cookie, Range="bytes=0-2000000")
    assert (answer.status, answer.headers["Content-Type"]) == (206, "application/gzip")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{retrieval.name}.tar.gz"'
    assert answer.headers["Content-Encoding"] is None
    path.write_bytes(half)
    assert curl(site, retrieval, cookie, "-C", "-", "-o", str(path)) == 0
    assert path.stat().st_size == retrieval.length
    assert fetch(site, retrieval, cookie)[1] == path.read_bytes()
    (tmp_path / "out").mkdir()
    ask("tar", "-xzf", path, "-C", tmp_path / "out")
    assert {name: (tmp_path / "out" / "JWST" / "jw1" / name).read_bytes() for name in contents} == contents
    ask("sha256sum", "-c", "--quiet", "SHA256SUMS", cwd=tmp_path / "out")
    settled(retrieval, Phase.COMPLETED)
    assert (retrieval.delivered, retrieval.bytes_sent) == (14, retrieval.length)


def test_a_file_that_packs_differently_cuts_the_stream_and_is_stored_the_next_time(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    archive.file("file0.fits", os.urandom(3 * MB))
    archive.file("file1.fits", os.urandom(1000).hex().encode() * 2000)
    retrieval = freeze(archive, alice, method="tar.gz")
    tasks.start(retrieval)
    liar = retrieval.files.get(path__endswith="file1.fits")
    PackedSize.objects.filter(sha256=liar.sha256).update(packed=(liar.packed or 0) - 7)
    retrieval = plan.again(retrieval, alice, timezone.now())
    answer, opened = site.ask(url_of(retrieval), cookie)
    assert answer.status == 200
    assert is_cut(answer)
    opened.close()
    settled(retrieval, Phase.ERROR)
    assert (retrieval.failed, retrieval.skipped) == (0, 2)
    assert PackedSize.objects.get(sha256=liar.sha256).packed == 0
    _, data = fetch(site, retrieval, cookie)
    with tarfile.open(fileobj=io.BytesIO(data)) as whole:
        assert len(whole.getnames()) == 5
    settled(retrieval, Phase.COMPLETED)


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


def test_curl_gets_several_ranges_and_each_of_them_counts(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str, tmp_path: Path
) -> None:
    for number in range(3):
        archive.file(f"file{number}.fits", os.urandom(100_000))
    retrieval = freeze(archive, alice)
    length = retrieval.length or 0
    got = tmp_path / "parts"
    assert (
        curl(site, retrieval, cookie, "-r", "0-9,150000-250199", "-D", str(tmp_path / "head"), "-o", str(got)) == 0
    )
    head = (tmp_path / "head").read_text()
    assert head.startswith("HTTP/1.1 206")
    assert f"content-length: {got.stat().st_size}\n" in head.lower()
    until(lambda: Retrieval.objects.get().bytes_sent > 0, "what was sent is written down")
    law(retrieval)
    assert retrieval.sent_ranges == [[0, 10], [150_000, 250_200]]
    assert (retrieval.phase, retrieval.delivered) == (Phase.EXECUTING, 0)
    answer, data = fetch(site, retrieval, cookie, Range=f"bytes=10-149999,250200-{length - 1}")
    assert answer.headers["Content-Type"].startswith("multipart/byteranges; boundary=")
    parts = [got.read_bytes(), data]
    pieces = {}
    for part in b"".join(parts).split(b"Content-Range: bytes ")[1:]:
        where, _, content = part.partition(b"\r\n\r\n")
        start, stop = where.split(b"/")[0].split(b"-")
        pieces[int(start)] = content[: int(stop) - int(start) + 1]
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces[start] for start in sorted(pieces)))) as whole:
        assert whole.testzip() is None
    settled(retrieval, Phase.COMPLETED)
    assert retrieval.delivered == 3


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
