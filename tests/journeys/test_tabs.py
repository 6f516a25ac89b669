"""One basket in several tabs: each learns what another one did, and nothing that was done is lost."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.steps import fill_seed_basket
from tests.whole_site import Visitor

pytestmark = pytest.mark.browser

OPEN = "/basket/?mrp=0&open=JWST/local:10000041976&open=JWST/local:10000042131"


@pytest.fixture
def tabs(visitor: Visitor) -> Iterator[tuple[Page, Page]]:
    """Two tabs of one browser on the same basket."""
    fill_seed_basket(visitor.page)
    visitor.page.goto(OPEN)
    second = visitor.watch(visitor.context.new_page())
    second.goto(OPEN)
    yield visitor.page, second
    second.close()


def selected(page: Page, number: int) -> None:
    expect(page.locator("#actions .numbers")).to_contain_text(re.compile(rf"\b{number} selected"))


def test_an_open_tab_learns_what_another_one_did_and_keeps_its_place(tabs: tuple[Page, Page]) -> None:
    one, other = tabs
    boxes = other.locator("#tree").get_by_role("checkbox")
    boxes.nth(30).focus()
    other.evaluate("document.getElementById('tree').scrollTop = 120")
    focused, address = other.evaluate("document.activeElement.id"), other.url
    one.locator("#select-shown").click()
    selected(one, 407)
    selected(other, 407)
    expect(other.locator("#toast")).to_contain_text("Your basket was changed in another tab.")
    expect(other.locator("#status")).to_contain_text("407 selected")
    assert other.evaluate("document.activeElement.id") == focused
    assert other.evaluate("document.getElementById('tree').scrollTop") == 120
    assert other.url == address
    expect(one.locator("#toast")).to_be_hidden()


def test_a_tab_in_the_background_catches_up_when_it_is_looked_at(tabs: tuple[Page, Page]) -> None:
    one, other = tabs
    other.evaluate("Object.defineProperty(document, 'hidden', { get: () => window.away, configurable: true })")
    asked: list[str] = []
    other.on("request", lambda request: asked.append(request.url) if "/static/" not in request.url else None)
    other.evaluate("window.away = true; document.dispatchEvent(new Event('visibilitychange'))")
    one.locator("#select-shown").click()
    selected(one, 407)
    one.wait_for_timeout(500)
    assert asked == []
    selected(other, 0)
    other.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    selected(other, 407)


def test_coming_back_asks_once_and_changes_nothing_where_nothing_changed(tabs: tuple[Page, Page]) -> None:
    _, other = tabs
    asked: list[str] = []
    other.on("response", lambda answer: asked.append(answer.url))
    with other.expect_response("**/api/v1/basket/"):
        other.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    for _ in range(5):
        other.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    other.wait_for_timeout(300)
    assert sum("/api/" in url for url in asked) == 1
    expect(other.locator("#toast")).to_be_hidden()


def test_a_change_from_another_machine_is_seen_when_the_tab_is_looked_at(
    visitor: Visitor, browser: Browser, site: str
) -> None:
    """No tab of this browser tells: it asks when it comes back."""
    fill_seed_basket(visitor.page)
    elsewhere = Visitor(browser, site)
    elsewhere.context.add_cookies(
        [{"name": c["name"], "value": c["value"], "url": site} for c in visitor.context.cookies()]
    )
    elsewhere.page.goto(OPEN)
    elsewhere.page.locator("#select-shown").click()
    selected(elsewhere.page, 407)
    elsewhere.leave()
    visitor.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    selected(visitor.page, 407)


def test_other_pages_learn_the_new_number(tabs: tuple[Page, Page]) -> None:
    one, other = tabs
    other.goto("/retrieval/")
    expect(other.locator("#basket-count")).to_have_text("407")
    one.locator("#remove-all").click()
    expect(one.locator("#actions")).to_contain_text("of 0 files")
    expect(other.locator("#basket-count")).to_have_text("0")


def test_rapid_clicks_in_two_tabs_are_all_counted(tabs: tuple[Page, Page]) -> None:
    """Each tab ticks boxes of its own observation while it hears of the other one's."""
    ticked = 0
    for page, observation in zip(tabs, ("10000041976", "10000042131"), strict=True):
        found = page.evaluate(
            "name => [...document.querySelectorAll(`#tree button.box[value^='JWST/local:${name}/']`)]"
            ".filter((box) => /\\/[0-9]+$/.test(box.value)).slice(0, 12).map((box) => box.id)",
            observation,
        )
        assert len(found) >= 5
        ticked += len(found)
        page.evaluate("ids => ids.forEach((id) => document.getElementById(id).click())", found)
    for page in tabs:
        selected(page, ticked)
        page.reload()
        selected(page, ticked)


