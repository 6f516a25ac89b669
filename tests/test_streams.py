"""How many downloads run at once: counted over processes, freed by whatever ends a stream, refused helpfully."""

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from retrieval import streams
from retrieval.models import Phase, Retrieval, Stream
from tests.downloads import MB, begin, freeze, url_of
from tests.small_archive import NOW, SmallArchive
from tests.web_server import WebServer, serving, signed_in, until

pytestmark = pytest.mark.django_db(transaction=True)

LIMITS = {"STREAMS_PER_USER": "3", "STREAMS_PER_ADDRESS": "5", "TRUSTED_PROXIES": "127.0.0.1"}


@pytest.fixture(scope="module")
def site(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with serving(tmp_path_factory.mktemp("site"), **LIMITS) as server:
        yield server


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


@pytest.fixture
def large(archive: SmallArchive, alice: User) -> Retrieval:
    archive.sparse("jw1_uncal.fits", 400 * MB)
    return freeze(archive, alice)


def test_of_many_who_ask_at_once_as_many_as_may_are_let_in(site: WebServer, large: Retrieval, alice: User) -> None:
    cookie = signed_in(alice)
    with ThreadPoolExecutor(12) as pool:
        asked = list(pool.map(lambda _: site.ask(url_of(large), cookie), range(12)))
    answers = [answer for answer, _ in asked]
    assert sorted(answer.status for answer in answers) == [200] * 3 + [429] * 9
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.headers["Retry-After"] == "10"
    page = refused.read().decode()
    assert "3 of your downloads are running, and one person may have 3 at once." in page
    assert "script" in page
    answer, opened = site.ask(f"/api/v1/retrievals/{large.pk}/download", cookie)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "10")
    assert json.loads(answer.read())["error"]["code"] == "too_many_downloads"
    opened.close()
    answer, opened = site.ask(url_of(large), cookie, method="HEAD")
    assert answer.status == 200
    opened.close()
    for _, connection in asked:
        connection.close()
    until(lambda: not Stream.objects.exists(), "every place is free again")
    answer, opened = begin(site, large, cookie)
    opened.close()


def test_single_files_count_when_they_are_large(site: WebServer, archive: SmallArchive, alice: User) -> None:
    archive.file("jw1_i2d.jpg", bytes(MB))
    archive.sparse("jw1_uncal.fits", 400 * MB)
    cookie, address = signed_in(alice), "/api/v0.1/Download/file?uri=mast:JWST/product/"
    small = [site.ask(f"{address}jw1_i2d.jpg", cookie) for _ in range(5)]
    assert {answer.status for answer, _ in small} == {200}
    huge = [site.ask(f"{address}jw1_uncal.fits", cookie) for _ in range(4)]
    assert [answer.status for answer, _ in huge] == [200, 200, 200, 429]
    for _, opened in small + huge:
        opened.close()


def test_addresses_are_those_behind_the_trusted_proxy(
    site: WebServer, archive: SmallArchive, large: Retrieval
) -> None:
    address = "/api/v0.1/Download/file?uri=mast:JWST/product/jw1_uncal.fits"
    asked = [site.ask(address, X_Forwarded_For="1.2.3.4, 192.0.2.1") for _ in range(6)]
    assert [answer.status for answer, _ in asked] == [200] * 5 + [429]
    assert b"5 downloads to 192.0.2.1 are running" in asked[-1][0].read()
    asked.append(site.ask(address, X_Forwarded_For="1.2.3.4, 192.0.2.2"))
    assert asked[-1][0].status == 200
    for _, opened in asked:
        opened.close()
    until(lambda: not Stream.objects.exists(), "every place is free again")


def test_a_killed_server_holds_its_places_no_longer_than_it_takes_to_notice(
    site: WebServer, tmp_path: Path, large: Retrieval, alice: User
) -> None:
    cookie = signed_in(alice)
    with serving(tmp_path, **LIMITS) as doomed:
        running = [begin(doomed, large, cookie) for _ in range(3)]
        for process in doomed.processes():
            os.kill(process, signal.SIGKILL)
        for _, opened in running:
            opened.close()
    answer, opened = site.ask(url_of(large), cookie)
    assert answer.status == 429
    opened.close()
    Stream.objects.update(renewed=timezone.now() - streams.ALIVE)
    _, opened = begin(site, large, cookie)
    assert streams.forget_dead(timezone.now()) == 3
    assert Stream.objects.count() == 1
    opened.close()
    until(lambda: not Stream.objects.exists(), "the place is free again")


def test_a_stream_that_waits_keeps_its_place_and_its_retrieval(
    site: WebServer, large: Retrieval, alice: User
) -> None:
    _, opened = begin(site, large, signed_in(alice))
    first = Stream.objects.get().renewed
    until(lambda: Stream.objects.get().renewed > first + timedelta(seconds=4), "the place is renewed")
    large.refresh_from_db()
    assert large.lease is not None
    assert large.lease > timezone.now() + timedelta(seconds=50)
    opened.close()
    until(lambda: not Stream.objects.exists(), "the place is free again")


def test_a_client_that_takes_nothing_for_too_long_is_sent_away(
    django_db_setup: None, tmp_path: Path, large: Retrieval, alice: User
) -> None:
    with serving(tmp_path, STREAM_IDLE_SECONDS="2") as site:
        _, opened = begin(site, large, signed_in(alice))
        until(lambda: not Stream.objects.exists(), "the place is free again")
        opened.close()
    large.refresh_from_db()
    assert large.phase == Phase.EXECUTING
    assert large.bytes_sent > 0


def test_no_limit_is_no_limit(settings: Settings) -> None:
    settings.STREAMS_PER_USER = settings.STREAMS_PER_ADDRESS = 0
    for _ in range(40):
        streams.enter("user 1", "192.0.2.1", NOW)
    assert Stream.objects.count() == 40


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", False),
    ],
)
def test_what_is_one_address(one: str, other: str, alike: bool, settings: Settings) -> None:
    settings.STREAMS_PER_ADDRESS = 1
    streams.enter("user 1", one, NOW)
    if alike:
        with pytest.raises(streams.TooManyStreams):
            streams.enter("user 2", other, NOW)
    else:
        streams.enter("user 2", other, NOW)


def test_people_race_for_the_last_place_and_one_gets_it(settings: Settings) -> None:
    settings.STREAMS_PER_USER = 4

    def ask(_: int) -> bool:
        try:
            time.sleep(0.01)
            streams.enter("user 1", f"192.0.2.{_}", NOW)
        except streams.TooManyStreams:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask, range(32))) == 4
