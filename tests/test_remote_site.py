"""Downloads of files that lie in stores, through the web server that is the default: whole, resumed, cut, paused."""

import hashlib
import http.client
import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from portal.models import Product, StoredFile
from portal.remote.measuring import look_at
from retrieval import jobs, plan
from retrieval.models import Outcome, Phase, Retrieval
from tests.downloads import MB, begin, curl, fetch, freeze, is_cut, settled, url_of
from tests.hostile_store import HostileStore, Reply, hostile_store
from tests.nginx_store import NginxStore, nginx_store
from tests.small_archive import SmallArchive, law
from tests.test_transfer import connections_of_others
from tests.tools import ask
from tests.web_server import WebServer, serving, signed_in, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxStore]:
    with nginx_store(tmp_path_factory.mktemp("nginx")) as running:
        yield running


@pytest.fixture(scope="module")
def hostile() -> Iterator[HostileStore]:
    with hostile_store() as running:
        yield running


@pytest.fixture(scope="module")
def site(
    django_db_setup: None, nginx: NginxStore, hostile: HostileStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebServer]:
    stores = {"REMOTE_STORES": f"{nginx.url},{hostile.url}"}
    limits = {"REMOTE_ATTEMPTS": "2", "REMOTE_READ_AHEAD": "4", "REMOTE_READ_AHEAD_BYTES": str(8 * MB)}
    with serving(tmp_path_factory.mktemp("site"), **stores, **limits) as server:
        yield server


@pytest.fixture
def archive(tmp_path: Path, settings: Settings, nginx: NginxStore, hostile: HostileStore) -> SmallArchive:
    settings.REMOTE_STORES = [nginx.url, hostile.url]
    hostile.asked.clear()
    hostile.heads.clear()
    hostile.sent = 0
    return SmallArchive(tmp_path)


@pytest.fixture
def cookie(alice: User) -> str:
    return signed_in(alice)


def far(archive: SmallArchive, name: str, url: str, data: bytes, *, measured: bool = True) -> Product:
    """A product whose bytes lie in a store."""
    product = archive.listing(name, len(data))
    found = look_at(url)
    StoredFile.objects.create(
        product=product, path=url, size=found.size, mtime_ns=found.mtime_ns, etag=found.etag,
        crc32=zlib.crc32(data) if measured else None,
        sha256=hashlib.sha256(data).hexdigest() if measured else "",
    )  # fmt: skip
    return product


def asked_for(store: HostileStore, number: int) -> bool:
    return len(store.asked) == number


def freeze_again(retrieval: Retrieval, user: User, method: str) -> Retrieval:
    """The same files, to travel another way."""
    retrieval.method = method
    return plan.again(retrieval, user, timezone.now())


def test_a_zip_of_near_and_far_files_arrives_whole(
    site: WebServer, archive: SmallArchive, nginx: NginxStore, alice: User, cookie: str
) -> None:
    contents = {f"file{n:02}.fits": os.urandom(n * 90_000) for n in range(30)}
    for number, (name, data) in enumerate(contents.items()):
        if number % 3:
            far(archive, name, nginx.put(f"whole/{name}", data), data)
        else:
            archive.file(name, data)
    retrieval = freeze(archive, alice)
    asked = len(nginx.asked())
    answer, data = fetch(site, retrieval, cookie)
    assert (answer.status, int(answer.headers["Content-Length"])) == (200, len(data))
    path = archive.folder / "whole.zip"
    path.write_bytes(data)
    ask("unzip", "-q", path, "-d", archive.folder / "out")
    ask("sha256sum", "-c", "--quiet", "SHA256SUMS", cwd=archive.folder / "out")
    assert {name: (archive.folder / "out" / "JWST" / "jw1" / name).read_bytes() for name in contents} == contents
    settled(retrieval, Phase.COMPLETED)
    assert retrieval.delivered == 30
    requests = nginx.asked()[asked:]
    assert len({connection for *_, connection in requests}) <= 4
    assert {status for _, _, status, *_ in requests} <= {"200", "206"}


