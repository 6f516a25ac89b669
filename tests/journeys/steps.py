"""What people do on the way, again and again."""

import json
import re
import zipfile
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

SEED = "program=625,710"


def search(page: Page, target: str) -> None:
    """Type a target, press Enter."""
    page.goto("/")
    page.get_by_label("Target").fill(target)
    page.keyboard.press("Enter")
    expect(page.get_by_role("table")).to_be_visible()


def fill_seed_basket(page: Page) -> None:
    """Put the two observations of the 407-file basket in, and look at it."""
    page.goto(f"/?{SEED}")
    page.locator("#all-matching").check()
    page.locator("#add-open").click()
    expect(page.locator("#actions")).to_contain_text("of 407 files")


def box(page: Page, name: str | re.Pattern[str]) -> Locator:
    """A tri-state box of the files tree."""
    return page.locator("#tree").get_by_role("checkbox", name=name)


def zip_from(page: Page, press: Locator, folder: Path) -> zipfile.ZipFile:
    """The bundle that a press of that button downloads."""
    with page.expect_download() as download:
        press.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name.startswith("MAST_")
    return zipfile.ZipFile(path)


def manifest(bundle: zipfile.ZipFile) -> dict[str, object]:
    """MANIFEST.json of a bundle that is sound from the first byte to the last."""
    assert bundle.testzip() is None
    told: dict[str, object] = json.loads(bundle.read("MANIFEST.json"))
    return told


def tab_to(page: Page, wanted: Locator, *, backwards: bool = False) -> None:
    """Press Tab until the control has the focus: at most 400 times."""
    wanted.wait_for()
    identifier = wanted.get_attribute("id")
    for _ in range(400):
        if page.evaluate("document.activeElement.id") == identifier:
            return
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
    raise AssertionError(f"Tab never reached #{identifier}")
