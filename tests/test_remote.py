"""Reading from stores that break, lie, stall and redirect: each told in plain English, and never a byte too few."""

import hashlib
import os
import socket
import threading
import time
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from portal.archives.local import measure
from portal.remote.ahead import Part, cut
from portal.remote.limits import Limits
from portal.remote.measuring import look_at, look_at_all
from portal.remote.problems import StoreProblem, waiting_time
from retrieval.fetching import UNKNOWN, Reader, Sources, Unfit, batches
from retrieval.zipplan import FileRange
from tests.hostile_store import MODIFIED, HostileStore, Reply, hostile_store
from tests.web_server import until

MB = 1 << 20
QUICK = Limits(seconds=20, attempts=3, requests=4, bytes=4 * MB, pause=0.01)
IMPATIENT = Limits(seconds=0.5, attempts=2, requests=4, bytes=4 * MB, pause=0.01)
SMALL = os.urandom(200_000)
LARGE = os.urandom(3 * MB + 12_345)
"""Read in parts: more than QUICK lets one request bring."""


@pytest.fixture
def store(settings: Settings) -> Iterator[HostileStore]:
    with hostile_store() as running:
        settings.REMOTE_STORES = [running.url]
        yield running


def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def sources_of(*files: tuple[str, bytes]) -> Sources:
    sources = Sources()
    for url, data in files:
        sources.add(url, len(data), MODIFIED * 1_000_000_000, zlib.crc32(data), etag(data))
    return sources


def received(sources: Sources, limits: Limits = QUICK) -> bytes:
    """All bytes of all members, as a stream reads them."""
    coming = [FileRange(index, 0, size) for index, size in enumerate(sources.sizes) if size]
    reader = Reader(sources, coming, limits)
    try:
        return b"".join(reader.read(batch) for batch in batches(coming))
    finally:
        reader.close()


def refusal(url: str, data: bytes, limits: Limits = QUICK) -> Unfit:
    with pytest.raises(Unfit) as caught:
        received(sources_of((url, data)), limits)
    assert caught.value.reason.endswith(".")
    return caught.value


# Honest stores, and those that can be helped


def test_files_come_whole_and_in_order(store: HostileStore) -> None:
    contents = [SMALL, LARGE, b"", b"x", LARGE[: 2 * MB]]
    sources = sources_of(*((store.put(f"{n}.fits", data), data) for n, data in enumerate(contents)))
    assert list(sources.unfit()) == []
    assert received(sources) == b"".join(contents)


def test_a_whole_file_is_asked_for_without_a_range_and_a_large_one_in_parts(store: HostileStore) -> None:
    small, large = store.put("small", SMALL), store.put("large", LARGE)
    received(sources_of((small, SMALL), (large, LARGE)))
    assert [one.span for one in store.gets("small")] == [None]
    spans = sorted(one.span or (0, 0) for one in store.gets("large"))
    assert [first for first, _ in spans] == [0, *(last + 1 for _, last in spans[:-1])]
    assert spans[-1][1] == len(LARGE) - 1
    assert all(one.headers["accept-encoding"] == "identity" for one in store.asked)
    assert {one.headers["if-match"] for one in store.gets()} == {etag(SMALL), etag(LARGE)}


def test_connections_are_kept_and_no_more_than_allowed(store: HostileStore) -> None:
    files = [(store.put(f"{n}", SMALL, Reply(delay=0.01)), SMALL) for n in range(40)]
    received(sources_of(*files))
    assert len({one.connection for one in store.gets()}) == store.most_open == QUICK.requests


def test_a_range_is_read_without_what_lies_before_it(store: HostileStore) -> None:
    sources = sources_of((store.put("a", SMALL), SMALL), (store.put("b", LARGE), LARGE))
    coming = [FileRange(1, MB, 1000)]
    reader = Reader(sources, coming, QUICK)
    assert reader.read([*coming]) == LARGE[MB : MB + 1000]
    reader.close()
    assert [(one.path, one.span) for one in store.asked] == [("/b", (MB, MB + 999))]


def test_what_was_not_announced_is_read_all_the_same(store: HostileStore) -> None:
    sources = sources_of((store.put("a", SMALL), SMALL), (store.put("b", LARGE), LARGE))
    reader = Reader(sources, [FileRange(1, 0, len(LARGE))], QUICK)
    assert reader.read([FileRange(0, 5, 10)]) == SMALL[5:15]
    assert reader.read([FileRange(1, 0, 10)]) == LARGE[:10]
    assert reader.read([FileRange(1, 2 * MB, 10)]) == LARGE[2 * MB : 2 * MB + 10]
    assert reader.read([FileRange(1, 7, 10)]) == LARGE[7:17]
    reader.close()