def test_clicks_of_one_tab_are_no_news_to_itself(tabs: tuple[Page, Page]) -> None:
    one, _ = tabs
    boxes = [
        one.locator("#tree").get_by_role("checkbox").nth(place).get_attribute("id") for place in range(20, 26)
    ]
    one.evaluate("ids => ids.forEach((id) => document.getElementById(id).click())", boxes)
    expect(one.locator("#actions .numbers")).to_contain_text(re.compile(r"\b[1-9]\d* selected"))
    one.wait_for_timeout(800)
    expect(one.locator("#messages")).not_to_contain_text("another tab")
    expect(one.locator("#toast")).to_be_hidden()


def test_two_tabs_remove_the_same_observation(tabs: tuple[Page, Page]) -> None:
    one, other = tabs
    button = "#tree button.remove >> nth=0"
    name = one.locator(button).get_attribute("value")
    address = "/basket/remove/?mrp=0"
    token = other.locator("#selection [name=csrfmiddlewaretoken]").get_attribute("value") or ""
    one.locator(button).click()
    expect(one.locator("#messages")).to_contain_text("Removed")
    late = other.request.post(
        address, form={"observation": name or "", "csrfmiddlewaretoken": token}, headers={"Referer": other.url}
    )
    assert late.ok
    assert "Nothing was removed" in late.text()
    one.locator("#undo").click()
    expect(one.locator("#actions")).to_contain_text("of 407 files")


def test_another_basket_is_started_and_switched_back(tabs: tuple[Page, Page]) -> None:
    one, other = tabs
    one.locator("#basket-menu-summary").click()
    one.locator("#new-basket-name").fill("Quick looks")
    one.locator("#new-basket").click()
    expect(one.locator("#basket-menu-summary")).to_contain_text("Quick looks")
    expect(one.locator("#tree")).to_contain_text("Your basket is empty")
    assert one.evaluate("document.activeElement.id") == "basket-menu-summary"
    expect(other.locator("#basket-menu-summary")).to_contain_text("Quick looks")
    other.locator("#basket-menu-summary").click()
    other.get_by_role("button", name="Basket", exact=True).click()
    expect(other.locator("#actions")).to_contain_text("of 407 files")
    expect(one.locator("#actions")).to_contain_text("of 407 files")


def test_an_old_page_without_javascript_does_what_it_showed(plain_visitor: Visitor) -> None:
    page = plain_visitor.page
    page.goto("/?program=625,710")
    page.locator("#all-matching").check()
    page.locator("#add-open").click()
    page.goto(OPEN)
    second = plain_visitor.watch(plain_visitor.context.new_page())
    second.goto(OPEN)
    second.locator("#select-shown").click()
    selected(second, 407)
    page.locator("#deselect-shown, #select-shown").first.click()
    expect(page.locator("#messages")).to_contain_text("Your basket was changed in another tab")
    selected(page, 407)
    second.locator("#deselect-shown").click()
    page.locator("#remove-selected").click()
    expect(page.locator("#messages")).to_contain_text("with 0 files selected now. Nothing was done")
    expect(page.locator("#actions")).to_contain_text("of 407 files")
