"""The Download Manager's page and its verbs, without a browser: every state is an address, every post leads to one."""

import re
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from basket import panels
from basket.details import LABELS, details, file_details
from basket.facets import Amount
from basket.models import Basket
from portal.access import datetime_to_mjd
from portal.archives.base import PRODUCT_COLUMNS
from portal.errors import Problem
from portal.models import Grant, Observation, Product, Program, StoredFile
from tests.catalogue import Catalogue

pytestmark = pytest.mark.django_db

NODE = re.compile(
    r'name="(?P<verb>select|deselect)" value="(?P<path>[^"]+)" role="checkbox" aria-checked="(?P<state>\w+)"'
)


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue()


@pytest.fixture
def observation(catalogue: Catalogue) -> Observation:
    """Two recommended science files, a preview that is not recommended, and an exposure with a raw file."""
    made = catalogue.filled("jw1_i2d.fits", "jw1_cal.fits", obs_id="jw1")
    catalogue.lists(made, catalogue.product("jw1_i2d.jpg", productType="PREVIEW", productSubGroupDescription=""))
    catalogue.lists(made, catalogue.product("jw1_uncal.fits", 1000), exposure="jw1_nrs1")
    return made


@pytest.fixture
def filled(client: Client, observation: Observation) -> Client:
    """A visitor with that observation in the basket."""
    add(client, observation)
    return client


def key(observation: Observation) -> str:
    return f"local:{observation.obsid}"


def add(client: Client, *observations: Observation, **fields: str) -> Any:
    return client.post("/basket/add/", {"obsid": [key(one) for one in observations], **fields})


def page(client: Client, query: str = "") -> str:
    """The page at that address, after its redirects, without the markup's escapes."""
    answer = client.get(f"/basket/?{query}", follow=True)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def numbers(client: Client, query: str = "") -> tuple[int, int, int]:
    """Displayed, all, selected, as the action bar tells them."""
    text = re.sub(r"<[^>]+>|\s+", " ", page(client, query))
    found = re.search(r"Displaying +([\d,]+) +of +([\d,]+) +files? +([\d,]+) +selected", text)
    assert found, text
    displayed, files, selected = (int(number.replace(",", "")) for number in found.groups())
    return displayed, files, selected


def states(client: Client, query: str) -> dict[str, tuple[str, str]]:
    """Path of every box of the tree: its state, and the verb that a click on it sends."""
    return {one["path"]: (one["state"], one["verb"]) for one in NODE.finditer(page(client, query))}


def said(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


# What the page shows


def test_an_empty_basket_teaches_and_has_no_row_in_the_database(client: Client) -> None:
    shown = page(client)
    assert "Your basket is empty" in shown
    assert "/?target=M57" in shown
    assert Basket.objects.count() == 0


def test_only_recommended_files_are_displayed_at_first(filled: Client) -> None:
    assert numbers(filled) == (2, 4, 0)


def test_the_recommendation_is_remembered_for_the_session_and_not_beyond(filled: Client) -> None:
    assert numbers(filled, "mrp=0") == (4, 4, 0)
    assert numbers(filled) == (4, 4, 0)
    assert numbers(filled, "mrp=1") == (2, 4, 0)
    assert numbers(filled) == (2, 4, 0)
    stranger = Client()
    add(stranger, Observation.objects.get())
    assert numbers(stranger) == (2, 4, 0)


def test_equal_states_have_one_address(filled: Client) -> None:
    untidy = "group=CAL&mrp=1&mrp=0&category=SCIENCE&category=SCIENCE&utm=x"
    answer = filled.get(f"/basket/?{untidy}")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/basket/?mrp=0&category=SCIENCE&group=CAL"
    assert filled.get(answer.headers["Location"]).status_code == 200


def test_the_address_without_parameters_is_the_recommendation(filled: Client) -> None:
    assert filled.get("/basket/").headers["Location"] == "/basket/?mrp=1"
    assert filled.get("/basket/?mrp=1").status_code == 200


def test_the_recommendation_is_remembered_for_the_session_but_an_address_says_it_itself(filled: Client) -> None:
    filled.get("/basket/?mrp=0")
    assert filled.get("/basket/").headers["Location"] == "/basket/?mrp=0"
    assert filled.get("/basket/?mrp=1&open=JWST").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "mrp=0&category=%FF%00",
        "mrp=0&q=%2B%26+%25",
        "mrp=0&q=%C3%A4+%E2%98%85",
        "mrp=0&group=",
        "mrp=0&open=a%2Fb&more=JWST@7&file=99999",
        "mrp=0&" + "&".join(f"open=n{number}" for number in range(80)),
        "file=-1&more=x&open=",
    ],
)
def test_one_redirect_at_most_leads_to_the_one_address(filled: Client, query: str) -> None:
    answer = filled.get(f"/basket/?{query}", follow=True)
    assert answer.status_code == 200
    assert len(answer.redirect_chain) <= 1


