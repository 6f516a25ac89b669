"""The whole journey in a real browser against the running site: by mouse, by keys alone, without JavaScript."""

import re
import urllib.request
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.steps import box, fill_seed_basket, manifest, tab_to, zip_from
from tests.whole_site import Visitor

pytestmark = pytest.mark.browser


def test_from_target_to_recommended_bytes_in_three_actions(visitor: Visitor, tmp_path: Path) -> None:
    page = visitor.page
    page.goto("/")
    page.get_by_label("Target").fill("M57")  # 1
    page.keyboard.press("Enter")  # 2
    recommended = page.get_by_role("button", name=re.compile("^Download .* recommended file")).first
    bundle = zip_from(page, recommended, tmp_path)  # 3
    told = manifest(bundle)
    assert told["complete"] is True
    assert len(bundle.namelist()) == len(told["files"]) + 3  # type: ignore[arg-type]  # a list, by the contract


def test_hand_picked_in_five_actions(visitor: Visitor, tmp_path: Path) -> None:
    page = visitor.page
    page.goto("/")
    page.get_by_label("Target").fill("M57")  # 1
    page.keyboard.press("Enter")  # 2
    page.get_by_role("button", name=re.compile("^Add .* to basket")).first.click()  # 3
    box(page, re.compile(r"_i2d\.fits$")).first.click()  # 4
    expect(page.locator("#download")).to_contain_text("Download 1 file")
    bundle = zip_from(page, page.locator("#download"), tmp_path)  # 5
    assert manifest(bundle)["complete"] is True
    assert sum(name.endswith("_i2d.fits") for name in bundle.namelist()) == 1


def test_the_seed_basket_shows_the_numbers_of_the_portal(visitor: Visitor) -> None:
    page = visitor.page
    fill_seed_basket(page)
    expect(page.locator("#actions")).to_contain_text("Displaying 7 of 407 files")
    page.goto("/basket/?mrp=0&category=SCIENCE")
    expect(page.locator("#actions")).to_contain_text("Displaying 55 of 407 files")
    filters = page.locator("#filters")
    for words in ("AUXILIARY", "SCIENCE", "PREVIEW", "INFO"):
        expect(filters).to_contain_text(words)
    expect(filters.get_by_role("checkbox", name=re.compile("^SCIENCE"))).to_be_checked()


def test_five_rapid_clicks_on_five_boxes_all_count(visitor: Visitor) -> None:
    page = visitor.page
    fill_seed_basket(page)
    page.goto("/basket/?mrp=0&open=JWST/local:10000041976&open=JWST/local:10000042131")
    boxes = box(page, re.compile(r"\.(fits|ecsv|jpg|json)$"))
    expect(boxes.nth(4)).to_be_visible()
    identifiers = [boxes.nth(number).get_attribute("id") for number in range(5)]
    for identifier in identifiers:
        page.evaluate("id => document.getElementById(id).click()", identifier)
    expect(page.locator("#actions")).to_contain_text(re.compile(r"\b5 selected"))
    page.reload()
    expect(page.locator("#actions")).to_contain_text(re.compile(r"\b5 selected"))


def test_back_shows_the_truth(visitor: Visitor) -> None:
    page = visitor.page
    fill_seed_basket(page)
    page.locator("#filters").get_by_role("checkbox", name=re.compile("^SCIENCE")).click()
    expect(page).to_have_url(re.compile("category=SCIENCE"))
    page.locator("#select-shown").click()
    expect(page.locator("#actions")).to_contain_text(re.compile(r"\b7 selected"))
    page.go_back()
    expect(page).not_to_have_url(re.compile("category=SCIENCE"))
    expect(page.locator("#actions")).to_contain_text(re.compile(r"\b7 selected"))


def test_back_brings_the_recommendation_back(visitor: Visitor) -> None:
    page = visitor.page
    fill_seed_basket(page)
    page.locator("#filters").get_by_role("checkbox", name=re.compile("^Minimum Recommended")).click()
    expect(page.locator("#actions")).to_contain_text("Displaying 407 of 407 files")
    page.go_back()
    expect(page.locator("#actions")).to_contain_text("Displaying 7 of 407 files")


