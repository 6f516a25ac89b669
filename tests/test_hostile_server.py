"""The hostile server does what it is told, so that a script that survives it has survived something."""

import http.client
import io
import json
import socket
import tarfile
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.hostile_server import DOWNLOAD, HostileServer, Reply, Served, error, pack, redirect

DATA = bytes(range(256)) * 20
ENTIRE = len(DATA)


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as started:
        yield started


@pytest.fixture
def opened(server: HostileServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]), timeout=10)
    yield connection
    connection.close()


def ask(
    opened: http.client.HTTPConnection, uri: str = "a", *, method: str = "GET", **headers: str
) -> tuple[int, bytes, http.client.HTTPResponse]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    opened.request(method, f"{DOWNLOAD}?uri={uri}", headers=named)
    answer = opened.getresponse()
    return answer.status, answer.read(), answer


def test_a_file_comes_whole_in_ranges_and_by_its_tag(
    server: HostileServer, opened: http.client.HTTPConnection
) -> None:
    server.files["a"] = Served(DATA)
    assert ask(opened)[:2] == (200, DATA)
    assert ask(opened, method="HEAD")[:2] == (200, b"")
    status, body, answer = ask(opened, Range="bytes=100-")
    assert (status, body) == (206, DATA[100:])
    assert answer.headers["Content-Range"] == f"bytes 100-{ENTIRE - 1}/{ENTIRE}"
    assert ask(opened, Range="bytes=5-9", If_Range='"1"')[:2] == (206, DATA[5:10])
    assert ask(opened, Range="bytes=5-9", If_Range='"2"')[:2] == (200, DATA)
    assert ask(opened, Range=f"bytes={ENTIRE}-")[0] == 416
    assert ask(opened, Range="bytes=5-", If_Match='"2"')[0] == 412
    assert [one.whole for one in server.requests("a")] == [True, False, False, True, False, False]
    assert server.connections == 1


def test_replies_come_in_turn_and_then_for_ever(server: HostileServer, opened: http.client.HTTPConnection) -> None:
    server.files["a"] = Served(DATA, (error(500), error(429, Retry_After="7")), then=Reply(ranges=False))
    assert ask(opened)[0] == 500
    status, _, answer = ask(opened)
    assert (status, answer.headers["Retry-After"]) == (429, "7")
    assert ask(opened, Range="bytes=5-")[:2] == (200, DATA)
    assert ask(opened, Range="bytes=5-")[:2] == (200, DATA)
    assert ask(opened, "nothing")[0] == 404
    server.forget()
    assert ask(opened)[0] == 500


def test_a_weak_tag_lets_no_range_through(server: HostileServer, opened: http.client.HTTPConnection) -> None:
    server.files["a"] = Served(DATA, then=Reply(etag='W/"1"'))
    assert ask(opened, Range="bytes=5-", If_Range='W/"1"')[:2] == (200, DATA)
    server.files["a"].then = Reply(etag='W/"1"', heeds_if_range=False)
    assert ask(opened, Range="bytes=5-", If_Range='W/"1"')[:2] == (206, DATA[5:])


def test_a_range_can_lie(server: HostileServer, opened: http.client.HTTPConnection) -> None:
    server.files["a"] = Served(DATA, (Reply(skew=10), Reply(lie=10)))
    assert ask(opened, Range="bytes=5-20")[1] == DATA[15:31]
    _, body, answer = ask(opened, Range="bytes=5-20")
    assert (body, answer.headers["Content-Range"]) == (DATA[5:21], f"bytes 15-30/{ENTIRE}")


def test_an_answer_is_cut_short(server: HostileServer, opened: http.client.HTTPConnection) -> None:
    server.files["a"] = Served(DATA, (Reply(stop=1000, ending="close"), Reply(stop=1000, ending="reset")))
    for _ in range(2):
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            ask(opened)
        opened.close()
    assert [(one.sent, one.whole) for one in server.requests("a")] == [(1000, False)] * 2
    assert ask(opened)[1] == DATA


def test_lengths_are_false_missing_or_chunked(server: HostileServer, opened: http.client.HTTPConnection) -> None:
    server.files["a"] = Served(
        DATA,
        (Reply(framing="chunked", piece=100), Reply(framing="close"), Reply(promised=10, ending="close")),
        then=Reply(promised=ENTIRE + 1, ending="close"),
    )
    assert ask(opened)[1] == DATA
    _, body, answer = ask(opened)
    assert (body, answer.headers["Content-Length"]) == (DATA, None)
    assert ask(opened)[1] == DATA[:10]
    opened.close()
    with pytest.raises(http.client.IncompleteRead):
        ask(opened)


def test_a_stalled_answer_ends_when_its_client_goes(
    server: HostileServer, opened: http.client.HTTPConnection
) -> None:
    server.files["a"] = Served(DATA, (Reply(stop=1000, ending="stall"),))
    opened.timeout = 0.2
    with pytest.raises(socket.timeout):
        ask(opened)
    opened.close()
    while not server.requests("a")[0].ended:
        time.sleep(0.01)


def test_a_token_is_checked_and_expires(server: HostileServer, opened: http.client.HTTPConnection) -> None:
    server.files["a"] = Served(DATA, needs_token=True)
    server.tokens, server.lifetime = {"secret"}, 2
    assert ask(opened)[0] == 401
    assert ask(opened, Authorization="token other")[0] == 401
    assert [ask(opened, Authorization="token secret")[0] for _ in range(3)] == [200, 200, 401]
    for server.polite, status in ((False, 401), (True, 200)):
        opened.request("GET", "/whoami", headers={"Authorization": "token secret"})
        said = opened.getresponse()
        assert (said.status, json.loads(said.read())["anon"]) == (status, True)
    assert [one.token for one in server.log[:3]] == ["", "other", "secret"]
    assert "secret" not in "".join(one.line for one in server.log)


def test_a_pack_is_a_tar_of_what_there_is(server: HostileServer, opened: http.client.HTTPConnection) -> None:
    server.files |= {"a": Served(DATA), "b": Served(DATA, needs_token=True)}
    for made in (pack, lambda _: error(413)):
        server.packs.append(made)
        opened.request("POST", "/pack", urlencode([("uri", "b"), ("uri", "?"), ("uri", "a")]))
        answer = opened.getresponse()
        body = answer.read()
        if answer.status == 200:
            with tarfile.open(fileobj=io.BytesIO(body)) as tar:
                assert tar.getnames() == ["2"]
    assert answer.status == 413
    assert [one.packed for one in server.log] == [("b", "?", "a")] * 2


def test_it_sends_elsewhere_and_says_things_beforehand(
    server: HostileServer, opened: http.client.HTTPConnection
) -> None:
    server.places["other"] = "http://localhost:1"
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    server.files["a"] = Served(
        DATA, (redirect("{other}/b"), Reply(raw=b"\0\xff nonsense\r\n\r\n", ending="close"))
    )
    status, _, answer = ask(opened)
    assert (status, answer.headers["Location"]) == (302, "http://localhost:1/b")
    with pytest.raises(http.client.BadStatusLine):
        ask(opened)
    server.files["b"] = Served(DATA, then=Reply(before=early))
    with socket.create_connection(("127.0.0.1", opened.port)) as raw:
        raw.sendall(f"GET {DOWNLOAD}?uri=b HTTP/1.1\r\n\r\n".encode())
        assert raw.recv(1000).startswith(early)
