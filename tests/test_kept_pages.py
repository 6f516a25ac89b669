"""Pages of what is kept, without a browser: baskets, removals, filters, links; and forms of pages that grew old."""

import re
from html import unescape
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client

from basket.models import Basket, Removal, SavedFilters, Share
from portal.models import Observation
from retrieval.models import Retrieval
from tests.catalogue import Catalogue

pytestmark = pytest.mark.django_db


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue()


@pytest.fixture
def filled(client: Client, catalogue: Catalogue) -> Client:
    """A stranger with one observation of three recommended files in the basket."""
    add(client, catalogue.filled("jw1_cal.fits", "jw1_i2d.fits", "jw1_cat.ecsv", obs_id="jw1"))
    return client


def add(client: Client, *observations: Observation) -> Any:
    return client.post("/basket/add/", {"obsid": [f"local:{one.obsid}" for one in observations]})


def page(client: Client, address: str = "/basket/") -> str:
    """What an address shows after its redirects, without the markup's escapes."""
    answer = client.get(address, follow=True)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def said(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def form(shown: str, identifier: str) -> tuple[str, dict[str, str]]:
    """Where the form with that id leads, and its hidden fields: what a browser sends whatever is pressed."""
    found = re.search(rf'<form[^>]*action="([^"]+)"[^>]*id="{identifier}".*?</form>', shown, re.DOTALL)
    assert found, identifier
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', found[0])
    return found[1], dict(hidden)


def press(client: Client, shown: str, identifier: str, **pressed: str) -> Any:
    """Send the form of a page that was shown, now or long ago."""
    address, fields = form(shown, identifier)
    return client.post(address, fields | pressed)


def files(client: Client) -> tuple[int, int]:
    body = client.get("/api/v1/basket/").json()
    return body["files"], body["selected"]["files"]


# Forms of pages that grew old


def test_a_click_on_a_node_of_an_old_page_is_done_and_the_change_is_told(
    filled: Client, catalogue: Catalogue
) -> None:
    old = page(filled)
    add(filled, catalogue.filled("jw2_cal.fits", obs_id="jw2"))
    path = re.findall(r'name="select" value="(JWST/[^"]+)"', page(filled, "/basket/?open=JWST"))[0]
    filled.get("/basket/", follow=True)
    answer = press(filled, old, "selection", select=path)
    assert answer.status_code == 303
    assert said(answer) == [
        "Your basket was changed in another tab since this page was shown; it is shown as it is now."
    ]
    assert files(filled) == (4, 3)


def test_a_click_on_a_page_of_now_says_nothing(filled: Client) -> None:
    assert said(press(filled, page(filled), "selection", select="")) == []
    assert files(filled) == (3, 3)


def test_what_an_old_page_did_not_show_is_not_removed(filled: Client, catalogue: Catalogue) -> None:
    old = page(filled)
    add(filled, catalogue.filled("jw2_cal.fits", obs_id="jw2"))
    filled.get("/basket/", follow=True)
    answer = press(filled, old, "remove-form", what="all")
    assert answer.status_code == 303
    assert "with 4 files in it now. Nothing was done: look again" in said(answer)[-1]
    assert files(filled)[0] == 4


def test_what_an_old_page_showed_is_removed_whatever_else_changed(filled: Client, catalogue: Catalogue) -> None:
    press(filled, page(filled), "selection", select="")
    old = page(filled)
    add(filled, catalogue.filled("jw2_cal.fits", obs_id="jw2"))
    press(filled, old, "remove-form", what="selected")
    assert files(filled) == (1, 0)


def test_an_old_page_downloads_only_what_it_showed(filled: Client, catalogue: Catalogue) -> None:
    press(filled, page(filled), "selection", select="")
    old = page(filled)
    add(filled, catalogue.filled("jw2_cal.fits", obs_id="jw2"))
    press(filled, page(filled), "selection", select="")
    answer = press(filled, old, "download-form", method="zip")
    assert answer.status_code == 409
    assert "with 4 files selected now" in unescape(answer.content.decode())
    assert not Retrieval.objects.exists()


def test_removing_the_same_observation_in_two_tabs_is_harmless(filled: Client) -> None:
    name = f"local:{Observation.objects.get().obsid}"
    old = page(filled)
    address, fields = form(old, "selection")
    address = "/basket/remove/?mrp=1"
    first = filled.post(address, fields | {"observation": name})
    assert said(first)[-1].startswith("Removed 3 files")
    second = filled.post(address, fields | {"observation": name})
    assert said(second)[-1] == "Nothing was removed: that is not in the basket any more."
    assert Removal.objects.count() == 1
    press(filled, page(filled), "undo-form")
    assert files(filled)[0] == 3


def test_a_form_acts_on_the_basket_that_its_page_showed(filled: Client) -> None:
    old = page(filled)
    filled.post("/basket/all/new/", {"name": "Other"})
    assert files(filled)[0] == 0
    press(filled, old, "selection", select="")
    first = Basket.objects.order_by("pk")[0]
    filled.post(f"/basket/all/{first.pk}/open/")
    assert files(filled) == (3, 3)
    filled.post(f"/basket/all/{first.pk}/remove/")
    answer = press(filled, old, "selection", select="")
    assert answer.status_code == 409
    assert "The basket of that page is gone" in unescape(answer.content.decode())


# Several baskets


def test_baskets_are_started_named_opened_and_removed(filled: Client) -> None:
    assert "jw1" in page(filled, "/basket/?open=JWST")
    answer = press(filled, page(filled), "new-basket-form", name="Nebulae <b>")
    assert answer.headers["Location"].startswith("/basket/?")
    shown = page(filled)
    assert "Your basket is empty" in shown
    assert "Nebulae <b>" in shown
    told = add(filled, Catalogue().filled("x.fits"))
    assert said(told)[-1] == "Added 1 observation with 1 file to “Nebulae <b>”."
    listed = page(filled, "/basket/all/")
    assert listed.index("Nebulae <b>") < listed.index("Basket</th>")
    first, other = Basket.objects.order_by("pk")
    filled.post(f"/basket/all/{other.pk}/rename/", {"name": "Galaxies"})
    filled.post(f"/basket/all/{other.pk}/rename/", {"name": " "})
    assert "A name for a basket is missing" in page(filled, "/basket/all/")
    filled.post(f"/basket/all/{first.pk}/open/")
    assert files(filled)[0] == 3
    filled.post(f"/basket/all/{first.pk}/remove/")
    assert files(filled)[0] == 1  # the other one is open again
    removed = page(filled, "/basket/removed/")
    assert f'id="back-basket-{first.pk}"' in removed
    filled.post(f"/basket/all/{first.pk}/bring-back/", {"next": "/basket/removed/"})
    assert files(filled)[0] == 3
    assert f'id="back-basket-{first.pk}"' not in page(filled, "/basket/removed/")


@pytest.mark.parametrize("act", ["open", "rename", "remove", "bring-back"])
@pytest.mark.parametrize("pk", ["0", "999999", "9" * 30])
def test_a_basket_that_is_not_there_is_not_found(filled: Client, act: str, pk: str) -> None:
    assert filled.post(f"/basket/all/{pk}/{act}/", {"name": "x"}).status_code == 404


def test_a_way_back_to_another_site_is_not_taken(filled: Client) -> None:
    answer = filled.post("/basket/all/new/", {"name": "x", "next": "https://evil.example/"})
    assert answer.headers["Location"] == "/basket/"


# Recently removed


def test_removals_are_listed_and_brought_back_from_any_basket(filled: Client) -> None:
    press(filled, page(filled), "remove-form", what="all")
    filled.post("/basket/all/new/", {"name": "Other"})
    shown = page(filled, "/basket/removed/")
    assert "3 files of jw1" in re.sub("<wbr>", "", shown)
    assert "300 bytes" in shown
    removal = Removal.objects.get()
    answer = filled.post(
        "/basket/undo/",
        {"basket": str(removal.basket_id), "removal": str(removal.pk), "next": "/basket/removed/"},
    )
    assert answer.headers["Location"] == "/basket/removed/"
    assert files(filled)[0] == 0
    assert "Nothing was removed lately" in page(filled, "/basket/removed/")
    filled.post(f"/basket/all/{removal.basket_id}/open/")
    assert files(filled)[0] == 3


def test_many_removals_come_in_pages(filled: Client) -> None:
    basket = Basket.objects.get()
    Removal.objects.bulk_create(Removal(basket=basket, files=0, bytes=0) for _ in range(60))
    assert "1–50 of 60" in page(filled, "/basket/removed/")
    assert "51–60 of 60" in page(filled, "/basket/removed/?page=2")
    assert "51–60 of 60" in page(filled, "/basket/removed/?page=99999999999999999999")


# Saved filters


def test_filters_are_saved_offered_applied_renamed_and_removed(filled: Client) -> None:
    filters = "mrp=0&category=SCIENCE&q=cal"
    answer = press(filled, page(filled, f"/basket/?{filters}"), "save-filters-form", name="Calibrated")
    assert answer.headers["Location"] == f"/basket/?{filters}"
    row = SavedFilters.objects.get()
    shown = page(filled, "/basket/?mrp=1&open=JWST")
    assert f'href="?{filters}&open=JWST" id="saved-{row.pk}"' in shown
    assert f'id="saved-{row.pk}" aria-current="true"' in page(filled, f"/basket/?{filters}")
    filled.post(f"/basket/filters/{row.pk}/rename/?mrp=1", {"name": "Levels"})
    assert "Levels" in page(filled)
    taken = filled.post("/basket/filters/save/?mrp=1", {"name": "Levels"})
    assert "is the name of another set" in said(taken)[-1]
    filled.post(f"/basket/filters/{row.pk}/remove/?mrp=1")
    assert f'id="saved-{row.pk}"' not in page(filled)
    assert f'id="back-filters-{row.pk}"' in page(filled, "/basket/removed/")
    filled.post(f"/basket/filters/{row.pk}/bring-back/")
    assert f'id="saved-{row.pk}"' in page(filled)


def test_a_name_of_markup_is_shown_as_text(filled: Client) -> None:
    filled.post("/basket/filters/save/?mrp=1", {"name": '"><script>alert(1)</script>'})
    shown = filled.get("/basket/?mrp=1").content.decode()
    assert "<script>alert(1)" not in shown
    assert "&lt;script&gt;alert(1)" in shown


# Links


@pytest.fixture
def link(filled: Client) -> str:
    """The path of a link to the stranger's basket, with one file selected."""
    filled.post("/basket/select/?mrp=0&q=i2d", {"select": ""})
    assert press(filled, page(filled), "share-form", name="For Bob").headers["Location"] == "/basket/shares/"
    found = re.search(
        rf"{re.escape(settings.SITE_URL)}(/basket/shared/[\w-]{{43}}/)", page(filled, "/basket/shares/")
    )
    assert found
    return found[1]


def test_a_shared_basket_is_shown_for_reading_to_whoever_has_the_link(filled: Client, link: str) -> None:
    press(filled, page(filled), "remove-form", what="all")
    bob = Client()
    shown = page(bob, link)
    text = re.sub(r"<[^>]+>|\s+", " ", shown)
    assert re.search(r"Displaying +3 +of +3 +files +1 +selected, +100 bytes", text)
    assert "For Bob" in shown
    assert '<button class="box"' not in shown
    assert set(re.findall(r'<form method="post" action="([^"?]+)', shown)) == {f"{link}copy/"}
    narrowed = page(bob, f"{link}?mrp=0&q=i2d&open=JWST&open=JWST/local:{Observation.objects.get().obsid}")
    assert "jw1_i2d.fits" in narrowed
    assert "jw1_cal.fits" not in narrowed
    file = re.findall(r'data-file="(\d+)"', narrowed)[0]
    assert "mast:JWST/product/" in page(bob, f"{link}?mrp=0&file={file}")


def test_the_address_of_a_shared_basket_is_told_to_nobody(link: str) -> None:
    answer = Client().get(link)
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert "no-store" in answer.headers["Cache-Control"]
    shown = answer.content.decode()
    assert '<meta name="robots" content="noindex, nofollow">' in shown
    assert not re.findall(r'(?:href|src|action)="https?:', shown)


def test_a_shared_basket_is_copied_once_and_the_copy_undone(link: str, catalogue: Catalogue) -> None:
    bob = Client()
    add(bob, catalogue.filled("own.fits"))
    answer = bob.post(f"{link}copy/")
    assert said(answer)[-1] == ("Copied into “Basket”: 1 observation with 3 files. What was selected is selected.")
    assert files(bob) == (4, 1)
    assert said(bob.post(f"{link}copy/"))[-1] == "All of it was in “Basket” already: nothing changed."
    undone = press(bob, page(bob), "undo-joining-form")
    assert said(undone)[-1] == "“Basket” is as it was before."
    assert files(bob) == (1, 0)


def test_an_ended_link_and_one_that_never_was_say_so(filled: Client, link: str) -> None:
    filled.post(f"/basket/shares/{Share.objects.get().pk}/end/")
    assert "ended" in page(filled, "/basket/shares/")
    gone = Client().get(link)
    assert gone.status_code == 410
    assert "no longer shared" in gone.content.decode()
    assert Client().post(f"{link}copy/").status_code == 410
    for token in ("x", "%00", "x" * 5000, "%F0%9F%8C%8C"):
        assert Client().get(f"/basket/shared/{token}/").status_code == 404
    assert Client().post(f"/basket/shares/{Share.objects.get().pk}/end/").status_code == 404


def test_an_empty_basket_is_not_shared(client: Client) -> None:
    answer = client.post("/basket/share/")
    assert said(answer) == ["Your basket is empty: there is nothing to share yet."]
    assert not Share.objects.exists()


# Signing in


def test_signing_in_is_told_with_an_undo(filled: Client, alice: User) -> None:
    filled.force_login(alice)
    shown = page(filled)
    assert "Your 1 observation from before signing in was added, with 3 files." in shown
    undone = press(filled, shown, "undo-joining-form")
    assert said(undone)[-1] == (
        "“Basket” is as it was before. What it held otherwise is kept as “Before signing in”."
    )
    assert files(filled)[0] == 0
    assert "Before signing in" in page(filled, "/basket/all/")


def test_after_signing_out_nothing_of_the_person_is_left(filled: Client, alice: User) -> None:
    filled.force_login(alice)
    page(filled)
    filled.post("/basket/filters/save/?mrp=1", {"name": "Alice's own"})
    filled.logout()
    filled.cookies["basket"] = ""
    for address in ("/basket/", "/basket/all/", "/basket/removed/", "/basket/shares/"):
        shown = page(filled, address)
        assert "jw1" not in shown
        assert "Alice's own" not in shown
    assert files(filled) == (0, 0)


def test_an_address_that_is_too_long_is_refused_in_words(client: Client) -> None:
    answer = client.get(f"/basket/?open={'x' * 30_000}")
    assert answer.status_code == 414
    assert "This address is too long" in answer.content.decode()
    assert client.get(f"/api/v1/basket/?q={'x' * 30_000}").status_code == 414