def test_open_nodes_are_in_the_address(filled: Client, observation: Observation) -> None:
    node = f"JWST/{key(observation)}"
    assert "jw1_i2d.fits" not in page(filled, "mrp=0&open=JWST")
    assert "jw1_i2d.fits" in page(filled, f"mrp=0&open={node}")
    assert "jw1_uncal.fits" in page(filled, f"mrp=0&open={node}/jw1_nrs1")


def test_a_name_leads_to_the_state_that_closes_what_is_open(filled: Client, observation: Observation) -> None:
    node = f"JWST/{key(observation)}"
    opened = page(filled, "mrp=0&open=JWST")
    [(query, expanded)] = re.findall(r'href="\?([^"]*)" id="l-JWST" aria-expanded="(\w+)"', opened)
    assert expanded == "true"
    assert "open" not in parse_qs(query)
    [query] = re.findall(rf'href="\?([^"]*)" id="l-JWST%2Flocal%3A{observation.obsid}"', opened)
    assert node in parse_qs(query)["open"]


def test_facets_tell_shown_of_total_and_keep_the_siblings_of_a_choice(filled: Client) -> None:
    shown = re.sub(r"<[^>]+>|\s+", " ", page(filled, "mrp=0&category=SCIENCE"))
    assert re.search(r"SCIENCE +3 of 3", shown)
    assert re.search(r"PREVIEW +0 of 1", shown)
    assert re.search(r"Minimum Recommended Products +2 of 2", shown)


def test_an_unknown_value_is_told_and_displays_nothing(filled: Client) -> None:
    shown = page(filled, "mrp=0&category=NONSENSE")
    assert "Product Category NONSENSE: no file in your basket has it" in shown
    assert numbers(filled, "mrp=0&category=NONSENSE") == (0, 4, 0)


def test_a_filter_that_makes_no_sense_is_refused_by_name(filled: Client) -> None:
    answer = filled.get("/basket/?mrp=perhaps")
    assert answer.status_code == 400
    assert "mrp is 1 or 0" in answer.content.decode()


def test_a_long_level_is_cut_and_its_next_lines_come_below_until_the_page_is_full(
    client: Client, catalogue: Catalogue
) -> None:
    names = [f"jw9_{number:04}_cal.fits" for number in range(450)]
    observation = catalogue.filled(*names, obs_id="jw9")
    add(client, observation)
    address = f"open=JWST/{key(observation)}"
    shown: list[list[str]] = []
    pages: list[str] = []
    for _ in range(9):
        pages.append(page(client, address))
        shown.append([path for path in states(client, address) if path.count("/") > 1])
        following = re.search(r'href="\?([^"]*)" id="mn-', pages[-1])
        if following is None:
            break
        address = following[1]
    assert [len(rows) for rows in shown] == [100, 198, 198, 54], "two more rows are what lies above"
    assert shown[1][:100] == shown[0]
    every = [path for rows in shown[1:] for path in rows]
    assert len(every) == len(set(every)) == 450
    assert "show more (350 files left)" in pages[0]
    assert "go on (252 files left)" in pages[1]
    assert ["back to the first" in text for text in pages] == [False, False, True, True]


