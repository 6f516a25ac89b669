"""What one basket holds comes into another: a stranger's into their own when they sign in, a shared one's copy.

Each time the basket is kept as it was before, so that it can be undone; nothing that was chosen is lost by that.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from pyroaring import BitMap64

from basket import copying, items, keeping
from basket.carrying import parts_of, put_back
from basket.holders import Holder
from basket.ledger import Ledger, cube_of, items_of, locked, show
from basket.models import Basket, Joining, Removal, Share
from basket.saved_filters import hand_over
from basket.selection import select_ids
from portal.errors import Problem

BEFORE_SIGNING_IN: Final = "Before signing in"


@dataclass(frozen=True, slots=True)
class Joined:
    """What came in: observations that were not there, observations that were, files. `joining` is the key with
    which it is undone, None where nothing changed."""

    observations: int
    already: int
    files: int
    joining: int | None


@dataclass(frozen=True, slots=True)
class Undone:
    """A basket that is as it was before something came into it. `kept` holds what would be lost otherwise: what a
    stranger chose or, where the basket was changed since, all that it held; None where there is nothing to keep."""

    basket: Basket
    kept: Basket | None


def take_over(stranger: str, user: AbstractBaseUser, now: datetime) -> Joined | None:
    """Everything that the stranger with this key holds is the user's from now on: what the unnamed basket holds
    comes into the user's open one; named baskets, saved filters and shares come along as they are.

    All in one transaction. A second call finds nothing and changes nothing; None then, and where nothing came in.
    """
    theirs, own = Holder(stranger=stranger), Holder(owner=user.pk)
    with transaction.atomic():
        hand_over(theirs, own)
        theirs.among(Share.objects.all()).update(**own.columns)
        if not keeping.baskets(theirs).exists():
            return None
        target = locked(keeping.opened(own))
        sources = list(theirs.among(Basket.objects.filter(frozen=False)).order_by("pk").select_for_update())
        unnamed = [source for source in sources if source.removed is None and not source.name]
        joined = [_take_in(target, source, own, now) for source in unnamed]
        for basket in theirs.among(Basket.objects.filter(frozen=False)):
            keeping.give(basket, own)
    return next((one for one in joined if one is not None), None)


def copy_in(basket: Basket, shared: Basket) -> Joined:
    """A copy of a shared basket, its files and its selection, into a basket that shows the new state afterwards."""
    with transaction.atomic():
        target = locked(basket)
        joined = join(target, shared)
    show(basket, target)
    return joined


def join(target: Basket, source: Basket) -> Joined:
    """The union of both baskets and of both selections in the target, which the caller has locked."""
    here, there, sums = _observations(target), _observations(source), cube_of(target).sums()
    with transaction.atomic():
        before = copying.frozen(target)
        if here or copying.is_behind(source):
            _unite(target, source)
        else:
            copying.fill(target, Basket.objects.get(pk=source.pk))
        after = cube_of(target).sums()
        is_news = after != sums or not there <= here
        transaction.set_rollback(not is_news)
    if not is_news:
        target.refresh_from_db()
        return Joined(0, len(there), 0, None)
    new, files = len(there - here), after["files"] - sums["files"]
    counts = {"observations": new, "already": len(there) - new, "files": files}
    joining = Joining.objects.create(basket=target, before=before, version=target.version, **counts)
    return Joined(**counts, joining=joining.pk)


def last(basket: Basket) -> Joining | None:
    """What came into the basket last, where nothing happened to it since."""
    return None if basket.pk is None else _undoable(basket).filter(version=basket.version).first()


def undo(holder: Holder, joining: int, now: datetime) -> Undone:
    """Bring a basket back as it was before something came into it, and open it. A second time changes nothing.

    Raises Problem (404) for what is not the holder's, or happened too long ago.
    """
    with transaction.atomic():
        mine = Joining.objects.filter(basket__in=keeping.baskets(holder).order_by())
        found = mine.filter(pk=joining).first()
        if found is None:
            raise Problem("There is nothing of that kind to undo in your baskets.", code="not_found", status=404)
        target = locked(found.basket)
        found = Joining.objects.select_related("before", "source").get(pk=joining)
        if found.undone is not None or found.before is None:
            return Undone(target, None)
        kept = _kept(target, found, holder, now)
        if kept is not None:
            Removal.objects.filter(pk__in=found.removals, basket=target).update(basket=kept)
            Basket.objects.filter(pk=kept.pk).update(opened=now - timedelta(seconds=1))
        Joining.objects.filter(pk=joining).update(undone=now)
        target.opened = now
        copying.replace(target, found.before)
    return Undone(target, kept)


def _observations(basket: Basket) -> set[int]:
    return set(items_of(basket).order_by().values_list("observation", flat=True))


def _undoable(basket: Basket) -> QuerySet[Joining]:
    return Joining.objects.filter(basket=basket.pk, undone=None, before__isnull=False).order_by("-created", "-pk")


def _take_in(target: Basket, source: Basket, own: Holder, now: datetime) -> Joined | None:
    """One stranger's basket into the person's. It stays among what was removed, until nobody can want it back."""
    removals = list(source.removals.values_list("pk", flat=True))
    source.removals.update(basket=target)
    source.fillings.update(basket=target)
    if copying.holds_nothing(source):
        source.delete()
        return None
    joined = join(target, source)
    Basket.objects.filter(pk=source.pk).update(removed=now, name=BEFORE_SIGNING_IN, **own.columns)
    if joined.joining is not None:
        Joining.objects.filter(pk=joined.joining).update(source=source, removals=removals)
    return joined


def _unite(target: Basket, source: Basket) -> None:
    parts = parts_of(cube_of(source), items.read(items_of(source)))
    chosen = BitMap64()
    for part in parts:
        chosen |= part.selected_ids
    ledger = Ledger(target)
    put_back(ledger, parts)
    select_ids(ledger, chosen)
    ledger.save()


def _kept(target: Basket, joining: Joining, holder: Holder, now: datetime) -> Basket | None:
    """Nothing happened since: the stranger's basket, where it was one. Otherwise all that the basket holds now."""
    if target.version == joining.version:
        return None if joining.source is None else keeping.bring_back(holder, joining.source.pk)
    copy, name = copying.frozen(target), f"As it was on {now:%Y-%m-%d, %H:%M} UTC"
    Basket.objects.filter(pk=copy.pk).update(frozen=False, name=name, **holder.columns)
    return keeping.baskets(holder).get(pk=copy.pk)
