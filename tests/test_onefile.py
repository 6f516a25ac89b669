"""One file by its URI, through the real server."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from tests.downloads import MB
from tests.small_archive import SmallArchive
from tests.web_server import WebServer, serving, signed_in

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


def test_one_file_is_served_by_its_uri(site: WebServer, archive: SmallArchive, alice: User, cookie: str) -> None:
    picture = os.urandom(2 * MB)
    archive.file("jw1_i2d.jpg", picture)
    archive.exclusive("jw1_cal.fits")
    address = "/api/v0.1/Download/file?uri=mast:JWST/product/jw1_i2d.jpg"
    answer, opened = site.ask(address, cookie)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.headers["Content-Disposition"] == 'inline; filename="jw1_i2d.jpg"'
    assert answer.read() == picture
    opened.close()
    answer, opened = site.ask(address, cookie, Range="bytes=100-199", If_Range=answer.headers["ETag"])
    assert (answer.status, answer.read()) == (206, picture[100:200])
    opened.close()
    answer, opened = site.ask(address, cookie, Range="bytes=0-9,2000-2009,-10")
    assert answer.headers["Content-Type"].startswith("multipart/byteranges; boundary=")
    data = answer.read()
    assert all(part in data for part in (picture[:10], picture[2000:2010], picture[-10:]))
    assert len(data) == int(answer.headers["Content-Length"]) < 600
    opened.close()
    answer, opened = site.ask("/api/v0.1/Download/file?uri=mast:JWST/product/jw1_cal.fits", cookie)
    assert answer.status == 403
    assert b"2027-03-01" in answer.read()
    opened.close()
    answer, opened = site.ask("/api/v0.1/Download/file?uri=mast:JWST/product/nothing.fits", cookie)
    assert answer.status == 404
    opened.close()


def test_a_page_of_the_archive_is_saved_and_never_shown_as_ours(
    site: WebServer, archive: SmallArchive, cookie: str
) -> None:
    archive.file("evil.html", b"<script>alert(1)</script>")
    archive.file("evil.svg", b"<svg onload='alert(1)'/>")
    for name in ("evil.html", "evil.svg"):
        answer, opened = site.ask(f"/api/v0.1/Download/file?uri=mast:JWST/product/{name}", cookie)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert len(hashlib.sha256(answer.read()).hexdigest()) == 64
        opened.close()
