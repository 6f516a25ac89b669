"""Small files in one tar, through the real server: what is in it, whose it is, and what is refused."""

import io
import tarfile
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.test import Client

from portal.models import Grant, Product, Program
from retrieval import packs
from retrieval.scripts.entry import PACK_FILES
from tests.small_archive import SmallArchive, path_of
from tests.web_server import WebServer, serving, signed_in

pytestmark = pytest.mark.django_db(transaction=True)

PACK = "/api/v1/retrievals/pack"
CSRF = "0123456789abcdef0123456789abcdef"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def site(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with serving(tmp_path_factory.mktemp("site")) as server:
        yield server


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


def body(*uris: str) -> str:
    return urlencode([("uri", uri) for uri in uris])


def fetched(site: WebServer, *files: Product | str, cookie: str = "") -> dict[str, bytes]:
    """The members of the pack of these files, by name."""
    opened = HTTPConnection("127.0.0.1", site.port, timeout=60)
    uris = [file if isinstance(file, str) else file.dataURI for file in files]
    headers = {"Content-Type": FORM, "Cookie": f"{cookie}; csrftoken={CSRF}", "X-CSRFToken": CSRF}
    opened.request("POST", PACK, body(*uris), headers)
    answer = opened.getresponse()
    data = answer.read()
    opened.close()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-tar"), data
    assert answer.headers["Content-Length"] == str(len(data))
    assert answer.headers["Cache-Control"] == "private, no-store"
    with tarfile.open(fileobj=io.BytesIO(data)) as pack:
        members = pack.getmembers()
        assert all(member.isreg() for member in members)
        return {member.name: stream.read() for member in members if (stream := pack.extractfile(member))}


def test_members_are_named_by_their_places_in_the_request(site: WebServer, archive: SmallArchive) -> None:
    names = ["jw1 a&b=c.fits", "jw1_+é.fits", "jw1_empty.fits"]
    files = [archive.file(name, name.encode() if "empty" not in name else b"") for name in names]
    assert fetched(site, *files) == {"0": names[0].encode(), "1": names[1].encode(), "2": b""}
    assert fetched(site, files[1], files[0], files[1]) == {
        "0": names[1].encode(), "1": names[0].encode(), "2": names[1].encode(),
    }  # fmt: skip


def test_what_cannot_be_had_is_left_out(site: WebServer, archive: SmallArchive) -> None:
    good = archive.file("jw1_good.fits", b"good")
    gone, longer, touched = (archive.file(f"jw1_{name}.fits", b"bytes") for name in ("gone", "longer", "touched"))
    path_of(gone).unlink()
    path_of(longer).write_bytes(b"other bytes")
    path_of(touched).touch()
    unlisted, unstored = "mast:JWST/product/nothing.fits", archive.listing("jw1_unstored.fits", 5)
    assert fetched(site, gone, unlisted, longer, good, unstored, touched) == {"3": b"good"}
    assert fetched(site, unlisted) == {}


def test_unmeasured_files_travel_too(site: WebServer, archive: SmallArchive) -> None:
    assert fetched(site, archive.file("jw1.fits", b"new", measured=False)) == {"0": b"new"}


def test_each_file_is_given_only_to_those_who_may_read_it(
    site: WebServer, archive: SmallArchive, alice: User, bob: User
) -> None:
    secret, plain = archive.exclusive("jw1_cal.fits", b"secret"), archive.file("jw1_i2d.fits", b"plain")
    program = Program.objects.create(obs_collection="JWST", proposal_id="1234")
    Grant.objects.create(program=program, user=alice)
    assert fetched(site, secret, plain, cookie=signed_in(alice)) == {"0": b"secret", "1": b"plain"}
    for cookie in ("", signed_in(bob)):
        assert fetched(site, secret, plain, cookie=cookie) == {"1": b"plain"}


def test_a_script_sends_no_csrf_token_and_a_session_has_to(archive: SmallArchive, alice: User) -> None:
    archive.file("jw1_i2d.fits")
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(PACK, body("mast:JWST/product/nothing.fits"), content_type=FORM).status_code == 200
    strict.force_login(alice)
    assert strict.post(PACK, body("mast:JWST/product/jw1_i2d.fits"), content_type=FORM).status_code == 403
    assert strict.get(PACK).status_code == 405


@pytest.mark.parametrize(
    ("sent", "status"),
    [(body(), 422), (body("a", *map(str, range(PACK_FILES))), 413), ("uri=" + "x" * packs.MOST_BYTES, 413)],
)
def test_too_much_and_nothing_are_refused(client: Client, sent: str, status: int) -> None:
    answer = client.post(PACK, sent, content_type=FORM)
    assert answer.status_code == status
    assert answer.json()["error"]["field"] == "uri"


def test_more_bytes_than_travel_together_are_refused(client: Client, archive: SmallArchive) -> None:
    files = [archive.sparse(f"jw1_{number}.fits", 40_000_000) for number in range(2)]
    answer = client.post(PACK, body(*(file.dataURI for file in files)), content_type=FORM)
    assert answer.status_code == 413
