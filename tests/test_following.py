"""The page of a download in a real browser: it follows what happens by itself, and stops when nothing more will."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone
from playwright.sync_api import Page, expect

from basket.models import Basket
from retrieval import accounting, bundle, jobs, plan
from retrieval.models import Retrieval
from tests.small_archive import SmallArchive, fill
from tests.web_server import WebServer, serving, signed_in
from tests.whole_site import Visitor, chromium

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def site(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with serving(tmp_path_factory.mktemp("site")) as server:
        yield server


@pytest.fixture
def retrieval(alice: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Retrieval:
    """Of five files; each slice of work looks at two."""
    monkeypatch.setattr(plan, "FEW", 0)
    monkeypatch.setattr(jobs, "CHUNK", 2)
    archive = SmallArchive(tmp_path)
    for number in range(5):
        archive.file(f"file{number}.fits", b"x" * 100_000)
    return plan.freeze(fill(Basket.objects.create(key="alice"), archive), alice, timezone.now())


def test_a_page_follows_the_preparing_and_the_sending_by_itself(
    site: WebServer, chromium_path: Path, alice: User, retrieval: Retrieval
) -> None:
    name, value = signed_in(alice).split("=")
    with chromium(chromium_path) as browser:
        visitor = Visitor(browser, site.url)
        visitor.context.add_cookies([{"name": name, "value": value, "url": site.url}])
        watch(visitor.page, retrieval)
        visitor.leave()


def watch(page: Page, retrieval: Retrieval) -> None:
    page.goto(f"/retrieval/{retrieval.pk}/")
    expect(page.locator("#progress")).to_contain_text("Preparing, 0 of 5 files")
    aside(lambda: jobs.freeze(retrieval.pk, seconds=0))
    expect(page.locator("#progress")).to_contain_text("Preparing, 2 of 5 files")
    while aside(lambda: jobs.go_on(retrieval.pk)):
        pass
    expect(page.locator("#download")).to_be_visible()
    aside(lambda: send(retrieval, 0, 300_000))
    expect(page.locator("#progress")).to_contain_text(re.compile(r"300\.0 kB of .* sent, \d+ %"))
    aside(lambda: send(retrieval, 300_000, None))
    expect(page.locator("#job")).to_contain_text("5 of 5 files delivered.")
    expect(page.locator("#job")).not_to_have_attribute("hx-trigger", re.compile("."))


def aside(step: Callable[[], object]) -> object:
    """In a thread of its own: Playwright keeps a loop in this one, where Django asks no database."""

    def call() -> object:
        try:
            return step()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


def send(retrieval: Retrieval, start: int, stop: int | None) -> None:
    """Write down that so much of the bundle has left."""
    retrieval.refresh_from_db()
    laid_out = bundle.load(retrieval)
    accounting.begin(retrieval, retrieval.etag, timezone.now())
    accounting.record(retrieval.pk, laid_out, (start, stop or laid_out.plan.length), timezone.now())
