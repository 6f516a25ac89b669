"""MANIFEST.HTML opened from disk in a real browser: hostile texts open no dialog and make no request."""

import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, sync_playwright

from retrieval import manifest
from retrieval.manifest import FileOutcome
from tests.test_manifest import FILES, SHA, summed
from tests.whole_site import CHROMIUM_FLAGS

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=http://127.0.0.1:9/leak>",
    "<svg onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
    "<link rel=stylesheet href=http://127.0.0.1:9/a.css>",
    "<style>@import 'http://127.0.0.1:9/a.css';</style>",
    "<base href=http://127.0.0.1:9/>",
    "<form action=http://127.0.0.1:9/><input autofocus onfocus=alert(1)>",
    "<object data=http://127.0.0.1:9/a></object>",
    "<video src=http://127.0.0.1:9/a onerror=alert(1)></video>",
    "<a href=javascript:alert(1) autofocus onfocus=alert(1) tabindex=1>x</a>",
    "<details open ontoggle=alert(1)>",
    "<body onload=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "' onmouseover='alert(1)",
    '" style="background:url(http://127.0.0.1:9/)',
    "javascript:alert(1)",
    "{{7*7}}{% debug %}${alert(1)}",
]
CLOSERS = [
    "",
    "</td>",
    "</td></tr></table>",
    "</title>",
    "</style>",
    "-->",
    "]]>",
    '">',
    "'>",
    "</textarea>",
    "</script>",
]
SPICES = [
    "",
    "\0",
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\u2028",
    "\x85",
    "\r\n",
    "\t",
    "\ud800",
    "\uffff",
    "\U000e0001",
    "é星",
]


@pytest.fixture(scope="module")
def browser(chromium_path: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


def payloads() -> list[str]:
    """1,000 texts: each attack behind each way out of an element, spiced with unseen characters."""
    chance = random.Random(20260626)
    every = [f"{spice}{closer}{attack}" for attack in ATTACKS for closer in CLOSERS for spice in SPICES]
    return chance.sample(every, 1000)


def opened(page: Page, document: bytes, path: Path) -> list[str]:
    """Open a document from disk as a user does, and return everything that happened besides."""
    events: list[str] = []

    def dismissed(dialog: Dialog) -> None:
        events.append(f"dialog {dialog.message}")
        dialog.dismiss()

    path.write_bytes(document)
    page.on("dialog", dismissed)
    page.on("request", lambda request: events.append(f"request {request.url}"))
    page.on("console", lambda message: events.append(f"console {message.text}"))
    page.on("pageerror", lambda error: events.append(f"error {error}"))
    page.goto(path.as_uri(), wait_until="networkidle")
    events.remove(f"request {path.as_uri()}")
    return events


@pytest.mark.browser
def test_1000_hostile_payloads_open_no_dialog_and_make_no_request(page: Page, tmp_path: Path) -> None:
    texts = payloads()
    files = [FileOutcome(one, one, 1, SHA, one, "failed", one) for one in texts]
    assert opened(page, manifest.html(summed(files), files), tmp_path / "MANIFEST.HTML") == []
    rows = page.evaluate(
        "[...document.querySelectorAll('table tr')].slice(1)"
        ".map(row => [...row.cells].map(cell => cell.textContent))"
    )
    shown = [manifest.visible(one) for one in texts]
    assert rows == [[one, one, one, f"Failed: {one}", "alice", "1", SHA] for one in shown]
    tags = page.evaluate("[...new Set([...document.querySelectorAll('*')].map(one => one.tagName))].sort()")
    expected = [
        "BODY",
        "H2",
        "H3",
        "HEAD",
        "HTML",
        "META",
        "P",
        "STYLE",
        "TABLE",
        "TBODY",
        "TD",
        "TH",
        "TITLE",
        "TR",
    ]
    assert tags == expected


@pytest.mark.browser
def test_a_hostile_name_of_the_delivery_or_its_user_does_nothing(page: Page, tmp_path: Path) -> None:
    text = "".join(CLOSERS + ATTACKS)
    document = manifest.html(summed(FILES, name=text, user=text), FILES)
    assert opened(page, document, tmp_path / "MANIFEST.HTML") == []
    assert page.title() == text
    assert page.locator("h2").inner_text() == f"Manifest for File: {text}"


@pytest.fixture
def callers() -> Iterator[tuple[str, list[str]]]:
    """An HTTP server of our own: its address, and every path that was asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def attack_on(address: str) -> bytes:
    return f"<script>alert(1)</script><img src={address}/leak onerror=alert(2)>".encode()


@pytest.mark.browser
def test_the_browser_check_sees_what_it_looks_for(
    page: Page, callers: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, asked = callers
    events = opened(page, attack_on(address), tmp_path / "open.html")
    assert {"dialog 1", "dialog 2", f"request {address}/leak"} <= set(events)
    assert asked == ["/leak"]


@pytest.mark.browser
def test_the_policy_of_the_page_stops_what_escaping_would_miss(
    page: Page, callers: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, asked = callers
    document = manifest.html(summed(FILES), FILES).replace(b"<table", attack_on(address) + b"<table", 1)
    events = opened(page, document, tmp_path / "MANIFEST.HTML")
    assert asked == []
    assert not [event for event in events if event.startswith("dialog")]
    assert any("Content Security Policy" in event for event in events)
