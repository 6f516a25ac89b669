"""The Download Manager at a million files: how its clicks grow, what they cost above the template, and against naive
ways of doing the same. Whole pages go through all of Django; "data" is what a click asks of the basket."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Final

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.http import HttpResponseBase
from django.test import Client
from django.test.utils import override_settings
from django.utils import timezone

from basket import facets, filling, matching, removal, selection
from basket.ledger import reading
from basket.models import Basket
from basket.nodes import observation_path
from basket.page import Filters
from basket.sieve import View
from basket.trials import naive
from portal.benchmark import Figure, at_least, at_most, medians
from portal.demo import million
from portal.demo.million import Shape
from portal.models import Observation

SMALL, LARGE, WIDE = "small", "large", "wide"
SHAPES: Final = {SMALL: Shape(100, 10_000, 3), LARGE: Shape(100, 1_000_000, 1), WIDE: Shape(10_000, 1_000_000, 2)}
QUICK: Final = {SMALL: Shape(100, 10_000, 3), LARGE: Shape(100, 100_000, 4), WIDE: Shape(1_000, 100_000, 5)}
SHOWN: Final = Filters(mrp=False, category=("SCIENCE",), ext=("fits",))
ADDRESSES: Final = ("mrp=0&category=SCIENCE&ext=fits&open=JWST", "mrp=0&category=SCIENCE&open=JWST")

STORED: Final = """
    SELECT pg_column_size(b.*) + coalesce(sum(pg_column_size(i.*)), 0)
    FROM basket_basket b LEFT JOIN basket_basketitem i ON i.basket_id = b.id WHERE b.id = %s GROUP BY b.id"""


@dataclass(frozen=True)
class Visitor:
    """Somebody with a basket of one shape, and their browser."""

    shape: Shape
    keys: list[int]
    basket: Basket
    client: Client
    first: str

    @classmethod
    def of(cls, name: str, shape: Shape) -> "Visitor":
        """The shape is loaded, and all of it put into the basket."""
        keys = million.load(shape).observations
        user = User.objects.create_user(name)
        basket = Basket(owner=user, key=f"owner:{user.pk}")
        filling.add_observations(basket, keys)
        client = Client(headers={"host": "localhost"})
        client.force_login(user)
        return cls(shape, keys, basket, client, observation_path("JWST", Observation.objects.get(pk=keys[0])))

    def toggle(self) -> Callable[[], object]:
        """Click after click on a filter: the whole page each time."""
        addresses = cycle(ADDRESSES)
        return lambda: _fine(self.client.get(f"/basket/?{next(addresses)}"))

    def write(self, path: str) -> Callable[[], object]:
        """Select and deselect below a node: post, redirect, and the whole page."""
        verbs = cycle(["select", "deselect"])
        address = f"/basket/select/?{ADDRESSES[0]}"
        return lambda: _fine(self.client.post(address, {next(verbs): path}, follow=True))

    def floor(self) -> Callable[[], object]:
        """The same template from constants."""
        addresses = cycle(ADDRESSES)
        return lambda: _fine(self.client.get(f"/basket/floor/?{next(addresses)}"))

    def data(self) -> None:
        """What a click on a filter asks: all facets and numbers."""
        with reading(self.basket) as stored:
            view = View(stored, SHOWN)
            facets.facets_of(view)
            facets.numbers_of(view, AnonymousUser(), timezone.now())


def figures(*, quick: bool) -> Iterator[Figure]:
    """Growth, floor, naive ways, names, removal, storage."""
    rounds = 5 if quick else 40
    with override_settings(
        ROOT_URLCONF="basket.trials.urls", ALLOWED_HOSTS=["localhost"], SITE_URL=settings.SITE_URL
    ):
        visitors = {name: Visitor.of(name, shape) for name, shape in (QUICK if quick else SHAPES).items()}
        yield from _pages(visitors, rounds)
        yield from _against_naive(visitors[LARGE], 1 if quick else 3, rounds)
        yield from _names(visitors[LARGE], 2 if quick else 5)
        yield from _removal(visitors[WIDE], 2 if quick else 5)


def _pages(visitors: dict[str, Visitor], rounds: int) -> Iterator[Figure]:
    clicks: dict[str, Callable[[], object]] = {"floor": visitors[LARGE].floor()}
    for name, visitor in visitors.items():
        clicks |= {
            f"toggle {name}": visitor.toggle(),
            f"directory {name}": visitor.write(visitor.first),
            f"select all {name}": visitor.write(""),
        }
    for click in clicks.values():
        click()
    taken = medians(rounds, clicks)
    for kind in ("toggle", "directory", "select all"):
        for name in (LARGE, WIDE):
            shape, base = visitors[name].shape, visitors[SMALL].shape
            what = f"whole page, {kind}: {_size(shape)} / {_size(base)}"
            note = f"{1000 * taken[f'{kind} {name}']:.1f} / {1000 * taken[f'{kind} {SMALL}']:.1f} ms"
            yield at_most(what, taken[f"{kind} {name}"] / taken[f"{kind} {SMALL}"], 1.3, note)
    for kind, most in (("toggle", 1.5), ("directory", 2.5), ("select all", 2.5)):
        ratio = taken[f"{kind} {LARGE}"] / taken["floor"]
        yield at_most(
            f"whole page, {kind}, against its floor", ratio, most, f"floor {1000 * taken['floor']:.1f} ms"
        )


def _against_naive(visitor: Visitor, few: int, rounds: int) -> Iterator[Figure]:
    is_large = visitor.shape.files >= SHAPES[LARGE].files  # the goals are for a million files
    rows = naive.RowPerFile(visitor.keys)
    storage = _stored(visitor.basket) / rows.size
    values, wanted = cycle([True, False]), cycle([True, False])
    slow = medians(
        few,
        {
            "toggle": lambda: naive.toggle(visitor.keys),
            "select all": lambda: rows.select_all(value=next(values)),
        },
    )
    fast = medians(
        rounds,
        {
            "toggle": visitor.data,
            "select all": lambda: selection.select(visitor.basket, "", SHOWN, next(wanted)),
        },
    )
    for what, least, other in (("toggle", 1000, "GROUP BY over the rows"), ("select all", 500, "a row per file")):
        note = f"{1000 * fast[what]:.1f} ms, {slow[what]:.2f} s"
        title, ratio = f"data, {what}: times as fast as {other}", slow[what] / fast[what]
        yield at_least(title, ratio, least, note) if is_large else Figure(title, ratio, note=note)
    note = f"{_stored(visitor.basket):,} bytes, {rows.size:,} with both selections"
    title = "storage, in percent of a row per file"
    yield at_most(title, 100 * storage, 1, note) if is_large else Figure(title, 100 * storage, note=note)


def _names(visitor: Visitor, rounds: int) -> Iterator[Figure]:
    texts, others = (cycle(["_cal", "i2d", "crf", "_rate"]) for _ in range(2))

    def cold() -> None:
        matching.NAMES.clear()
        matching.MATCHES.clear()
        facets.facets(visitor.basket, Filters(mrp=False, q=next(texts)))

    taken = medians(rounds, {"ours": cold, "like": lambda: naive.like(visitor.keys, next(others))})
    note = f"{1000 * taken['ours']:.0f} ms, {1000 * taken['like']:.0f} ms"
    yield at_least(
        "name filter with nothing remembered: times as fast as LIKE", taken["like"] / taken["ours"], 1, note
    )


def _removal(visitor: Visitor, rounds: int) -> Iterator[Figure]:
    def there_and_back() -> None:
        removal.undo(visitor.basket, removal.remove_selected(visitor.basket).pk)

    selection.select(visitor.basket, "", SHOWN, value=True)
    taken = medians(rounds, {"removal": there_and_back})
    note = f"{visitor.shape.observations:,} observations, {visitor.shape.files:,} files"
    yield at_most("seconds for remove selected and its undo", taken["removal"], 1.5, note)


def _stored(basket: Basket) -> int:
    with connection.cursor() as cursor:
        cursor.execute(STORED, [basket.pk])
        [(size,)] = cursor.fetchall()
    return int(size)


def _size(shape: Shape) -> str:
    return f"{shape.observations:,} × {shape.files:,}"


def _fine(answer: HttpResponseBase) -> None:
    if answer.status_code != 200:
        raise RuntimeError(f"The page answered {answer.status_code}.")
