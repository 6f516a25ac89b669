"""Whose basket it is: a stranger's by a cookie, a person's own, and the merge of both at login."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.messages import get_messages
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from basket import context, copying, facets, filling, keeping, removal, selection, tree
from basket.chosen import selected_ids, selected_products
from basket.current import COOKIE, current
from basket.facets import total_files
from basket.holders import Holder
from basket.middleware import current_basket
from basket.models import Basket, Removal
from basket.page import Filters, PageState
from portal.errors import Problem
from portal.models import Observation
from tests.catalogue import Catalogue, assert_lawful, names

EVERYTHING = Filters(mrp=False)


class Browser:
    """Cookies that last from request to request."""

    def __init__(self, user: User | None = None) -> None:
        self.user = user
        self.cookies: dict[str, str] = {}

    def ask(self, view: Callable[[Any], Any]) -> Any:
        """What a view returns for a request through the middleware."""
        request = self.request()
        answers: list[Any] = []

        def answer(request: HttpRequest) -> HttpResponse:
            answers.append(view(request))
            return HttpResponse()

        self.leave(request, current_basket(answer)(request))
        return answers[0]

    def request(self, **posted: str) -> Any:
        """A request with a session and a place for messages."""
        request: Any = RequestFactory().post("/", posted) if posted else RequestFactory().get("/")
        request.COOKIES = dict(self.cookies)
        request.session = SessionStore(self.cookies.get("sessionid"))
        request.user = self.user or AnonymousUser()
        request._messages = FallbackStorage(request)
        return request

    def leave(self, request: Any, response: Any) -> None:
        """What SessionMiddleware does with an answer, and a browser with its cookies."""
        if request.session.modified and not request.session.is_empty():
            request.session.save()
            self.cookies["sessionid"] = request.session.session_key
        self.cookies |= {name: morsel.value for name, morsel in response.cookies.items()}

    def add(self, *observations: Observation) -> None:
        self.ask(lambda request: filling.add_observations(request.basket, [one.pk for one in observations]))

    def files(self) -> int:
        return int(self.ask(lambda request: total_files(request.basket)))

    def told(self) -> list[str]:
        """The messages of a request that looks at the basket."""
        return list(
            self.ask(lambda request: (total_files(request.basket), [str(m) for m in get_messages(request)])[1])
        )


def test_looking_makes_no_basket_and_no_session(db: None) -> None:
    browser = Browser()
    assert browser.files() == 0
    assert not Basket.objects.exists()
    assert set(browser.cookies) == {COOKIE}


def test_the_cookie_comes_with_the_first_look_and_stays(db: None) -> None:
    browser = Browser()
    browser.files()
    first = browser.cookies[COOKIE]
    assert len(first) >= 43
    browser.add(Catalogue().filled("a.fits"))
    assert browser.cookies[COOKIE] == first
    assert first not in str(Basket.objects.values_list("key", "stranger").get())


@pytest.mark.django_db(transaction=True)
def test_two_first_additions_at_once_are_in_one_basket() -> None:
    """Only a cookie of the first page is there: neither a basket nor a session."""
    browser, catalogue = Browser(), Catalogue()
    browser.files()
    observations = [catalogue.filled(f"{number}.fits") for number in range(4)]

    def add(observation: Observation) -> None:
        tab = Browser()
        tab.cookies = dict(browser.cookies)
        try:
            tab.add(observation)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as together:
        list(together.map(add, observations))
    assert browser.files() == 4
    assert Basket.objects.count() == 1


def test_a_stranger_finds_their_basket_again(db: None) -> None:
    browser = Browser()
    browser.add(Catalogue().filled("a.fits"))
    browser.add(Catalogue().filled("b.fits"))
    assert browser.files() == 2
    assert Basket.objects.count() == 1


def test_two_strangers_have_two_baskets(db: None) -> None:
    one, other = Browser(), Browser()
    one.add(Catalogue().filled("a.fits"))
    other.add(Catalogue().filled("b.fits", "c.fits"))
    assert (one.files(), other.files()) == (1, 2)
    keys = list(Basket.objects.values_list("key", flat=True))
    assert len(set(keys)) == 2
    assert all(len(key) >= 43 for key in keys)


def test_a_request_that_does_not_ask_for_the_basket_costs_no_query(
    db: None, django_assert_num_queries: Callable[[int], Any]
) -> None:
    browser = Browser()
    browser.add(Catalogue().filled("a.fits"))
    with django_assert_num_queries(0):
        browser.ask(context.basket)


def test_templates_know_how_many_files_there_are(db: None) -> None:
    browser = Browser()
    browser.add(Catalogue().filled("a.fits", "b.fits"))
    assert browser.ask(lambda request: context.basket(request)["basket_files"]()) == 2
    assert context.basket(RequestFactory().get("/"))["basket_files"]() == 0


def test_a_person_has_one_basket_in_every_browser(alice: User) -> None:
    Browser(alice).add(Catalogue().filled("a.fits"))
    Browser(alice).add(Catalogue().filled("b.fits"))
    assert Browser(alice).files() == 2
    assert Basket.objects.get().owner == alice


def test_nobody_sees_the_basket_of_somebody_else(alice: User, bob: User) -> None:
    Browser(alice).add(Catalogue().filled("a.fits"))
    assert Browser(bob).files() == 0
    thief = Browser()
    for forged in (Basket.objects.get().key, "x" * 5000, "\0", "~", ""):
        thief.cookies = {COOKIE: forged}
        assert thief.files() == 0


def test_a_key_out_of_the_database_is_no_cookie(db: None) -> None:
    browser, thief = Browser(), Browser()
    browser.add(Catalogue().filled("a.fits"))
    thief.cookies = {COOKIE: Basket.objects.get().key}
    assert thief.files() == 0


def test_a_basket_outlasts_a_cookie_that_leads_nowhere(db: None) -> None:
    browser = Browser()
    browser.cookies = {COOKIE: "gone"}
    browser.add(Catalogue().filled("a.fits"))
    assert browser.files() == 1


def test_what_a_stranger_chose_is_there_after_login(alice: User) -> None:
    browser = Browser()
    browser.add(Catalogue().filled("a.fits", "b.fits"))
    browser.ask(lambda request: selection.select(request.basket, "", Filters(mrp=False, q="b"), value=True))
    browser.user = alice
    assert browser.told() == ["Your 1 observation from before signing in was added, with 2 files."]
    assert browser.told() == []
    basket = keeping.opened(Holder(owner=alice.pk))
    assert (basket.owner, names(selected_products(basket))) == (alice, ["b.fits"])
    assert_lawful(basket)


def test_both_baskets_and_both_selections_are_united(alice: User) -> None:
    catalogue = Catalogue()
    mine, theirs = catalogue.filled("a.fits", "b.fits"), catalogue.filled("c.fits", "d.fits")
    star = catalogue.product("gs.fits")
    for observation in (mine, theirs):
        catalogue.lists(observation, star)
    own = Browser(alice)
    own.add(mine)
    own.ask(lambda request: selection.select(request.basket, "", Filters(mrp=False, q="a."), value=True))
    browser = Browser()
    browser.add(theirs)
    browser.ask(lambda request: selection.select(request.basket, "", Filters(mrp=False, q="-c."), value=True))
    browser.user = alice
    assert browser.files() == own.files() == 5
    basket = keeping.opened(Holder(owner=alice.pk))
    assert names(selected_products(basket)) == ["a.fits", "gs.fits", "d.fits"]
    assert_lawful(basket)


def test_the_same_observation_in_both_is_there_once(alice: User) -> None:
    observation = Catalogue().filled("a.fits", "b.fits")
    Browser(alice).add(observation)
    browser = Browser()
    browser.add(observation)
    browser.user = alice
    assert browser.told() == ["Your 1 observation from before signing in was already there."]
    assert browser.files() == 2
    assert keeping.opened(Holder(owner=alice.pk)).items.count() == 1


def test_what_a_stranger_took_out_can_be_brought_back_after_login(alice: User) -> None:
    browser = Browser()
    first = Catalogue().filled("a.fits", "b.fits")
    browser.add(first, Catalogue().filled("c.fits"))
    browser.ask(lambda request: removal.remove_observations(request.basket, [first.pk]))
    Browser(alice).add(Catalogue().filled("d.fits"))
    browser.user = alice
    assert browser.files() == 2
    browser.ask(lambda request: removal.undo(request.basket))
    assert browser.files() == 4
    assert_lawful(keeping.opened(Holder(owner=alice.pk)))


def test_an_empty_basket_is_merged_without_a_word(alice: User) -> None:
    browser = Browser()
    browser.add(Catalogue().filled("a.fits"))
    browser.ask(lambda request: removal.clear(request.basket))
    browser.user = alice
    assert browser.told() == []
    assert Removal.objects.get().basket.owner == alice


def test_after_signing_out_there_is_a_fresh_basket(alice: User) -> None:
    browser = Browser()
    browser.add(Catalogue().filled("a.fits"))
    first = browser.cookies[COOKIE]
    browser.user = alice
    assert browser.files() == 1
    assert browser.cookies[COOKIE] == f"~{first}"
    browser.user = None
    assert browser.files() == 0
    assert browser.cookies[COOKIE] not in {first, f"~{first}"}
    browser.add(Catalogue().filled("b.fits", "c.fits"))
    assert (browser.files(), Browser(alice).files()) == (2, 1)


def test_what_a_tab_adds_while_another_one_signs_in_comes_along(alice: User) -> None:
    browser, late = Browser(), Browser()
    browser.files()
    late.cookies = dict(browser.cookies)
    browser.user = alice
    assert browser.files() == 0
    late.add(Catalogue().filled("a.fits"))
    assert browser.told() == ["Your 1 observation from before signing in was added, with 1 file."]
    assert browser.files() == 1


def test_a_form_means_the_basket_that_its_page_showed(alice: User) -> None:
    browser, holder = Browser(alice), Holder(owner=alice.pk)
    browser.add(Catalogue().filled("a.fits"))
    shown = keeping.opened(holder)
    keeping.new(holder, "Another", timezone.now())
    assert browser.files() == 0
    request = browser.request(basket=str(shown.pk))
    assert current(request) == shown
    assert total_files(current(request)) == 1


@pytest.mark.parametrize("named", ["removed", "foreign", "frozen", "99999999999999999999", "0"])
def test_a_form_of_a_basket_that_is_gone_is_refused(alice: User, bob: User, named: str) -> None:
    browser, holder = Browser(alice), Holder(owner=alice.pk)
    browser.add(Catalogue().filled("a.fits"))
    Browser(bob).add(Catalogue().filled("b.fits"))
    mine = keeping.opened(holder)
    keys = {"removed": mine, "foreign": keeping.opened(Holder(owner=bob.pk)), "frozen": copying.frozen(mine)}
    if named == "removed":
        keeping.remove(holder, mine.pk, timezone.now())
    posted = str(keys[named].pk) if named in keys else named
    with pytest.raises(Problem, match="Nothing was changed") as refused:
        current(browser.request(basket=posted))
    assert refused.value.status == 409
    request = browser.request(basket=posted)
    request.basket = SimpleLazyObject(lambda: current(request))
    assert context.basket(request)["basket_files"]() == 0  # and the page that says so can be painted


def test_a_basket_follows_the_archive_when_it_is_looked_at(db: None) -> None:
    catalogue, browser = Catalogue(), Browser()
    observation = catalogue.filled("a.fits", "b.fits")
    browser.add(observation)
    observation.memberships.filter(product__productFilename="a.fits").delete()
    catalogue.lists(observation, catalogue.product("c.fits"), catalogue.product("d.fits"))
    Observation.objects.update(products_version=9)
    [sentence] = browser.told()
    assert sentence.startswith("The archive changed the product list of 1 observation in your basket: ")
    assert "2 new files came in unselected, 1 file left." in sentence
    assert browser.files() == 3


@pytest.mark.django_db(transaction=True)
def test_the_middleware_runs_on_the_event_loop() -> None:
    browser, observation = Browser(), Catalogue().filled("a.fits")
    request = browser.request()

    def add() -> None:
        filling.add_observations(request.basket, [observation.pk])
        connection.close()

    async def view(request: HttpRequest) -> HttpResponse:
        await sync_to_async(add)()
        return HttpResponse()

    answer: Any = current_basket(view)
    browser.leave(request, asyncio.run(answer(request)))
    connection.close()
    assert browser.files() == 1


def test_current_without_messages_does_not_fail(alice: User) -> None:
    stranger = Browser()
    stranger.add(Catalogue().filled("a.fits"))
    request = RequestFactory().get("/")
    request.COOKIES, request.user = stranger.cookies, alice
    assert total_files(current(request)) == 1


@pytest.mark.django_db(transaction=True)
def test_a_reader_finds_a_lazy_basket_before_it_takes_its_snapshot() -> None:
    """Finding it may merge, and that must not start from a snapshot."""
    stored = Basket(key="stranger")
    filling.add_observations(stored, [Catalogue().filled("a.fits").pk])
    inside: list[bool] = []

    def find() -> Basket:
        inside.append(connection.in_atomic_block)
        return stored

    def lazy() -> Any:
        return SimpleLazyObject(find)

    assert facets.numbers(lazy(), EVERYTHING, AnonymousUser(), timezone.now()).files == 1
    assert len(facets.facets(lazy(), EVERYTHING)) == 6
    assert len(tree.nodes(lazy(), "", EVERYTHING).nodes) == 1
    assert list(tree.open_levels(lazy(), PageState())) == [""]
    assert list(selected_ids(lazy())) == []
    assert inside == [False] * 5
