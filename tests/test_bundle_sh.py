"""MAST's Download/bundle.sh: the bash script for files named by their URIs, as astroquery's curl_flag asks for it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.test import Client

from retrieval import by_uri
from retrieval.models import Retrieval
from tests.small_archive import SmallArchive, path_of
from tests.web_server import WebServer, serving

pytestmark = pytest.mark.django_db(transaction=True)

ROUTE = "/api/v0.1/Download/bundle.sh"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


@pytest.fixture(scope="module")
def site(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with serving(tmp_path_factory.mktemp("site")) as server:
        yield server


@dataclass
class Answer:
    status: int
    headers: Message
    said: str


def asked(site: WebServer, body: str | None = None, query: str = "") -> Answer:
    """The answer, posted with a body, else got."""
    opened = HTTPConnection("127.0.0.1", site.port, timeout=60)
    opened.request("GET" if body is None else "POST", ROUTE + query, body, {"Content-Type": FORM})
    answer = opened.getresponse()
    said = answer.read().decode()
    opened.close()
    return Answer(answer.status, answer.headers, said)


def post(site: WebServer, *uris: str) -> Answer:
    return asked(site, urlencode([("uri", uri) for uri in uris]))


def text_of(answer: Answer) -> str:
    assert answer.status == 200, answer.said
    return answer.said


def files_of(script: str) -> list[list[str]]:
    """The words of each file of a script: flags, size, sha256, day, prefix, rest, path, URI, access."""
    return [line.split(" ")[1:] for line in script.splitlines() if line.startswith("#F ")]


def test_it_is_the_bash_script_of_the_files(site: WebServer, archive: SmallArchive) -> None:
    one, two = archive.file("jw1_i2d.fits", b"x" * 100), archive.file("jw1_x1d.fits", obs_id="jw2")
    answer = post(site, two.dataURI, one.dataURI)
    assert re.fullmatch(
        r'attachment; filename="MAST_\d{4}-\d\d-\d\dT\d{6}\.sh"', answer.headers["Content-Disposition"]
    )
    script = text_of(answer)
    assert script.startswith("#!/bin/sh\n# MAST_")
    assert [(words[6], words[1], words[2]) for words in files_of(script)] == [
        ("JWST/jw2/jw1_x1d.fits", "6", two.stored.sha256),
        ("JWST/jw1/jw1_i2d.fits", "100", one.stored.sha256),
    ]
    assert not Retrieval.objects.exists()


def test_get_gives_the_same(site: WebServer, archive: SmallArchive) -> None:
    uri = archive.file("jw1_i2d.fits").dataURI
    assert files_of(text_of(asked(site, query=f"?uri={uri}"))) == files_of(text_of(post(site, uri)))


def test_it_needs_no_csrf_token_and_follows_no_slash(site: WebServer, archive: SmallArchive) -> None:
    uri = archive.file("jw1_i2d.fits").dataURI
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(ROUTE, "", content_type=FORM).status_code == 422
    assert strict.post(f"{ROUTE}/", {"uri": uri}).status_code == 404
    assert strict.head(f"{ROUTE}?uri={uri}").status_code == 200


def test_nothing_that_was_named_is_left_out(site: WebServer, archive: SmallArchive) -> None:
    exclusive = archive.exclusive("jw1_cal.fits", b"secret")
    unlisted = ["mast:HST/product/nothing.fits", "nonsense", "mast:JWST/url/x/../$(id)"]
    rows = files_of(text_of(post(site, exclusive.dataURI, *unlisted)))
    assert [(words[0], words[6]) for words in rows] == [
        ("p", "JWST/jw1/jw1_cal.fits"),
        ("-", "HST/unknown/nothing.fits"),
        ("-", "unknown/unknown/nonsense"),
        ("-", r"JWST/unknown/\0044(id)"),
    ]
    assert rows[0][1:4] == ["6", "-", "2027-03-01"]


def test_repeats_are_counted_once_and_told(site: WebServer, archive: SmallArchive) -> None:
    uri = archive.file("jw1_i2d.fits").dataURI
    script = text_of(post(site, uri, uri, uri))
    assert len(files_of(script)) == 1
    assert "\n#H duplicates 2\n" in script


def test_files_of_one_name_stay_apart(site: WebServer) -> None:
    rows = files_of(text_of(post(site, "mast:HST/a/same.fits", "mast:HST/b/same.fits")))
    assert [words[6] for words in rows] == ["HST/unknown/same.fits", r"HST/unknown/same\0040(2).fits"]


def test_a_checksum_of_bytes_that_changed_since_is_not_promised(site: WebServer, archive: SmallArchive) -> None:
    product = archive.file("jw1_i2d.fits")
    path_of(product).touch()
    assert files_of(text_of(post(site, product.dataURI)))[0][2] == "-"


def test_as_many_files_as_astroquery_asks_for(site: WebServer, archive: SmallArchive) -> None:
    known = [archive.file(f"jw1_{number}.fits").dataURI for number in range(3)]
    many = [f"mast:JWST/product/jw{number:06}_unlisted.fits" for number in range(by_uri.MOST_FILES - 3)]
    rows = files_of(text_of(post(site, *many, *known)))
    assert len(rows) == by_uri.MOST_FILES
    assert [words[6] for words in rows[-3:]] == [f"JWST/jw1/jw1_{number}.fits" for number in range(3)]


def test_more_is_refused_and_so_is_nothing(client: Client) -> None:
    many = urlencode([("uri", str(number)) for number in range(by_uri.MOST_FILES + 1)])
    assert client.post(ROUTE, many, content_type=FORM).status_code == 413
    assert client.post(ROUTE, "uri=", content_type=FORM).status_code == 422
    assert client.get(ROUTE).status_code == 422
    assert client.put(ROUTE).status_code == 405
