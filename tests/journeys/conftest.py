"""One running site and one browser for all journeys."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.whole_site import Visitor, chromium, running


@pytest.fixture(scope="package")
def site() -> Iterator[str]:
    """The running site, with the small demo archive and the catalogue of the 407-file basket."""
    with running("seed") as url:
        yield url


@pytest.fixture(scope="package")
def browser(chromium_path: Path) -> Iterator[Browser]:
    """One Chromium for all journeys."""
    with chromium(chromium_path) as browser:
        yield browser


@pytest.fixture
def visitor(site: str, browser: Browser) -> Iterator[Visitor]:
    """Somebody with a mouse, a keyboard and JavaScript."""
    somebody = Visitor(browser, site)
    yield somebody
    somebody.leave()


@pytest.fixture
def plain_visitor(site: str, browser: Browser) -> Iterator[Visitor]:
    """Somebody who switched JavaScript off."""
    somebody = Visitor(browser, site, javascript=False)
    yield somebody
    somebody.leave()


@pytest.fixture
def screenshots(request: pytest.FixtureRequest) -> Path:
    """Where the pictures go, to be looked at: $SCREENSHOTS, or a temporary folder of the run."""
    folder = Path(os.environ.get("SCREENSHOTS") or request.config.rootpath / ".pytest_cache" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
