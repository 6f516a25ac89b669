"""Every state of the pages for every reader: axe finds nothing, nothing scrolls sideways, nothing is too small."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.journeys.steps import SEED, fill_seed_basket
from tests.whole_site import Visitor

pytestmark = pytest.mark.browser

WIDTHS: Final = (320, 768, 1280)
SMALLEST_TARGET: Final = 24  # px, WCAG 2.2 2.5.8

PLACES: Final = {
    "search": "/",
    "results": "/?target=M57",
    "results-page-2": "/?collection=JWST&page=2",
    "results-none": "/?target=M57&program=1",
    "error-target": "/?target=Nowhere+At+All",
    "error-radius": "/?target=M57&radius=abc",
    "program": f"/?{SEED}",
    "basket": "/basket/",
    "basket-all": "/basket/?mrp=0",
    "basket-filtered": "/basket/?mrp=0&category=SCIENCE&ext=fits",
    "basket-name": "/basket/?mrp=0&q=_i2d",
    "basket-nothing": "/basket/?mrp=0&q=nosuchname",
    "basket-unknown-value": "/basket/?mrp=0&category=NOSUCH",
    "basket-gone-file": "/basket/?mrp=0&file=999999",
    "basket-bad-filter": "/basket/?mrp=maybe",
    "history": "/retrieval/",
    "api": "/api/v1/docs/",
    "not-found": "/nowhere/",
}
"""States that an address tells in full."""


def opened(page: Page) -> None:
    """The tree open down to files, one of them shown."""
    page.goto("/basket/?mrp=0&category=SCIENCE")
    for _ in range(4):
        if page.locator("#tree a[data-file]").count():
            break
        page.locator("#tree a[aria-expanded=false]").first.click()
        page.wait_for_timeout(300)
    page.locator("#tree a[data-file]").first.click()
    expect(page.locator("#details dl").first).to_be_visible()


def some_selected(page: Page) -> None:
    """Some of the files are selected, and the options are open."""
    page.goto("/basket/?mrp=1")
    page.locator("#select-shown").click()
    expect(page.locator("#remove-selected")).to_be_enabled()
    page.locator("#options-summary").click()


def exporting(page: Page) -> None:
    """The export menu is open."""
    page.goto("/basket/?mrp=0")
    page.locator("#export-summary").click()


def removed(page: Page) -> None:
    """Something was just taken out, and can be brought back."""
    some_selected(page)
    page.locator("#remove-selected").click()
    expect(page.locator("#undo")).to_be_visible()
    page.wait_for_timeout(300)


def brought_back(page: Page) -> None:
    """And was brought back."""
    page.locator("#undo").click()
    expect(page.locator("#undo")).to_have_count(0)


def retrieved(page: Page) -> None:
    """A retrieval whose files have no bytes here, and why."""
    some_selected(page)
    page.locator("#download").click()
    page.wait_for_url("**/retrieval/**")


def observation(page: Page) -> None:
    """One observation."""
    page.goto("/?target=M57")
    page.locator("table a[href*='/observation/']").first.click()
    page.wait_for_url("**/observation/**")


def headers(page: Page) -> None:
    """The FITS headers of a file."""
    observation(page)
    page.locator("#add").click()
    page.goto("/basket/?mrp=0&q=_i2d.fits")
    opened_at_once(page)
    page.locator("#details").get_by_role("link", name="FITS headers").click()
    page.wait_for_url("**/header/**")


def opened_at_once(page: Page) -> None:
    """Down to the first file that has bytes."""
    for _ in range(6):
        if page.locator("#tree a[data-file]").count():
            break
        page.locator("#tree a[aria-expanded=false]").last.click()
        page.wait_for_timeout(300)
    page.locator("#tree a[data-file]").last.click()
    page.wait_for_timeout(300)


STEPS: Final[dict[str, Callable[[Page], None]]] = {
    "basket-open": opened,
    "basket-export": exporting,
    "basket-selected": some_selected,
    "basket-removed": removed,
    "basket-undone": brought_back,
    "retrieval": retrieved,
    "observation": observation,
    "header": headers,
}
"""States that are reached by doing something, in this order."""


def test_there_are_at_least_25_states() -> None:
    assert len(PLACES) + len(STEPS) >= 25


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_violation_and_nothing_scrolls_sideways(
    site: str, browser: Browser, width: int, dark: bool, screenshots: Path
) -> None:
    somebody = Visitor(browser, site, width=width, dark=dark)
    page = somebody.page
    page.goto("/basket/")
    look(page, "basket-empty", width, dark, screenshots)
    fill_seed_basket(page)
    for name, address in PLACES.items():
        answer = page.goto(address)
        assert answer is not None
        if answer.status >= 400:
            somebody.faults.clear()  # Chromium itself reports the status of a page that we want to see
        look(page, name, width, dark, screenshots)
    for name, step in STEPS.items():
        step(page)
        look(page, name, width, dark, screenshots)
    somebody.leave()


def look(page: Page, name: str, width: int, dark: bool, screenshots: Path) -> None:
    """One state of a page."""
    page.screenshot(path=screenshots / f"{name}-{width}-{'dark' if dark else 'light'}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    found = Axe().run(page)
    assert found.violations_count == 0, f"{name}: {found.generate_report()}"


@pytest.mark.parametrize("address", ["/?target=M57", "/basket/?mrp=0&category=SCIENCE", "/retrieval/"])
def test_every_control_is_large_enough_to_be_hit(visitor: Visitor, address: str) -> None:
    fill_seed_basket(visitor.page)
    visitor.page.goto(address)
    small = visitor.page.evaluate(
        """least => [...document.querySelectorAll("button, summary, select, input:not([type=hidden]), .button")]
        .filter(one => one.checkVisibility({visibilityProperty: true}) && !one.closest("label"))
        .map(one => [one.id || one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
        .filter(([_, box]) => box.width < least || box.height < least)
        .map(([id, box]) => `${id} ${box.width} x ${box.height}`)""",
        SMALLEST_TARGET,
    )
    assert small == []


@pytest.mark.parametrize("address", ["/", "/basket/?mrp=0&category=SCIENCE"])
def test_at_400_percent_everything_is_still_there(site: str, browser: Browser, address: str) -> None:
    """1280 px at 400 % are 320 px of 900 / 4 px height (WCAG 1.4.10)."""
    somebody = Visitor(browser, site, width=320)
    somebody.page.set_viewport_size({"width": 320, "height": 225})
    fill_seed_basket(somebody.page)
    somebody.page.goto(address)
    assert somebody.page.evaluate("document.documentElement.scrollWidth") <= 320
    covered = somebody.page.evaluate(
        """() => [...document.querySelectorAll("main, main *")].filter(one => {
          const at = getComputedStyle(one);
          return ["fixed", "sticky"].includes(at.position) && one.getBoundingClientRect().height > innerHeight / 2;
        }).map(one => one.id || one.className)"""
    )
    assert covered == []
    somebody.leave()


def test_colours_of_the_reader_and_a_still_page_are_respected(
    site: str, browser: Browser, screenshots: Path
) -> None:
    somebody = Visitor(browser, site)
    somebody.page.emulate_media(forced_colors="active", reduced_motion="reduce")
    fill_seed_basket(somebody.page)
    somebody.page.goto("/basket/?mrp=0&category=SCIENCE")
    somebody.page.screenshot(path=screenshots / "basket-forced-colours.png")
    moving = somebody.page.evaluate(
        """() => [...document.querySelectorAll("*")].filter(one => {
          const at = getComputedStyle(one);
          return at.transitionDuration.split(", ").some(time => parseFloat(time) > 0)
            || (at.animationName !== "none" && parseFloat(at.animationDuration) > 0);
        }).map(one => one.tagName + "." + one.className)"""
    )
    assert moving == []
    somebody.leave()