def test_a_broken_connection_is_taken_up_where_it_broke(store: HostileStore) -> None:
    url = store.put("f", LARGE[:MB], Reply(stop=300_000), Reply(stop=300_000, reset=True), Reply())
    assert received(sources_of((url, LARGE[:MB]))) == LARGE[:MB]
    spans = [one.span for one in store.gets()]
    assert spans[:2] == [None, (300_000, MB - 1)]
    assert 300_000 < (spans[2] or (0, 0))[0] <= 600_000
    assert {one.headers["if-match"] for one in store.gets()} == {etag(LARGE[:MB])}


def test_a_store_that_breaks_off_again_and_again_but_brings_something_is_read_to_the_end(
    store: HostileStore,
) -> None:
    url = store.put("f", LARGE[:MB], Reply(stop=100_000))
    assert received(sources_of((url, LARGE[:MB]))) == LARGE[:MB]
    assert len(store.gets()) == 11


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_store_that_is_busy_is_asked_again(store: HostileStore, status: int) -> None:
    busy = Reply(status=status, body=b"<html>busy</html>", headers={"Content-Type": "text/html"})
    url = store.put("f", SMALL, busy, busy, Reply())
    assert received(sources_of((url, SMALL))) == SMALL
    assert len(store.gets()) == 3


def test_the_time_that_a_store_asks_for_is_waited(store: HostileStore) -> None:
    url = store.put("f", SMALL, Reply(status=503, headers={"Retry-After": "1"}), Reply())
    begin = time.monotonic()
    assert received(sources_of((url, SMALL))) == SMALL
    assert time.monotonic() - begin >= 1


def test_a_connection_that_was_closed_without_a_word_costs_nothing(store: HostileStore) -> None:
    files = [(store.put(f"{n}", SMALL, Reply(closes=True)), SMALL) for n in range(6)]
    once = Limits(seconds=20, attempts=1, requests=1, bytes=MB)
    assert received(sources_of(*files), once) == SMALL * 6


def test_a_store_that_speaks_http_1_0_is_read(store: HostileStore) -> None:
    url = store.put("f", SMALL, Reply(version="HTTP/1.0"))
    assert received(sources_of((url, SMALL), (url, SMALL))) == SMALL * 2


def test_a_body_without_a_length_is_read(store: HostileStore) -> None:
    url = store.put("f", SMALL, Reply(chunked=True))
    assert received(sources_of((url, SMALL))) == SMALL


def test_a_small_file_is_begun_anew_where_a_store_sends_no_parts(store: HostileStore) -> None:
    url = store.put("f", SMALL, Reply(stop=70_000), Reply(parts=False))
    assert received(sources_of((url, SMALL))) == SMALL
    assert [one.span for one in store.gets()] == [None, (70_000, len(SMALL) - 1), None]


def test_what_follows_an_answer_is_not_taken_for_the_next(store: HostileStore) -> None:
    files = [(store.put(f"{n}", SMALL, Reply(more=b"HTTP/1.1 200 OK\r\nContent")), SMALL) for n in range(3)]
    once = Limits(seconds=20, attempts=1, requests=1, bytes=MB)
    assert received(sources_of(*files), once) == SMALL * 3


def test_a_redirect_inside_the_stores_is_followed(store: HostileStore) -> None:
    store.put("real", LARGE)
    url = store.put("f", LARGE, Reply(status=302, headers={"Location": "/real"}))
    assert received(sources_of((url, LARGE))) == LARGE


# Stores that cannot be helped: (replies, what is told, whether it may be otherwise later)

