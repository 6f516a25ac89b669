"""Filters kept under a name, to be applied to whatever basket is open."""

from dataclasses import asdict
from datetime import datetime
from itertools import count
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from basket.holders import Holder, found, named
from basket.models import LONGEST_NAME, SavedFilters
from basket.page import Filters
from portal.errors import Problem

MOST: Final = 100
WHAT: Final = "a set of filters"


def saved(holder: Holder) -> QuerySet[SavedFilters]:
    """What a holder saved, by name."""
    return holder.among(SavedFilters.objects.filter(removed=None)).order_by("name", "pk")


def read(row: SavedFilters) -> Filters:
    """The filters themselves."""
    return Filters.from_json(row.filters)


def save(holder: Holder, name: str, filters: Filters) -> SavedFilters:
    """Keep filters under a name; the same filters under the same name a second time change nothing.

    Raises Problem: 422 for a name that cannot be, 409 for one that stands for other filters, and for too many.
    """
    tidy, stored = named(name, LONGEST_NAME, WHAT), _json(filters)
    here = {row.name: row for row in saved(holder)}
    if tidy in here:
        if read(here[tidy]) == filters:
            return here[tidy]
        raise _taken(tidy)
    if len(here) >= MOST:
        told = f"You have saved {len(here)} sets of filters, and no more are kept: delete one first."
        raise Problem(told, field="name", code="too_many", status=409)
    return _written(SavedFilters(name=tidy, filters=stored, **holder.columns))


def rename(holder: Holder, pk: int, name: str) -> SavedFilters:
    """Another name. Raises Problem: 404, 409, 422."""
    row = found(saved(holder), pk, "set of filters")
    row.name = named(name, LONGEST_NAME, WHAT)
    return _written(row)


def remove(holder: Holder, pk: int, now: datetime) -> SavedFilters:
    """Take a set away, to be brought back for a while; a second time changes nothing. Raises Problem (404)."""
    row = found(holder.among(SavedFilters.objects.all()), pk, "set of filters")
    saved(holder).filter(pk=pk).update(removed=now)
    return row


def bring_back(holder: Holder, pk: int) -> SavedFilters:
    """Undo its removal; where its name means another set by now, it gets a number. Raises Problem (404)."""
    row = found(holder.among(SavedFilters.objects.all()), pk, "set of filters")
    if row.removed is not None:
        row.name, row.removed = _free(row.name, set(saved(holder).values_list("name", flat=True))), None
        _written(row)
    return row


def removed(holder: Holder, since: datetime) -> QuerySet[SavedFilters]:
    """Sets taken away since then, the last first."""
    return holder.among(SavedFilters.objects.filter(removed__gt=since)).order_by("-removed", "-pk")


def hand_over(theirs: Holder, own: Holder) -> None:
    """What one holder saved belongs to the other from now on; a name that is there already gets a number, unless
    it stands for the same filters."""
    here = {row.name: read(row) for row in saved(own)}
    for row in theirs.among(SavedFilters.objects.all()):
        same = row.removed is None and here.get(row.name) == read(row)
        name = row.name if row.removed or same else _free(row.name, set(here))
        one = theirs.among(SavedFilters.objects.filter(pk=row.pk))
        if same:
            one.delete()
        else:
            one.update(name=name, **own.columns)
            here |= {} if row.removed else {name: read(row)}


def _json(filters: Filters) -> dict[str, object]:
    return {name: value for name, value in asdict(filters).items() if value or name == "mrp"}


def _written(row: SavedFilters) -> SavedFilters:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise _taken(row.name) from error
    return row


def _taken(name: str) -> Problem:
    told = (
        f"{name} is the name of another set of filters of yours: rename or delete that one, or take another name."
    )
    return Problem(told, field="name", code="exists", status=409)


def _free(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    short = name[: LONGEST_NAME - 6]
    return next(free for number in count(2) if (free := f"{short} ({number})") not in taken)
