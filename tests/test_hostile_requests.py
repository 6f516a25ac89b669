"""Requests that no honest client sends: each gets an answer in words, none breaks the server."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client

from basket.models import Basket
from tests.sky_catalogue import observe
from tests.web_server import serving

DIGITS = "1" * 5000
JSON = "application/json"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address",
    [
        "/retrieval/%00/",
        "/retrieval/%00/download",
        "/api/v1/retrievals/%00/",
        "/api/v1/retrievals/%00/files/",
        "/api/v1/retrievals/%00/download",
        "/observation/local/%00/",
        "/observation/%00/x/",
        "/api/v0.1/Download/file?uri=%00",
        "/?calib_level=inf",
        "/?calib_level=nan..",
        f"/?calib_level={DIGITS}",
        "/api/v1/search/?sequence_number=1e400",
        f"/api/v1/search/?page={DIGITS}",
        f"/api/v1/search/?page_size=0000000001{DIGITS}",
        f"/api/v1/retrievals/?page={DIGITS}",
        "/api/v1/basket/files/18446744073709551616/",
        f"/api/v1/basket/files/{DIGITS}/",
        "/api/v1/basket/tree/?limit=0000000019999",
        f"/basket/?file={DIGITS}",
        "/basket/shared/%00/",
        "/basket/shared/%ED%A0%80/",
        "/api/v1/basket/shared/%00/",
        f"/api/v1/basket/removals/?page={DIGITS}",
        f"/basket/removed/?page={DIGITS}",
        f"/basket/?{'category=a&' * 1500}",
        f"/api/v1/basket/?{'category=a&' * 1500}",
        "/api/v1/basket/?mrp=perhaps",
        f"/api/v1/basket/?category={'x' * 5000}",
        f"/basket/?open={'x' * 15_000}",
    ],
)
def test_a_value_that_cannot_be_is_the_senders_fault(client: Client, address: str) -> None:
    observe(obsid="1")
    client.post("/api/v1/basket/observations/", {"obsids": ["1"]}, content_type=JSON)
    answer = client.get(address)
    assert answer.status_code < 500
    if address.startswith("/api/v1/"):
        assert 400 <= answer.status_code < 500
        assert answer.json()["error"]["message"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "fields"),
    [
        ("/basket/add/", {"obsid": "local:\0"}),
        ("/basket/remove/", {"observation": "local:\0"}),
        ("/basket/undo/", {"removal": DIGITS}),
        ("/basket/undo/", {"basket": DIGITS}),
        ("/basket/select/", {"select": "", "basket": "99", "version": DIGITS}),
        ("/basket/select/", {"select": "HST/nothing"}),
        ("/basket/remove/", {"what": "the moon"}),
        (f"/basket/all/{DIGITS}/open/", {}),
        (f"/basket/filters/{DIGITS}/remove/", {}),
        (f"/basket/joined/{DIGITS}/undo/", {}),
        (f"/basket/shares/{DIGITS}/end/", {}),
        ("/basket/shared/x/copy/", {}),
        ("/retrieval/recommended/", {"obsid": "\0", "archive": "local"}),
        ("/retrieval/recommended/", {"obsid": "1", "archive": "\0"}),
    ],
)
def test_a_form_with_a_value_that_cannot_be_is_answered_with_a_page(
    client: Client, address: str, fields: dict[str, str]
) -> None:
    assert 400 <= client.post(address, fields).status_code < 500


@pytest.mark.django_db
@pytest.mark.parametrize("body", ["[" * 100_000, '{"a":' * 100_000, '{"action":"select","filters":{"\\ud800":1}}'])
@pytest.mark.parametrize(
    "address",
    [
        "basket/observations/",
        "basket/selection/",
        "basket/undo/",
        "basket/filters/",
        "basket/share/",
        "retrievals/",
    ],
)
def test_a_body_that_cannot_be_is_refused_in_json(client: Client, address: str, body: str) -> None:
    answer = client.post(f"/api/v1/{address}", body, content_type=JSON)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]["message"]


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["search/", "basket/", "basket/facets/", "basket/tree/", "retrievals/"])
def test_head_is_answered_wherever_get_is(client: Client, address: str) -> None:
    answer = client.head(f"/api/v1/{address}")
    assert answer.status_code == 200
    assert answer.content == b""


@pytest.mark.django_db
def test_a_level_that_is_no_whole_number_finds_nothing(client: Client) -> None:
    observe(calib_level=2)
    assert client.get("/api/v1/search/?calib_level=2.7").json()["count"] == 0
    assert client.get("/api/v1/search/?calib_level=2").json()["count"] == 1


@pytest.mark.django_db(transaction=True)
def test_additions_that_come_at_once_after_the_first_page_all_count(client: Client) -> None:
    """No basket and no session yet, five requests together: each must find the same basket, or all but one are lost."""
    obsids = [observe().obsid for _ in range(5)]
    client.get("/")
    cookie = client.cookies["basket"].value

    def add(obsid: str) -> int:
        try:
            own = Client()
            own.cookies["basket"] = cookie
            return own.post("/api/v1/basket/observations/", {"obsids": [obsid]}, content_type=JSON).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as together:
        assert list(together.map(add, obsids)) == [200] * 5
    assert client.get("/api/v1/basket/").json()["observations"] == 5
    assert Basket.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_ten_megabytes_of_query_string_are_refused_and_nothing_else_happens(tmp_path: Path) -> None:
    observe(obsid="1")
    with serving(tmp_path) as server:
        answer, opened = server.ask("/api/v1/basket/")
        cookie = str(answer.getheader("Set-Cookie")).split(";")[0]
        opened.close()
        assert b"200" in raw(server.port, "/api/v1/basket/", cookie)
        for path in ("/basket/?q=", "/api/v1/basket/?category=", "/basket/?open=", "/basket/shared/x/?q="):
            told = raw(server.port, path + "x" * 10_000_000, cookie)
            assert told == b"" or told.split()[1] in {b"414", b"431"}, told[:100]
            assert b"200" in raw(server.port, "/livez", cookie)


def raw(port: int, path: str, cookie: str) -> bytes:
    """The first line of the answer, or nothing where the server closes before it has read all that it refuses."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connected, suppress(OSError):
        with suppress(OSError):
            connected.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode())
        return connected.recv(4096).split(b"\r\n")[0]
    return b""