HTML = {"Content-Type": "text/html; charset=utf-8"}
PAGE = b"<!DOCTYPE html><title>Sorry</title>"
HOPELESS = {
    "404": (SMALL, Reply(status=404), "has no such file: it answered 404", False),
    "410": (SMALL, Reply(status=410), "has no such file: it answered 410", False),
    "401": (SMALL, Reply(status=401), "does not give this file to the archive: it answered 401", False),
    "403": (LARGE, Reply(status=403, body=PAGE, headers=HTML), "it answered 403", False),
    "400": (SMALL, Reply(status=400), "does not give this file: it answered 400", False),
    "204": (SMALL, Reply(status=204), "does not give this file: it answered 204", False),
    "500 for ever": (SMALL, Reply(status=500), "cannot give this file at present: it answered 500", True),
    "503 for an hour": (SMALL, Reply(status=503, headers={"Retry-After": "3600"}), "answered 503", True),
    "412": (SMALL, Reply(status=412), "written again in its store", False),
    "416": (LARGE, Reply(status=416), "shorter in the store", False),
    "another ETag": (SMALL, Reply(headers={"ETag": '"new"'}), "written again in its store", False),
    "another ETag of a part": (LARGE, Reply(headers={"ETag": '"new"'}), "written again in its store", False),
    "too long": (SMALL, Reply(body=SMALL + b"x"), "200,001 bytes in its store instead of 200,000", False),
    "too short": (SMALL, Reply(body=SMALL[:-1]), "199,999 bytes in its store instead of 200,000", False),
    "grown, in parts": (
        LARGE,
        Reply(headers={"Content-Range": f"bytes 0-{MB - 1}/{len(LARGE) + 1}"}),
        "bytes in its store instead of",
        False,
    ),
    "a web page": (SMALL, Reply(body=PAGE, headers=HTML | {"ETag": None}), "a web page instead of this", False),
    "a web page for a part": (LARGE, Reply(body=PAGE, headers=HTML, parts=False), "a web page instead", False),
    "no parts": (LARGE, Reply(parts=False), "sends whole files only", False),
    "another part": (LARGE, Reply(headers={"Content-Range": f"bytes 1-9/{len(LARGE)}"}), "another part", False),
    "no Content-Range": (LARGE, Reply(headers={"Content-Range": None}), "another part", False),
    "a part of another length": (LARGE, Reply(headers={"Content-Length": "5"}), "contradicts itself", False),
    "gzip": (SMALL, Reply(headers={"Content-Encoding": "gzip"}), "packed (gzip)", False),
    "no end": (SMALL, Reply(body=SMALL + b"x", chunked=True), "more bytes in the store", False),
    "an early end": (SMALL, Reply(body=SMALL[:-1], chunked=True), "199,999 bytes in its store", False),
    "always cut": (SMALL, Reply(stop=0), "broke off in the middle", True),
    "always reset": (SMALL, Reply(stop=10, reset=True), "broke", True),
    "no HTTP": (SMALL, Reply(raw=b"SSH-2.0-OpenSSH_9.2\r\n"), "broke", True),
    "a thousand headers": (SMALL, Reply(headers={f"X-{n}": "" for n in range(1000)}), "broke", True),
    "an endless header": (SMALL, Reply(raw=b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000), "broke", True),
    "silence": (SMALL, Reply(raw=b""), "broke", True),
    "a circle": (SMALL, Reply(status=302, headers={"Location": "/f"}), "redirects in circles", False),
    "redirect elsewhere": (SMALL, Reply(status=301, headers={"Location": "http://127.0.0.2/"}), "may not", False),
    "redirect to a file": (SMALL, Reply(status=307, headers={"Location": "file:///etc/passwd"}), "may not", False),
    "redirect nowhere": (SMALL, Reply(status=302), "redirects in circles", False),
}


@pytest.mark.parametrize("case", HOPELESS)
def test_what_a_store_does_wrong_is_told(store: HostileStore, case: str) -> None:
    data, reply, told, temporary = HOPELESS[case]
    unfit = refusal(store.put("f", data, reply), data)
    assert told in unfit.reason
    assert (unfit.index, unfit.temporary) == (0, temporary)
    if temporary and "hour" not in case:
        assert len(store.gets("f")) == QUICK.attempts


TOO_SLOW = {
    "no head": Reply(delay=30),
    "a dripping head": Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"X-Padding: x\r\n" * 500, piece=1, pause=0.01),
    "a dripping body": Reply(piece=1, pause=0.01),
    "a body that stops": Reply(piece=10_000, pause=30),
}


@pytest.mark.parametrize("case", TOO_SLOW)
def test_nobody_waits_for_ever(store: HostileStore, case: str) -> None:
    unfit = refusal(store.put("f", SMALL, TOO_SLOW[case]), SMALL, IMPATIENT)
    assert "stopped answering in time" in unfit.reason
    assert unfit.temporary


def test_a_slow_but_steady_store_is_waited_for(store: HostileStore) -> None:
    url = store.put("f", SMALL, Reply(piece=20_000, pause=0.2))
    assert received(sources_of((url, SMALL)), Limits(seconds=1.2, attempts=1, requests=1, bytes=MB)) == SMALL


def test_bytes_that_are_not_those_that_were_measured_are_not_given_out(store: HostileStore) -> None:
    other = SMALL[:-1] + bytes([SMALL[-1] ^ 1])
    url = store.put("f", SMALL, Reply(body=other))
    assert "CRC-32" in refusal(url, SMALL).reason


