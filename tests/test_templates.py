"""Every page as HTML: nothing inline, ids unique, labels complete, and the vendored files as they came."""

import hashlib
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from basket import sharing
from basket.models import Basket, SavedFilters, Share
from portal.templatetags import skybasket
from retrieval.models import Retrieval
from tests.catalogue import Catalogue
from tests.conftest import CHECKOUT

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
PAGES = {
    "/": 200,
    "/?target=M57": 200,
    "/?program=1": 200,
    "/?target=Nowhere+At+All": 422,
    "/basket/": 302,
    "/basket/?mrp=1": 200,
    "/basket/?mrp=0&open=JWST": 200,
    "/basket/?mrp=0&category=NOTHING": 200,
    "/basket/?mrp=2": 400,
    "/basket/all/": 200,
    "/basket/removed/": 200,
    "/basket/shares/": 200,
    "/basket/summary/": 200,
    "/basket/shared/nobodys/": 404,
    "/retrieval/": 200,
    "/retrieval/nothing/": 404,
    "/api/v1/docs/": 200,
    "/nowhere": 404,
}


class Page(HTMLParser):
    """What a page is made of: elements, ids, what labels point to, text inside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: Counter[str] = Counter()
        self.pointers: set[str] = set()
        self.controls: list[dict[str, str]] = []
        self.attributes: set[str] = set()
        self.inline: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(html)
        self.unbalanced += self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.attributes |= set(given)
        self.ids.update([given["id"]] if "id" in given else [])
        for name in ("for", "aria-labelledby", "aria-describedby", "aria-controls", "form"):
            self.pointers |= set(given.get(name, "").split())
        if tag in {"button", "input", "select"} and given.get("type") != "hidden":
            self.controls.append(given)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.unbalanced.append(f"</{tag}> in <{'> <'.join(self.open[-3:])}>")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"script", "style"} and data.strip():
            self.inline.append(data)


@pytest.fixture
def reader(client: Client, db: None) -> Client:
    """Somebody with two observations in the basket, a file with odd letters among them, and some of it selected."""
    catalogue = Catalogue()
    first = catalogue.filled("jw1_i2d.fits", "a b<c>&'\"_cal.fits", obs_id="jw1 <odd> & 'quoted'")
    second = catalogue.filled("jw2_i2d.fits", "jw2_i2d.jpg", obs_id="jw2")
    catalogue.lists(second, catalogue.product("jw2_uncal.fits"), exposure="jw2_02101_00001_nrs1")
    names = [f"local:{one.obsid}" for one in (first, second)]
    assert client.post("/basket/add/", {"obsid": names}).status_code == 303
    client.post("/basket/select/", {"select": ""})
    return client


def pages_of(reader: Client) -> dict[str, Page]:
    basket = Basket.objects.get()
    nodes = [f"JWST/local:{item.observation.obsid}" for item in basket.items.all()]
    opened = "&".join(f"open={node}" for node in nodes)
    everything = reader.get(f"/basket/?mrp=0&{opened}", follow=True).content.decode()
    product = re.search(r"file=(\d+)", everything)
    assert product
    observation = basket.items.latest("position").observation
    addresses = [*PAGES, f"/basket/?mrp=0&{opened}", f"/basket/?mrp=0&{opened}&file={product[1]}"]
    addresses.append(f"/observation/local/{observation.obsid}/")
    reader.post("/retrieval/", {"method": "zip", "layout": "nested"})
    retrieval = Retrieval.objects.get()
    addresses += [f"/retrieval/{retrieval.pk}/", f"/retrieval/{retrieval.pk}/?changes=1&outcome=failed"]
    addresses += kept_of(reader)
    reader.get("/basket/?mrp=1")
    return {address: Page(reader.get(address, follow=True).content.decode()) for address in addresses}


def kept_of(reader: Client) -> list[str]:
    """Addresses of what is kept, with something of each kind to show."""
    odd = "'odd' & <b>\""
    reader.post("/basket/filters/save/?mrp=1", {"name": odd})
    reader.post("/basket/filters/save/?mrp=0", {"name": "gone"})
    reader.post(f"/basket/filters/{SavedFilters.objects.get(name='gone').pk}/remove/")
    reader.post("/basket/share/", {"name": odd})
    reader.post("/basket/remove/?mrp=1", {"what": "selected"})
    for name in (odd, "gone"):
        reader.post("/basket/all/new/", {"name": name})
    reader.post(f"/basket/all/{Basket.objects.get(name='gone').pk}/remove/")
    link = f"/basket/shared/{sharing.token(Share.objects.get())}/"
    reader.post(f"{link}copy/")
    kept = ["/basket/all/", "/basket/removed/", "/basket/shares/", "/basket/summary/"]
    return [*kept, link, f"{link}?mrp=0&open=JWST&q=i2d", f"{link}?mrp=0&q=nothing"]


def test_every_page_is_whole_and_has_nothing_inline(reader: Client) -> None:
    for address, page in pages_of(reader).items():
        assert page.ids, address
        assert page.inline == [], address
        assert page.unbalanced == [], address
        assert not {name for name in page.attributes if name == "style" or name.startswith(("on", "hx-on"))}, (
            address
        )


def test_ids_are_unique_without_spaces_and_everything_points_to_one(reader: Client) -> None:
    for address, page in pages_of(reader).items():
        assert [name for name, times in page.ids.items() if times > 1 or " " in name or not name] == [], address
        assert page.pointers <= set(page.ids), address


def test_every_control_can_be_found_again_after_a_swap(reader: Client) -> None:
    page = pages_of(reader)["/basket/?mrp=0&open=JWST"]
    assert len(page.controls) > 20
    assert [control for control in page.controls if not control.get("id")] == []


@pytest.mark.parametrize(("address", "status"), PAGES.items())
def test_every_address_answers_with_its_status(reader: Client, address: str, status: int) -> None:
    reader.get("/basket/?mrp=0")
    reader.raise_request_exception = False
    assert reader.get(address).status_code == status


def test_what_an_archive_calls_its_files_cannot_become_markup(reader: Client) -> None:
    shown = reader.get("/basket/?mrp=0&open=JWST", follow=True).content.decode()
    assert "<odd>" not in shown
    assert "&lt;odd&gt;" in shown


def test_the_theme_of_the_cookie_is_in_the_first_byte_and_others_are_ignored(client: Client, db: None) -> None:
    client.cookies["theme"] = "dark"
    assert '<html lang="en" data-theme="dark"' in client.get("/").content.decode()
    client.cookies["theme"] = 'x" onload="'
    assert "onload" not in client.get("/").content.decode()


def test_vendored_files_are_what_the_document_says() -> None:
    document = (CHECKOUT / "docs" / "vendored.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(static/[^`]+)` \|.*`([0-9a-f]{64})` \|$", document, re.MULTILINE))
    minified = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "static").rglob("*.min.*")}
    assert set(told) == minified
    for name, digest in told.items():
        assert hashlib.sha256((CHECKOUT / name).read_bytes()).hexdigest() == digest, name


def test_every_static_file_that_a_template_names_is_there() -> None:
    templates = [path.read_text(encoding="utf-8") for path in (CHECKOUT / "templates").rglob("*.html")]
    named = {name for text in templates for name in re.findall(r"{% static '([^']+)' %}", text)}
    assert len(named) >= 4
    assert {name for name in named if not finders.find(name)} == set()


def test_every_icon_that_a_template_names_is_drawn() -> None:
    templates = {path: path.read_text(encoding="utf-8") for path in (CHECKOUT / "templates").rglob("*.html")}
    used = {name for text in templates.values() for name in re.findall(r'{% icon "([a-z]+)" %}', text)}
    drawn = set(re.findall(r'<symbol id="i-([a-z]+)"', templates[CHECKOUT / "templates" / "icons.html"]))
    assert used
    assert used <= drawn


def test_own_style_sheet_and_script_stay_small() -> None:
    size = {name: Path(finders.find(name) or "").stat().st_size for name in ("skybasket.css", "skybasket.js")}
    assert size["skybasket.css"] < 40_000
    assert size["skybasket.js"] < 10_000


@pytest.mark.parametrize(
    ("bytes_", "shown", "title"),
    [
        (0, "0 bytes", "0 bytes"),
        (1, "1 byte", "1 byte"),
        (999, "999 bytes", "999 bytes"),
        (1000, "1.0 kB", "1,000 bytes"),
        (999_949, "999.9 kB", "999,949 bytes"),
        (999_950, "1.0 MB", "999,950 bytes"),
        (53_622_720, "53.6 MB", "53,622,720 bytes"),
        (53_687_091_200, "53.7 GB", "53,687,091,200 bytes"),
        (None, "size unknown", "The archive does not tell the size"),
    ],
)
def test_sizes_are_decimal_and_exact_in_the_title(bytes_: int | None, shown: str, title: str) -> None:
    assert skybasket.sized(bytes_) == f'<span class="nobreak" title="{title}">{shown}</span>'


def test_dates_are_iso_and_utc() -> None:
    assert skybasket.mjd_day(61_100.25) == "2026-03-01"
    assert skybasket.mjd_day(None) == ""
    assert skybasket.mjd_day(1e12) == "9999-12-31"


def test_positions_are_told_in_both_forms() -> None:
    told = skybasket.position(283.39623, 33.02914)
    assert "283.39623 +33.02914" in told
    assert "18:53:35.095 +33:01:44.90" in told
    assert skybasket.position(None, 1.0) == ""


def test_no_id_has_a_space_and_different_texts_have_different_ids() -> None:
    texts = ["a b", "a%20b", "a/b", "ä", "a\tb", "a+b"]
    ids = [skybasket.dom_id(text) for text in texts]
    assert len(set(ids)) == len(texts)
    assert not any(re.search(r"\s", one) for one in ids)