def test_the_page_is_never_cached(filled: Client) -> None:
    assert "no-store" in filled.get("/basket/").headers["Cache-Control"]


# Selecting


def test_select_leads_back_to_the_state_and_changes_nothing_but_the_selection(filled: Client) -> None:
    state = "mrp=0&category=SCIENCE&open=JWST&file=3"
    answer = filled.post(f"/basket/select/?{state}", {"select": "JWST"})
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/basket/?{state}"
    assert numbers(filled, state) == (3, 4, 3)


def test_select_under_a_filter_leaves_hidden_files_alone(filled: Client) -> None:
    filled.post("/basket/select/?mrp=0&category=PREVIEW", {"select": ""})
    filled.post("/basket/select/?mrp=0&category=SCIENCE", {"select": "JWST"})
    assert numbers(filled, "mrp=0") == (4, 4, 4)
    filled.post("/basket/select/?mrp=0&category=SCIENCE", {"deselect": ""})
    assert numbers(filled, "mrp=0") == (4, 4, 1)
    assert "1 of them hidden by the filters" in page(filled, "mrp=0&category=SCIENCE")


def test_an_address_without_the_recommendation_selects_recommended_files_whatever_another_tab_shows(
    filled: Client,
) -> None:
    page(filled, "mrp=0")
    answer = filled.post("/basket/select/", {"select": ""})
    assert numbers(filled, "mrp=0") == (4, 4, 2)
    assert answer.headers["Location"] == "/basket/?mrp=1"


def test_the_name_filter_narrows_what_is_selected(filled: Client) -> None:
    filled.post("/basket/select/?mrp=0&q=uncal", {"select": ""})
    assert numbers(filled, "mrp=0&q=UNCAL") == (1, 4, 1)


def test_boxes_tell_three_states_and_send_an_explicit_verb(filled: Client, observation: Observation) -> None:
    node, address = f"JWST/{key(observation)}", f"mrp=0&open=JWST/{key(observation)}"
    assert states(filled, address)["JWST"] == ("false", "select")
    filled.post(f"/basket/select/?{address}", {"select": f"{node}/jw1_nrs1"})
    found = states(filled, address)
    assert found["JWST"] == found[node] == ("mixed", "select")
    assert found[f"{node}/jw1_nrs1"] == ("true", "deselect")
    filled.post(f"/basket/select/?{address}", {"select": ""})
    assert set(states(filled, address).values()) == {("true", "deselect")}


def test_a_double_click_selects_and_stays_selected(filled: Client) -> None:
    for _ in range(2):
        filled.post("/basket/select/?mrp=0", {"select": "JWST"})
    assert numbers(filled, "mrp=0") == (4, 4, 4)


@pytest.mark.parametrize(
    ("fields", "status"), [({}, 400), ({"select": "JWST/local:0"}, 404), ({"toggle": ""}, 400)]
)
def test_what_cannot_be_selected_is_told(filled: Client, fields: dict[str, str], status: int) -> None:
    answer = filled.post("/basket/select/?mrp=0", fields)
    assert answer.status_code == status
    assert 'id="problem"' in answer.content.decode()
    assert numbers(filled, "mrp=0") == (4, 4, 0)


@pytest.mark.parametrize("verb", ["select", "add", "remove", "undo"])
def test_verbs_are_only_posted_and_only_from_our_own_pages(filled: Client, verb: str) -> None:
    assert filled.get(f"/basket/{verb}/").status_code == 405
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = filled.cookies
    assert careful.post(f"/basket/{verb}/").status_code == 403


# Adding


def test_added_files_are_told_and_what_was_added_is_open(client: Client, observation: Observation) -> None:
    answer = add(client, observation)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/basket/?mrp=1&open=JWST/{key(observation)}"
    assert said(answer) == ["Added 1 observation with 4 files."]
    again = add(client, observation)
    assert said(again)[-1] == "Added 0 observations with 0 files; 1 observation had been in the basket before."