def test_the_focus_stays_near_a_control_that_went_away(visitor: Visitor) -> None:
    page = visitor.page
    fill_seed_basket(page)
    page.locator("#select-shown").click()
    expect(page.locator("#actions")).to_contain_text(re.compile(r"\b7 selected"))
    page.locator("#remove-selected").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#actions")).to_contain_text("of 400 files")
    page.wait_for_timeout(200)
    assert page.evaluate("document.activeElement.tagName") not in {"BODY", "MAIN"}


def test_what_is_not_public_is_named_by_the_page_that_begins_the_download(visitor: Visitor) -> None:
    page = visitor.page
    page.goto("/?target=M57")
    page.get_by_role("button", name=re.compile("^Add .* to basket")).first.click()
    page.goto("/?access=exclusive")
    page.locator("#all-matching").check()
    page.locator("#add-open").click()
    page.locator("#select-shown").click()
    expect(page.locator("#actions")).to_contain_text("not yours to read")
    with page.expect_download():
        page.locator("#download").click()
    expect(page.locator("#conservation")).to_contain_text("denied")


def test_a_second_tab_sees_what_the_first_did(visitor: Visitor) -> None:
    fill_seed_basket(visitor.page)
    visitor.page.locator("#select-shown").click()
    expect(visitor.page.locator("#actions")).to_contain_text(re.compile(r"\b7 selected"))
    second = visitor.watch(visitor.context.new_page())
    second.goto("/basket/")
    expect(second.locator("#actions")).to_contain_text(re.compile(r"\b7 selected"))
    second.locator("#remove-selected").click()
    expect(second.locator("#actions")).to_contain_text("of 400 files")
    second.locator("#undo").click()
    expect(second.locator("#actions")).to_contain_text("of 407 files")


def test_the_journey_without_javascript(plain_visitor: Visitor, tmp_path: Path) -> None:
    page = plain_visitor.page
    page.goto("/")
    page.get_by_label("Target").fill("M57 r=1m")
    page.locator("#search-button").click()
    page.get_by_role("button", name=re.compile("^Add .* to basket")).first.click()
    page.locator("#select-shown").click()
    bundle = zip_from(page, page.locator("#download"), tmp_path)
    assert manifest(bundle)["complete"] is True
    page.goto("/retrieval/")
    expect(page.get_by_role("main")).to_contain_text("MAST_")


def test_the_journey_by_keyboard_alone(visitor: Visitor, tmp_path: Path) -> None:
    page = visitor.page
    page.goto("/")
    tab_to(page, page.get_by_label("Target"))
    page.keyboard.type("M57")
    page.keyboard.press("Enter")
    expect(page.get_by_role("table")).to_be_visible()
    tab_to(page, page.get_by_role("button", name=re.compile("^Add .* to basket")).first)
    page.keyboard.press("Enter")
    tab_to(page, page.locator("#select-shown"))
    page.keyboard.press("Space")
    expect(page.locator("#download")).to_contain_text(re.compile("Download [1-9]"))
    assert page.evaluate("document.activeElement.tagName") != "BODY"
    tab_to(page, page.locator("#download"))
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    path = tmp_path / "bundle.zip"
    download.value.save_as(path)
    assert manifest(zipfile.ZipFile(path))["complete"] is True


def test_a_basket_survives_a_new_visit_with_the_same_cookie(site: str, browser: Browser) -> None:
    first = Visitor(browser, site)
    fill_seed_basket(first.page)
    cookies = first.context.cookies()
    first.leave()
    again = Visitor(browser, site)
    again.context.add_cookies([{"name": c["name"], "value": c["value"], "url": site} for c in cookies])
    again.page.goto("/basket/")
    expect(again.page.locator("#actions")).to_contain_text("of 407 files")
    again.leave()


def test_the_site_answers_with_a_policy_that_allows_nothing_inline(site: str) -> None:
    with urllib.request.urlopen(site) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
