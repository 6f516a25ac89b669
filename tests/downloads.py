"""Steps of the download tests: freeze, fetch, break off, and wait for what the server writes down."""

import http.client
import subprocess
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from basket.models import Basket
from retrieval import plan
from retrieval.models import Phase, Retrieval
from tests.small_archive import SmallArchive, fill, law
from tests.tools import tool
from tests.web_server import WebServer, until

MB = 1 << 20


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
