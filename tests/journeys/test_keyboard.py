"""Every part of the work by keys alone; what needs no arrow keys also without JavaScript."""

import re
import tarfile
from pathlib import Path

import pytest
from astropy.table import Table
from playwright.sync_api import Locator, Page, expect

from tests.journeys.steps import box, fill_seed_basket, tab_to
from tests.whole_site import Visitor

pytestmark = pytest.mark.browser

LISTEN = """() => {
  const status = document.getElementById("status");
  const whole = {childList: true, characterData: true, subtree: true};
  window.said = [];
  new MutationObserver(() => said.push(status.textContent)).observe(status, whole);
}"""


@pytest.fixture(params=[True, False], ids=["javascript", "plain"])
def page(request: pytest.FixtureRequest) -> Page:
    """The page of somebody with a keyboard, with JavaScript and without."""
    somebody: Visitor = request.getfixturevalue("visitor" if request.param else "plain_visitor")
    return somebody.page


def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    """Tab to a control and press a key on it."""
    tab_to(page, wanted)
    page.keyboard.press(key)


def focused(page: Page) -> str:
    """The id of what has the focus."""
    return str(page.evaluate("document.activeElement.id"))


def from_search(page: Page) -> None:
    """From a target's name to its first observation in the basket."""
    page.goto("/")
    tab_to(page, page.get_by_label("Target"))
    page.keyboard.type("M57")
    page.keyboard.press("Enter")
    expect(page.get_by_role("table")).to_be_visible()
    press(page, page.get_by_role("button", name=re.compile("^Add .* to basket")).first)
    expect(page.locator("#select-shown")).to_be_visible()


def test_from_search_to_a_complete_zip(page: Page, tmp_path: Path) -> None:
    from_search(page)
    press(page, page.locator("#select-shown"), "Space")
    expect(page.locator("#download")).to_contain_text(re.compile("Download [1-9]"))
    tab_to(page, page.locator("#download"))
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    path = tmp_path / "bundle.zip"
    download.value.save_as(path)
    assert path.stat().st_size > 0


def test_filters_are_chosen_and_cleared(page: Page) -> None:
    fill_seed_basket(page)
    press(page, page.locator("#f-mrp"), "Space")
    apply_filters(page)
    expect(page.locator("#actions")).to_contain_text("Displaying 407 of 407 files")
    press(page, page.locator("#f-category-SCIENCE"), "Space")
    apply_filters(page)
    expect(page.locator("#actions")).to_contain_text("Displaying 55 of 407 files")
    press(page, page.locator("#clear-filters"))
    expect(page.locator("#actions")).to_contain_text("Displaying 407 of 407 files")


def apply_filters(page: Page) -> None:
    """Without JavaScript there is a button for it."""
    if page.locator("#apply-filters").is_visible():
        press(page, page.locator("#apply-filters"))


def test_a_file_is_picked_by_its_name(page: Page) -> None:
    fill_seed_basket(page)
    press(page, page.locator("#clear-filters"))
    tab_to(page, page.locator("#q"))
    page.keyboard.type("_i2d.fits")
    page.keyboard.press("Enter")
    expect(page.locator("#actions")).to_contain_text(re.compile("Displaying [1-9]\\d? of 407 files"))
    press(page, page.locator("#select-shown"), "Space")
    expect(page.locator("#actions")).to_contain_text(re.compile("[1-9]\\d? selected"))


def test_what_was_removed_is_brought_back(page: Page) -> None:
    fill_seed_basket(page)
    press(page, page.locator("#select-shown"), "Space")
    expect(page.locator("#remove-selected")).to_be_enabled()
    press(page, page.locator("#remove-selected"))
    expect(page.locator("#actions")).not_to_contain_text("of 407 files")
    press(page, page.locator("#undo"))
    expect(page.locator("#actions")).to_contain_text("of 407 files")