def test_duplicates_are_told_when_added_and_afterwards(
    client: Client, catalogue: Catalogue, observation: Observation
) -> None:
    other = catalogue.observation("jw2")
    shared = Product.objects.get(productFilename="jw1_uncal.fits")
    catalogue.lists(other, shared, exposure="jw1_nrs1")
    assert "1 duplicate culled" in said(add(client, observation, other))[0]
    assert "1 duplicate culled" in page(client)
    assert numbers(client, "mrp=0") == (4, 4, 0)


def test_of_many_observations_only_the_missions_are_open(client: Client, catalogue: Catalogue) -> None:
    jwst = [catalogue.filled(f"jw{number}_cal.fits") for number in range(3)]
    hubble = catalogue.filled("hst_drz.fits", mission="HST")
    assert add(client, *jwst, hubble).headers["Location"] == "/basket/?mrp=1&open=HST&open=JWST"


def test_staying_leads_back_to_the_search_and_nowhere_else(client: Client, observation: Observation) -> None:
    assert (
        add(client, observation, then="stay", next="/?target=M57&page=2").headers["Location"]
        == "/?target=M57&page=2"
    )
    assert add(client, observation, then="stay", next="https://example.org/").headers["Location"] == "/"
    assert add(client, observation, then="stay", next="//example.org/").headers["Location"] == "/"


def test_everything_that_matches_a_search_can_be_added(client: Client, catalogue: Catalogue) -> None:
    for number in range(3):
        catalogue.filled(f"jw{number}_cal.fits")
    catalogue.filled("hst_drz.fits", mission="HST")
    client.post("/basket/add/", {"all": "1", "query": "collection=JWST"})
    assert numbers(client) == (3, 3, 0)


def test_nothing_ticked_is_told_and_leads_back(client: Client) -> None:
    answer = client.post("/basket/add/", {"next": "/?target=M57"})
    assert answer.headers["Location"] == "/?target=M57"
    assert "tick at least one" in said(answer)[0]


def test_an_observation_that_is_not_there_is_told(client: Client, observation: Observation) -> None:
    answer = client.post("/basket/add/", {"obsid": [key(observation), "local:0"]})
    assert answer.status_code == 404
    assert "There is no observation local:0" in answer.content.decode()
    assert Basket.objects.count() == 0


def test_a_planned_observation_is_shown_with_no_files(client: Client, catalogue: Catalogue) -> None:
    add(client, catalogue.observation("jw_planned", calib_level=-1))
    shown = page(client, "open=JWST")
    assert "jw_planned" in shown
    assert "0 files" in shown


# Removing and bringing back


def test_removed_files_are_told_and_come_back_selected_as_they_were(filled: Client) -> None:
    state = "mrp=0&category=SCIENCE"
    filled.post(f"/basket/select/?{state}", {"select": ""})
    answer = filled.post(f"/basket/remove/?{state}", {"what": "selected"})
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/basket/?{state}"
    assert said(answer)[-1] == "Removed 3 files (1.2 kB) from the basket."
    assert numbers(filled, "mrp=0") == (1, 1, 0)
    assert "Undo: bring back 3 files" in page(filled)
    back = filled.post("/basket/undo/?mrp=0")
    assert said(back)[-1] == "Brought back 3 files (1.2 kB)."
    assert numbers(filled, "mrp=0") == (4, 4, 3)
    assert "Undo" not in page(filled)


def test_an_undo_that_is_sent_twice_brings_back_one_removal(filled: Client) -> None:
    filled.post("/basket/select/", {"select": ""})
    filled.post("/basket/remove/", {"what": "selected"})
    filled.post("/basket/remove/", {"what": "all"})
    [newest] = re.findall(r'name="removal" value="(\d+)"', page(filled))
    for _ in range(2):
        filled.post("/basket/undo/", {"removal": newest})
    assert numbers(filled, "mrp=0") == (2, 2, 0)


