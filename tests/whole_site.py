"""The whole of Skybasket, running, for tests that use it as a person does: a `run` of its own, and a browser."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHECKOUT = Path(__file__).resolve().parent.parent
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@contextmanager
def running(scale: str) -> Iterator[str]:
    """The address of a site with the demo archive of that scale; everything is stopped and removed at the end."""
    with tempfile.TemporaryDirectory(prefix="skybasket-site-") as home:
        # A directory that `nobody` may pass: the embedded PostgreSQL does not run as root.
        Path(home).chmod(0o755)
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DATABASE_POOL", "SITE_URL", "PORT"}
        }
        environment["SKYBASKET_HOME"] = home
        command = [sys.executable, "manage.py", "run", "--no-demo", "--port", "0"]
        site = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            url = _address(site)
            subprocess.run(
                [sys.executable, "manage.py", "demo", "--scale", scale], cwd=CHECKOUT, env=environment, check=True
            )
            yield url
        finally:
            site.terminate()
            site.wait(60)
            if site.stdout is not None:
                site.stdout.close()


def _address(site: "subprocess.Popen[str]") -> str:
    assert site.stdout is not None
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        line = site.stdout.readline()
        if not line:
            break
        if "ready: http" in line:
            url = str(line).split("ready: ")[1].strip()
            with urllib.request.urlopen(url + "readyz") as answer:
                assert answer.status == 200
            return url
    raise AssertionError("run ended without an address")


class Visitor:
    """A page that fails the test on a console error, a page error, or a request to another host."""

    def __init__(
        self, browser: Browser, url: str, *, javascript: bool = True, width: int = 1280, dark: bool = False
    ) -> None:
        self.context: BrowserContext = browser.new_context(
            base_url=url,
            java_script_enabled=javascript,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )
        self.url = url
        self.faults: list[str] = []
        self.page = self.watch(self.context.new_page())

    def watch(self, page: Page) -> Page:
        """Listen for whatever should not happen on that page."""
        page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self._check(request.url))
        page.set_default_timeout(15_000)
        return page

    def _check(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:", "about:")):
            self.faults.append(f"request to {url}")

    def leave(self) -> None:
        """Close, and fail if anything went wrong on the way."""
        self.context.close()
        assert self.faults == []


@contextmanager
def chromium(path: Path) -> Iterator[Browser]:
    """Debian's Chromium, without a network of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(path), args=CHROMIUM_FLAGS)
        yield browser
        browser.close()
