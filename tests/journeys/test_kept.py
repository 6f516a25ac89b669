"""What is kept beside the open basket, in a browser: links to share, copies, saved filters, removals; with a script
and without."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.steps import fill_seed_basket
from tests.whole_site import Visitor

pytestmark = pytest.mark.browser


@pytest.fixture(params=[True, False], ids=["script", "no script"])
def sharer(request: pytest.FixtureRequest, site: str, browser: Browser) -> Visitor:
    """Somebody with a basket of 407 files, 7 of them selected."""
    somebody = Visitor(browser, site, javascript=request.param)
    fill_seed_basket(somebody.page)
    somebody.page.locator("#select-shown").click()
    expect(somebody.page.locator("#actions")).to_contain_text(re.compile(r"\b7 selected"))
    return somebody


def shared_link(page: Page, title: str) -> str:
    """Share the basket that is shown."""
    page.locator("#basket-menu-summary").click()
    page.locator("#share-name").fill(title)
    page.locator("#share").click()
    expect(page.locator("#messages")).to_contain_text("Your basket is shared as it is now")
    return page.locator(".command pre").first.inner_text()


def test_a_basket_is_shared_looked_at_copied_and_ended(sharer: Visitor, browser: Browser, site: str) -> None:
    link = shared_link(sharer.page, "For a colleague")
    assert link.startswith((f"{site}basket/shared/", f"{site}/basket/shared/"))
    colleague = Visitor(browser, site, javascript=sharer.page.locator(".script").first.is_visible())
    page = colleague.page
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_contain_text("For a colleague")
    expect(page.locator("#actions")).to_contain_text("Displaying 407 of 407 files")
    expect(page.locator("#actions")).to_contain_text(re.compile(r"\b7 selected"))
    page.get_by_role("link", name="JWST", exact=True).click()
    page.get_by_role("link", name=re.compile("^jw00625-o025")).first.click()
    page.get_by_role("link", name=re.compile(r"_i2d\.fits$")).first.click()
    expect(page.locator("#details")).to_contain_text("mast:JWST/product/")
    assert page.url.startswith(link)
    page.locator("#copy").click()
    expect(page.locator("#messages")).to_contain_text("Copied into “Basket”: 2 observations with 407 files")
    expect(page.locator("#actions")).to_contain_text(re.compile(r"\b7 selected"))
    page.locator("#undo-joining").click()
    expect(page.locator("#actions")).to_contain_text("of 0 files")
    sharer.page.get_by_role("button", name="End the link to For a colleague").click()
    expect(sharer.page.locator("#messages")).to_contain_text("leads nowhere any more")
    gone = page.goto(link)
    assert gone is not None
    assert gone.status == 410
    expect(page.locator("#problem")).to_contain_text("no longer shared")
    colleague.faults = [fault for fault in colleague.faults if "410" not in fault]
    colleague.leave()
    sharer.leave()


def test_what_is_selected_is_told_before_it_is_downloaded(sharer: Visitor) -> None:
    page = sharer.page
    page.locator("#preflight-summary").click()
    expect(page.locator("#preflight")).to_contain_text("7 files, 564.1 MB")
    link = page.locator("#whole-summary")
    if page.evaluate("typeof htmx") == "undefined":
        link.click()
        expect(page).to_have_url(re.compile("/basket/summary/$"))
    told = page.get_by_role("main")
    expect(told).to_contain_text("7 files public")
    expect(told).to_contain_text("564.1 MB of the 53.7 GB that one stream may hold")
    if not page.url.endswith("/summary/"):
        page.locator("#tree").get_by_role("checkbox", name=re.compile(r"_i2d\.fits$")).first.click()
        expect(page.locator("#preflight")).to_contain_text("6 files public")
    sharer.leave()


def test_filters_are_saved_and_applied_and_removals_brought_back(sharer: Visitor) -> None:
    page = sharer.page
    page.goto("/basket/?mrp=0&category=SCIENCE")
    page.locator("#save-filters-summary").click()
    page.locator("#save-filters-name").fill("Science files")
    page.locator("#save-filters").click()
    expect(page.locator("#messages")).to_contain_text("These filters are saved as “Science files”.")
    page.locator("#clear-filters").click()
    expect(page.locator("#actions")).to_contain_text("Displaying 407 of 407")
    page.get_by_role("link", name="Science files").click()
    expect(page.locator("#actions")).to_contain_text("Displaying 55 of 407")
    expect(page.get_by_role("link", name="Science files")).to_have_attribute("aria-current", "true")
    page.locator("#remove-selected").click()
    expect(page.locator("#actions")).to_contain_text("of 400 files")
    page.locator("#recently-removed").click()
    page.get_by_role("button", name=re.compile("^Bring back 7 files of jw00")).click()
    expect(page.locator("#messages")).to_contain_text("Brought back 7 files")
    expect(page.get_by_role("main")).to_contain_text("Nothing was removed lately")
    sharer.leave()