def test_details_and_headers_of_a_file_are_read(page: Page) -> None:
    from_search(page)
    open_down_to_a_file(page)
    press(page, page.locator("#tree a[data-file]").filter(has_text=".fits").first)
    expect(page.locator("#details dl").first).to_be_visible()
    press(page, page.locator("#details").get_by_role("link", name="FITS headers"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("FITS headers of")
    expect(page.get_by_role("main")).to_contain_text("SIMPLE")


def open_down_to_a_file(page: Page) -> None:
    """Follow the names of closed nodes until a file is in sight."""
    for _ in range(4):
        if page.locator("#tree a[data-file]").count():
            return
        closed = page.locator("#tree a[aria-expanded=false]").first
        identifier = closed.get_attribute("id")
        press(page, closed)
        expect(page.locator(f"[id='{identifier}'][aria-expanded=true]")).to_be_visible()


def test_a_preset_is_taken_and_its_list_exported(page: Page, tmp_path: Path) -> None:
    fill_seed_basket(page)
    press(page, page.locator("#preset-previews"))
    expect(page.locator("#preset-previews")).to_have_attribute("aria-current", "true")
    press(page, page.locator("#export-summary"), "Space")
    tab_to(page, page.locator("#export-ecsv"))
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    path = tmp_path / "list.ecsv"
    download.value.save_as(path)
    assert set(Table.read(path, format="ascii.ecsv")["productType"]) == {"PREVIEW"}


def test_a_tar_is_chosen_among_the_formats(page: Page, tmp_path: Path) -> None:
    from_search(page)
    press(page, page.locator("#select-shown"), "Space")
    expect(page.locator("#download")).to_contain_text(re.compile("Download [1-9]"))
    press(page, page.locator("#options-summary"))
    tab_to(page, page.locator("#method-zip"))
    page.keyboard.press("ArrowDown")
    expect(page.locator("#method-tar")).to_be_checked()
    tab_to(page, page.locator("#download"), backwards=True)
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    path = tmp_path / "bundle.tar"
    download.value.save_as(path)
    with tarfile.open(path) as bundle:
        assert "MANIFEST.json" in bundle.getnames()


def test_the_tree_is_walked_with_arrows_letters_and_space(visitor: Visitor) -> None:
    page = visitor.page
    fill_seed_basket(page)
    page.goto("/basket/?mrp=0")
    mission = box(page, re.compile("^JWST"))
    tab_to(page, mission)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tree .node.observation")).to_have_count(2)
    page.keyboard.press("ArrowRight")
    assert focused(page).startswith("c-JWST%2F")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tree .node.file").first).to_be_visible()
    page.keyboard.press("End")
    last = page.locator("#tree .box").last.get_attribute("id")
    assert focused(page) == last
    page.keyboard.press("Home")
    assert focused(page) == mission.get_attribute("id")
    page.keyboard.type("jw00710")
    there = page.locator(f"[id='{focused(page)}']")
    expect(there).to_have_attribute("aria-label", re.compile("^jw00710"))
    page.keyboard.press("Space")
    expect(there).to_have_attribute("aria-checked", "true")
    assert focused(page) == there.get_attribute("id")
    page.keyboard.press("ArrowLeft")
    assert focused(page) == mission.get_attribute("id")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#tree .node.observation")).to_have_count(0)
    assert focused(page) == mission.get_attribute("id")


def test_new_totals_are_said_once_per_change(visitor: Visitor) -> None:
    page = visitor.page
    fill_seed_basket(page)
    page.evaluate(LISTEN)
    press(page, page.locator("#select-shown"), "Space")
    expect(page.locator("#remove-selected")).to_be_enabled()
    page.wait_for_timeout(500)  # for a second sentence, which there must not be
    said = page.evaluate("said")
    assert len(said) == 1
    assert re.search("[1-9][0-9]* selected", said[0])
    assert page.locator("[aria-live], [role=status], [role=alert]").count() == 1