def test_everything_or_one_observation_can_be_removed(
    filled: Client, catalogue: Catalogue, observation: Observation
) -> None:
    add(filled, catalogue.filled("jw2_cal.fits"))
    filled.post("/basket/remove/", {"observation": key(observation)})
    assert numbers(filled, "mrp=0") == (1, 1, 0)
    filled.post("/basket/remove/", {"what": "all"})
    assert "Your basket is empty" in page(filled)


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"what": "galaxy"}, 400), ({"observation": "local:0"}, 404), ({"observation": ""}, 404)],
)
def test_what_cannot_be_removed_is_told(filled: Client, fields: dict[str, str], status: int) -> None:
    assert filled.post("/basket/remove/", fields).status_code == status
    assert numbers(filled, "mrp=0") == (4, 4, 0)


def test_nothing_to_undo_is_told(filled: Client) -> None:
    assert filled.post("/basket/undo/").status_code == 409


# Details of one file


def test_details_have_all_twenty_columns_in_the_archives_order(filled: Client) -> None:
    product = Product.objects.get(productFilename="jw1_i2d.fits")
    shown = page(filled, f"file={product.pk}")
    told = re.findall(r'<dt title="(\w+)">([^<]+)</dt>', shown)
    assert told == list(LABELS.items())
    assert tuple(LABELS) == PRODUCT_COLUMNS
    assert "100 bytes" in shown
    assert "Public: everybody may read it" in shown
    assert product.dataURI in shown


def test_details_of_a_file_that_is_not_in_the_basket_are_not_told(filled: Client, catalogue: Catalogue) -> None:
    elsewhere = catalogue.product("secret_cal.fits")
    shown = page(filled, f"file={elsewhere.pk}")
    assert "That file is not in your basket" in shown
    assert "secret_cal.fits" not in shown


def test_details_follow_the_observation_that_carries_the_file(
    client: Client, catalogue: Catalogue, observation: Observation
) -> None:
    other = catalogue.observation("jw2")
    shared = Product.objects.get(productFilename="jw1_uncal.fits")
    catalogue.lists(other, shared, exposure="jw1_nrs1")
    add(client, other, observation)
    found = details(Basket.objects.get(), shared.pk, User(), timezone.now())
    assert found is not None
    assert found.columns["parent_obsid"] == other.obsid
    client.post("/basket/remove/", {"observation": key(other)})
    found = details(Basket.objects.get(), shared.pk, User(), timezone.now())
    assert found is not None
    assert found.columns["parent_obsid"] == observation.obsid
    assert file_details(Basket.objects.get(), shared.pk, User(), timezone.now())["access"] == "ok"


def test_a_removed_file_has_no_details_any_more(filled: Client, alice: User) -> None:
    product = Product.objects.get(productFilename="jw1_i2d.fits")
    filled.post("/basket/select/?q=i2d", {"select": ""})
    filled.post("/basket/remove/", {"what": "selected"})
    with pytest.raises(Problem, match="not in your basket"):
        file_details(Basket.objects.get(), product.pk, alice, timezone.now())


@pytest.fixture
def exclusive(catalogue: Catalogue) -> Observation:
    """An observation of program 1234 with a file and its picture, exclusive for another thirty days."""
    release = datetime_to_mjd(timezone.now() + timedelta(days=30))
    rights: dict[str, Any] = {"dataRights": "EXCLUSIVE_ACCESS", "proposal_id": "1234", "t_obs_release": release}
    made = catalogue.observation("jw3", **rights)
    science, picture = catalogue.product("jw3_i2d.fits", **rights), catalogue.product("jw3_i2d.jpg", **rights)
    picture.dataURI = science.dataURI.replace(".fits", ".jpg")
    picture.productType = "PREVIEW"
    picture.save()
    StoredFile.objects.create(product=picture, path="/nowhere", size=1, mtime_ns=0)
    catalogue.lists(made, science, picture, mrp=True)
    return made


def test_an_exclusive_file_is_marked_with_its_day_and_its_picture_is_kept_back(
    client: Client, exclusive: Observation
) -> None:
    add(client, exclusive)
    product = Product.objects.get(productFilename="jw3_i2d.fits")
    shown = page(client, f"open=JWST/{key(exclusive)}&file={product.pk}")
    day = (timezone.now() + timedelta(days=30)).date().isoformat()
    assert f"until {day}" in shown
    assert f"Exclusive access until {day}." in shown
    assert "Preview of jw3_i2d.fits" not in shown


