"""Whose basket it is: a stranger's by a key in the session, a person's own, and the merge of both at login."""

import asyncio
import threading
from collections.abc import Callable
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

from basket import context, facets, filling, removal, selection, tree
from basket.chosen import selected_ids, selected_products
from basket.current import KEY, current
from basket.facets import total_files
from basket.merging import Merged, merge
from basket.middleware import current_basket
from basket.models import Basket, BasketItem, Removal
from basket.page import Filters, PageState
from portal.models import Observation
from tests.catalogue import Catalogue, assert_lawful, names

EVERYTHING = Filters(mrp=False)


class Browser:
    """A session that lasts from request to request, as a cookie makes it."""

    def __init__(self, user: User | None = None) -> None:
        self.user = user
        self.cookie: str | None = None

    def ask(self, view: Callable[[Any], Any]) -> Any:
        """What a view returns for a request through the middleware."""
        request = self.request()
        answers: list[Any] = []

        def answer(request: HttpRequest) -> HttpResponse:
            answers.append(view(request))
            return HttpResponse()

        current_basket(answer)(request)
        self.leave(request)
        return answers[0]

    def request(self) -> Any:
        """A request with a session and a place for messages."""
        request: Any = RequestFactory().get("/")
        request.session = SessionStore(self.cookie)
        request.user = self.user or AnonymousUser()
        request._messages = FallbackStorage(request)
        return request

    def leave(self, request: Any) -> None:
        """What SessionMiddleware does with an answer."""
        if request.session.modified and not request.session.is_empty():
            request.session.save()
            self.cookie = request.session.session_key

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
    assert browser.cookie is None


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
    thief.cookie = forged(Basket.objects.get().key)
    assert thief.files() == 0


def forged(key: str) -> str:
    session = SessionStore()
    session[KEY] = key
    session.save()
    return str(session.session_key)


def test_a_basket_outlasts_a_key_that_leads_nowhere(db: None) -> None:
    browser = Browser()
    browser.cookie = forged("gone")
    browser.add(Catalogue().filled("a.fits"))
    assert browser.files() == 1


def test_what_a_stranger_chose_is_there_after_login(alice: User) -> None:
    browser = Browser()
    browser.add(Catalogue().filled("a.fits", "b.fits"))
    browser.ask(lambda request: selection.select(request.basket, "", Filters(mrp=False, q="b"), value=True))
    browser.user = alice
    assert browser.told() == [
        "What you chose before you signed in is in your basket now: 1 observation with 2 files."
    ]
    assert browser.told() == []
    basket = Basket.objects.get()
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
    basket = Basket.objects.get()
    assert names(selected_products(basket)) == ["a.fits", "gs.fits", "d.fits"]
    assert_lawful(basket)


def test_the_same_observation_in_both_is_there_once(alice: User) -> None:
    observation = Catalogue().filled("a.fits", "b.fits")
    Browser(alice).add(observation)
    browser = Browser()
    browser.add(observation)
    browser.user = alice
    assert browser.files() == 2
    assert BasketItem.objects.count() == 1


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
    assert_lawful(Basket.objects.get())


def test_an_empty_basket_is_merged_without_a_word(alice: User) -> None:
    browser = Browser()
    browser.add(Catalogue().filled("a.fits"))
    browser.ask(lambda request: removal.clear(request.basket))
    browser.user = alice
    assert browser.told() == []
    assert Removal.objects.get().basket.owner == alice


def test_a_second_merge_finds_nothing(alice: User) -> None:
    basket = Basket(key="stranger")
    filling.add_observations(basket, [Catalogue().filled("a.fits").pk])
    assert merge("stranger", alice) == Merged(observations=1, files=1)
    assert merge("stranger", alice) is None
    assert Basket.objects.get().version == 1


def test_logout_leaves_the_basket_with_its_owner(alice: User) -> None:
    browser = Browser(alice)
    browser.add(Catalogue().filled("a.fits"))
    browser.user, browser.cookie = None, None
    assert browser.files() == 0


@pytest.mark.django_db(transaction=True)
def test_a_login_in_many_tabs_at_once_merges_once() -> None:
    alice = User.objects.create_user("alice")
    catalogue = Catalogue()
    observations = [catalogue.filled(f"{number}.fits") for number in range(4)]
    filling.add_observations(Basket(key="stranger"), [one.pk for one in observations[:3]])
    filling.add_observations(Basket(key="other"), [one.pk for one in observations[1:]])
    start = threading.Barrier(4)
    results: list[object] = []

    def sign_in(key: str) -> None:
        start.wait()
        try:
            results.append(merge(key, alice))
        except Exception as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=sign_in, args=(key,)) for key in ("stranger", "other") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(repr, results)) == sorted(map(repr, [None, None, Merged(3, 3), Merged(3, 3)]))
    basket = Basket.objects.get()
    assert total_files(basket) == 4
    assert_lawful(basket)


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


def test_a_session_that_exists_names_the_basket_before_it_is_filled(db: None) -> None:
    browser = Browser()
    session = SessionStore()
    session["mrp"] = False
    session.save()
    browser.cookie = session.session_key
    first = browser.ask(lambda request: request.basket.key)
    assert browser.ask(lambda request: request.basket.key) == first
    assert not Basket.objects.exists()


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
    asyncio.run(answer(request))
    browser.leave(request)
    connection.close()
    assert browser.files() == 1


def test_current_without_messages_does_not_fail(alice: User) -> None:
    filling.add_observations(Basket(key="stranger"), [Catalogue().filled("a.fits").pk])
    request = RequestFactory().get("/")
    request.session, request.user = SessionStore(forged("stranger")), alice
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