def test_a_store_that_knows_no_etag_is_watched_by_its_dates(store: HostileStore) -> None:
    url = store.put("f", SMALL, Reply(headers={"ETag": None, "Last-Modified": "Wed, 15 Nov 2023 09:00:00 GMT"}))
    sources = Sources()
    sources.add(url, len(SMALL), MODIFIED * 1_000_000_000, UNKNOWN)
    with pytest.raises(Unfit, match="written again"):
        received(sources)
    assert store.gets()[0].headers["if-unmodified-since"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    sources.mtimes[0] = 0
    assert received(sources) == SMALL


def test_a_weak_etag_is_compared_but_states_no_condition(store: HostileStore) -> None:
    url = store.put("f", SMALL, Reply(headers={"ETag": f"W/{etag(SMALL)}"}), Reply(headers={"ETag": 'W/"new"'}))
    sources = Sources()
    sources.add(url, len(SMALL), 0, UNKNOWN, f"W/{etag(SMALL)}")
    assert received(sources) == SMALL
    with pytest.raises(Unfit, match="written again"):
        received(sources)
    assert not any("if-match" in one.headers for one in store.asked)


def test_a_store_that_is_not_there_is_told(store: HostileStore, settings: Settings) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/f"
        settings.REMOTE_STORES = [url]
        unfit = refusal(url, SMALL)
    assert "takes no connection at present" in unfit.reason
    assert unfit.temporary


def test_one_bad_file_leaves_those_before_it_whole(store: HostileStore) -> None:
    good = store.put("good", SMALL)
    bad = store.put("bad", SMALL, Reply(status=404))
    sources = sources_of((good, SMALL), (bad, SMALL), (good, SMALL))
    coming = [FileRange(index, 0, len(SMALL)) for index in range(3)]
    reader = Reader(sources, coming, QUICK)
    assert reader.read([coming[0]]) == SMALL
    with pytest.raises(Unfit) as caught:
        reader.read([coming[1]])
    assert caught.value.index == 1
    reader.close()


TROUBLES = st.builds(
    Reply,
    status=st.sampled_from([0, 0, 0, 0, 200, 206, 404, 500, 503]),
    headers=st.sampled_from(
        [{}, {}, {}, {"ETag": '"new"'}, {"Content-Length": "7"}, {"Content-Encoding": "gzip"}]
    ),
    body=st.sampled_from([None, None, None, SMALL, SMALL[:-1], LARGE[:MB], PAGE]),
    stop=st.none() | st.integers(0, 2 * MB),
    reset=st.booleans(),
    chunked=st.booleans(),
    parts=st.sampled_from([True, True, False]),
    conditions=st.booleans(),
    closes=st.booleans(),
    more=st.sampled_from([b"", b"", b"x"]),
)


@given(st.lists(TROUBLES, min_size=1, max_size=4), st.booleans())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_store_does_the_bytes_are_right_or_there_is_a_reason(
    store: HostileStore, troubles: list[Reply], large: bool
) -> None:
    data = LARGE if large else SMALL
    quick = Limits(seconds=20, attempts=2, requests=3, bytes=3 * MB, pause=0.001)
    reason = "."
    try:
        assert received(sources_of((store.put("f", data, *troubles, Reply()), data)), quick) == data
    except Unfit as unfit:
        reason = unfit.reason
    assert reason.endswith(".")


# Before the first byte


def test_every_unfit_file_is_found_before_the_first_byte(store: HostileStore) -> None:
    names = ["fine", "gone", "changed", "longer", "busy", "forbidden", "packed", "unsaid"]
    sources = sources_of(*((store.put(name, SMALL), SMALL) for name in names))
    del store.files["/gone"]
    store.heads = {
        "/changed": Reply(headers={"ETag": '"new"'}),
        "/longer": Reply(headers={"Content-Length": "200001"}),
        "/busy": Reply(status=503, headers={"Retry-After": "3600"}),
        "/forbidden": Reply(status=403),
        "/packed": Reply(headers={"Content-Encoding": "br"}),
        "/unsaid": Reply(headers={"Content-Length": None}),
    }
    found = {names[one.index]: one for one in sources.unfit()}
    assert set(found) == set(names) - {"fine"}
    assert [name for name, one in found.items() if one.temporary] == ["busy"]
    assert "does not tell how many bytes" in found["unsaid"].reason
    assert store.gets() == []


def test_many_files_are_looked_at_together_and_in_bounded_time(store: HostileStore) -> None:
    urls = [store.put(f"{n}", b"x") for n in range(300)]
    store.heads = {f"/{n}": Reply(delay=0.05) for n in range(300)}
    begin = time.monotonic()
    found = look_at_all(urls, limits=QUICK)
    assert [one.size for one in found if one is not None and not isinstance(one, StoreProblem)] == [1] * 300
    assert time.monotonic() - begin < 300 * 0.05
    assert 1 < store.most_open <= 32
    store.heads = {f"/{n}": Reply(delay=30) for n in range(300)}
    begin = time.monotonic()
    assert look_at_all(urls, seconds=0.3, limits=QUICK) == [None] * 300
    assert time.monotonic() - begin < 15


# Bounds


def test_no_more_is_held_than_allowed_while_nobody_takes_it(store: HostileStore) -> None:
    data = os.urandom(MB)
    sources = sources_of(*((store.put(f"{n}", data), data) for n in range(40)))
    coming = [FileRange(n, 0, MB) for n in range(40)]
    reader = Reader(sources, coming, QUICK)
    assert reader.read([coming[0]]) == data
    until(lambda: store.sent >= 5 * MB, "as much is read ahead as may be")
    time.sleep(0.3)
    assert store.sent == MB + QUICK.bytes
    assert reader.read([coming[1]]) == data
    until(lambda: store.sent == 2 * MB + QUICK.bytes, "one more is read")
    reader.close()


def test_closing_ends_what_is_under_way_at_once(store: HostileStore) -> None:
    slow = Reply(piece=1000, pause=0.5)
    sources = sources_of(*((store.put(f"{n}", SMALL, slow), SMALL) for n in range(20)))
    coming = [FileRange(n, 0, len(SMALL)) for n in range(20)]
    reader = Reader(sources, coming, QUICK)
    ends: list[type[BaseException]] = []

    def take() -> None:
        try:
            reader.read([coming[0]])
        except Exception as error:
            ends.append(type(error))

    taker = threading.Thread(target=take)
    taker.start()
    until(lambda: store.open == QUICK.requests, "the store is being read")
    begin = time.monotonic()
    reader.close()
    taker.join()
    assert time.monotonic() - begin < 5
    assert ends == [ValueError]
    until(lambda: store.open == 0, "the store's connections are closed")
    until(
        lambda: not [one for one in threading.enumerate() if one.name.startswith("remote-")], "no thread is left"
    )
    with pytest.raises(ValueError, match="closed"):
        reader.read([coming[0]])


def test_parts_are_joined_where_they_are_small_and_split_where_they_are_large() -> None:
    small = [Part(0, n * 10, 10) for n in range(10)]
    assert list(cut([*small, Part(1, 0, 10), Part(1, 11, 10)], 40)) == [
        Part(0, 0, 40), Part(0, 40, 40), Part(0, 80, 20), Part(1, 0, 10), Part(1, 11, 10),
    ]  # fmt: skip
    assert list(cut([Part(3, 5, 100)], 40)) == [Part(3, 5, 34), Part(3, 39, 34), Part(3, 73, 32)]
    assert list(cut([], 40)) == []


# Measuring


def test_a_remote_file_is_measured_as_a_local_one_is(store: HostileStore, settings: Settings) -> None:
    settings.REMOTE_READ_AHEAD_BYTES = 4 * MB
    beats: list[int] = []
    found = measure(store.put("f", LARGE), beats.append)
    assert (found.size, found.crc32, found.sha256) == (
        len(LARGE), zlib.crc32(LARGE), hashlib.sha256(LARGE).hexdigest(),
    )  # fmt: skip
    assert (found.etag, found.mtime_ns) == (etag(LARGE), MODIFIED * 1_000_000_000)
    assert sum(beats) == len(LARGE)
    assert len(store.gets()) > 1
    assert measure(store.put("empty", b"")).crc32 == 0


def test_a_reader_that_waits_for_a_store_shows_that_it_lives(store: HostileStore) -> None:
    beats: list[int] = []
    measure(store.put("f", SMALL, Reply(delay=2.5)), beats.append)
    assert beats.count(0) >= 1


def test_a_file_that_changes_while_it_is_measured_is_not_measured(store: HostileStore) -> None:
    url = store.put("f", SMALL, Reply(stop=100_000, reset=True), Reply(headers={"ETag": '"new"'}))
    with pytest.raises(StoreProblem, match="written again"):
        measure(url)
    with pytest.raises(StoreProblem, match="has no such file"):
        look_at(store.url + "none")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(None, None), ("", None), ("7", 7.0), ("soon", None), ("-1", None), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)],
)
def test_both_forms_of_retry_after_are_understood(text: str | None, seconds: float | None) -> None:
    assert waiting_time(text) == seconds