def test_who_was_granted_a_program_sees_the_picture_and_the_mark(
    client: Client, exclusive: Observation, alice: User
) -> None:
    Grant.objects.create(program=Program.objects.create(obs_collection="JWST", proposal_id="1234"), user=alice)
    client.force_login(alice)
    add(client, exclusive)
    product = Product.objects.get(productFilename="jw3_i2d.fits")
    shown = page(client, f"open=JWST/{key(exclusive)}&file={product.pk}")
    assert "Exclusive access, and you may read it" in shown
    assert "Preview of jw3_i2d.fits" in shown
    assert "until " in shown


def test_only_what_the_reader_may_have_is_on_the_download_button(
    client: Client, exclusive: Observation, observation: Observation
) -> None:
    add(client, exclusive, observation)
    assert "Select files to download" in page(client)
    client.post("/basket/select/", {"select": ""})
    shown = re.sub(r"<[^>]+>|\s+", " ", page(client))
    assert re.search(r"Download +2 files \(200 bytes\)", shown)
    assert "2 of the selected are not yours to read yet" in shown


@pytest.mark.parametrize(
    ("files", "selected", "deliverable", "expected"),
    [
        (0, 0, Amount(0, 0), "Nothing to download yet"),
        (9, 0, Amount(0, 0), "Tick files"),
        (9, 2, Amount(0, 0), "None of the selected files is yours"),
        (9, 2, Amount(2, 1000), ""),
    ],
)
def test_a_download_that_cannot_be_says_what_to_do(
    files: int, selected: int, deliverable: Amount, expected: str
) -> None:
    told = panels.refusal(files, selected, deliverable)
    assert told.startswith(expected)
    assert bool(told) == bool(expected)


def test_a_hostile_documentation_link_is_not_a_link(client: Client, catalogue: Catalogue) -> None:
    observation = catalogue.observation()
    product = catalogue.product("a_cal.fits", productDocumentationURL="javascript:alert(1)")
    catalogue.lists(observation, product, mrp=True)
    add(client, observation)
    shown = page(client, f"file={product.pk}")
    assert "javascript:alert(1)" in shown
    assert 'href="javascript:' not in shown


def test_a_command_line_survives_a_hostile_name(client: Client, catalogue: Catalogue) -> None:
    observation = catalogue.observation()
    product = catalogue.product("a';rm -rf ~;'.fits")
    StoredFile.objects.create(product=product, path="/nowhere", size=1, mtime_ns=0)
    catalogue.lists(observation, product, mrp=True)
    add(client, observation)
    found = details(Basket.objects.get(), product.pk, User(), timezone.now())
    assert found is not None
    lines = dict(found.commands)
    assert "--output 'a'\"'\"';rm -rf ~;'\"'\"'.fits'" in lines["curl"]
    assert urlsplit(lines["curl"].split()[-1]).query


def test_a_file_without_bytes_says_so_and_offers_no_command(client: Client, catalogue: Catalogue) -> None:
    observation = catalogue.observation()
    product = catalogue.product("jw1_cal.fits")
    catalogue.lists(observation, product, mrp=True)
    add(client, observation)
    shown = page(client, f"mrp=1&file={product.pk}")
    assert "No bytes in this archive" in shown
    assert "curl --fail" not in shown


# Whose basket


def test_nobody_sees_somebody_elses_basket(filled: Client) -> None:
    assert "Your basket is empty" in page(Client())
    assert numbers(filled, "mrp=0") == (4, 4, 0)


def test_search_results_mark_what_is_in_the_basket(filled: Client, catalogue: Catalogue) -> None:
    catalogue.filled("jw5_cal.fits", obs_id="jw5")
    assert filled.get("/?collection=JWST").content.decode().count("in basket</span>") == 1
    assert (
        "in your basket"
        in filled.get(f"/observation/local/{Observation.objects.get(obs_id='jw1').obsid}/").content.decode()
    )
