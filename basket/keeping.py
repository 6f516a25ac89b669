"""Several baskets of one holder: kept under names, one of them open. Nothing here touches what they hold.

The open one is the one opened last, so that no two can be open and a switch needs no lock.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Final

from django.db.models import QuerySet

from basket.holders import Holder, found, named
from basket.ledger import SETS, cube_of
from basket.models import LONGEST_NAME, Basket
from portal.errors import Problem

MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Kept:
    """One of a holder's baskets, with its numbers. Files are distinct, sizes bytes."""

    id: int
    name: str
    open: bool
    opened: datetime
    observations: int
    files: int
    bytes: int
    selected: int


def baskets(holder: Holder) -> QuerySet[Basket]:
    """A holder's baskets, the open one first."""
    live = Basket.objects.filter(removed=None, frozen=False).defer(*SETS)
    return holder.among(live).order_by("-opened", "-pk")


def opened(holder: Holder) -> Basket:
    """The open basket; where there is none, one that is stored when something comes into it."""
    return baskets(holder).first() or Basket(key=holder.key, **holder.columns)


def listed(holder: Holder) -> list[Kept]:
    """Every basket with its numbers, the open one first."""
    return [_kept(row, is_open=not place) for place, row in enumerate(baskets(holder))]


def new(holder: Holder, name: str, now: datetime) -> Basket:
    """A new, empty, open basket; without a name it gets a number. Raises Problem: 422 for a name that cannot be,
    409 when there are too many."""
    names = list(baskets(holder).values_list("name", flat=True))
    if len(names) >= MOST:
        told = f"You have {len(names)} baskets, and no more are kept: remove one first."
        raise Problem(told, field="name", code="too_many", status=409)
    tidy = named(name, LONGEST_NAME, "a basket") if name.strip() else _numbered(names)
    key = secrets.token_urlsafe(32) if names else holder.key
    return Basket.objects.get_or_create(key=key, defaults={"name": tidy, "opened": now, **holder.columns})[0]


def rename(holder: Holder, pk: int, name: str) -> Basket:
    """Another name. Raises Problem: 404, 422."""
    basket = found(baskets(holder), pk, "basket")
    basket.name = named(name, LONGEST_NAME, "a basket")
    basket.save(update_fields=["name"])
    return basket


def switch(holder: Holder, pk: int, now: datetime) -> Basket:
    """Open that basket. Raises Problem (404)."""
    basket = found(baskets(holder), pk, "basket")
    basket.opened = now
    basket.save(update_fields=["opened"])
    return basket


def remove(holder: Holder, pk: int, now: datetime) -> Basket:
    """Take a basket away, to be brought back for a while; a second time changes nothing. Raises Problem (404).

    Its key becomes another one: the holder's own belongs to the basket that is made when nobody asks for one.
    """
    basket = found(_all(holder), pk, "basket")
    baskets(holder).filter(pk=pk).update(removed=now, key=secrets.token_urlsafe(32))
    return basket


def bring_back(holder: Holder, pk: int) -> Basket:
    """Undo the removal of a basket: if it was the open one, and no other was opened since, it is again."""
    basket = found(_all(holder), pk, "basket")
    _all(holder).filter(pk=pk).exclude(removed=None).update(removed=None, key=secrets.token_urlsafe(32))
    return basket


def give(basket: Basket, holder: Holder) -> None:
    """Let a basket be another holder's. Its old holder's key no longer leads to it."""
    Basket.objects.filter(pk=basket.pk).update(key=secrets.token_urlsafe(32), **holder.columns)


def removed(holder: Holder, since: datetime) -> QuerySet[Basket]:
    """Baskets taken away since then, the last first."""
    return _all(holder).filter(removed__gt=since).order_by("-removed", "-pk")


def _all(holder: Holder) -> QuerySet[Basket]:
    return holder.among(Basket.objects.filter(frozen=False).defer(*SETS))


def _kept(basket: Basket, *, is_open: bool) -> Kept:
    sums = cube_of(basket).sums()
    return Kept(
        id=basket.pk,
        name=basket.title,
        open=is_open,
        opened=basket.opened,
        observations=basket.observations,
        files=sums["files"],
        bytes=sums["bytes"],
        selected=sums["selected_files"],
    )


def _numbered(taken: Sequence[str]) -> str:
    return next(name for number in count(len(taken) + 1) if (name := f"Basket {number}") not in taken)