def test_a_download_resumes_anywhere_and_reads_nothing_before_it(
    site: WebServer, archive: SmallArchive, nginx: NginxStore, alice: User, cookie: str
) -> None:
    for n in range(8):
        data = os.urandom(MB)
        far(archive, f"part{n}.fits", nginx.put(f"part{n}.fits", data), data)
    made = freeze(archive, alice)
    for retrieval in (made, freeze_again(made, alice, "tar")):
        whole = fetch(site, retrieval, cookie)[1]
        for place in (1, 3 * MB + 7, len(whole) - 1):
            asked = len(nginx.asked())
            part = archive.folder / "part"
            part.write_bytes(whole[:place])
            assert curl(site, retrieval, cookie, "-C", "-", "-o", str(part)) == 0
            assert part.read_bytes() == whole
            before = {f"/part{n}.fits" for n in range(place // (MB + 1000))}
            assert not before & {path for _, path, *_ in nginx.asked()[asked:]}


def test_a_store_that_breaks_in_mid_stream_pauses_the_download(
    site: WebServer, archive: SmallArchive, hostile: HostileStore, alice: User, cookie: str
) -> None:
    data = [os.urandom(2 * MB) for _ in range(10)]
    for n, content in enumerate(data):
        far(archive, f"paused{n}.fits", hostile.put(f"paused{n}.fits", content), content)
    retrieval = freeze(archive, alice)
    etag = retrieval.etag
    hostile.replies["/paused6.fits"] = [Reply(stop=100_000), Reply(status=503)]
    part = archive.folder / "part.zip"
    assert curl(site, retrieval, cookie, "-o", str(part)) in {18, 56}
    settled(retrieval, Phase.ERROR)
    assert (
        "paused6.fits. The store 127.0.0.1 cannot give this file at present: it answered 503" in retrieval.message
    )
    assert "Resume it later" in retrieval.message
    assert (retrieval.failed, retrieval.etag) == (0, etag)
    assert 0 < retrieval.skipped < 10
    assert part.stat().st_size >= 10 * MB
    hostile.replies["/paused6.fits"] = [Reply()]
    hostile.asked.clear()
    assert curl(site, retrieval, cookie, "-C", "-", "-o", str(part)) == 0
    assert not {"/paused0.fits", "/paused3.fits"} & {one.path for one in hostile.gets()}
    with zipfile.ZipFile(part) as opened:
        assert [opened.read(f"JWST/jw1/paused{n}.fits") for n in range(10)] == data
    settled(retrieval, Phase.COMPLETED)
    assert retrieval.delivered == 10


def test_a_file_that_changes_in_mid_stream_cuts_the_download(
    site: WebServer, archive: SmallArchive, hostile: HostileStore, alice: User, cookie: str
) -> None:
    for n in range(10):
        content = os.urandom(2 * MB)
        far(archive, f"changing{n}.fits", hostile.put(f"changing{n}.fits", content), content)
    retrieval = freeze(archive, alice)
    answer, opened = begin(site, retrieval, cookie)
    hostile.put("changing9.fits", os.urandom(2 * MB))
    assert is_cut(answer)
    opened.close()
    settled(retrieval, Phase.ERROR)
    assert "changing9.fits. This file was written again in its store since it was measured." in retrieval.message
    assert retrieval.files.get(outcome=Outcome.FAILED).path == "JWST/jw1/changing9.fits"
    _, data = fetch(site, retrieval, cookie)
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        assert whole.testzip() is None
        assert json.loads(whole.read("MANIFEST.json"))["counts"]["failed"] == 1
    settled(retrieval, Phase.COMPLETED)


def test_what_a_store_no_longer_has_is_named_before_the_first_byte(
    site: WebServer, archive: SmallArchive, hostile: HostileStore, alice: User, cookie: str
) -> None:
    far(archive, "kept.fits", hostile.put("kept.fits", b"kept"), b"kept")
    far(archive, "lost.fits", hostile.put("lost.fits", b"lost"), b"lost")
    retrieval = freeze(archive, alice)
    del hostile.files["/lost.fits"]
    answer, data = fetch(site, retrieval, cookie)
    assert answer.status == 409
    assert "JWST/jw1/lost.fits: The store 127.0.0.1 has no such file: it answered 404" in data.decode()
    assert hostile.gets() == []
    law(retrieval)
    assert (retrieval.failed, retrieval.phase) == (1, Phase.QUEUED)
    answer, data = fetch(site, retrieval, cookie)
    assert answer.status == 200
    assert zipfile.ZipFile(io.BytesIO(data)).namelist()[0] == "JWST/jw1/kept.fits"
    settled(retrieval, Phase.COMPLETED)


def test_a_store_that_is_down_before_the_first_byte_takes_nothing_away(
    site: WebServer, archive: SmallArchive, hostile: HostileStore, alice: User, cookie: str
) -> None:
    far(archive, "down.fits", hostile.put("down.fits", b"down"), b"down")
    retrieval = freeze(archive, alice)
    hostile.heads["/down.fits"] = Reply(status=500)
    answer, page = fetch(site, retrieval, cookie)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert "JWST/jw1/down.fits: The store 127.0.0.1 cannot give this file at present" in page.decode()
    answer, opened = site.ask(f"/api/v1/retrievals/{retrieval.pk}/download", cookie)
    assert (answer.status, json.loads(answer.read())["error"]["code"]) == (503, "unavailable")
    opened.close()
    law(retrieval)
    assert (retrieval.failed, retrieval.phase) == (0, Phase.QUEUED)
    del hostile.heads["/down.fits"]
    assert fetch(site, retrieval, cookie)[0].status == 200
    settled(retrieval, Phase.COMPLETED)


def test_a_client_that_vanishes_ends_the_reads_ahead_at_once(
    site: WebServer, archive: SmallArchive, hostile: HostileStore, alice: User, cookie: str
) -> None:
    for n in range(10):
        content = os.urandom(4 * MB)
        slow = Reply(piece=MB, pause=0 if n == 0 else 0.4)
        far(archive, f"slow{n}.fits", hostile.put(f"slow{n}.fits", content, slow), content)
    retrieval = freeze(archive, alice)
    answer, opened = begin(site, retrieval, cookie)
    until(lambda: hostile.open > 0, "the store is being read")
    answer.close()
    opened.close()
    until(lambda: hostile.open == 0, "the store's connections are closed")
    until(lambda: Retrieval.objects.get().bytes_sent > 0, "what was sent is written down")
    assert len(hostile.gets()) < 10 * 4


def test_nobody_holds_a_database_connection_while_a_store_is_waited_for(
    site: WebServer, archive: SmallArchive, hostile: HostileStore, alice: User, cookie: str
) -> None:
    far(archive, "late.fits", hostile.put("late.fits", b"late", Reply(delay=3)), b"late")
    hostile.heads["/late.fits"] = Reply(delay=3)
    retrieval = freeze(archive, alice)
    hostile.asked.clear()
    opened = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
    opened.request("GET", url_of(retrieval), headers={"Cookie": cookie})
    for number, method in enumerate(["HEAD", "GET"], start=1):
        until(partial(asked_for, hostile, number), f"the store is asked by {method}")
        until(lambda: connections_of_others() == 0, "no connection but ours is open")
        assert asked_for(hostile, number)
    assert opened.getresponse().read()[-22:-18] == b"PK\5\6"
    opened.close()
    settled(retrieval, Phase.COMPLETED)


def test_streams_that_wait_for_a_store_keep_nobody_else_waiting(
    site: WebServer, archive: SmallArchive, hostile: HostileStore, alice: User, cookie: str
) -> None:
    late = far(archive, "stuck.fits", hostile.put("stuck.fits", b"late", Reply(delay=6)), b"late")
    near = archive.file("near.fits", os.urandom(3 * MB))
    waiting = []
    for _ in range(12):
        opened = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
        opened.request("GET", f"/api/v0.1/Download/file?uri={late.dataURI}", headers={"Cookie": cookie})
        waiting.append(opened)
    until(lambda: len(hostile.gets()) == 12, "twelve streams wait")
    answer, opened = site.ask(f"/api/v0.1/Download/file?uri={near.dataURI}", cookie)
    assert len(answer.read()) == 3 * MB
    opened.close()
    assert hostile.sent == 0
    for opened in waiting:
        assert opened.getresponse().read() == b"late"
        opened.close()


def test_one_file_comes_from_its_store(
    site: WebServer, archive: SmallArchive, hostile: HostileStore, cookie: str
) -> None:
    data = os.urandom(3 * MB)
    product = far(archive, "one.fits", hostile.put("one.fits", data), data)
    url = f"/api/v0.1/Download/file?uri={product.dataURI}"
    answer, opened = site.ask(url, cookie, Range="bytes=1000000-1000009")
    assert (answer.status, answer.read()) == (206, data[1_000_000:1_000_010])
    etag = answer.headers["ETag"]
    opened.close()
    assert [one.span for one in hostile.gets()] == [(1_000_000, 1_000_009)]
    answer, opened = site.ask(url, cookie, If_None_Match=etag)
    assert answer.status == 304
    opened.close()
    answer, opened = site.ask(url, cookie)
    assert answer.read() == data
    opened.close()
    hostile.heads["/one.fits"] = Reply(status=502)
    answer, opened = site.ask(url, cookie)
    assert answer.status == 503
    opened.close()


def test_what_is_not_measured_yet_is_measured_by_the_job(
    site: WebServer, archive: SmallArchive, nginx: NginxStore, alice: User, cookie: str
) -> None:
    contents = {f"new{n}.fits": os.urandom(n * 100_000) for n in range(12)}
    for name, data in contents.items():
        far(archive, name, nginx.put(name, data), data, measured=False)
    lost = far(archive, "unread.fits", nginx.put("unread.fits", b"x"), b"x", measured=False)
    (nginx.files / "unread.fits").unlink()
    retrieval = freeze(archive, alice)
    assert not jobs.measure_little(retrieval)
    while jobs.measure(retrieval.pk):
        pass
    law(retrieval)
    assert (retrieval.failed, retrieval.pending) == (1, 12)
    assert "has no such file" in retrieval.files.get(product_id=lost.pk).reason
    stored = {one.product.productFilename: one for one in StoredFile.objects.exclude(crc32=None)}
    assert {name: one.sha256 for name, one in stored.items()} == {
        name: hashlib.sha256(data).hexdigest() for name, data in contents.items()
    }
    answer, data = fetch(site, retrieval, cookie)
    assert answer.status == 200
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert opened.testzip() is None
    settled(retrieval, Phase.COMPLETED)


def test_memory_stays_bounded_while_a_gigabyte_comes_from_a_store(
    site: WebServer, archive: SmallArchive, nginx: NginxStore, alice: User, cookie: str
) -> None:
    product = archive.sparse("hollow.fits", 1_000_000_000)
    (nginx.files / "hollow.fits").symlink_to(product.stored.path)
    found = look_at(f"{nginx.url}hollow.fits")
    StoredFile.objects.update(path=f"{nginx.url}hollow.fits", etag=found.etag, mtime_ns=found.mtime_ns)
    retrieval = freeze(archive, alice)
    before = site.peak_memory()
    assert curl(site, retrieval, cookie, "-o", "/dev/null") == 0
    assert site.peak_memory() - before < 100_000_000
    settled(retrieval, Phase.COMPLETED)
